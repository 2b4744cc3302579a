//! Rules that operators make.

use super::super::Behaviour;
use super::{DAY, Subject, at, rule};
use crate::model::{Rule, RuleSource};

pub(super) async fn run(subject: &dyn Subject) {
    come_back_as_they_went_in(subject).await;
    one_rule_a_target(subject).await;
    outlive_the_process(subject).await;
    ended_rules_are_swept(subject).await;
}

async fn come_back_as_they_went_in(subject: &dyn Subject) {
    let be = Behaviour("rules come back as they went in");
    let state = subject.fresh().await;
    be.empty(&be.ok(state.rules().await));
    let mut all = vec![
        rule("203.0.113.0/24", Some(at(99))),
        rule("203.0.113.7", None),
        rule("2001:db8::/32", None),
        rule("2001:db8::1", Some(at(5))),
        Rule { reason: None, source: RuleSource::Automatic, ..rule("198.51.100.1", None) },
    ];
    for rule in &all {
        be.same(be.ok(state.put_rule(rule).await), None);
    }
    let mut read = be.ok(state.rules().await);
    all.sort_by_key(|rule| rule.target);
    read.sort_by_key(|rule| rule.target);
    be.same(read, all);
}

async fn one_rule_a_target(subject: &dyn Subject) {
    let be = Behaviour("there is one rule a target, and a change says what was there");
    let state = subject.fresh().await;
    let (first, second) = (rule("203.0.113.7", None), rule("203.0.113.7", Some(at(9))));
    be.same(be.ok(state.put_rule(&first).await), None);
    be.same(be.ok(state.put_rule(&second).await), Some(first));
    be.same(be.ok(state.rules().await), vec![second.clone()]);
    be.same(be.ok(state.remove_rule(&second.target).await), Some(second.clone()));
    be.same(be.ok(state.remove_rule(&second.target).await), None);
    be.empty(&be.ok(state.rules().await));
}

async fn outlive_the_process(subject: &dyn Subject) {
    let be = Behaviour("rules and their removal outlive the process");
    let mut state = subject.fresh().await;
    let (stays, goes) = (rule("203.0.113.7", Some(at(9))), rule("203.0.113.8", None));
    be.ok(state.put_rule(&stays).await);
    be.ok(state.put_rule(&goes).await);
    state = subject.reopened(state).await;
    be.same(be.ok(state.rules().await).len(), 2);
    be.ok(state.remove_rule(&goes.target).await);
    state = subject.reopened(state).await;
    be.same(be.ok(state.rules().await), vec![stays]);
}

async fn ended_rules_are_swept(subject: &dyn Subject) {
    let be = Behaviour("a rule is swept only when no event can meet it any more");
    let state = subject.fresh().await;
    let (ends, stays) = (rule("203.0.113.7", Some(at(9))), rule("203.0.113.8", None));
    be.ok(state.put_rule(&ends).await);
    be.ok(state.put_rule(&stays).await);
    be.ok(state.sweep(at(8), DAY).await);
    be.same(be.ok(state.rules().await).len(), 2);
    be.ok(state.sweep(at(10).plus(DAY).plus(DAY), DAY).await);
    be.same(be.ok(state.rules().await), vec![stays]);
}
