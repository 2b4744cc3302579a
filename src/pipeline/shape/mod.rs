//! What each client contract asks of an event, and the one pass over its bytes that judges it.
//!
//! [`check`] at the door and [`super::canonical`] behind it run the same rules, so that whatever
//! was accepted can be made canonical. Free JSON (`meta_data`, `metadata`, `payload`) is checked
//! against the grammar and otherwise left alone: no number in it is ever parsed.

mod check;
#[cfg(test)]
mod grammar_tests;
mod judge;
mod members;
mod plain;
mod refused;
mod rules;
mod scan;
mod split;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use check::{Checked, check, check_events, detect_events_shape};
pub(super) use check::{check_members, guess};
pub(super) use members::Members;
pub use plain::PlainBatch;
pub use refused::{FieldError, Refused, code};
pub use rules::Rules;
pub use split::{split_array, split_lines, split_member_events};
