//! The query role: answers from the store, and says where an event stands.

mod answer;
mod campaigns;
mod events;
mod params;
mod role;

pub use role::{Query, router};
