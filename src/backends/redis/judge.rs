//! A batch to the script's arguments and its reply to verdicts.

use redis::{Cmd, Script, Value};

use super::connection::call_of;
use super::counts::{self, Slots};
use super::rules::{self, BLACKLIST, ENDED, RULES};
use crate::model::{Origin, Rule, RuleSource, RuleTarget, Timestamp};
use crate::ports::{Candidate, Error, Kind, Limits, Result, Verdict};

/// How long a count lives after its last event, in ms: its minute, and as long as events of several
/// partitions may come apart in a backlog.
const COUNT_LIFE: u64 = 10 * 60 * 1000;

/// Characters of a mark.
const MARK: usize = 44;

/// The script.
pub(super) fn script() -> Script {
    Script::new(include_str!("judge.lua"))
}

/// The call that judges the batch.
pub(super) fn call(script: &Script, batch: &[Candidate], limits: &Limits) -> Cmd {
    let slots = Slots::of(batch, limits);
    let many = batch.len();
    let mut command = call_of(script, 16 + 3 * many + 2 * slots.counted(), 512 + 180 * many);
    command.arg(3 + many + slots.hashes.len()).arg(BLACKLIST).arg(RULES).arg(ENDED);
    let mut text = String::with_capacity(300);
    for candidate in batch {
        text.clear();
        text.push_str("event:id:");
        text.push_str(candidate.event_id.as_str());
        command.arg(text.as_bytes());
    }
    for hash in &slots.hashes {
        command.arg(&hash.key);
    }
    let reason = ban_reason(limits);
    command.arg(limits.mark_ttl.as_millis().max(1).to_string());
    command.arg(limits.per_minute.map_or(-1, i64::from));
    command.arg(limits.ban.map_or_else(|| "-1".to_owned(), |ban| ban.as_millis().to_string()));
    command.arg(COUNT_LIFE).arg(&reason).arg(rules::ban_head(&reason));
    let has_slots = slots.counted() > 0 || batch.iter().any(counts::is_blocked);
    command.arg(many).arg(slots.most).arg(u8::from(has_slots));
    for candidate in batch {
        command.arg(&mark(candidate)[..]);
    }
    if has_slots {
        slots.write(batch, &mut command);
    }
    command
}

fn ban_reason(limits: &Limits) -> String {
    format!("more than {} events in a minute", limits.per_minute.unwrap_or(0))
}

/// Origin and receipt, without an allocation.
fn mark(candidate: &Candidate) -> [u8; MARK] {
    let mut mark = [b'0'; MARK];
    let mut origin = [0; 36];
    mark[..36].copy_from_slice(candidate.origin.encode(&mut origin).as_bytes());
    let mut rest = u64::try_from(candidate.received_at.as_millis()).unwrap_or(0);
    for digit in mark[36..].iter_mut().rev() {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        *digit = usize::try_from(rest % 36).map_or(b'0', |at| DIGITS[at]);
        rest /= 36;
    }
    mark
}

/// The script's reply as verdicts: how many candidates, then of each that does not pass its number
/// from 1 and why.
pub(super) fn verdicts(
    batch: &[Candidate],
    limits: &Limits,
    replies: &[Value],
) -> Result<Vec<Verdict>> {
    let Some((Value::Int(many), exceptions)) = replies.split_first() else {
        return Err(unreadable());
    };
    if usize::try_from(*many).ok() != Some(batch.len()) || exceptions.len() % 2 != 0 {
        return Err(unreadable());
    }
    let mut verdicts = vec![Verdict::Pass; batch.len()];
    for pair in exceptions.chunks_exact(2) {
        let [Value::Int(number), reply] = pair else { return Err(unreadable()) };
        let at = usize::try_from(*number).ok().and_then(|number| number.checked_sub(1));
        let of = at.and_then(|at| Some((batch.get(at)?, verdicts.get_mut(at)?)));
        let Some((candidate, slot)) = of else { return Err(unreadable()) };
        *slot = verdict(candidate, limits, reply)?;
    }
    Ok(verdicts)
}

fn verdict(candidate: &Candidate, limits: &Limits, reply: &Value) -> Result<Verdict> {
    match reply {
        Value::Int(count) => {
            let ban = (*count < 0).then(|| ban(candidate, limits)).flatten().map(Box::new);
            Ok(Verdict::RateLimited { count: count.unsigned_abs(), ban })
        }
        Value::BulkString(text) => match text.split_first() {
            Some((b'd', mark)) => {
                let origin = mark.get(..36).and_then(|text| std::str::from_utf8(text).ok());
                let first: Option<Origin> = origin.and_then(|text| text.parse().ok());
                first.map(|first| Verdict::Duplicate { first }).ok_or_else(unreadable)
            }
            Some((b'b', _)) => {
                Ok(Verdict::Blocked { reason: candidate.blocked.clone().unwrap_or_default() })
            }
            Some((b'r', reason)) => {
                let reason = String::from_utf8_lossy(reason).into_owned();
                Ok(Verdict::Blocked { reason: Rule::cut_reason(reason) })
            }
            _ => Err(unreadable()),
        },
        _ => Err(unreadable()),
    }
}

/// The rule that the script made for this candidate.
fn ban(candidate: &Candidate, limits: &Limits) -> Option<Rule> {
    Some(Rule {
        target: RuleTarget::address(candidate.client_ip?),
        reason: Some(ban_reason(limits)),
        source: RuleSource::Automatic,
        created_at: whole(candidate.received_at),
        expires_at: limits.ban.map(|ban| whole(candidate.received_at).plus(ban)),
    })
}

/// As a mark keeps it: no receipt is before 1970.
fn whole(at: Timestamp) -> Timestamp {
    at.max(Timestamp::default())
}

fn unreadable() -> Error {
    Error::new(Kind::Unavailable, "judge a batch in redis: its answer is not that of the script")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventId;

    fn candidate() -> Candidate {
        Candidate {
            event_id: EventId::new("e").unwrap(),
            origin: Origin::from_bytes([7; 16]),
            client_ip: None,
            received_at: Timestamp::from_millis_clamped(1_767_323_040_123),
            is_exempt: false,
            blocked: None,
        }
    }

    #[test]
    fn a_mark_is_the_origin_and_the_receipt() {
        let candidate = candidate();
        let text = String::from_utf8(mark(&candidate).to_vec()).unwrap();
        let (origin, receipt) = text.split_at(36);
        assert_eq!(origin.parse::<Origin>().unwrap(), candidate.origin);
        assert_eq!(i64::from_str_radix(receipt, 36).unwrap(), 1_767_323_040_123);
    }

    #[test]
    fn the_reason_of_a_rule_that_somebody_typed_is_cut() {
        let limits = Limits { mark_ttl: std::time::Duration::ZERO, per_minute: None, ban: None };
        let said = Value::BulkString(format!("r{}", "x".repeat(5000)).into());
        let reply = [Value::Int(1), Value::Int(1), said];
        let verdicts = verdicts(&[candidate()], &limits, &reply).unwrap();
        let reason = "x".repeat(Rule::MAX_REASON_BYTES);
        assert_eq!(verdicts, [Verdict::Blocked { reason }]);
    }

    #[test]
    fn an_answer_of_something_else_is_no_verdict() {
        let limits = Limits { mark_ttl: std::time::Duration::ZERO, per_minute: None, ban: None };
        for reply in [
            vec![],
            vec![Value::Int(1)],
            vec![Value::Int(0), Value::Int(1)],
            vec![Value::Int(0), Value::Int(1), Value::Int(3)],
        ] {
            assert!(verdicts(&[], &limits, &reply).is_err(), "{reply:?}");
        }
        assert_eq!(verdicts(&[], &limits, &[Value::Int(0)]).unwrap(), []);
    }
}
