//! What jobs remember.

use super::super::Behaviour;
use super::Subject;

pub(super) async fn run(subject: &dyn Subject) {
    jobs_remember(subject).await;
    let be = Behaviour("check of a working state is ok");
    be.ok(subject.fresh().await.check().await);
}

async fn jobs_remember(subject: &dyn Subject) {
    let be = Behaviour("a job's state is remembered until it is forgotten");
    let mut state = subject.fresh().await;
    be.same(be.ok(state.job_state("replay").await), None);
    be.ok(state.put_job_state("replay", Some("{\"at\":1}")).await);
    be.ok(state.put_job_state("redrive", Some("{}")).await);
    be.ok(state.put_job_state("replay", Some("{\"at\":\"é\"}")).await);
    state = subject.reopened(state).await;
    be.same(be.ok(state.job_state("replay").await).as_deref(), Some("{\"at\":\"é\"}"));
    be.ok(state.put_job_state("replay", None).await);
    be.ok(state.put_job_state("never", None).await);
    state = subject.reopened(state).await;
    be.same(be.ok(state.job_state("replay").await), None);
    be.same(be.ok(state.job_state("redrive").await).as_deref(), Some("{}"));
}
