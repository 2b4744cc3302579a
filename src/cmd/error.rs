//! Why a command failed, and the exit code that says so.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write};

use crate::jobs::JobError;
use crate::ports;
use crate::roles::RoleError;
use crate::wire::WireError;

use super::ui::Output;

/// What a leaf command returns.
pub type CmdResult = Result<Finish, CmdError>;

/// How a command ended that did what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Done: exit 0.
    Done,
    /// Done, but some events were rejected or the answer is "no": exit 3.
    Negative,
}

impl Finish {
    /// [`Finish::Done`] where `good`, else [`Finish::Negative`].
    #[must_use]
    pub const fn from_good(good: bool) -> Self {
        if good { Self::Done } else { Self::Negative }
    }

    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Negative => 3,
        }
    }
}

/// Sorts of failure, one an exit code (`docs/exit-codes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It did not work.
    Failed,
    /// What was typed cannot be meant.
    Usage,
    /// Something that was asked for its health is not well.
    Unhealthy,
    /// A backend cannot be reached.
    Unavailable,
    /// A fault of this program.
    Bug,
    /// The settings are wrong.
    Config,
    /// A load test's threshold was crossed.
    Threshold,
    /// The user interrupted twice, or once where nothing was to be saved.
    Interrupted,
    /// The reader of stdout went away: nothing to tell anybody.
    BrokenPipe,
}

impl Kind {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unhealthy => 10,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::Config => 78,
            Self::Threshold => 99,
            Self::Interrupted => 130,
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Unhealthy => "unhealthy",
            Self::Unavailable => "unavailable",
            Self::Bug => "bug",
            Self::Config => "config",
            Self::Threshold => "threshold",
            Self::Interrupted => "interrupted",
            Self::BrokenPipe => "broken_pipe",
        }
    }

    /// The kind of that name, for an error that another process tells.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [
            Self::Failed,
            Self::Usage,
            Self::Unhealthy,
            Self::Unavailable,
            Self::Bug,
            Self::Config,
            Self::Threshold,
            Self::Interrupted,
            Self::BrokenPipe,
        ];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Why a command failed, with what the user may do about it.
#[derive(Debug)]
pub struct CmdError {
    kind: Kind,
    error: Box<dyn StdError + Send + Sync>,
    hints: Vec<String>,
}

impl CmdError {
    /// A failure of that kind; `error` is a text, or an error with its own causes.
    #[must_use]
    pub fn new(kind: Kind, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, error: error.into(), hints: Vec::new() }
    }

    /// It did not work.
    #[must_use]
    pub fn failed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Failed, error)
    }

    /// What stands where an URL is wanted is none. A login that may stand in it is not repeated.
    #[must_use]
    pub fn no_url(url: &str) -> Self {
        let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
        Self::usage(format!("{shown:?} is no URL like http://localhost:8080"))
    }

    /// What was typed cannot be meant.
    #[must_use]
    pub fn usage(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Usage, error)
    }

    /// An error whose text says what failed, with its cause.
    #[must_use]
    pub fn caused(
        kind: Kind,
        what: impl Into<String>,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::new(kind, Told { what: what.into(), cause: Some(cause.into()) })
    }

    /// An error that another process told, as its chain of texts.
    #[must_use]
    pub fn told(kind: Kind, chain: Vec<String>) -> Self {
        let mut cause: Option<Box<dyn StdError + Send + Sync>> = None;
        for what in chain.into_iter().rev() {
            cause = Some(Box::new(Told { what, cause }));
        }
        Self::new(kind, cause.unwrap_or_else(|| "no reason given".into()))
    }

    /// Adds what the user may do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What sort of failure.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What the user may do about it.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The text of each error from this one to its root cause; a cause that only repeats what was
    /// said before is left out.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut next: Option<&(dyn StdError + 'static)> = Some(&*self.error);
        while let Some(error) = next {
            let text = error.to_string();
            if texts.last().is_none_or(|last| !last.ends_with(&text)) {
                texts.push(text);
            }
            next = error.source();
        }
        texts
    }

    /// Says it on stderr: text with causes and hints, or one JSON object.
    pub fn print(&self, output: Output) {
        if self.kind == Kind::BrokenPipe {
            return;
        }
        // Where stderr is gone too there is nobody left to tell.
        drop(self.write(output, &mut io::stderr().lock()));
    }

    fn write(&self, output: Output, out: &mut impl Write) -> io::Result<()> {
        let chain = self.chain();
        if output.is_machine() {
            let message = chain.first().cloned().unwrap_or_default();
            let body = serde_json::json!({
                "error": message,
                "kind": self.kind.as_str(),
                "code": self.kind.code(),
                "causes": chain.get(1..).unwrap_or_default(),
                "hints": self.hints,
            });
            return writeln!(out, "{body}");
        }
        for (depth, text) in chain.iter().enumerate() {
            let head = if depth == 0 { "error: " } else { "  caused by: " };
            writeln!(out, "{head}{text}")?;
        }
        for hint in &self.hints {
            writeln!(out, "  hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CmdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain().join(": "))
    }
}

/// A text with a cause.
#[derive(Debug)]
struct Told {
    what: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Told {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<io::Error> for CmdError {
    fn from(error: io::Error) -> Self {
        let broken = error.kind() == io::ErrorKind::BrokenPipe;
        Self::new(if broken { Kind::BrokenPipe } else { Kind::Failed }, error)
    }
}

fn kind_of(error: &ports::Error) -> Kind {
    match error.kind() {
        ports::Kind::Unavailable | ports::Kind::Full => Kind::Unavailable,
        _ => Kind::Failed,
    }
}

impl From<ports::Error> for CmdError {
    fn from(error: ports::Error) -> Self {
        Self::new(kind_of(&error), error)
    }
}

impl From<JobError> for CmdError {
    fn from(error: JobError) -> Self {
        let kind = match &error {
            JobError::Request(_) => Kind::Usage,
            JobError::Port { source, .. } => kind_of(source),
            JobError::Cancelled(_) => Kind::Interrupted,
            JobError::Io { .. } => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<RoleError> for CmdError {
    fn from(error: RoleError) -> Self {
        let kind = match &error {
            RoleError::Setting(_) => Kind::Config,
            RoleError::Port { source, .. } => kind_of(source),
            RoleError::Bind { .. } => Kind::Failed,
            RoleError::Task { .. } => Kind::Bug,
            RoleError::NotDrained { .. } => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}

impl From<WireError> for CmdError {
    fn from(error: WireError) -> Self {
        let (kind, hint) = match &error {
            WireError::Locked { .. } => (
                Kind::Failed,
                Some("one process owns a data directory; --data-dir DIR names another"),
            ),
            WireError::Missing(_) => {
                (Kind::Failed, Some("`evp serve` makes one; --data-dir DIR names another"))
            }
            WireError::Port(source) => (kind_of(source), None),
            WireError::Directory(_) => (Kind::Failed, None),
        };
        let error = Self::new(kind, error);
        hint.into_iter().fold(error, Self::hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_one_line_and_hints_come_last() {
        let root = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = CmdError::caused(Kind::Config, "cannot read x.toml", root).hint("make one");
        let mut out = Vec::new();
        error.write(Output::Table, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "error: cannot read x.toml\n  caused by: no such file\n  hint: make one\n"
        );
    }

    #[test]
    fn under_json_it_is_one_object() {
        let error = CmdError::told(Kind::Unavailable, vec!["cannot read".into(), "gone".into()]);
        let mut out = Vec::new();
        error.write(Output::Json, &mut out).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(body["error"], "cannot read");
        assert_eq!(body["causes"][0], "gone");
        assert_eq!(body["code"], 69);
    }

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in [Kind::Failed, Kind::Usage, Kind::Bug, Kind::Interrupted, Kind::Threshold] {
            assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::from_name("nothing"), None);
    }
}
