//! What can be said of an object store and of how it is reached.

use std::time::Instant;

use async_trait::async_trait;
use jiff::fmt::rfc2822;

use super::store::{PROBE, S3Store};
use crate::model::Timestamp;
use crate::ports::{
    Diagnosis, Doctor, Error, Kind, ObjectStore, Result, Symptom, clock_skew, time_now,
};
use crate::settings::S3;

/// Name and key that stores have when nobody gave them others.
const DEFAULT_KEYS: &[(&str, &str)] = &[
    ("minioadmin", "minioadmin"),
    ("minio", "minio123"),
    ("rustfsadmin", "rustfsadmin"),
    ("admin", "password"),
];

/// Looks at the store of the archive.
#[derive(Debug)]
pub struct S3Doctor {
    store: S3Store,
    settings: S3,
}

impl S3Doctor {
    /// Looks at the store of these settings.
    ///
    /// # Errors
    /// As [`S3Store::new`].
    pub fn new(settings: &S3) -> Result<Self> {
        Ok(Self { store: S3Store::new(settings)?, settings: settings.clone() })
    }

    /// What the settings alone say.
    fn of_settings(&self, diagnosis: &mut Diagnosis) {
        let (name, key) = (self.settings.access_key.as_deref(), self.settings.secret_key.as_ref());
        if let (Some(name), Some(key)) = (name, key) {
            if DEFAULT_KEYS.contains(&(name, key.expose())) {
                diagnosis.add(Symptom::warning(
                    "default_credentials",
                    format!(
                        "{name} still has the password it came with: whoever reaches the store \
                             can delete the archive"
                    ),
                    "give the store other credentials, then set s3.access_key and s3.secret_key",
                ));
            }
        } else {
            diagnosis.add(Symptom::warning(
                "no_credentials",
                "requests are not signed: whoever reaches the store can do the same",
                "set s3.access_key and s3.secret_key",
            ));
        }
        if self.settings.url().starts_with("http://") && !is_loopback(&self.settings.url()) {
            diagnosis.add(Symptom::warning(
                "no_tls",
                "events travel in clear text",
                "reach the store by https:// (s3.endpoint, or s3.tls = true)",
            ));
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
}

fn unreachable_advice(error: &Error) -> &'static str {
    let text = error.chain();
    if text.contains(" 403") || text.contains(" 401") {
        "set s3.access_key and s3.secret_key to a key that may list and put in the bucket"
    } else if text.contains("NoSuchBucket") {
        "make the bucket, or set s3.create_bucket = true"
    } else if text.contains("SkewedRequest") || text.contains("RequestTimeTooSkewed") {
        "run NTP on both machines: a request is refused when the clocks are 15 minutes apart"
    } else if text.contains("certificate") {
        "put the authority that signed the store's certificate among those of this machine, or name \
         its file in SSL_CERT_FILE"
    } else if error.kind() == Kind::Full {
        "give the store more space: nothing is archived, and the log keeps what is not"
    } else {
        "start the store, or set s3.endpoint (MINIO_ENDPOINT) to where it is"
    }
}

#[async_trait]
impl Doctor for S3Doctor {
    async fn examine(&self, now: Timestamp) -> Diagnosis {
        let begun = Instant::now();
        let address = self.store.client().url();
        if let Err(error) = self.store.check().await {
            let advice = unreachable_advice(&error);
            let mut diagnosis = Diagnosis::unreachable("s3", address, error.chain(), advice);
            self.of_settings(&mut diagnosis);
            return diagnosis;
        }
        let mut diagnosis = Diagnosis::reachable("s3", address);
        if let Ok(headers) = self.store.client().headers_of(PROBE).await {
            diagnosis.version = headers.get("server").cloned();
            let theirs = headers.get("date").and_then(|text| date(text));
            if let Some(skew) = theirs.and_then(|theirs| clock_skew(theirs, time_now(now, begun))) {
                diagnosis.add(skew);
            }
        }
        if !self.store.is_create_only() {
            diagnosis.add(Symptom::warning(
                "no_conditional_put",
                "the store overwrites a taken key although asked not to: archive keys say their \
                 whole range instead, and a range may be in the archive twice",
                "take a store that heeds If-None-Match on PUT (AWS, MinIO, RustFS, Ceph); \
                 `evp archive verify` resolves the ranges until then",
            ));
        }
        self.of_settings(&mut diagnosis);
        diagnosis
    }
}

fn date(text: &str) -> Option<Timestamp> {
    let zoned = rfc2822::parse(text).ok()?;
    Timestamp::from_millis(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::super::stand_in::{Lie, StandIn};
    use super::*;

    fn codes(diagnosis: &Diagnosis) -> Vec<&str> {
        diagnosis.symptoms.iter().map(|symptom| symptom.code.as_str()).collect()
    }

    fn doctor(stand_in: &StandIn, name: &str, key: &str) -> S3Doctor {
        S3Doctor::new(&S3 {
            endpoint: Some(stand_in.endpoint()),
            access_key: Some(name.to_owned()),
            secret_key: Some(key.into()),
            retries: 0,
            ..S3::default()
        })
        .unwrap()
    }

    const NOW: i64 = 1_800_000_000_000;

    #[tokio::test]
    async fn a_good_store_has_nothing_and_a_bad_one_is_told() {
        let now = Timestamp::from_millis_clamped(NOW);
        let good = StandIn::start(false).unwrap();
        let diagnosis = doctor(&good, "name", "key").examine(now).await;
        assert!(diagnosis.reachable && diagnosis.symptoms.is_empty(), "{diagnosis:?}");
        let bad = StandIn::start(true).unwrap();
        let diagnosis = doctor(&bad, "minioadmin", "minioadmin").examine(now).await;
        assert_eq!(codes(&diagnosis), ["no_conditional_put", "default_credentials"]);
    }

    #[tokio::test]
    async fn a_store_that_refuses_is_unreachable_with_advice() {
        let now = Timestamp::from_millis_clamped(NOW);
        let stand_in = StandIn::start(false).unwrap();
        stand_in.will([Lie::Status(403)]);
        let diagnosis = doctor(&stand_in, "name", "hunter2").examine(now).await;
        assert!(!diagnosis.reachable);
        assert_eq!(codes(&diagnosis), ["unreachable"]);
        assert!(diagnosis.symptoms[0].advice.contains("s3.secret_key"), "{diagnosis:?}");
        assert!(!format!("{diagnosis:?}").contains("hunter2"));
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let at = date("Sat, 21 Nov 2026 13:36:06 GMT").unwrap();
        assert_eq!(at.to_string(), "2026-11-21T13:36:06.000Z");
    }
}
