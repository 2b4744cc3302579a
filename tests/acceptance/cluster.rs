//! The same figures with every role as a process of its own on Kafka, Redis, Postgres and MinIO.

use super::harness::said;
use super::stand::{Cluster, Roles};
use super::{Figures, lines, send_in_batches, send_singly, wait_for_a_fresh_minute};

const SENDERS: usize = 16;

fn figures(cluster: &Cluster) -> Figures {
    let count = |select: &str| -> u64 { cluster.sql(select)[0][0].parse().unwrap() };
    Figures {
        rows: count("SELECT count(*) FROM raw_events"),
        rolled_up: count(
            "SELECT coalesce(sum(total_impressions + total_clicks + total_conversions), 0)
            FROM campaign_stats",
        ),
        refused: count(
            "SELECT count(*) FROM event_decisions WHERE outcome IN ('rate_limited', 'blocked')",
        ),
        duplicate: count("SELECT count(*) FROM event_decisions WHERE outcome = 'duplicate'"),
    }
}

fn assert_figures(cluster: &Cluster, roles: &Roles, expected: &Figures, context: &str) {
    cluster.settle(roles, context);
    assert_eq!(figures(cluster), *expected, "{context}");
    let verify = cluster.evp(&["verify", "--wait", "60s"]);
    assert!(verify.status.success(), "{context}: {}", said(&verify));
}

#[test]
fn on_servers_under_the_limit_then_killed_then_again_then_replayed() {
    let lines = lines();
    let limit = [("EVP__PROCESSOR__IP_RATE_LIMIT_PER_MIN", "100")];
    let cluster = Cluster::start_with(&limit);
    let mut roles = cluster.all();
    wait_for_a_fresh_minute();
    let minute = jiff::Timestamp::now().as_second() / 60;
    // Many senders: one that waits for each broker's answer would not be done within the minute.
    std::thread::scope(|scope| {
        for some in lines.chunks(lines.len().div_ceil(SENDERS)) {
            scope.spawn(|| send_singly(&roles["collector"], some));
        }
    });
    assert_eq!(jiff::Timestamp::now().as_second() / 60, minute, "too slow for one minute: void");
    let expected = Figures { rows: 8_908, rolled_up: 8_908, refused: 1_091, duplicate: 0 };
    assert_figures(&cluster, &roles, &expected, "sent once");

    for role in ["collector", "processor", "archiver", "worker"] {
        let url = Cluster::kill(&mut roles, role);
        cluster.again(&mut roles, role, &url);
    }
    assert_figures(&cluster, &roles, &expected, "after kill -9 of every role");

    send_in_batches(&roles["collector"], &lines);
    let twice = Figures { rows: 8_908, rolled_up: 8_908, refused: 2_182, duplicate: 8_908 };
    assert_figures(&cluster, &roles, &twice, "sent again as batches, bans in force");

    // Rows are lost outside of evp; the day's archive in the bucket brings them back.
    cluster.sql("TRUNCATE raw_events, campaign_stats, event_decisions, dead_letters");
    cluster.sql("UPDATE outcome_counts SET events = 0");
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let replay = cluster.evp(&["replay", "--from", &day, "--yes"]);
    assert!(replay.status.success(), "{}", said(&replay));
    assert_figures(&cluster, &roles, &twice, "replayed from the bucket");
}
