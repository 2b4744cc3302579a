//! What every store answers. Each function is one behaviour on a fresh, empty store; a failure's
//! message names it.

use std::time::Duration;

use super::samples::{
    EXACT_UNIQUES, Fixture, apply, at, decision, decisions, event, id, letter, letters, must,
    origin, rows,
};
use crate::model::{CanonicalEvent, DeadLetter, EventId, Origin, Outcome, Stage, Timestamp};
use crate::ports::{
    Breakdown, BreakdownRow, DeadLetterFilter, Page, SinkBatch, TimeRange, Uniques,
};

/// Runs every behaviour, each on a store of its own.
pub async fn all(open: impl AsyncFn() -> Fixture) {
    a_campaigns_numbers_are_those_of_its_rows(open().await).await;
    ranges_include_their_start_and_not_their_end(open().await).await;
    users_beyond_the_limit_are_estimated_and_said_to_be(open().await).await;
    hours_are_listed_newest_first_in_pages(open().await).await;
    rows_break_down_by_every_column(open().await).await;
    an_events_status_is_its_strongest_outcome(open().await).await;
    outcomes_and_ids_are_found_by_the_thousand(open().await).await;
    dead_letters_pass_their_filter_in_order_of_origin(open().await).await;
    audits_read_everything_in_order_of_origin(open().await).await;
    an_empty_store_answers(open().await).await;
}

fn range(from: &str, to: &str) -> TimeRange {
    TimeRange { from: at(from), to: at(to) }
}

const ALWAYS: TimeRange = TimeRange { from: Timestamp::MIN, to: Timestamp::MAX };

fn exact(count: u64) -> Uniques {
    Uniques { count, approximate: false }
}

/// `event_type user created_at country`, of campaign `c-1`.
fn lines(all: &[(&str, &str, &str, Option<&str>)]) -> SinkBatch {
    rows((1..).zip(all).map(|(number, (event_type, user, created_at, country))| CanonicalEvent {
        event_type: (*event_type).to_owned(),
        user_id: Some((*user).to_owned()),
        geo_country: country.map(str::to_owned),
        created_at: at(created_at),
        ..event(&format!("e-{number}"), number)
    }))
}

/// Two hours of one campaign.
fn two_hours() -> SinkBatch {
    lines(&[
        ("impression", "u-1", "2026-01-01T10:00:00.000Z", Some("DE")),
        ("impression", "u-2", "2026-01-01T10:59:59.999Z", Some("DE")),
        ("click", "u-1", "2026-01-01T10:30:00.000Z", Some("FR")),
        ("conversion", "u-1", "2026-01-01T11:00:00.000Z", None),
        ("signup", "u-3", "2026-01-01T11:30:00.000Z", Some("DE")),
    ])
}

async fn a_campaigns_numbers_are_those_of_its_rows(fixture: Fixture) {
    let name = "a campaign's numbers are those of its rows";
    apply(&fixture, &two_hours(), name).await;
    let day = range("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let Some(stats) = must(fixture.store.campaign_stats("c-1", day).await, name) else {
        panic!("{name}: the campaign is known")
    };
    let totals = (stats.total_events, stats.impressions, stats.clicks, stats.conversions);
    assert_eq!(totals, (5, 2, 1, 1), "{name}: totals");
    assert_eq!(stats.unique_users, exact(3), "{name}: a user of two hours is one user");
    let hours: Vec<_> = stats
        .hourly
        .iter()
        .map(|h| (h.hour.to_string(), h.total_events, h.impressions, h.unique_users.count))
        .collect();
    let expected = [
        ("2026-01-01T11:00:00.000Z".to_owned(), 2, 0, 2),
        ("2026-01-01T10:00:00.000Z".to_owned(), 3, 2, 2),
    ];
    assert_eq!(hours, expected, "{name}: hours, newest first");
    let other = must(fixture.store.campaign_stats("c-2", day).await, name);
    assert_eq!(other, None, "{name}: a campaign without any row is unknown");
}

async fn ranges_include_their_start_and_not_their_end(fixture: Fixture) {
    let name = "ranges include their start and not their end";
    apply(&fixture, &two_hours(), name).await;
    let count = async |from, to| {
        let range = range(from, to);
        let stats = must(fixture.store.campaign_stats("c-1", range).await, name);
        let Some(stats) = stats else { panic!("{name}: known, with or without rows in range") };
        let hourly: u64 = stats.hourly.iter().map(|hour| hour.total_events).sum();
        assert_eq!(hourly, stats.total_events, "{name}: hours add up");
        stats.total_events
    };
    assert_eq!(count("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z").await, 3, "{name}: an hour");
    let edges = count("2026-01-01T10:00:00.001Z", "2026-01-01T10:59:59.999Z").await;
    assert_eq!(edges, 1, "{name}: inside an hour");
    assert_eq!(count("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z").await, 0, "{name}: outside");
}

async fn users_beyond_the_limit_are_estimated_and_said_to_be(fixture: Fixture) {
    let name = "users beyond the limit are estimated and said to be";
    let of_users = |campaign: &str, first: u32, users: u64| {
        let campaign = campaign.to_owned();
        rows((0..u32::try_from(users).unwrap_or(0)).map(move |user| CanonicalEvent {
            user_id: Some(format!("u-{user}")),
            campaign_id: Some(campaign.clone()),
            ..event(&format!("{campaign}-{user}"), first + user)
        }))
    };
    apply(&fixture, &of_users("at", 0, EXACT_UNIQUES), name).await;
    apply(&fixture, &of_users("beyond", 100_000, EXACT_UNIQUES * 4), name).await;
    let users = async |campaign: &str| {
        let stats = must(fixture.store.campaign_stats(campaign, ALWAYS).await, name);
        stats.map(|stats| stats.unique_users)
    };
    assert_eq!(users("at").await, Some(exact(EXACT_UNIQUES)), "{name}: at the limit");
    let Some(beyond) = users("beyond").await else { panic!("{name}: known") };
    let wanted = EXACT_UNIQUES * 4;
    assert!(beyond.approximate, "{name}: it says so");
    assert!(beyond.count.abs_diff(wanted) * 20 <= wanted, "{name}: within 5 %: {beyond:?}");
    assert_eq!(users("beyond").await, Some(beyond), "{name}: the same twice");
}

async fn hours_are_listed_newest_first_in_pages(fixture: Fixture) {
    let name = "hours are listed newest first, in pages";
    let mut batch = two_hours();
    let late = CanonicalEvent { campaign_id: Some("c-0".to_owned()), ..event("late", 50) };
    batch.events.extend(rows([late]).events);
    apply(&fixture, &batch, name).await;
    let page = |offset, limit| Page { offset, limit };
    let all = must(fixture.store.campaign_hours(page(0, 10)).await, name);
    let seen: Vec<_> =
        all.iter().map(|h| (h.campaign_id.as_str(), h.total_events, h.total_clicks)).collect();
    assert_eq!(seen, [("c-0", 1, 1), ("c-1", 2, 0), ("c-1", 3, 1)], "{name}: all");
    let second = must(fixture.store.campaign_hours(page(1, 1)).await, name);
    assert_eq!(second, all[1..2], "{name}: the second page of one");
    assert_eq!(must(fixture.store.campaign_hours(page(3, 5)).await, name), [], "{name}: past it");
    let newest = must(fixture.store.campaign_hour("c-1").await, name);
    assert_eq!(newest.as_ref(), all.get(1), "{name}: a campaign's newest hour");
    assert_eq!(must(fixture.store.campaign_hour("c-9").await, name), None, "{name}: unknown");
}

async fn rows_break_down_by_every_column(fixture: Fixture) {
    let name = "rows break down by every column";
    let mut batch = two_hours();
    let apart = CanonicalEvent {
        campaign_id: None,
        user_id: None,
        device_type: Some("desktop".to_owned()),
        ip_address: None,
        created_at: at("2026-01-01T11:59:00Z"),
        ..event("apart", 60)
    };
    batch.events.extend(rows([apart]).events);
    apply(&fixture, &batch, name).await;
    let ask = async |campaign: Option<&str>, by, limit| {
        let range = range("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        must(fixture.store.breakdown(campaign, by, range, limit).await, name)
    };
    let row = |key: Option<&str>, events, users| BreakdownRow {
        key: key.map(str::to_owned),
        events,
        unique_users: exact(users),
    };
    let campaign = Some("c-1");
    let country = ask(campaign, Breakdown::Country, 10).await;
    let expected = [row(Some("DE"), 3, 3), row(None, 1, 1), row(Some("FR"), 1, 1)];
    assert_eq!(country, expected, "{name}: country, of one campaign");
    let country = ask(None, Breakdown::Country, 1).await;
    assert_eq!(country, [row(Some("DE"), 4, 3)], "{name}: country, of all, the largest group");
    let device = ask(None, Breakdown::Device, 10).await;
    let expected = [row(Some("mobile"), 5, 3), row(Some("desktop"), 1, 0)];
    assert_eq!(device, expected, "{name}: device");
    let ip = ask(None, Breakdown::Ip, 10).await;
    assert_eq!(ip, [row(Some("203.0.113.7"), 5, 3), row(None, 1, 0)], "{name}: ip");
    let hour = ask(None, Breakdown::Hour, 10).await;
    let expected =
        [row(Some("2026-01-01T11:00:00.000Z"), 3, 2), row(Some("2026-01-01T10:00:00.000Z"), 3, 2)];
    assert_eq!(hour, expected, "{name}: hour, newest first");
    let campaigns = ask(None, Breakdown::Campaign, 10).await;
    assert_eq!(campaigns, [row(Some("c-1"), 5, 3), row(None, 1, 0)], "{name}: campaign");
    assert_eq!(ask(Some("c-9"), Breakdown::Ip, 10).await, [], "{name}: unknown campaign");
}

async fn an_events_status_is_its_strongest_outcome(fixture: Fixture) {
    let name = "an event's status is its strongest outcome";
    let status = async |event_id: &str| {
        let status = must(fixture.store.event_status(&id(event_id)).await, name);
        status.map(|s| (s.outcome, s.origin, s.duplicates))
    };
    assert_eq!(status("e-1").await, None, "{name}: unknown");
    let mut later = decision("e-1", 2, Outcome::Blocked);
    later.decided_at = later.decided_at.plus(Duration::from_secs(1));
    let batch = decisions([decision("e-1", 1, Outcome::Duplicate), later]);
    apply(&fixture, &batch, name).await;
    let expected = Some((Outcome::Blocked, origin(2), 1));
    assert_eq!(status("e-1").await, expected, "{name}: the latest decision");
    apply(&fixture, &letters([letter("e-1", 3)]), name).await;
    let expected = Some((Outcome::DeadLettered, origin(3), 1));
    assert_eq!(status("e-1").await, expected, "{name}: a dead letter beats decisions");
    let reason = must(fixture.store.event_status(&id("e-1")).await, name).and_then(|s| s.reason);
    assert_eq!(reason.as_deref(), Some("no store can keep it"), "{name}: its reason");
    apply(&fixture, &rows([event("e-1", 4), event("e-1", 5)]), name).await;
    let expected = Some((Outcome::Stored, origin(4), 2));
    assert_eq!(status("e-1").await, expected, "{name}: a row beats all");
    apply(&fixture, &decisions([decision("e-2", 6, Outcome::Duplicate)]), name).await;
    let expected = Some((Outcome::Duplicate, origin(6), 0));
    assert_eq!(status("e-2").await, expected, "{name}: others only are counted");
}

async fn outcomes_and_ids_are_found_by_the_thousand(fixture: Fixture) {
    let name = "outcomes and ids are found by the thousand";
    let count = 3000;
    let ids = |step: u32| -> Vec<EventId> {
        (0..count * step).step_by(step as usize).map(|n| id(&format!("e-{n}"))).collect()
    };
    let batch = rows((0..count).map(|n| event(&format!("e-{n}"), n)));
    apply(&fixture, &batch, name).await;
    apply(&fixture, &decisions([decision("x", count, Outcome::Blocked)]), name).await;
    let mut replayed = rows([event("y", count + 1)]);
    replayed.events[0].replay_id = Some("r-1".to_owned());
    apply(&fixture, &replayed, name).await;
    let asked: Vec<Origin> = (0..count + 100).map(origin).collect();
    let found = must(fixture.store.outcomes(&asked).await, name);
    assert_eq!(found.len(), count as usize + 2, "{name}: origins without an outcome are absent");
    let of = |number: u32| found.iter().find(|row| row.origin == origin(number));
    assert_eq!(of(count).map(|row| row.outcome), Some(Outcome::Blocked), "{name}: a decision");
    let replay = of(count + 1).and_then(|row| row.replay_id.as_deref());
    assert_eq!(replay, Some("r-1"), "{name}: its replay");
    assert_eq!(of(0).map(|r| r.event_id.clone()), Some(Some(id("e-0"))), "{name}: its event");
    let stored = must(fixture.store.stored_ids(&ids(2)).await, name);
    assert_eq!(stored.len(), count as usize / 2, "{name}: half of the ids are rows");
    assert!(must(fixture.store.stored_ids(&[]).await, name).is_empty(), "{name}: none asked");
}

async fn dead_letters_pass_their_filter_in_order_of_origin(fixture: Fixture) {
    let name = "dead letters pass their filter in order of origin";
    let mut sent: Vec<DeadLetter> = (1..=5).map(|n| letter(&format!("e-{}", n % 2), n)).collect();
    sent[2].failure.stage = Stage::Processor;
    apply(&fixture, &letters(sent.iter().rev().cloned()), name).await;
    apply(&fixture, &rows([event("e-0", 4)]), name).await;
    let list = async |filter: DeadLetterFilter| {
        let found = must(fixture.store.dead_letters(&filter).await, name);
        found.into_iter().map(|row| row.letter.origin).collect::<Vec<_>>()
    };
    let of = |numbers: &[u32]| numbers.iter().copied().map(origin).collect::<Vec<_>>();
    let every = DeadLetterFilter { limit: 10, ..DeadLetterFilter::default() };
    assert_eq!(list(every.clone()).await, of(&[1, 2, 3, 5]), "{name}: the open ones");
    let resolved = DeadLetterFilter { include_resolved: true, ..every.clone() };
    assert_eq!(list(resolved.clone()).await, of(&[1, 2, 3, 4, 5]), "{name}: all");
    let page = DeadLetterFilter { after: Some(origin(1)), limit: 2, ..every.clone() };
    assert_eq!(list(page).await, of(&[2, 3]), "{name}: a page");
    let stage = DeadLetterFilter { stage: Some(Stage::Processor), ..every.clone() };
    assert_eq!(list(stage).await, of(&[3]), "{name}: a stage");
    let of_event = DeadLetterFilter { event_id: Some(id("e-0")), ..resolved.clone() };
    assert_eq!(list(of_event).await, of(&[2, 4]), "{name}: an event");
    let named = DeadLetterFilter { origins: of(&[5, 4, 2, 5, 77]), ..every.clone() };
    assert_eq!(list(named.clone()).await, of(&[2, 5]), "{name}: named origins");
    let paged = DeadLetterFilter { after: Some(origin(2)), limit: 1, ..named };
    assert_eq!(list(paged).await, of(&[5]), "{name}: a page of named origins");
    let found = must(fixture.store.dead_letters(&resolved).await, name);
    let found: Vec<DeadLetter> = found.into_iter().map(|row| row.letter).collect();
    assert_eq!(found, sent, "{name}: each as it came, bytes and all");
}

async fn audits_read_everything_in_order_of_origin(fixture: Fixture) {
    let name = "audits read everything in order of origin";
    let sent: Vec<CanonicalEvent> = (0..25).map(|n| event(&format!("e-{n}"), n)).collect();
    apply(&fixture, &rows(sent.iter().rev().cloned()), name).await;
    let decided: Vec<_> =
        (30..40).map(|n| decision(&format!("e-{n}"), n, Outcome::RateLimited)).collect();
    apply(&fixture, &decisions(decided.iter().rev().cloned()), name).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = must(fixture.store.audit_rows(after, 10).await, name);
        assert!(page.len() <= 10, "{name}: a page");
        let Some((last, _)) = page.last() else { break };
        after = Some(last.origin);
        found.extend(page.into_iter().map(|(event, _)| event));
    }
    assert_eq!(found, sent, "{name}: rows");
    let first = must(fixture.store.audit_decisions(None, 4).await, name);
    let rest = must(fixture.store.audit_decisions(Some(origin(33)), 100).await, name);
    let found: Vec<_> = first.into_iter().chain(rest).map(|(decision, _)| decision).collect();
    assert_eq!(found, decided, "{name}: decisions");
}

async fn an_empty_store_answers(fixture: Fixture) {
    let name = "an empty store answers";
    must(fixture.store.check().await, name);
    let page = Page { offset: 0, limit: 10 };
    assert!(must(fixture.store.campaign_hours(page).await, name).is_empty(), "{name}: hours");
    let rows = must(fixture.store.breakdown(None, Breakdown::Ip, ALWAYS, 10).await, name);
    assert!(rows.is_empty(), "{name}: breakdown");
    assert!(must(fixture.store.audit_rollups(10).await, name).is_empty(), "{name}: roll-ups");
}
