//! Rates and the bans they make.

use std::net::IpAddr;

use super::super::Behaviour;
use super::{DAY, HOUR, OFF, Subject, THREE, at, event, events, ip, judge, rule, word, words};
use crate::model::{RuleSource, RuleTarget};
use crate::ports::{Candidate, Limits, Verdict};

pub(super) async fn run(subject: &dyn Subject) {
    the_event_over_the_limit_bans_once(subject).await;
    minutes_are_of_receipt(subject).await;
    redeliveries_and_duplicates_are_not_counted(subject).await;
    a_backlog_bans_nobody(subject).await;
    off_counts_nothing(subject).await;
    exempt_and_unknown_addresses(subject).await;
    addresses_are_counted_apart(subject).await;
    blocked_events_are_not_counted(subject).await;
    a_removal_holds(subject).await;
    a_ban_does_not_shorten_a_rule(subject).await;
    counts_go_on_after_a_restart(subject).await;
    repeated_batches_are_safe(subject).await;
    sweeping_keeps_the_minute(subject).await;
}

async fn the_event_over_the_limit_bans_once(subject: &dyn Subject) {
    let be = Behaviour("the event that crosses the limit bans its address, once");
    let state = subject.fresh().await;
    let verdicts = judge(be, &*state, &events("e", 6, at(7)), &THREE).await;
    let said: Vec<String> = verdicts.iter().map(word).collect();
    be.same(said, ["pass", "pass", "pass", "banned at 4", "blocked", "blocked"].to_vec());
    let Verdict::RateLimited { ban: Some(ban), .. } = &verdicts[3] else {
        panic!("{}: no ban in {verdicts:?}", be.0)
    };
    be.same(ban.target, RuleTarget::address(ip(1)));
    be.same(ban.source, RuleSource::Automatic);
    be.same(ban.created_at, at(7));
    be.same(ban.expires_at, Some(at(7).plus(HOUR)));
    be.same(be.ok(state.rules().await), vec![(**ban).clone()]);
    // A later batch whose caller does not know the rule yet: limited, not banned again.
    let later = words(be, &*state, &events("f", 2, at(8)), &THREE).await;
    be.same(later, vec!["limited at 5", "limited at 6"]);
    // Until lifted where no time is set.
    let state = subject.fresh().await;
    let limits = Limits { ban: None, ..THREE };
    judge(be, &*state, &events("e", 4, at(7)), &limits).await;
    be.same(be.ok(state.rules().await)[0].expires_at, None);
}

async fn minutes_are_of_receipt(subject: &dyn Subject) {
    let be = Behaviour("the rate counts in the minute of receipt");
    let state = subject.fresh().await;
    for minute in 0..5 {
        let batch = events(&format!("e{minute}"), 3, at(minute * 60 + 59));
        be.same(judge(be, &*state, &batch, &THREE).await, vec![Verdict::Pass; 3]);
    }
    // A late one of the first minute counts there, one of a new minute does not.
    let late = words(be, &*state, &[event("new", at(300)), event("late", at(0))], &THREE).await;
    be.same(late, vec!["pass", "banned at 4"]);
}

async fn redeliveries_and_duplicates_are_not_counted(subject: &dyn Subject) {
    let be = Behaviour("redeliveries and duplicates are not counted");
    let state = subject.fresh().await;
    let batch = events("e", 3, at(0));
    for _ in 0..4 {
        be.same(judge(be, &*state, &batch, &THREE).await, vec![Verdict::Pass; 3]);
        let copies = words(be, &*state, &events("e", 3, at(1)), &THREE).await;
        be.same(copies, vec!["duplicate"; 3]);
    }
    be.same(words(be, &*state, &[event("n", at(2))], &THREE).await, vec!["banned at 4"]);
    // What stands is stronger than the ban of its address.
    let blocked = Candidate { blocked: Some("banned".to_owned()), ..batch[0].clone() };
    be.same(judge(be, &*state, &[blocked], &THREE).await, vec![Verdict::Pass]);
    let copy = Candidate { blocked: Some("banned".to_owned()), ..event("e-0", at(3)) };
    be.same(words(be, &*state, &[copy], &THREE).await, vec!["duplicate"]);
}

async fn a_backlog_bans_nobody(subject: &dyn Subject) {
    let be = Behaviour("a backlog of an hour, judged at once, bans nobody");
    let state = subject.fresh().await;
    let backlog: Vec<Candidate> = (0..180).map(|n| event(&format!("e-{n}"), at(n * 20))).collect();
    for part in backlog.chunks(50) {
        be.same(judge(be, &*state, part, &THREE).await, vec![Verdict::Pass; part.len()]);
        be.ok(state.sweep(at(4000), DAY).await);
    }
    be.empty(&be.ok(state.rules().await));
    // And again, as after a crash.
    be.same(judge(be, &*state, &backlog, &THREE).await, vec![Verdict::Pass; 180]);
}

async fn off_counts_nothing(subject: &dyn Subject) {
    let be = Behaviour("where the limit is off nothing is counted");
    let state = subject.fresh().await;
    be.same(judge(be, &*state, &events("e", 9, at(0)), &OFF).await, vec![Verdict::Pass; 9]);
    be.same(judge(be, &*state, &events("f", 3, at(1)), &THREE).await, vec![Verdict::Pass; 3]);
}

async fn exempt_and_unknown_addresses(subject: &dyn Subject) {
    let be = Behaviour("exempt and unknown addresses are neither counted nor banned");
    let state = subject.fresh().await;
    let exempt: Vec<Candidate> = events("x", 9, at(0))
        .into_iter()
        .map(|event| Candidate { is_exempt: true, ..event })
        .collect();
    be.same(judge(be, &*state, &exempt, &THREE).await, vec![Verdict::Pass; 9]);
    let unknown: Vec<Candidate> = events("u", 9, at(0))
        .into_iter()
        .map(|event| Candidate { client_ip: None, ..event })
        .collect();
    be.same(judge(be, &*state, &unknown, &THREE).await, vec![Verdict::Pass; 9]);
    // Neither counted for the same address when it is not exempt.
    be.same(judge(be, &*state, &events("e", 3, at(1)), &THREE).await, vec![Verdict::Pass; 3]);
    let blocked = Candidate { is_exempt: true, blocked: Some("r".to_owned()), ..event("b", at(1)) };
    be.same(judge(be, &*state, &[blocked], &THREE).await, vec![Verdict::Pass]);
    be.empty(&be.ok(state.rules().await));
    // Their marks stand all the same.
    be.same(words(be, &*state, &[event("x-0", at(2))], &THREE).await, vec!["duplicate"]);
}

async fn addresses_are_counted_apart(subject: &dyn Subject) {
    let be = Behaviour("addresses are counted apart, and an address in one spelling");
    let state = subject.fresh().await;
    let batch: Vec<Candidate> = (0..12_u8)
        .map(|n| Candidate { client_ip: Some(ip(n % 4)), ..event(&format!("e-{n}"), at(0)) })
        .collect();
    be.same(judge(be, &*state, &batch, &THREE).await, vec![Verdict::Pass; 12]);
    let IpAddr::V4(v4) = ip(2) else { panic!("not IPv4") };
    let mapped = Some(IpAddr::V6(v4.to_ipv6_mapped()));
    let disguised = Candidate { client_ip: mapped, ..event("d", at(0)) };
    let verdicts = judge(be, &*state, &[disguised], &THREE).await;
    be.same(verdicts.iter().map(word).collect::<Vec<_>>(), vec!["banned at 4"]);
    be.same(be.ok(state.rules().await)[0].target, RuleTarget::address(ip(2)));
    let v6: IpAddr = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
    let six = Candidate { client_ip: Some(v6), ..event("six", at(0)) };
    be.same(judge(be, &*state, &[six], &THREE).await, vec![Verdict::Pass]);
}

async fn blocked_events_are_not_counted(subject: &dyn Subject) {
    let be = Behaviour("blocked events are not counted");
    let state = subject.fresh().await;
    let blocked: Vec<Candidate> = events("b", 9, at(0))
        .into_iter()
        .map(|event| Candidate { blocked: Some("rule".to_owned()), ..event })
        .collect();
    be.same(words(be, &*state, &blocked, &THREE).await, vec!["blocked"; 9]);
    be.same(judge(be, &*state, &events("e", 3, at(1)), &THREE).await, vec![Verdict::Pass; 3]);
}

async fn a_removal_holds(subject: &dyn Subject) {
    let be = Behaviour("a ban that an operator lifted does not come back in its minute");
    let state = subject.fresh().await;
    judge(be, &*state, &events("e", 5, at(0)), &THREE).await;
    let removed = be.ok(state.remove_rule(&RuleTarget::address(ip(1))).await);
    be.same(removed.map(|rule| rule.source), Some(RuleSource::Automatic));
    let after = words(be, &*state, &events("f", 3, at(9)), &THREE).await;
    be.same(after, ["limited at 5", "limited at 6", "limited at 7"].to_vec());
    be.empty(&be.ok(state.rules().await));
    // The next minute is a new one.
    be.same(judge(be, &*state, &events("g", 3, at(60)), &THREE).await, vec![Verdict::Pass; 3]);
    be.same(words(be, &*state, &[event("h", at(61))], &THREE).await, vec!["banned at 4"]);
}

async fn a_ban_does_not_shorten_a_rule(subject: &dyn Subject) {
    let be = Behaviour("a ban does not replace a rule that holds as long or longer");
    let state = subject.fresh().await;
    let operators = rule("203.0.113.1", None);
    be.ok(state.put_rule(&operators).await);
    let said = words(be, &*state, &events("e", 5, at(0)), &THREE).await;
    be.same(said[3..].to_vec(), vec!["limited at 4", "blocked"]);
    be.same(be.ok(state.rules().await), vec![operators]);
    // One that ends before the ban would is replaced.
    let ending = rule("203.0.113.1", Some(at(30)));
    be.ok(state.put_rule(&ending).await);
    let said = words(be, &*state, &events("f", 4, at(60)), &THREE).await;
    be.same(said[3].as_str(), "banned at 4");
    let rules = be.ok(state.rules().await);
    be.same(rules.len(), 1);
    be.same(rules[0].expires_at, Some(at(60).plus(HOUR)));
}

async fn counts_go_on_after_a_restart(subject: &dyn Subject) {
    let be = Behaviour("counts and bans outlive the process");
    let mut state = subject.fresh().await;
    judge(be, &*state, &events("e", 2, at(0)), &THREE).await;
    state = subject.reopened(state).await;
    let said = words(be, &*state, &events("f", 2, at(1)), &THREE).await;
    be.same(said, vec!["pass", "banned at 4"]);
    state = subject.reopened(state).await;
    be.same(be.ok(state.rules().await).len(), 1);
    be.same(words(be, &*state, &[event("g", at(2))], &THREE).await, vec!["limited at 5"]);
}

async fn repeated_batches_are_safe(subject: &dyn Subject) {
    let be = Behaviour("a batch judged again after a lost answer refuses nothing that passed");
    let state = subject.fresh().await;
    let batch = events("e", 5, at(0));
    let first = words(be, &*state, &batch, &THREE).await;
    let second = words(be, &*state, &batch, &THREE).await;
    be.same(&second[..3], &first[..3]);
    for word in &second[3..] {
        assert!(word.starts_with("limited"), "{}: {word} the second time", be.0);
    }
    be.same(be.ok(state.rules().await).len(), 1);
}

async fn sweeping_keeps_the_minute(subject: &dyn Subject) {
    let be = Behaviour("sweeping does not forget the minute that is being counted");
    let state = subject.fresh().await;
    judge(be, &*state, &events("e", 3, at(0)), &THREE).await;
    be.ok(state.sweep(at(1), DAY).await);
    be.same(words(be, &*state, &[event("f", at(2))], &THREE).await, vec!["banned at 4"]);
}
