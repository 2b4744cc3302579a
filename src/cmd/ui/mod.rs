//! How commands speak: data on stdout, everything else on stderr.

mod progress;
mod table;

use std::io::{self, BufWriter, IsTerminal, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

pub use progress::Progress;
pub use table::csv;

use super::error::CmdError;

/// The form of data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON value a line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
}

impl Output {
    /// Whether a program reads it: errors are JSON then.
    #[must_use]
    pub const fn is_machine(self) -> bool {
        matches!(self, Self::Json | Self::Ndjson)
    }
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The voice of a command.
#[derive(Debug, Clone)]
pub struct Ui {
    output: Output,
    quiet: bool,
    color: bool,
    borders: bool,
    progress: bool,
}

impl Ui {
    /// A voice of that form; `plain` is what the environment asks for (`NO_COLOR`, a dumb terminal).
    #[must_use]
    pub fn new(output: Output, quiet: bool, color: Color, plain: bool) -> Self {
        let on_terminal = io::stderr().is_terminal();
        Self {
            output,
            quiet,
            color: match color {
                Color::Auto => on_terminal && !plain,
                Color::Always => true,
                Color::Never => false,
            },
            borders: io::stdout().is_terminal(),
            progress: on_terminal && !quiet && output == Output::Table,
        }
    }

    /// The form of data on stdout.
    #[must_use]
    pub const fn output(&self) -> Output {
        self.output
    }

    /// Whether what is printed may still be read: a pipe tells that its reader is gone before anything
    /// is written to it.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        let stdout = io::stdout();
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let gone = PollFlags::ERR | PollFlags::HUP;
        poll(&mut asked, Some(&at_once)).is_err() || !asked[0].revents().intersects(gone)
    }

    /// Whether text on stderr is coloured.
    #[must_use]
    pub const fn color(&self) -> bool {
        self.color
    }

    /// One value: JSON in the JSON forms, else what `table` prints.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn show<T: Serialize>(
        &self,
        value: &T,
        table: impl FnOnce(&Self) -> Result<(), CmdError>,
    ) -> Result<(), CmdError> {
        match self.output {
            Output::Json => self.json(value),
            Output::Ndjson => self.ndjson([value]),
            Output::Table | Output::Csv => table(self),
        }
    }

    /// A list: a table, CSV, one JSON array or one line each, as asked for. `row` gives the cells
    /// of one item in the order of `headers`.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn list<T: Serialize>(
        &self,
        headers: &[&str],
        items: &[T],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), CmdError> {
        match self.output {
            Output::Json => self.json(items),
            Output::Ndjson => self.ndjson(items),
            Output::Table | Output::Csv => self.table(headers, items.iter().map(row)),
        }
    }

    /// Rows under headers: columns, or CSV where that is asked for.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn table<I>(&self, headers: &[&str], rows: I) -> Result<(), CmdError>
    where
        I: IntoIterator<Item = Vec<String>>,
    {
        let text = if self.output == Output::Csv {
            csv(headers, rows)
        } else {
            table::columns(headers, rows, self.borders)
        };
        self.write(|out| out.write_all(text.as_bytes()))
    }

    /// One JSON document.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), CmdError> {
        self.write(|out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
            out.write_all(b"\n")
        })
    }

    /// One JSON value a line.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn ndjson<T: Serialize>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(), CmdError> {
        self.write(|out| {
            for value in values {
                serde_json::to_writer(&mut *out, &value)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })
    }

    /// A line of data.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn line(&self, text: &str) -> Result<(), CmdError> {
        self.write(|out| writeln!(out, "{text}"))
    }

    /// Bytes of data as they are.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), CmdError> {
        self.write(|out| out.write_all(bytes))
    }

    /// Something to know, on stderr; silent under `--quiet`.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.say("", text.as_ref());
        }
    }

    /// Something to act on, on stderr, whatever was asked for.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.say(
            if self.color { "\u{1b}[33mwarning:\u{1b}[0m " } else { "warning: " },
            text.as_ref(),
        );
    }

    /// A bar on stderr for a job's progress; nothing where stderr is not a terminal.
    #[must_use]
    pub fn progress(&self, title: &str) -> Progress {
        Progress::new(title, self.progress)
    }

    fn say(&self, head: &str, text: &str) {
        // Talk that nobody can hear is no failure.
        drop(writeln!(io::stderr().lock(), "{head}{text}"));
    }

    fn write(
        &self,
        write: impl FnOnce(&mut BufWriter<io::StdoutLock<'_>>) -> io::Result<()>,
    ) -> Result<(), CmdError> {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out)?;
        out.flush()?;
        Ok(())
    }
}
