//! What a body must be before it is looked at as an event: text, and not nested too deep; and where
//! in a body something is wrong. Grammar itself is `serde_json`'s.

use std::borrow::Cow;
use std::fmt;

/// Said of a body without a byte of JSON; there is no place to point at.
const EMPTY: &str = "the body is empty";

/// Bytes that are no JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    message: Cow<'static, str>,
    offset: usize,
    line: usize,
    column: usize,
}

impl JsonError {
    pub(super) fn at(bytes: &[u8], offset: usize, message: impl Into<Cow<'static, str>>) -> Self {
        let offset = offset.min(bytes.len());
        let before = &bytes[..offset];
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Self { message: message.into(), offset, line, column: offset - start + 1 }
    }

    pub(super) fn of(error: &serde_json::Error, text: &str) -> Self {
        if text.bytes().all(is_space) {
            return Self::at(text.as_bytes(), 0, EMPTY);
        }
        let whole = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = whole.strip_suffix(&place).unwrap_or(&whole).to_owned();
        let line_start = match error.line() {
            0 | 1 => 0,
            line => text.match_indices('\n').nth(line - 2).map_or(0, |(at, _)| at + 1),
        };
        let offset = line_start + error.column().saturating_sub(1);
        Self::at(text.as_bytes(), offset, message)
    }

    /// What is wrong, in words without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Bytes before the place.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The place's line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The place's byte in its line, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message == EMPTY {
            return f.write_str(EMPTY);
        }
        write!(f, "{} at line {} column {}", self.message, self.line, self.column)
    }
}

impl std::error::Error for JsonError {}

/// The body as text: UTF-8 without a byte order mark, nested at most `max_depth` levels.
///
/// Strings are passed over, so brackets in them do not count. Whether the rest is JSON is for
/// whoever reads it: what this lets pass can be read without recursion going deeper.
///
/// # Errors
/// With the place of the first byte that is wrong.
pub fn check_text(bytes: &[u8], max_depth: usize) -> Result<&str, JsonError> {
    let text = check_utf8(bytes)?;
    check_depth(text, max_depth)?;
    Ok(text)
}

/// The first half of [`check_text`], for batch bodies: the split functions watch the depth of each
/// element themselves.
///
/// # Errors
/// With the place of the first byte that is wrong.
pub fn check_utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::at(bytes, 0, "the body starts with a byte order mark"));
    }
    std::str::from_utf8(bytes)
        .map_err(|error| JsonError::at(bytes, error.valid_up_to(), "the body is not UTF-8"))
}

fn check_depth(text: &str, max_depth: usize) -> Result<(), JsonError> {
    let bytes = text.as_bytes();
    if count_openers(bytes) <= max_depth {
        return Ok(());
    }
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match CLASS[usize::from(byte)] {
            QUOTE => {
                at = string_end(bytes, at);
                continue;
            }
            OPEN if depth == max_depth => return Err(too_deep(bytes, at, max_depth)),
            OPEN => depth += 1,
            CLOSE => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// An upper bound of the depth that needs no look at strings: most events end here.
fn count_openers(bytes: &[u8]) -> usize {
    // `[` and `{` differ in one bit; sums of 128 fit a byte, which lets the loop be vectorised
    let in_chunk = |chunk: &[u8]| chunk.iter().map(|b| u8::from(b & 0xdf == b'[')).sum::<u8>();
    bytes.chunks(128).map(|chunk| usize::from(in_chunk(chunk))).sum()
}

pub(super) fn too_deep(bytes: &[u8], at: usize, max_depth: usize) -> JsonError {
    JsonError::at(bytes, at, format!("nested deeper than {max_depth} levels"))
}

const QUOTE: u8 = 1;
const OPEN: u8 = 2;
const CLOSE: u8 = 3;

static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    class[b'"' as usize] = QUOTE;
    class[b'{' as usize] = OPEN;
    class[b'[' as usize] = OPEN;
    class[b'}' as usize] = CLOSE;
    class[b']' as usize] = CLOSE;
    class
};

/// Where the string that opens at `at` ends, its closing quote included; the end of the bytes where
/// it does not close.
pub(super) fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        at = quote_or_escape(bytes, at);
        match bytes.get(at) {
            None => return bytes.len(),
            Some(b'"') => return at + 1,
            Some(_) => at += 2,
        }
    }
}

/// The first quote or backslash from `at` on, eight bytes at a time: most of a body is strings.
fn quote_or_escape(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // the lowest high bit that is set marks the first byte that is zero
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let hits = zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c));
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    at + found.unwrap_or(rest.len())
}

/// The first quote, backslash or control character from `at` on, or the end of the bytes.
pub(super) fn quote_escape_or_control(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    // the lowest high bit that is set marks the first byte that is zero, or below 0x20
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let hits =
            below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5c), 1) | below(word, 0x20);
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    at + found.unwrap_or(rest.len())
}

/// Where the object or array that opens at `at` ends, by brackets alone: whoever takes the slice has
/// still to read it as JSON.
///
/// # Errors
/// When it is nested deeper than `max_depth`, or does not end.
pub(super) fn container_end(bytes: &[u8], at: usize, max_depth: usize) -> Result<usize, JsonError> {
    let (mut at, mut depth) = (at, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match CLASS[usize::from(byte)] {
            QUOTE => {
                at = string_end(bytes, at);
                continue;
            }
            OPEN if depth == max_depth => return Err(too_deep(bytes, at, max_depth)),
            OPEN => depth += 1,
            CLOSE => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    Err(JsonError::at(bytes, bytes.len(), "the body ends inside a value"))
}

pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).copied().is_some_and(is_space) {
        at += 1;
    }
    at
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_outside_strings_only() {
        assert!(check_text(br#"{"a":[{}]}"#, 3).is_ok());
        assert!(check_text(br#"{"a":"[[[[\"[[[[","b":[[]]}"#, 3).is_ok());
        assert!(check_text(b"[[],[],[],[]]", 2).is_ok());
        let error = check_text(b"{\n\"a\":[[]]}", 2).unwrap_err();
        assert_eq!(error.to_string(), "nested deeper than 2 levels at line 2 column 6");
        assert_eq!(error.offset(), 7);
        let deep = "[".repeat(100_000);
        assert!(check_text(deep.as_bytes(), 64).is_err());
    }

    #[test]
    fn a_string_ends_at_its_first_bare_quote() {
        for length in 0..20 {
            let plain = "é#]!x\u{1}".chars().cycle().take(length).collect::<String>();
            for (inside, closed) in [("", true), ("\\\"", true), ("\\\\", true), ("\\", false)] {
                let string = format!("\"{plain}{inside}\"");
                let text = format!("{string}, \"");
                let end = if closed { string.len() } else { text.len() };
                assert_eq!(string_end(text.as_bytes(), 0), end, "{text}");
                assert_eq!(string_end(&text.as_bytes()[..string.len() - 1], 0), string.len() - 1);
            }
        }
    }

    #[test]
    fn only_utf8_without_a_mark_is_text() {
        let error = check_text(b"{\n\"a\":\"\xff\"}", 64).unwrap_err();
        assert_eq!((error.line(), error.column(), error.offset()), (2, 6, 7));
        assert_eq!(error.message(), "the body is not UTF-8");
        assert!(check_text(b"\xef\xbb\xbf{}", 64).unwrap_err().message().contains("mark"));
        assert!(check_text(b"{\0}\0", 64).is_ok(), "the grammar is for the reader");
        assert!(check_text("{\"a\":\"\u{feff}\"}".as_bytes(), 64).is_ok());
    }
}
