//! What can be said of a Redis that keeps marks and rules.

use std::time::Instant;

use async_trait::async_trait;

use super::connection::Link;
use crate::model::Timestamp;
use crate::ports::{Diagnosis, Doctor, Kind, Result, Symptom, clock_skew, time_now};
use crate::settings::Redis;

/// Looks at Redis.
#[derive(Debug)]
pub struct RedisDoctor {
    link: Link,
    address: String,
    has_password: bool,
}

impl RedisDoctor {
    /// Looks at the server of these settings.
    ///
    /// # Errors
    /// `Conflict` for settings that cannot be read.
    pub fn new(settings: &Redis) -> Result<Self> {
        let link = Link::new(settings)?;
        let address = settings.addr.clone();
        Ok(Self { link, address, has_password: settings.password.is_some() })
    }

    /// A setting of the server; `None` where it does not tell.
    async fn setting(&self, name: &str) -> Option<String> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        let told: Result<Vec<String>> = self.link.run("examine", &command).await;
        told.ok()?.into_iter().nth(1)
    }

    /// The server's clock.
    async fn time(&self) -> Option<Timestamp> {
        let told: Result<(i64, i64)> = self.link.run("examine", &redis::cmd("TIME")).await;
        let (seconds, micros) = told.ok()?;
        Timestamp::from_millis(seconds.checked_mul(1000)?.checked_add(micros / 1000)?)
    }
}

#[async_trait]
impl Doctor for RedisDoctor {
    async fn examine(&self, now: Timestamp) -> Diagnosis {
        let begun = Instant::now();
        let info: Result<String> = self.link.run("examine", &redis::cmd("INFO")).await;
        let info = match info {
            Ok(info) => info,
            // It answered, and what it answered is no use.
            Err(error) if error.kind() == Kind::Conflict => {
                let mut diagnosis = Diagnosis::reachable("redis", &self.address);
                diagnosis.add(Symptom::error(
                    "unusable",
                    error.chain(),
                    "use one Redis 7 or newer, not a Redis Cluster",
                ));
                return diagnosis;
            }
            Err(error) => {
                let why = error.chain();
                let advice = unreachable_advice(&why);
                return Diagnosis::unreachable("redis", &self.address, why, advice);
            }
        };
        let mut diagnosis = Diagnosis::reachable("redis", &self.address);
        diagnosis.version = field(&info, "redis_version").map(str::to_owned);
        if let Some(policy) = self.setting("maxmemory-policy").await {
            let limit = self.setting("maxmemory").await.unwrap_or_default();
            symptoms_of_memory(&policy, &limit).into_iter().for_each(|seen| diagnosis.add(seen));
        } else {
            diagnosis.add(Symptom::note(
                "cannot_look",
                "this user may not read its settings: whether it evicts marks is not known",
                "ACL SETUSER NAME +config|get, or see that maxmemory-policy is noeviction",
            ));
        }
        symptoms_of_info(&info).into_iter().for_each(|seen| diagnosis.add(seen));
        if !self.has_password && field(&info, "role").is_some() && !self.is_local() {
            diagnosis.add(Symptom::warning(
                "no_password",
                "whoever reaches it can lift bans and forge marks",
                "set requirepass (or an ACL user) and redis.password",
            ));
        }
        if let Some(skew) =
            self.time().await.and_then(|theirs| clock_skew(theirs, time_now(now, begun)))
        {
            diagnosis.add(skew);
        }
        diagnosis
    }
}

impl RedisDoctor {
    fn is_local(&self) -> bool {
        let host = self.address.split_once("://").map_or(self.address.as_str(), |(_, rest)| rest);
        ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
    }
}

fn unreachable_advice(why: &str) -> &'static str {
    let is_login = ["NOAUTH", "WRONGPASS", "Password authentication", "AuthenticationFailed"];
    if is_login.iter().any(|word| why.contains(word)) {
        "set redis.password, and redis.username for a user of its ACL"
    } else if why.contains("certificate") {
        "set redis.tls_ca to who signs its certificate, and redis.addr to the name in it"
    } else {
        "start Redis, or set redis.addr (REDIS_ADDR)"
    }
}

fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// What happens to marks when memory runs out.
fn symptoms_of_memory(policy: &str, limit: &str) -> Vec<Symptom> {
    let is_limited = !matches!(limit, "" | "0");
    match policy {
        "noeviction" => Vec::new(),
        _ if !is_limited => vec![Symptom::note(
            "would_evict_marks",
            format!("maxmemory-policy is {policy}; without maxmemory it throws nothing out yet"),
            "set maxmemory-policy to noeviction before setting maxmemory",
        )],
        _ => vec![Symptom::error(
            "evicts_marks",
            format!(
                "maxmemory-policy is {policy}: at {limit} bytes it throws out marks and rules, so \
                 duplicates come through to the store and bans are lifted"
            ),
            "CONFIG SET maxmemory-policy noeviction, and write it into redis.conf",
        )],
    }
}

/// What a restart or a failover takes.
fn symptoms_of_info(info: &str) -> Vec<Symptom> {
    let mut seen = Vec::new();
    if field(info, "aof_enabled") == Some("0") {
        seen.push(Symptom::warning(
            "forgets_on_restart",
            "appendonly is no: a restart takes rules typed by hand, and marks, which costs work",
            "CONFIG SET appendonly yes, and write it into redis.conf",
        ));
    }
    if field(info, "aof_last_write_status") == Some("err") {
        seen.push(Symptom::error(
            "cannot_write",
            "its last write to disk failed: it refuses writes or forgets them",
            "free space on its disk",
        ));
    }
    if field(info, "role") == Some("slave") {
        seen.push(Symptom::error(
            "read_only",
            "it is a replica: nothing can be marked",
            "set redis.addr to the primary",
        ));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(symptoms: &[Symptom]) -> Vec<&str> {
        symptoms.iter().map(|symptom| symptom.code.as_str()).collect()
    }

    #[test]
    fn a_policy_that_evicts_breaks_the_promise_once_memory_is_limited() {
        assert!(symptoms_of_memory("noeviction", "1000").is_empty());
        assert_eq!(codes(&symptoms_of_memory("allkeys-lru", "1000")), ["evicts_marks"]);
        assert_eq!(codes(&symptoms_of_memory("volatile-ttl", "0")), ["would_evict_marks"]);
    }

    #[test]
    fn what_info_says_is_judged() {
        let good = "redis_version:7.4.9\r\nrole:master\r\naof_enabled:1\r\n";
        assert!(symptoms_of_info(good).is_empty());
        assert_eq!(field(good, "redis_version"), Some("7.4.9"));
        let bad = "role:slave\r\naof_enabled:0\r\naof_last_write_status:err\r\n";
        assert_eq!(
            codes(&symptoms_of_info(bad)),
            ["forgets_on_restart", "cannot_write", "read_only"]
        );
    }
}
