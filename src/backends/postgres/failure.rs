//! What failed inside, and what that asks of the caller.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::model::{EventId, Origin};
use crate::ports::{Error, Kind};

/// Why work on a connection did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server said no, or is gone.
    #[error(transparent)]
    Sql(#[from] tokio_postgres::Error),
    /// A `COPY` was refused, or broke off.
    #[error(transparent)]
    Copy(tokio_postgres::Error),
    /// It took longer than it may.
    #[error("no end after {0:?}")]
    TimedOut(Duration),
    /// A column does not hold what was written there.
    #[error("{0}")]
    Unreadable(String),
    /// A row was not inserted, and nothing that evp knows stands in its way.
    #[error(
        "event {id} of origin {origin} was not inserted although neither has a row: look for a trigger \
         or a unique index of raw_events that evp did not make"
    )]
    NotInserted {
        /// Of the row.
        id: EventId,
        /// Of the row.
        origin: Origin,
    },
}

impl Failure {
    /// Two transactions got into each other's way: the same work passes when done again.
    pub(super) fn is_collision(&self) -> bool {
        self.code().is_some_and(|code| code.starts_with("40"))
    }

    /// A row with that key is there.
    pub(super) fn is_taken(&self) -> bool {
        self.code() == Some("23505")
    }

    /// A table or a column is not there.
    pub(super) fn misses_table(&self) -> bool {
        matches!(self.code(), Some("42P01" | "42703"))
    }

    /// Whether the session is as good as a new one, so that a rollback cleans it and it is used
    /// again. One that may be at fault itself is not: it may have reached a server that is a standby
    /// by now while the name points elsewhere, or know statements of tables that have changed since.
    ///
    /// After a `COPY` only where its rows were refused. tokio-postgres ends it with a second Sync
    /// (rust-postgres#789): a server that said no before the first row (no such table, no right)
    /// answers both, and from then on each answer is taken for that of the next request.
    pub(super) fn leaves_connection(&self) -> bool {
        match self {
            Self::Sql(_) => self.code().is_some_and(clears_session),
            Self::Copy(_) => self.code().is_some_and(|code| kind_of(code) == Kind::Data),
            Self::Unreadable(_) | Self::NotInserted { .. } => true,
            Self::TimedOut(_) => false,
        }
    }

    fn code(&self) -> Option<&str> {
        match self {
            Self::Sql(error) | Self::Copy(error) => error.code().map(SqlState::code),
            _ => None,
        }
    }

    /// What the caller may do. Only what is wrong with the values themselves can never pass; all
    /// else (no server, no table, no right, no time) passes when somebody mends it.
    fn kind(&self) -> Kind {
        match (self, self.code()) {
            (Self::Unreadable(_), _) => Kind::Corrupt,
            (Self::NotInserted { .. }, _) => Kind::Data,
            (_, Some("53100")) => Kind::Full,
            (_, Some(code)) => kind_of(code),
            (_, None) => Kind::Unavailable,
        }
    }

    /// The port's error: `what` was done on the server at `place`.
    pub(super) fn told(self, what: &str, place: &str) -> Error {
        let hint = match self.code() {
            Some("42P01" | "42703") => " (`evp migrate up` makes its tables)",
            Some("57014") => " (over its time)",
            Some("25006") => " (it is read-only)",
            _ => "",
        };
        Error::new(self.kind(), format!("{what} postgres {place}{hint}")).with_source(self)
    }
}

/// By the class of an SQLSTATE: 22 data exception, 23 integrity, 54 a limit of the program.
fn kind_of(code: &str) -> Kind {
    match code.get(..2) {
        Some("22" | "23" | "54") => Kind::Data,
        _ => Kind::Unavailable,
    }
}

/// Whether a failure with that SQLSTATE says nothing against the session: the values were at fault, or
/// another transaction. Batches that are halved and batches that collide meet these again and again,
/// and do not connect anew each time. Of all others a session may be the cause, and waiting for
/// somebody to mend them costs more than a connection.
fn clears_session(code: &str) -> bool {
    kind_of(code) == Kind::Data || code.starts_with("40")
}

/// The work within its time; what runs longer is given up, and its connection with it.
pub(super) async fn bounded<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match limit {
        None => work.await,
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Failure::TimedOut(limit)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_are_the_events_fault() {
        let data = ["22021", "22P02", "23502", "54000"];
        for code in data {
            assert_eq!(kind_of(code), Kind::Data, "{code}");
        }
        let passing =
            ["08006", "25006", "28P01", "3D000", "40P01", "42P01", "53300", "57014", "57P03"];
        for code in passing {
            assert_eq!(kind_of(code), Kind::Unavailable, "{code}");
        }
    }

    #[test]
    fn a_session_that_may_be_at_fault_is_not_used_again() {
        for code in ["22021", "22P02", "23502", "23505", "40001", "40P01", "54000"] {
            assert!(clears_session(code), "{code}: of the values, or of another transaction");
        }
        let doubtful = [
            "08006", "0A000", "25006", "25P02", "26000", "42501", "42P01", "42P05", "53100",
            "55P03", "57014", "57P01", "58030", "XX000",
        ];
        for code in doubtful {
            assert!(!clears_session(code), "{code}: a new session may do better");
        }
    }

    #[test]
    fn a_row_that_vanishes_is_dead_lettered_with_what_to_look_at() {
        let id = EventId::new("e-1").unwrap();
        let failure = Failure::NotInserted { id, origin: Origin::from_bytes([0; 16]) };
        assert!(failure.leaves_connection());
        let error = failure.told("apply a batch to", "db:5432");
        assert_eq!(error.kind(), Kind::Data);
        assert_eq!(
            error.chain(),
            "apply a batch to postgres db:5432: event e-1 of origin \
             00000000-0000-0000-0000-000000000000 was not inserted although neither has a row: look \
             for a trigger or a unique index of raw_events that evp did not make"
        );
    }

    #[tokio::test]
    async fn what_takes_too_long_is_given_up() {
        let never = std::future::pending::<Result<(), Failure>>();
        let failure = bounded(Some(Duration::from_millis(3)), never).await.unwrap_err();
        assert!(!failure.leaves_connection());
        let error = failure.told("apply a batch to", "db:5432");
        assert_eq!(error.kind(), Kind::Unavailable);
        assert_eq!(error.chain(), "apply a batch to postgres db:5432: no end after 3ms");
    }
}
