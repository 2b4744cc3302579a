//! Paths and methods: one match, the ingest routes first.

use hyper::Method;

use crate::model::Shape;

/// An ingest route, by what its body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ingest {
    /// One event of a known shape.
    Single(Shape),
    /// One event of `POST /events`: 004's or 001's.
    Events,
    /// `[…]` of 000's events.
    CampaignBatch,
    /// `{"events":[…]}` of 004's, all or nothing.
    NamedBulk,
    /// `{"events":[…]}` of 003's.
    V1Bulk,
    /// One event a line, of any shape.
    Lines,
}

impl Ingest {
    /// The shape of the route's events, where it is known before they are read.
    pub(super) const fn shape(self) -> Option<Shape> {
        match self {
            Self::Single(shape) => Some(shape),
            Self::CampaignBatch => Some(Shape::Campaign),
            Self::NamedBulk => Some(Shape::Named),
            Self::V1Bulk => Some(Shape::NamedV1),
            Self::Events | Self::Lines => None,
        }
    }

    pub(super) const fn is_single(self) -> bool {
        matches!(self, Self::Single(_) | Self::Events)
    }
}

/// A page on the collector's own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    Health,
    Ready,
    Live,
    ReadyChecks,
    Metrics,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Ingest(Ingest),
    Probe(Probe),
    /// `OPTIONS` on a path of ours.
    Options(&'static str),
    /// A path of ours under another method; what it allows.
    WrongMethod(&'static str),
    /// The query role's, or nobody's.
    Elsewhere,
}

const POST: &str = "POST, OPTIONS";
const GET: &str = "GET, HEAD, OPTIONS";

/// Where that method on that path goes. A slash at the end makes no difference.
pub(super) fn target(method: &Method, path: &str) -> Target {
    let path = path.strip_suffix('/').unwrap_or(path);
    let ingest = match path {
        "/event" => Ingest::Single(Shape::Campaign),
        "/events" => Ingest::Events,
        "/events/batch" => Ingest::CampaignBatch,
        "/events/bulk" => Ingest::NamedBulk,
        "/events/ndjson" => Ingest::Lines,
        "/api/v1/events" => Ingest::Single(Shape::NamedV1),
        "/api/v1/events/bulk" => Ingest::V1Bulk,
        _ => return probe(method, path),
    };
    match *method {
        Method::POST => Target::Ingest(ingest),
        Method::OPTIONS => Target::Options(POST),
        _ => Target::WrongMethod(POST),
    }
}

fn probe(method: &Method, path: &str) -> Target {
    let probe = match path {
        "/health" => Probe::Health,
        "/ready" => Probe::Ready,
        "/livez" => Probe::Live,
        "/readyz" => Probe::ReadyChecks,
        "/metrics" => Probe::Metrics,
        _ => return Target::Elsewhere,
    };
    match *method {
        Method::GET | Method::HEAD => Target::Probe(probe),
        Method::OPTIONS => Target::Options(GET),
        _ => Target::WrongMethod(GET),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_ours_under_another_method_say_what_they_allow() {
        assert_eq!(
            target(&Method::POST, "/event"),
            Target::Ingest(Ingest::Single(Shape::Campaign))
        );
        assert_eq!(target(&Method::POST, "/events/"), Target::Ingest(Ingest::Events));
        assert_eq!(target(&Method::GET, "/events/batch"), Target::WrongMethod(POST));
        assert_eq!(target(&Method::HEAD, "/health"), Target::Probe(Probe::Health));
        assert_eq!(target(&Method::POST, "/metrics"), Target::WrongMethod(GET));
        assert_eq!(target(&Method::OPTIONS, "/event"), Target::Options(POST));
        assert_eq!(target(&Method::GET, "/events/e-1"), Target::Elsewhere);
    }
}
