//! What the plan says happens, and nothing else.

use super::super::{MemoryObjectStore, MemoryState};
use super::*;
use crate::model::{Origin, Timestamp};
use crate::ports::{Candidate, Limits, ObjectStore, State, Verdict};

fn candidate(id: &str) -> Candidate {
    Candidate {
        event_id: EventId::new(id).unwrap(),
        origin: Origin::mint(),
        client_ip: None,
        received_at: Timestamp::default(),
        is_exempt: false,
        blocked: None,
    }
}

const LIMITS: Limits = Limits { mark_ttl: Duration::from_secs(60), per_minute: None, ban: None };

#[tokio::test]
async fn what_fails_before_has_no_effect_and_what_fails_after_has() {
    let faults = Faults::new();
    let store: Arc<dyn ObjectStore> = Arc::new(MemoryObjectStore::new());
    let faulty: Arc<dyn ObjectStore> = Arc::new(Faulty::new(Arc::clone(&store), &faults));
    faults.pass_next(1);
    faults.fail_next(1, Kind::Full);
    faults.lose_answer_of_next(1, Kind::Unavailable);
    let create = |key| faulty.create(key, bytes::Bytes::new());
    assert!(create("a").await.is_ok());
    assert_eq!(create("b").await.unwrap_err().kind(), Kind::Full);
    assert_eq!(create("c").await.unwrap_err().kind(), Kind::Unavailable);
    assert!(create("d").await.is_ok());
    let keys: Vec<String> =
        store.list("", None, 9).await.unwrap().into_iter().map(|meta| meta.key).collect();
    assert_eq!(keys, ["a", "c", "d"]);
    assert_eq!((faults.calls(), faults.failed()), (4, 2));
}

#[tokio::test]
async fn down_is_until_up() {
    let faults = Faults::new();
    let state = Faulty::new(Arc::new(MemoryState::new()), &faults);
    faults.go_down(Kind::Unavailable);
    for _ in 0..3 {
        assert_eq!(state.check().await.unwrap_err().kind(), Kind::Unavailable);
    }
    faults.come_up();
    assert!(state.check().await.is_ok());
}

#[tokio::test]
async fn a_poisoned_event_fails_its_batch_as_often_as_planned() {
    let faults = Faults::new();
    let state = Arc::new(Faulty::new(Arc::new(MemoryState::new()), &faults));
    let batch = [candidate("good"), candidate("bad")];
    faults.delay(Duration::from_millis(1));
    faults.fail_on(&batch[1].event_id, Kind::Transient, 1);
    assert_eq!(state.judge(&batch, &LIMITS).await.unwrap_err().kind(), Kind::Transient);
    assert_eq!(state.judge(&batch, &LIMITS).await.unwrap(), [Verdict::Pass, Verdict::Pass]);
    faults.panic_on(&batch[1].event_id);
    assert!(state.judge(&batch[..1], &LIMITS).await.is_ok());
    let (judge, poison) = (Arc::clone(&state), batch.to_vec());
    let panicked =
        crate::runtime::tasks::spawn("test", async move { judge.judge(&poison, &LIMITS).await });
    assert!(panicked.await.unwrap_err().is_panic());
    faults.clear();
    assert!(state.judge(&batch, &LIMITS).await.is_ok());
}
