//! The collector given twice of what it can take: whether it still does what it can, and how quickly
//! it says no to the rest.

use crate::bench::Bench;
use crate::embedded::Embedded;
use crate::load::Done;
use crate::process::answer_of_child;
use crate::report::{Compared, Goal, Report, Rounds, Row, figure};

/// Enough to find the knee, without a queue before it.
const AT_KNEE: usize = 32;
/// As many clients as the collector lets in, about (`http.max_connections`): more than it has room for.
const OVER_IT: usize = 8000;
/// Events of a request.
const BATCH: f64 = 100.0;

pub fn run(bench: &mut Bench) -> Report {
    let seconds = bench.scale.seconds.as_secs_f64().to_string();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let of_generator = (cores - 1).to_string();
    // A new server each time, that has been at its knee for a second: the other load left nothing.
    let load = |rate: f64, connections: usize| -> (Done, f64) {
        let server = Embedded::start(bench, &["collector"], &[], "0");
        let address = server.process.http().to_string();
        let given = |rate: f64, connections: usize, seconds: &str| -> Done {
            let (rate, connections) = (rate.to_string(), connections.to_string());
            answer_of_child(&of_generator, &["load", &address, &rate, &connections, seconds])
        };
        let _warm = given(0.0, AT_KNEE, "1");
        (given(rate, connections, &seconds), server.process.resident_mb())
    };
    let mut compared = Compared::default();
    let [mut refusal_ms, mut accepted_ms, mut offered, mut refused, mut failed, mut memory] =
        std::array::from_fn(|_| Rounds::default());
    for _ in 0..bench.scale.rounds {
        let (knee, _) = load(0.0, AT_KNEE);
        assert_eq!(knee.refused, 0, "nothing is refused at the knee");
        let knee = knee.events as f64 / knee.seconds;
        let (over, resident) = load(knee * 2.0, OVER_IT);
        compared.add(over.events as f64 / over.seconds, knee);
        refusal_ms.add(over.refused_p99_ms.unwrap_or(f64::NAN));
        accepted_ms.add(over.p99_ms);
        offered.add((over.events as f64 + over.refused as f64 * BATCH) / over.seconds / knee);
        refused.add((over.refused - over.failed) as f64);
        failed.add(over.failed as f64);
        memory.add(resident);
    }
    Report {
        rows: vec![
            Row::ratio(
                "overload, twice the knee asked for: events/s acknowledged",
                "goodput at the knee",
                compared,
                Goal::AtLeast(0.95, None),
            ),
            Row::figure("the same: its 503s, p99 ms", refusal_ms, Goal::AtMost(5.0, None)),
        ],
        details: vec![
            format!(
                "medians at twice the knee: answers other than 202 {}, without an answer {}, p99 of a 202 {:.0} ms, {:.0} MB",
                figure(refused.median()),
                figure(failed.median()),
                accepted_ms.median(),
                memory.median()
            ),
            format!(
                "what could be sent was {:.2} of the knee's rate (median); every connection had a request under way for the rest",
                offered.median()
            ),
        ],
        note: "\
`serve collector` on the embedded log held to processor 0, the generator to the last one, batches of 100,
compressed and made beforehand: so the generator can send more than the server can take. The knee is what 32
connections get that send as soon as they are answered. Then 8,000 connections send by a schedule of twice that
rate. 5 ms is this table's reading of quick; \"none\" is that there was no 503.",
        ..Report::default()
    }
}
