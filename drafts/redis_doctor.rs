//! What the settings of a Redis do to marks, counts and rules.

use async_trait::async_trait;
use redis::cmd;

use super::connection::info_of;
use super::state::RedisState;
use crate::model::Timestamp;
use crate::ports::{Diagnosis, Doctor, Kind, Result, Symptom, clock_skew};

#[async_trait]
impl Doctor for RedisState {
    async fn examine(&self, now: Timestamp) -> Diagnosis {
        let place = self.link.place();
        match self.look(now).await {
            Ok(diagnosis) => diagnosis,
            Err(error) if error.kind() == Kind::Conflict => {
                let mut diagnosis = Diagnosis::reachable("redis", place);
                let advice = "name a single Redis of version 7 or later in redis.addr";
                diagnosis.add(Symptom::error("cannot_keep_state", error.chain(), advice));
                diagnosis
            }
            Err(error) => {
                let advice = "start it, or put right redis.addr and redis.password";
                Diagnosis::unreachable("redis", place, error.chain(), advice)
            }
        }
    }
}

impl RedisState {
    async fn look(&self, now: Timestamp) -> Result<Diagnosis> {
        let what = "examine";
        let mut diagnosis = Diagnosis::reachable("redis", self.link.place());
        let info: String = self.link.run(what, &cmd("INFO")).await?;
        let of = |name: &str| info_of(&info, name).unwrap_or_default();
        diagnosis.version = Some(of("redis_version").to_owned());
        if of("role") != "master" {
            diagnosis.add(Symptom::error(
                "replica",
                "it is a replica: no event can be judged",
                "name the master in redis.addr",
            ));
        }
        let policy = of("maxmemory_policy");
        if of("maxmemory") != "0" && policy != "noeviction" {
            diagnosis.add(Symptom::warning(
                "evicts_marks",
                format!("maxmemory-policy is {policy}: when memory is full it drops marks and rules"),
                "set maxmemory-policy to noeviction",
            ));
        }
        if of("aof_enabled") != "1" {
            diagnosis.add(Symptom::warning(
                "rules_not_durable",
                "appendonly is off: rules, jobs' states and counters of the last minutes are lost \
                 with the process; marks too, which costs work",
                "set appendonly to yes",
            ));
        }
        let (seconds, micros): (i64, i64) = self.link.run(what, &cmd("TIME")).await?;
        let theirs = Timestamp::from_millis_clamped(seconds * 1000 + micros / 1000);
        if let Some(symptom) = clock_skew(theirs, now) {
            diagnosis.add(symptom);
        }
        Ok(diagnosis)
    }
}
