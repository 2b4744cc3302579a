//! What the processor does with one batch: reads it, has the state judge it, and writes what the
//! verdicts ask for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Running;
use super::read::{self, Readable, Unreadable, panic_text};
use super::write::Outputs;
use crate::model::{ConsumedRecord, Offset, Rule};
use crate::pipeline::reprocessed::Reprocessed;
use crate::pipeline::rules::RuleSet;
use crate::ports::{
    Assignment, Candidate, Fetched, Limits, Progress, Result as PortResult, State, Verdict,
};
use crate::roles::feed::Halt;
use crate::roles::{Role, RoleError};
use crate::runtime::tasks;

/// Bytes that a record takes more than the client's own when it is canonical: members that are the
/// envelope's, key, headers. 295 on average of the load generator's events, and some room: too few
/// and the batch is copied while it grows.
const CANONICAL_MORE: usize = 400;

/// The state's verdicts; inside, the panic of one of them.
type Verdicts = Result<Vec<Verdict>, Unreadable>;

/// A batch that is read, and the verdicts on it that are on their way.
pub(super) struct Judging {
    readable: Vec<Readable>,
    judged: Judged,
    asked: JoinHandle<PortResult<Verdicts>>,
}

impl Judging {
    pub(super) const fn is_announced(&self) -> bool {
        self.judged.announced.is_some()
    }
}

/// A step's outputs before they are appended.
pub(super) struct Judged {
    pub(super) outputs: Outputs,
    pub(super) progress: Vec<Progress>,
    pub(super) reprocessed: Reprocessed,
    /// The partition of an announced step, and how many records it has.
    pub(super) announced: Option<(Assignment, usize)>,
}

impl Judged {
    fn dead(&mut self, record: &ConsumedRecord, why: &Unreadable) {
        tracing::warn!(
            topic = %record.topic, partition = record.partition.0, offset = record.offset.0,
            error_type = why.error_type, reason = why.reason,
            "raw event dead-lettered"
        );
        if crate::roles::is_replayed(&record.record) {
            self.reprocessed.note(record);
        }
        self.outputs.dead(record, why);
    }
}

impl Running {
    /// The readable records of a step; those that are not are dead letters at once.
    pub(super) fn read(&self, step: Vec<Fetched>, is_condemned: bool) -> (Vec<Readable>, Judged) {
        let count = step.iter().map(|fetched| fetched.records.len()).sum();
        let records = step.iter().flat_map(|fetched| &fetched.records);
        let bytes = records.map(|record| record.record.value.len() + CANONICAL_MORE).sum();
        let mut judged = Judged {
            outputs: Outputs::new(&self.settings.topics, self.ports.clock.now(), bytes),
            progress: Vec::with_capacity(step.len()),
            reprocessed: Reprocessed::default(),
            announced: None,
        };
        let mut readable = Vec::with_capacity(count);
        for Fetched { assignment, records } in step {
            if let Some(next) = records.last().map(|record| record.offset.next()) {
                judged.progress.push(Progress { assignment, next });
            }
            for record in records {
                let result =
                    if is_condemned { Err(crashed(record.offset)) } else { read::read(&record) };
                match result {
                    Ok((envelope, event)) => {
                        if envelope.replay_id.is_some() {
                            judged.reprocessed.note(&record);
                        }
                        readable.push(Readable { record, envelope, event });
                    }
                    Err(why) => judged.dead(&record, &why),
                }
            }
        }
        (readable, judged)
    }

    /// Asks for the verdicts, by the rules as they are after the batch before.
    pub(super) async fn begin(
        &mut self,
        readable: Vec<Readable>,
        judged: Judged,
    ) -> Result<(), Halt> {
        self.refresh_rules().await?;
        let candidates: Vec<Candidate> =
            readable.iter().map(|event| self.candidate(event)).collect();
        let (state, limits) = (Arc::clone(&self.ports.state), self.limits);
        let asked =
            tasks::spawn(
                "processor.judge",
                async move { ask(&*state, &candidates, &limits).await },
            );
        self.judging = Some(Judging { readable, judged, asked });
        Ok(())
    }

    /// Waits for the verdicts and writes what they ask for. Where judging together panics, one by
    /// one, to find the event that does it.
    pub(super) async fn conclude(&mut self, judging: Judging) -> Result<Judged, Halt> {
        let Judging { readable, mut judged, asked } = judging;
        let asked = asked
            .await
            .map_err(|error| RoleError::Task { role: Role::Processor, source: error })?;
        let verdicts = match asked {
            Ok(verdicts) => self.heard(readable.len(), verdicts),
            Err(error) => {
                self.feed.pause("judge a batch", error).await?;
                let candidates: Vec<Candidate> =
                    readable.iter().map(|event| self.candidate(event)).collect();
                self.verdicts(&candidates).await?
            }
        };
        match verdicts {
            Ok(verdicts) => self.write(&mut judged, &readable, verdicts),
            Err(why) if readable.len() == 1 => judged.dead(&readable[0].record, &why),
            Err(_) => {
                for event in &readable {
                    // Made anew: one of those before may have made a ban.
                    match self.verdicts(&[self.candidate(event)]).await? {
                        Ok(verdicts) => {
                            self.write(&mut judged, std::slice::from_ref(event), verdicts);
                        }
                        Err(why) => judged.dead(&event.record, &why),
                    }
                }
            }
        }
        Ok(judged)
    }

    fn write(&mut self, judged: &mut Judged, events: &[Readable], verdicts: Vec<Verdict>) {
        for (event, verdict) in events.iter().zip(verdicts) {
            let ban = judged.outputs.judged(event, verdict);
            self.banned(ban, event);
        }
    }

    fn candidate(&self, event: &Readable) -> Candidate {
        read::candidate(&event.event, &self.rules, &self.proxies)
    }

    /// Asks until there is an answer.
    async fn verdicts(&mut self, candidates: &[Candidate]) -> Result<Verdicts, Halt> {
        let (state, limits) = (Arc::clone(&self.ports.state), self.limits);
        let judge = || ask(&*state, candidates, &limits);
        let verdicts = self.feed.insist("judge a batch", judge).await?;
        Ok(self.heard(candidates.len(), verdicts))
    }

    /// Says what the state says of itself.
    fn heard(&mut self, events: usize, verdicts: Verdicts) -> Verdicts {
        self.feed.voice.works();
        let away = self.ports.state.degraded();
        if away.is_some() {
            self.metrics.unjudged.increment(events as u64);
        }
        self.feed.voice.limps(away);
        verdicts
    }

    async fn refresh_rules(&mut self) -> Result<(), Halt> {
        let every = self.settings.processor.rules_refresh.0;
        if self.rules_read_at.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        let state = Arc::clone(&self.ports.state);
        let rules = self.feed.insist("read the rules", || state.rules()).await?;
        self.rules = RuleSet::new(rules);
        self.rules_read_at = Some(Instant::now());
        Ok(())
    }

    fn banned(&mut self, ban: Option<Rule>, event: &Readable) {
        let Some(rule) = ban else { return };
        let until = rule.expires_at.map_or_else(|| "lifted".to_owned(), |end| end.to_string());
        tracing::warn!(
            address = %rule.target,
            limit_per_minute = self.limits.per_minute,
            event_id = event.event.event_id.as_str(),
            until,
            "address banned: it crossed the limit"
        );
        self.metrics.bans.increment(1);
        self.rules.insert(rule);
    }
}

/// The state's verdicts on a batch.
async fn ask(state: &dyn State, candidates: &[Candidate], limits: &Limits) -> PortResult<Verdicts> {
    if candidates.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    match AssertUnwindSafe(state.judge(candidates, limits)).catch_unwind().await {
        Ok(verdicts) => verdicts.map(Ok),
        Err(payload) => Ok(Err(Unreadable { error_type: "panic", reason: panic_text(&*payload) })),
    }
}

fn crashed(offset: Offset) -> Unreadable {
    Unreadable {
        error_type: "crash",
        reason: format!(
            "the process ended at offset {offset} at {} starts one after another",
            crate::roles::suspects::CONDEMNED_AFTER
        ),
    }
}
