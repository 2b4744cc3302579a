//! Topics as they are laid out on brokers, and making those that are missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::log::blocking;
use super::meta::Meta;
use super::{config, errors};
use crate::model::Topic;
use crate::ports::{Ensured, Kind, Result, TopicLayout};
use crate::settings::Kafka;

/// A client that changes topics.
pub(super) fn admin(settings: &Kafka) -> Result<AdminClient<DefaultClientContext>> {
    AdminClient::from_config(&config::asking(settings))
        .map_err(|error| errors::wrapped("cannot start a client", error))
}

fn options(settings: &Kafka) -> AdminOptions {
    let limit = settings.request_timeout.0.max(Duration::from_secs(10));
    AdminOptions::new().request_timeout(Some(limit)).operation_timeout(Some(limit))
}

/// Makes a topic as the settings want it. One that is there already is left as it is.
pub(super) async fn create(settings: &Kafka, topic: &Topic) -> Result<()> {
    let retention = settings.retention.0.as_millis().to_string();
    // More than there are replicas would refuse every record.
    let min_in_sync = settings.min_in_sync.clamp(1, settings.replication.max(1)).to_string();
    let largest = settings.max_record_bytes.0.max(1 << 20).to_string();
    let new = NewTopic::new(
        topic.as_str(),
        settings.partitions,
        TopicReplication::Fixed(settings.replication),
    )
    .set("retention.ms", &retention)
    .set("min.insync.replicas", &min_in_sync)
    .set("max.message.bytes", &largest);
    let what = || format!("cannot make topic {topic}");
    let results = admin(settings)?
        .create_topics([&new], &options(settings))
        .await
        .map_err(|error| errors::wrapped(what(), error))?;
    for result in results {
        match result {
            Ok(_) => tracing::info!(%topic, partitions = settings.partitions,
                replication = settings.replication, "topic made"),
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((_, Code::InvalidReplicationFactor)) => {
                let hint = format!(
                    "{}: there are fewer brokers than kafka.replication = {}",
                    what(),
                    settings.replication
                );
                return Err(errors::error(hint, Code::InvalidReplicationFactor));
            }
            Err((_, code)) => return Err(errors::error(what(), code)),
        }
    }
    Ok(())
}

/// How a topic is laid out; `None` where it is missing.
pub(super) async fn layout(
    settings: &Kafka,
    meta: &Arc<Meta>,
    topic: &Topic,
) -> Result<Option<TopicLayout>> {
    let (asking, named) = (Arc::clone(meta), topic.clone());
    let found = blocking(move || Ok((asking.identity(&named)?, asking.replicas(&named)?))).await;
    let (identity, replication) = match found {
        Ok(found) => found,
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let entries = entries(&admin(settings)?, settings, topic).await?;
    let number = |name: &str| entries.get(name).and_then(|value| value.parse::<i64>().ok());
    Ok(Some(TopicLayout {
        id: identity.id,
        partitions: identity.partitions,
        replication,
        min_in_sync: number("min.insync.replicas").and_then(|n| i32::try_from(n).ok()),
        retention: number("retention.ms")
            .and_then(|n| u64::try_from(n).ok())
            .map(Duration::from_millis),
    }))
}

pub(super) async fn entries(
    client: &AdminClient<DefaultClientContext>,
    settings: &Kafka,
    topic: &Topic,
) -> Result<HashMap<String, String>> {
    let what = || format!("cannot read the settings of {topic}");
    let specifier = ResourceSpecifier::Topic(topic.as_str());
    let results = client
        .describe_configs([&specifier], &options(settings))
        .await
        .map_err(|error| errors::wrapped(what(), error))?;
    let mut entries = HashMap::new();
    for result in results {
        let resource = result.map_err(|code| errors::error(what(), code))?;
        if matches!(resource.specifier, OwnedResourceSpecifier::Topic(_)) {
            entries.extend(resource.entries.into_iter().filter_map(|e| Some((e.name, e.value?))));
        }
    }
    Ok(entries)
}

/// What is done about a topic that the settings name.
pub(super) async fn ensure(
    settings: &Kafka,
    layout: Option<&TopicLayout>,
    topic: &Topic,
    dry_run: bool,
) -> Result<Ensured> {
    let Some(layout) = layout else {
        if !dry_run {
            create(settings, topic).await?;
        }
        return Ok(Ensured::Made);
    };
    let differences = differences(settings, layout);
    Ok(if differences.is_empty() { Ensured::AsWanted } else { Ensured::Differs(differences) })
}

/// In what a topic is less than the settings want. It is told, not changed: more partitions move
/// keys, and fewer of anything is a loss.
fn differences(settings: &Kafka, layout: &TopicLayout) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |name: &str, is: Option<i32>, wanted: i32| {
        if let Some(is) = is
            && is < wanted
        {
            differences.push(format!("{name} is {is}, kafka.{name} = {wanted}"));
        }
    };
    compare("partitions", Some(layout.partitions), settings.partitions);
    compare("replication", layout.replication, settings.replication);
    compare("min_in_sync", layout.min_in_sync, settings.min_in_sync);
    if let Some(retention) = layout.retention
        && retention < settings.retention.0
    {
        let wanted = settings.retention;
        differences.push(format!("retention is {retention:?}, kafka.retention = {wanted}"));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    #[test]
    fn a_topic_that_is_less_than_wanted_is_told_and_not_changed() {
        let settings = Kafka { replication: 3, min_in_sync: 2, ..Kafka::default() };
        let layout = TopicLayout {
            id: TopicId::mint(),
            partitions: 12,
            replication: Some(1),
            min_in_sync: Some(1),
            retention: Some(settings.retention.0),
        };
        assert_eq!(
            differences(&settings, &layout),
            ["replication is 1, kafka.replication = 3", "min_in_sync is 1, kafka.min_in_sync = 2"]
        );
    }
}
