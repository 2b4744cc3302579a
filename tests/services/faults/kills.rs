//! kill -9 of each role in mid-flow, at random instants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::{Cluster, InFlight, ROLES, flowing, load, times};
use crate::harness::load::{Cut, Sent};
use crate::harness::server::pause;

#[test]
fn each_role_killed_at_random_loses_and_doubles_nothing() {
    let cluster = Cluster::start();
    let mut roles = cluster.all();
    let mut sent = Sent::default();
    for role in ROLES {
        let load = load(&roles, &format!("kill-{role}"));
        let questions = (role == "query").then(|| Questions::ask(&roles[role].url));
        let reads = !matches!(role, "collector" | "query");
        let mut in_flight = reads.then(|| InFlight::of(&cluster, role));
        let kills = times("EVP_KILLS", 3);
        let (mut done, mut void) = (0, 0);
        while done < kills {
            flowing(&load, 10);
            // A spread of instants without a random source: the machine's scheduling adds the rest.
            pause(20 + ((done + void) * 367) % 700);
            if let Some(in_flight) = &mut in_flight {
                in_flight.look();
            }
            let struck = Instant::now();
            let url = Cluster::kill(&mut roles, role);
            // Without requests or records under way nothing was in flight, and the run says nothing.
            let cut = questions.as_ref().map_or(load.cut(), |questions| &questions.cut);
            let was_in_flight = match &in_flight {
                Some(in_flight) => in_flight.unfinished() > 0,
                None => {
                    // Until those who ask have noticed.
                    pause(50);
                    cut.was_at(struck)
                }
            };
            cluster.again(&mut roles, role, &url);
            if was_in_flight {
                done += 1;
            } else {
                void += 1;
                assert!(
                    void < 20 + 10 * kills,
                    "{role}: in flight in {done} of {} runs",
                    done + void
                );
            }
        }
        println!("{role}: {kills} kills in mid-flow, {void} void");
        drop(questions);
        flowing(&load, 10);
        sent.extend(load.stop());
        cluster.assert_promise(&roles, &sent, &format!("{role} killed {kills} times"));
    }
}

/// Asks a query role for statistics until it is dropped, one question after the other.
struct Questions {
    stop: Arc<AtomicBool>,
    cut: Cut,
    thread: Option<JoinHandle<()>>,
}

impl Questions {
    fn ask(url: &str) -> Self {
        let url = format!("{url}/campaigns/c-1/stats");
        let (stop, cut) = (Arc::new(AtomicBool::new(false)), Cut::default());
        let (stopped, noted) = (Arc::clone(&stop), cut.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                // A connection each: none lies idle that a kill could cut.
                let question = ureq::get(&url).header("Connection", "close");
                let answer = question.config().http_status_as_error(false).build().call();
                if answer.and_then(|mut answer| answer.body_mut().read_to_vec()).is_err() {
                    noted.note(began);
                    pause(5);
                }
            }
        });
        Self { stop, cut, thread: Some(thread) }
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("whoever asks does not panic");
        }
    }
}
