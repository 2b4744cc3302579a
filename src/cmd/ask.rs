//! What the leaf commands of jobs share: asking a job, and reading what people type for times.

use crate::jobs::Job;
use crate::model::Timestamp;
use crate::ports::TimeRange;
use crate::settings::Span;

use super::context::Context;
use super::error::CmdError;
use super::session::Session;

/// Asks one job and ends the session.
pub(super) fn ask<J: Job>(
    context: &Context,
    title: &str,
    request: J::Request,
) -> Result<J::Response, CmdError> {
    context.block_on(async |cancel| {
        let session = Session::open(context).await?;
        let answer = session.run::<J>(request, &context.ui.progress(title), cancel).await;
        session.close().await?;
        answer
    })
}

/// Reads an instant: RFC 3339, a date (its first instant in UTC), unix seconds or milliseconds.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let refuse = || format!("{text:?} is no instant like 2026-01-31T10:00:00Z or 2026-01-31");
    if let Ok(number) = text.parse::<i64>() {
        let is_millis = number.unsigned_abs() >= 100_000_000_000;
        let millis = if is_millis { Some(number) } else { number.checked_mul(1000) };
        return millis.and_then(Timestamp::from_millis).ok_or_else(refuse);
    }
    text.parse().or_else(|_| format!("{text}T00:00:00Z").parse()).map_err(|_| refuse())
}

/// Reads a duration with a unit.
pub(super) fn span(text: &str) -> Result<Span, String> {
    text.parse()
}

/// The options that bound a time.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RangeArgs {
    /// From this instant on: RFC 3339, a date, or unix seconds or milliseconds
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(super) from: Option<Timestamp>,
    /// Before this instant
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(super) to: Option<Timestamp>,
}

impl RangeArgs {
    /// The range; `None` where neither end is given.
    pub(super) fn range(&self) -> Result<Option<TimeRange>, CmdError> {
        if self.from.is_none() && self.to.is_none() {
            return Ok(None);
        }
        let from = self.from.unwrap_or(Timestamp::MIN);
        let to = self.to.unwrap_or(Timestamp::MAX);
        if to <= from {
            return Err(CmdError::usage(format!("--to {to} is not after --from {from}")));
        }
        Ok(Some(TimeRange { from, to }))
    }
}

/// Text of something that may be absent, for a table.
pub(super) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A text on one line of a table, cut where it is long.
pub(super) fn short(text: &str, most: usize) -> String {
    let one_line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most + 1).collect();
    if one_line.chars().count() <= most {
        return one_line;
    }
    let cut: String = one_line.chars().take(most.saturating_sub(1)).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_people_write_them() {
        let read = |text| instant(text).unwrap().to_string();
        assert_eq!(read("2015-05-17"), "2015-05-17T00:00:00.000Z");
        assert_eq!(read("2015-05-17T12:00:00+02:00"), "2015-05-17T10:00:00.000Z");
        assert_eq!(read("1431856800"), read("1431856800000"));
        assert!(instant("yesterday").is_err());
        assert!(instant("9223372036854775807").is_err());
    }

    #[test]
    fn long_texts_are_cut_at_characters() {
        assert_eq!(short("añb\nc", 5), "añb c");
        assert_eq!(short("ééééé", 3), "éé…");
    }
}
