//! Rules as an operator makes and unmakes them.

use evp::jobs::JobError;
use evp::jobs::blacklist::{Blacklist, BlacklistRequest, BlacklistResponse};
use evp::model::Rule;

use crate::sandbox::{Sandbox, event};

fn add(target: &str, ttl_ms: Option<u64>, dry_run: bool) -> BlacklistRequest {
    let (target, reason) = (target.parse().unwrap(), Some("farm".to_owned()));
    BlacklistRequest::Add { target, reason, ttl_ms, until: None, dry_run }
}

async fn holding(sandbox: &Sandbox, address: &str) -> Vec<Rule> {
    let request = BlacklistRequest::Check { address: address.parse().unwrap() };
    match sandbox.run::<Blacklist>(request).await.unwrap() {
        BlacklistResponse::Checked { rules, .. } => rules,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_holds_until_it_ends_and_the_narrowest_is_named_first() {
    let sandbox = Sandbox::new();
    sandbox.run::<Blacklist>(add("203.0.113.0/24", None, false)).await.unwrap();
    sandbox.run::<Blacklist>(add("203.0.113.7", Some(60_000), false)).await.unwrap();
    let rules = holding(&sandbox, "::ffff:203.0.113.7").await;
    let targets: Vec<_> = rules.iter().map(|rule| rule.target.to_string()).collect();
    assert_eq!(targets, ["203.0.113.7", "203.0.113.0/24"]);
    sandbox.pass(60_000);
    assert_eq!(holding(&sandbox, "203.0.113.7").await.len(), 1);
    assert!(holding(&sandbox, "203.0.114.7").await.is_empty());
    let removed =
        BlacklistRequest::Remove { target: "203.0.113.7".parse().unwrap(), dry_run: false };
    match sandbox.run::<Blacklist>(removed).await.unwrap() {
        BlacklistResponse::Removed { rule, still_blocked_by, .. } => {
            assert_eq!(rule.unwrap().reason.as_deref(), Some("farm"));
            assert_eq!(still_blocked_by.len(), 1);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_and_blocked_events_become_decisions() {
    let sandbox = Sandbox::new();
    sandbox.run::<Blacklist>(add("203.0.113.0/24", None, true)).await.unwrap();
    assert!(holding(&sandbox, "203.0.113.7").await.is_empty());
    sandbox.run::<Blacklist>(add("203.0.113.0/24", None, false)).await.unwrap();
    sandbox.accept(&[event(1, "click", "203.0.113.7"), event(2, "click", "192.0.2.1")]).await;
    let report = sandbox.assert_clean().await;
    assert_eq!((report.books.stored, report.books.blocked), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_over_a_trusted_proxy_is_refused_with_the_reason() {
    let sandbox = Sandbox::new();
    for target in ["127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "::1"] {
        match sandbox.run::<Blacklist>(add(target, None, false)).await {
            Err(JobError::Request(text)) => assert!(text.contains("trusted_proxies"), "{text}"),
            other => panic!("{target}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_taken_over_as_they_are_and_twice_is_the_same_as_once() {
    let from = Sandbox::new();
    from.run::<Blacklist>(add("203.0.113.0/24", None, false)).await.unwrap();
    from.run::<Blacklist>(add("198.51.100.7", Some(60_000), false)).await.unwrap();
    let list = BlacklistRequest::List { include_expired: false };
    let BlacklistResponse::Rules { rules } = from.run::<Blacklist>(list.clone()).await.unwrap()
    else {
        panic!("no rules");
    };
    let to = Sandbox::new();
    to.run::<Blacklist>(add("198.51.100.7", None, false)).await.unwrap();
    for (dry_run, numbers) in [(true, (1, 1, 0)), (false, (1, 1, 0)), (false, (0, 0, 2))] {
        let import = BlacklistRequest::Import { rules: rules.clone(), dry_run };
        let answer = to.run::<Blacklist>(import).await.unwrap();
        let BlacklistResponse::Imported { added, replaced, unchanged, .. } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!((added, replaced, unchanged), numbers);
    }
    let BlacklistResponse::Rules { rules: taken } = to.run::<Blacklist>(list).await.unwrap() else {
        panic!("no rules");
    };
    assert_eq!(taken, rules);
    to.pass(60_000);
    let import = BlacklistRequest::Import { rules, dry_run: false };
    let answer = to.run::<Blacklist>(import).await.unwrap();
    assert!(matches!(answer, BlacklistResponse::Imported { expired: 1, .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_is_too_long_is_refused_alone_and_among_others() {
    let sandbox = Sandbox::new();
    let reason = |length: usize| Some("x".repeat(length));
    let add = |length| {
        let (target, reason) = ("203.0.113.7".parse().unwrap(), reason(length));
        BlacklistRequest::Add { target, reason, ttl_ms: None, until: None, dry_run: false }
    };
    sandbox.run::<Blacklist>(add(Rule::MAX_REASON_BYTES)).await.unwrap();
    let rules = holding(&sandbox, "203.0.113.7").await;
    let long = Rule {
        target: "198.51.100.7".parse().unwrap(),
        reason: reason(Rule::MAX_REASON_BYTES + 1),
        ..rules[0].clone()
    };
    let other = Rule { target: "198.51.100.6".parse().unwrap(), ..rules[0].clone() };
    let import = BlacklistRequest::Import { rules: vec![other, long], dry_run: false };
    for request in [add(Rule::MAX_REASON_BYTES + 1), import] {
        match sandbox.run::<Blacklist>(request).await {
            Err(JobError::Request(text)) => assert!(text.contains("1024 are taken"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(holding(&sandbox, "203.0.113.7").await, rules);
    assert!(holding(&sandbox, "198.51.100.6").await.is_empty());
}
