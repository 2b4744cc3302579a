//! A run from its plan to its report: connections, threads, their samples second by second.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

use super::Plan;
use super::book::Book;
use super::measure::{Measures, Sample};
use super::numbers::Numbers;
use super::payload::{Composer, Mix, Payload, Request};
use super::pool::Pool;
use super::report::{PlanReport, Report, Second, StageReport, VERSION};
use super::schedule::Schedule;
use super::source::{BAD, Source};
use super::template::Template;
use super::units::{float, whole};
use super::worker::{Orders, Worker};
use crate::jobs::ledger::Head;
use crate::model::Timestamp;
use crate::ports::{Clock, SystemClock};
use crate::runtime::shutdown::CancellationToken;

/// How long connections may take to be made before the run.
const CONNECT: Duration = Duration::from_secs(5);
/// Threads are started before the first request is due.
const LEAD: Duration = Duration::from_millis(20);
/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Numbers that a ledger reserves at once: some seconds of events.
const RESERVED: u64 = 200_000;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The plan asks for something that cannot be.
    #[error("{0}")]
    Plan(String),
    /// Nobody listens at the target, or does not answer.
    #[error("cannot connect to {target}")]
    Connect {
        /// Where.
        target: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The ledger cannot be written.
    #[error("cannot write the ledger {path}")]
    Ledger {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system does not give what a run needs.
    #[error("cannot {what}")]
    System {
        /// What for.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How a run stands after a second.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The second that is over.
    pub second: Second,
    /// Seconds of the schedule.
    pub of: f64,
}

/// Takes how a run stands, once a second.
pub trait Observer {
    /// A second is over.
    fn second(&self, now: &Now);
}

/// Says what is wrong with a plan before anything is connected or written.
///
/// # Errors
/// [`LoadError::Plan`].
pub fn check(plan: &Plan) -> Result<(), LoadError> {
    let refuse = |text: &str| Err(LoadError::Plan(text.to_owned()));
    if plan.route.is_single() && plan.batch != 1 {
        let route = plan.route;
        return refuse(&format!("--route {route} takes one event a request, not {}", plan.batch));
    }
    if let Some(fault) = plan.mix.fault() {
        return refuse(fault);
    }
    let schedule = Schedule::new(&plan.load, plan.batch as u64, plan.burst);
    if schedule.requests() == 0 {
        return refuse("no request is due in the whole run");
    }
    if plan.load.spike.is_some_and(|spike| spike.length >= schedule.length()) {
        return refuse("the spike is as long as the run");
    }
    if plan.connections < plan.threads || plan.threads == 0 {
        return refuse("there must be at least one connection a thread");
    }
    let request = first(plan)?;
    let wanted = plan.size.unwrap_or(0);
    let event = request.events.first().map_or(0, |event| event.bytes.len());
    if wanted != 0 && event != wanted {
        let said =
            format!("--size {wanted} is too small: without filler an event has {event} bytes");
        return refuse(&said);
    }
    Ok(())
}

/// The first request of a plan, as it goes over the wire.
///
/// # Errors
/// [`LoadError::Plan`] where its events cannot be made.
pub fn sample(plan: &Plan) -> Result<String, LoadError> {
    Ok(String::from_utf8_lossy(&first(plan)?.bytes).into_owned())
}

/// What a plan asks for, as the report has it.
#[must_use]
pub fn outline(plan: &Plan) -> PlanReport {
    let schedule = Schedule::new(&plan.load, plan.batch as u64, plan.burst);
    let stage = |rate: f64, length: Duration| StageReport { rate, seconds: length.as_secs_f64() };
    PlanReport {
        seconds: schedule.length().as_secs_f64(),
        requests: schedule.requests(),
        start_rate: plan.load.start_rate,
        stages: plan.load.stages.iter().map(|one| stage(one.rate, one.length)).collect(),
        spike: plan.load.spike.map(|spike| stage(spike.rate, spike.length)),
        batch: plan.batch,
        burst: plan.burst,
        connections: plan.connections,
        threads: plan.threads,
        duplicates: plan.mix.duplicates,
        bad: plan.mix.bad,
        seed: plan.mix.seed,
    }
}

fn first(plan: &Plan) -> Result<Request, LoadError> {
    // An event that is refused says nothing of the template.
    let plan = Plan { mix: Mix { bad: 0.0, ..plan.mix }, ..plan.clone() };
    let payload = Arc::new(payload(&plan, Uuid::nil())?);
    let mut composer = Composer::new(payload, Arc::new(Numbers::unlimited()));
    let mut request = Request::default();
    composer.compose(0, SystemClock.now(), &mut request);
    Ok(request)
}

fn payload(plan: &Plan, run: Uuid) -> Result<Payload, LoadError> {
    let templates = plan.source.templates(plan.route, plan.users, plan.size);
    let mut events = templates.map_err(LoadError::Plan)?;
    if plan.ledger.is_some() {
        let keeps_ids = matches!(plan.source, Source::Lines { keep_ids: true, .. });
        if keeps_ids {
            let said = "a ledger needs the run's own ids; leave out --keep-ids";
            return Err(LoadError::Plan(said.to_owned()));
        }
        for template in events.iter_mut().filter(|template| !template.has_id()) {
            template.add_id(plan.route.id_member());
        }
    }
    let mut bad = Template::parse(BAD, 1).map_err(LoadError::Plan)?;
    if events.iter().all(|template| !template.has_id()) {
        bad = Template::plain("{\"not_an_event\":true}");
    }
    Ok(Payload {
        run,
        route: plan.route,
        batch: plan.batch.max(1),
        mix: plan.mix,
        events,
        bad,
        head: Payload::head(&plan.host, &plan.path, plan.route, &plan.headers),
    })
}

/// Runs a plan to its end, or until cancelled; then what was sent is still waited for. Blocks.
///
/// # Errors
/// Where nothing could be measured, or the ledger could not be written: then the run stops.
pub fn run(
    plan: &Plan,
    clock: &dyn Clock,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<Report, LoadError> {
    check(plan)?;
    let run = Uuid::now_v7();
    let payload = Arc::new(payload(plan, run)?);
    let schedule = Arc::new(Schedule::new(&plan.load, plan.batch as u64, plan.burst));
    let pools = pools(plan)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (numbers, book) = numbers(plan, run, clock, &stop)?;
    let start = Instant::now() + LEAD;
    let orders = Orders {
        start,
        started: clock.now().plus(LEAD),
        timeout: plan.timeout,
        max_waiting: max_waiting(plan, &schedule).div_ceil(plan.threads),
        expect: plan.expect.as_deref().map(|text| text.as_bytes().into()),
        route: plan.route,
        stop: Arc::clone(&stop),
    };
    let cpu_before = cpu_seconds();
    let (samples, received) = channel();
    let mut workers = Vec::new();
    for (index, pool) in (0..).zip(pools) {
        let composer = Composer::new(Arc::clone(&payload), Arc::clone(&numbers));
        let cursor = schedule.cursor(index, plan.threads as u64);
        let worker = Worker::new(orders.clone(), cursor, composer, pool, samples.clone())
            .with_book(book.as_ref().map(Book::sender));
        let thread = std::thread::Builder::new().name(format!("load-{index}"));
        let started = thread.spawn(move || worker.run());
        workers
            .push(started.map_err(|source| LoadError::System { what: "start a thread", source })?);
    }
    drop(samples);
    let series = watch(&received, plan, &schedule, observer, (cancel, &stop));
    let measures = join(workers);
    let took = if cancel.is_cancelled() { Duration::ZERO } else { schedule.length() };
    let took = took.max(start.elapsed()).as_secs_f64();
    let report = blank(plan, run, orders.started, took, series);
    let written = book.map_or(Ok(()), |book| book.finish(measures.is_ok()));
    let path = plan.ledger.as_deref().unwrap_or_else(|| "".as_ref()).display().to_string();
    written.map_err(|source| LoadError::Ledger { path, source })?;
    let measures = measures?;
    let mut report = report.measured(&measures, cpu_seconds() - cpu_before);
    report.interrupted = cancel.is_cancelled();
    Ok(report.judged(&plan.thresholds, &measures))
}

fn pools(plan: &Plan) -> Result<Vec<Pool>, LoadError> {
    let mut pools = Vec::new();
    for thread in 0..plan.threads {
        let share = plan.connections / plan.threads;
        let count = share + usize::from(thread < plan.connections % plan.threads);
        let mut pool = Pool::new(plan.address, count)
            .map_err(|source| LoadError::System { what: "wait for sockets", source })?;
        pool.open(CONNECT).map_err(|source| LoadError::Connect {
            target: format!("http://{}", plan.host),
            source,
        })?;
        pools.push(pool);
    }
    Ok(pools)
}

/// The numbers of the run's events, and its ledger where there is to be one.
fn numbers(
    plan: &Plan,
    run: Uuid,
    clock: &dyn Clock,
    stop: &Arc<AtomicBool>,
) -> Result<(Arc<Numbers>, Option<Book>), LoadError> {
    let Some(path) = &plan.ledger else {
        return Ok((Arc::new(Numbers::unlimited()), None));
    };
    let numbers = Arc::new(Numbers::none());
    let head = Head {
        run,
        made_at: clock.now(),
        target: format!("http://{}{}", plan.host, plan.path),
        maker: "evp loadgen".to_owned(),
    };
    let ahead = RESERVED.max(plan.batch as u64 * 1000);
    let book = Book::open(path, &head, ahead, Arc::clone(&numbers), Arc::clone(stop));
    let book =
        book.map_err(|source| LoadError::Ledger { path: path.display().to_string(), source });
    Ok((numbers, Some(book?)))
}

fn max_waiting(plan: &Plan, schedule: &Schedule) -> usize {
    let second = usize::try_from(whole(schedule.peak().ceil())).unwrap_or(usize::MAX);
    plan.max_waiting.unwrap_or(second.max(1000))
}

/// Puts the workers' seconds together as they come, until all workers have ended.
fn watch(
    received: &Receiver<Sample>,
    plan: &Plan,
    schedule: &Schedule,
    observer: &dyn Observer,
    (cancel, stop): (&CancellationToken, &AtomicBool),
) -> Vec<Second> {
    let of = schedule.length().as_secs_f64();
    let mut open: BTreeMap<u64, (usize, Sample)> = BTreeMap::new();
    let mut series = Vec::new();
    loop {
        match received.recv_timeout(LOOK) {
            Ok(sample) => {
                let second = sample.second;
                match open.get_mut(&second) {
                    Some((count, sum)) => {
                        sum.add(&sample);
                        *count += 1;
                    }
                    None => drop(open.insert(second, (1, sample))),
                }
                let whole = open.first_entry().filter(|entry| entry.get().0 == plan.threads);
                if let Some(entry) = whole {
                    let second = Second::of(&entry.remove().1);
                    observer.second(&Now { second, of });
                    series.push(second);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if cancel.is_cancelled() {
            stop.store(true, Relaxed);
        }
    }
    // The last seconds, in which some workers had nothing left to do.
    series.extend(open.into_values().map(|(_, sample)| Second::of(&sample)));
    series
}

fn join(workers: Vec<JoinHandle<io::Result<Measures>>>) -> Result<Measures, LoadError> {
    let mut all = Measures::new();
    for worker in workers {
        let ended = worker.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
        all.add(&ended.map_err(|source| LoadError::System { what: "wait for answers", source })?);
    }
    Ok(all)
}

/// A report without what was measured.
fn blank(
    plan: &Plan,
    run: Uuid,
    started_at: Timestamp,
    seconds: f64,
    series: Vec<Second>,
) -> Report {
    Report {
        version: VERSION,
        run,
        started_at,
        target: format!("http://{}{}", plan.host, plan.path),
        route: plan.route.as_str(),
        scenario: plan.scenario.clone(),
        seconds,
        plan: outline(plan),
        ledger: plan.ledger.as_ref().map(|path| path.display().to_string()),
        series,
        ..Report::default()
    }
}

/// Processor time of this process so far.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |value: i64| float(u64::try_from(value).unwrap_or(0));
    part(time.tv_sec) + part(time.tv_nsec) / 1e9
}
