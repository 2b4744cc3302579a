//! A position in the log that moves from frame to frame, over segments, and says what it could not
//! read: it never stops for good at damage and never skips it in silence.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::partition::Shared;
pub(crate) use super::reader::Wait;
use super::reader::{Found, FrameReader};
use super::segment::{Located, Segment};

/// What a cursor came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// An encoded batch; records before the position it was asked for are in it and to be skipped.
    Batch {
        /// Offset of its first record.
        base: i64,
        /// How many records.
        count: u32,
        /// The encoding.
        payload: Bytes,
    },
    /// Records from `from` up to `to` cannot be read any more; the cursor is at `to`.
    Gap {
        /// The position.
        from: i64,
        /// Where reading goes on.
        to: i64,
    },
    /// Nothing more is synced.
    End,
}

/// Reads a log from an offset on.
#[derive(Debug)]
pub(crate) struct Cursor {
    shared: Arc<Shared>,
    next: i64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    segment: Arc<Segment>,
    reader: FrameReader,
    position: u64,
    /// Frames at or beyond this offset are not for reading (yet).
    upper: i64,
    is_last: bool,
}

impl Cursor {
    /// A cursor at `next`.
    pub(super) const fn new(shared: Arc<Shared>, next: i64) -> Self {
        Self { shared, next, open: None }
    }

    /// Moves one frame on.
    ///
    /// # Errors
    /// `WouldBlock` with [`Wait::Never`] where the disk has to be asked: nothing has moved. Other
    /// failures to read a file.
    pub(crate) fn step(&mut self, wait: Wait) -> io::Result<Step> {
        loop {
            let high = self.shared.high.load(Ordering::Acquire);
            if self.next >= high {
                return Ok(Step::End);
            }
            let Some(open) = &mut self.open else {
                if let Some(gap) = self.enter(high, wait)? {
                    return Ok(gap);
                }
                continue;
            };
            if open.is_last {
                // It may have been sealed since, at an offset not beyond the high watermark.
                open.upper = high;
            }
            if self.next >= open.upper {
                self.open = None;
                continue;
            }
            match open.reader.frame_at(open.position, open.segment.end(), wait)? {
                Found::Frame(header, payload) if header.base <= self.next => {
                    open.position += header.frame_bytes();
                    if header.end() > self.next {
                        self.next = header.end();
                        return Ok(Step::Batch { base: header.base, count: header.count, payload });
                    }
                }
                Found::Frame(header, _) if header.base < open.upper => {
                    return Ok(self.gap_to(header.base));
                }
                Found::Frame(..) | Found::Nothing => {
                    if open.is_last && self.is_sealed() {
                        self.open = None;
                        continue;
                    }
                    return self.pass_damage(wait);
                }
            }
        }
    }

    /// Opens the segment of the position; a gap where there is none.
    fn enter(&mut self, high: i64, wait: Wait) -> io::Result<Option<Step>> {
        let Located { segment, next_base } = match self.shared.segments.locate(self.next) {
            Ok(Some(located)) => located,
            Ok(None) => return Ok(Some(self.gap_to(high))),
            Err(low) => return Ok(Some(self.gap_to(low))),
        };
        if wait == Wait::Never {
            // Opening walks a directory on disk.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let upper = next_base.unwrap_or(high);
        let file = match File::open(&segment.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Retention took it between the look and the opening, or somebody did by hand.
                let low = self.shared.segments.low().unwrap_or(high);
                return Ok(Some(self.gap_to(if low > self.next { low } else { upper })));
            }
            Err(error) => return Err(error),
        };
        self.open = Some(Open {
            position: segment.position_before(self.next),
            reader: FrameReader::new(file, self.shared.seed),
            segment,
            upper,
            is_last: next_base.is_none(),
        });
        Ok(None)
    }

    /// Whether the open segment, last when it was opened, is not last any more: another follows it,
    /// or took its place before it held anything.
    fn is_sealed(&self) -> bool {
        let Some(open) = &self.open else { return false };
        match self.shared.segments.locate(open.segment.base) {
            Ok(Some(located)) => {
                located.next_base.is_some() || !Arc::ptr_eq(&located.segment, &open.segment)
            }
            Ok(None) | Err(_) => true,
        }
    }

    fn gap_to(&mut self, to: i64) -> Step {
        let from = std::mem::replace(&mut self.next, to);
        if self.open.as_ref().is_some_and(|open| to >= open.upper) {
            self.open = None;
        }
        Step::Gap { from, to }
    }

    /// Something else than a frame lies at the position: keeps a copy of it and goes on behind it.
    fn pass_damage(&mut self, wait: Wait) -> io::Result<Step> {
        if wait == Wait::Never {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(open) = &mut self.open else { return Ok(Step::End) };
        let (next, upper, limit) = (self.next, open.upper, open.segment.end());
        let found = open
            .reader
            .search(open.position, limit, |header| header.base >= next && header.base < upper)?;
        let (position, to) = found.map_or((limit, upper), |(at, header)| (at, header.base));
        quarantine(&self.shared, &open.segment, &mut open.reader, open.position..position);
        open.position = position;
        if to == self.next {
            // Damage between two frames that follow each other took no record.
            return self.step(wait);
        }
        Ok(self.gap_to(to))
    }
}

/// Copies damaged bytes aside, once, and says so loudly. What cannot be copied is still reported.
pub(super) fn quarantine(
    shared: &Shared,
    segment: &Segment,
    reader: &mut FrameReader,
    range: std::ops::Range<u64>,
) {
    let bytes = range.end - range.start;
    metrics::counter!("evp_log_quarantined_bytes_total").increment(bytes);
    let directory = shared.directory.join("quarantine");
    let path = directory.join(format!("{:020}-{}.bad", segment.base, range.start));
    let copied = copy_range(reader, &directory, &path, range.clone());
    let copied = copied.map_err(|error| error.to_string());
    tracing::error!(
        segment = %segment.path.display(), at = range.start, bytes,
        copy = %path.display(), failure = copied.err(),
        "damaged frames in the log: put aside, reading goes on behind them"
    );
}

fn copy_range(
    reader: &mut FrameReader,
    directory: &std::path::Path,
    path: &std::path::Path,
    range: std::ops::Range<u64>,
) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(directory)?;
    let mut copy = File::create(path)?;
    let mut at = range.start;
    while let Some(window) = reader.window_at(at, range.end)? {
        copy.write_all(&window)?;
        at += window.len() as u64;
    }
    copy.sync_all()
}
