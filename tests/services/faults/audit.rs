//! What lies in Postgres and in the bucket after a run.

use std::collections::BTreeMap;
use std::time::Duration;

use evp::backends::s3::S3Store;
use evp::ports::ObjectStore;
use evp::settings::{S3, Span};

use super::Cluster;
use crate::harness::audit::{DOUBLE_ORIGINS, Found, Hours};
use crate::servers::{MINIO_PASSWORD, MINIO_USER};

/// Reads it all.
pub(crate) fn found(cluster: &Cluster) -> Found {
    let ids = |statement: &str| -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for row in cluster.sql(statement) {
            *counts.entry(row[0].clone()).or_default() += 1;
        }
        counts
    };
    Found {
        rows: ids("SELECT event_id FROM raw_events"),
        decided: ids(
            "SELECT event_id FROM event_decisions WHERE outcome IN ('blocked', 'rate_limited')",
        ),
        dead: ids("SELECT event_id FROM dead_letters WHERE resolved_at IS NULL"),
        counted: hours(
            cluster,
            "SELECT campaign_id, date_trunc('hour', created_at)::text,
                count(*) FILTER (WHERE event_type = 'impression'),
                count(*) FILTER (WHERE event_type = 'click'),
                count(*) FILTER (WHERE event_type = 'conversion')
            FROM raw_events WHERE campaign_id IS NOT NULL GROUP BY 1, 2",
        ),
        rolled: hours(
            cluster,
            "SELECT campaign_id, hour_bucket::text, total_impressions, total_clicks,
                total_conversions FROM campaign_stats",
        ),
        double_origins: ids(DOUBLE_ORIGINS).into_keys().collect(),
        objects: objects(cluster),
    }
}

fn hours(cluster: &Cluster, statement: &str) -> Hours {
    let count = |text: &String| text.parse().unwrap();
    let rows = cluster.sql(statement).into_iter();
    rows.map(|row| {
        ((row[0].clone(), row[1].clone()), (count(&row[2]), count(&row[3]), count(&row[4])))
    })
    .collect()
}

fn objects(cluster: &Cluster) -> Vec<(String, bytes::Bytes)> {
    let store = S3Store::new(&S3 {
        endpoint: Some(cluster.variable("MINIO_ENDPOINT").to_owned()),
        access_key: Some(MINIO_USER.to_owned()),
        secret_key: Some(MINIO_PASSWORD.into()),
        timeout: Span(Duration::from_secs(10)),
        ..S3::default()
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut objects = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = store.list("events/", after.as_deref(), 1000).await.unwrap();
            let Some(last) = page.last() else { return objects };
            after = Some(last.key.clone());
            for object in page {
                let content = store.get(&object.key).await.unwrap();
                objects.push((object.key, content));
            }
        }
    })
}
