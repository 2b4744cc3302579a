//! `doctor`: whether what this profile needs is there, and what its settings do to the promise.
//!
//! Not a job of a running server: it must answer where nothing else does, so it looks at each
//! dependency from the outside, with ports that may not open at all.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::ports::{Clock, Diagnosis, Doctor, Severity, Symptom};
use crate::settings::{DurabilityMode, LogBackend, Settings};

/// How one installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing to say but notes.
    Well,
    /// Everything answers, and something weakens or breaks the promise.
    Unhealthy,
    /// Something does not answer.
    Unreachable,
}

impl Health {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Unhealthy => "unhealthy",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Everything that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// The worst of it.
    pub health: Health,
    /// When it was looked.
    pub examined_at: Timestamp,
    /// Each dependency, and the settings themselves.
    pub diagnoses: Vec<Diagnosis>,
}

/// Looks at everything at once; a dependency that has not answered within `patience` is not
/// reachable.
pub async fn examine(
    doctors: &[(String, Arc<dyn Doctor>)],
    settings: &Settings,
    clock: &dyn Clock,
    patience: Duration,
) -> DoctorReport {
    let now = clock.now();
    let looks = doctors.iter().map(|(name, doctor)| async move {
        tokio::time::timeout(patience, doctor.examine(now)).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", patience.as_secs());
            Diagnosis::unreachable(name, "", why, "see whether it hangs, or what lies between")
        })
    });
    let mut diagnoses = join_all(looks).await;
    diagnoses.push(of_settings(settings));
    DoctorReport { health: health(&diagnoses), examined_at: now, diagnoses }
}

fn health(diagnoses: &[Diagnosis]) -> Health {
    if diagnoses.iter().any(|diagnosis| !diagnosis.reachable) {
        return Health::Unreachable;
    }
    let mut symptoms = diagnoses.iter().flat_map(|diagnosis| &diagnosis.symptoms);
    if symptoms.any(|symptom| symptom.severity > Severity::Note) {
        Health::Unhealthy
    } else {
        Health::Well
    }
}

/// What evp's own settings do to the promise.
fn of_settings(settings: &Settings) -> Diagnosis {
    let mut diagnosis = Diagnosis::reachable("settings", "");
    diagnosis.version = Some(env!("CARGO_PKG_VERSION").to_owned());
    if settings.collector.durability == DurabilityMode::Memory {
        diagnosis.add(Symptom::error(
            "answers_before_durable",
            "collector.durability is \"memory\": a 2xx is given before anything is durable",
            "set collector.durability to \"durable\" or \"replicated\"",
        ));
    }
    if !settings.archive.enabled {
        diagnosis.add(Symptom::warning(
            "no_archive",
            "archive.enabled is false: nothing can be replayed, and `evp verify` sees only what the \
             log still holds",
            "set archive.enabled to true",
        ));
    }
    if settings.backend.log == LogBackend::Kafka {
        of_kafka_settings(settings, &mut diagnosis);
    }
    if settings.http.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        diagnosis.add(Symptom::warning(
            "trusts_everybody",
            "http.trusted_proxies has every address: clients choose the address they are limited \
             and banned by",
            "name only the proxies' own networks in http.trusted_proxies",
        ));
    }
    diagnosis
}

/// Settings of librdkafka on which the promise rests, each with the value that it needs.
const RESTS_ON: &[(&str, &[&str])] = &[
    ("acks", &["all", "-1"]),
    ("request.required.acks", &["all", "-1"]),
    ("enable.idempotence", &["true"]),
    ("enable.auto.commit", &["false"]),
    ("enable.auto.offset.store", &["false"]),
    ("auto.offset.reset", &["earliest", "smallest", "beginning"]),
    ("enable.ssl.certificate.verification", &["true"]),
];

/// What the settings of the brokers' client do to the promise.
fn of_kafka_settings(settings: &Settings, diagnosis: &mut Diagnosis) {
    let kafka = &settings.kafka;
    for property in &kafka.properties {
        let Some((name, value)) = property.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim());
        let rests = RESTS_ON.iter().find(|(known, _)| *known == name);
        if rests.is_some_and(|(_, good)| !good.contains(&value)) {
            diagnosis.add(Symptom::error(
                "overrides_the_promise",
                format!("kafka.properties sets {name}={value}, and the promise rests on it"),
                "take it out of kafka.properties",
            ));
        }
    }
    if settings.collector.durability == DurabilityMode::Durable && !settings.spill.enabled {
        diagnosis.add(Symptom::note(
            "no_spill",
            "spill.enabled is false: events are refused (503) while the brokers are away",
            "set spill.enabled to true",
        ));
    }
    if kafka.security.is_encrypted() && !kafka.tls.verify_host {
        diagnosis.add(Symptom::warning(
            "any_host",
            "kafka.tls.verify_host is false: whoever has any certificate of that authority passes \
             for a broker",
            "set kafka.tls.verify_host to true",
        ));
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::ports::SystemClock;
    use crate::settings::{Archive, Security};

    #[derive(Debug)]
    struct Says(Option<Diagnosis>);

    #[async_trait]
    impl Doctor for Says {
        async fn examine(&self, _now: Timestamp) -> Diagnosis {
            match &self.0 {
                Some(diagnosis) => diagnosis.clone(),
                None => std::future::pending().await,
            }
        }
    }

    async fn of(says: Vec<Option<Diagnosis>>, settings: &Settings) -> DoctorReport {
        let doctor = |says| -> (String, Arc<dyn Doctor>) { ("x".to_owned(), Arc::new(Says(says))) };
        let doctors: Vec<_> = says.into_iter().map(doctor).collect();
        examine(&doctors, settings, &SystemClock, Duration::from_millis(10)).await
    }

    #[tokio::test]
    async fn the_worst_of_it_is_the_health() {
        let settings = Settings::default();
        let good = || Some(Diagnosis::reachable("x", "a"));
        assert_eq!(of(vec![good()], &settings).await.health, Health::Well);
        let mut noted = Diagnosis::reachable("x", "a");
        noted.add(Symptom::note("n", "n", "n"));
        assert_eq!(of(vec![Some(noted)], &settings).await.health, Health::Well);
        let mut weak = Diagnosis::reachable("x", "a");
        weak.add(Symptom::warning("w", "w", "w"));
        assert_eq!(of(vec![Some(weak.clone())], &settings).await.health, Health::Unhealthy);
        let gone = Diagnosis::unreachable("x", "a", "w", "d");
        assert_eq!(of(vec![Some(weak), Some(gone)], &settings).await.health, Health::Unreachable);
    }

    #[tokio::test]
    async fn a_dependency_that_hangs_is_not_waited_for() {
        let report = of(vec![None], &Settings::default()).await;
        assert_eq!(report.health, Health::Unreachable);
        assert!(!report.diagnoses[0].reachable);
    }

    #[tokio::test]
    async fn settings_that_break_the_promise_are_told() {
        let mut settings = Settings::default();
        settings.collector.durability = DurabilityMode::Memory;
        settings.archive = Archive { enabled: false, ..Archive::default() };
        let report = of(Vec::new(), &settings).await;
        let codes: Vec<_> =
            report.diagnoses[0].symptoms.iter().map(|symptom| symptom.code.as_str()).collect();
        assert_eq!(codes, ["answers_before_durable", "no_archive"]);
        assert_eq!(report.health, Health::Unhealthy);
    }

    #[tokio::test]
    async fn settings_of_the_brokers_client_that_break_the_promise_are_told() {
        let mut settings = Settings::default();
        settings.kafka.properties =
            vec!["acks=1".to_owned(), "auto.offset.reset=latest".to_owned()];
        settings.spill.enabled = false;
        let codes = async |settings: &Settings| {
            let report = of(Vec::new(), settings).await;
            let symptoms = report.diagnoses[0].symptoms.iter();
            symptoms.map(|symptom| symptom.code.clone()).collect::<Vec<_>>()
        };
        assert!(codes(&settings).await.is_empty(), "nothing of Kafka's is used");
        settings.backend.log = LogBackend::Kafka;
        let told = ["overrides_the_promise", "overrides_the_promise", "no_spill"];
        assert_eq!(codes(&settings).await, told);
        settings.kafka.properties = vec!["acks = all".to_owned(), "linger.ms=1".to_owned()];
        settings.kafka.security = Security::Ssl;
        settings.kafka.tls.verify_host = false;
        assert_eq!(codes(&settings).await, ["no_spill", "any_host"]);
    }
}
