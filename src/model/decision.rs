//! A recorded decision: why an accepted event is neither a row nor a dead letter.

use serde::{Deserialize, Serialize};

use super::{EventId, Origin, Outcome, Timestamp};

/// The value of a record in topic `decisions` and a row of `event_decisions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Identity of the acceptance that was decided on.
    pub origin: Origin,
    /// The event.
    pub event_id: EventId,
    /// `duplicate`, `blocked` or `rate_limited`.
    pub outcome: Outcome,
    /// The rule, limit or earlier origin that decided, in words for an operator.
    pub reason: String,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_ip: Option<String>,
    /// When the collector accepted it.
    pub received_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
}
