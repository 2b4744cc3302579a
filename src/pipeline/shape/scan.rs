//! The quick pass over the text of an event: members as slices, the grammar checked on the way.
//!
//! It takes JSON objects of the plain kind that clients send and gives up on everything else:
//! whoever calls then reads the text with `serde_json`, which says what is wrong, or that nothing
//! is. So it may be stricter than the grammar and never laxer; `grammar_tests` holds it against the
//! library. It exists because a batch is otherwise passed over three times: to cut it, to find
//! members, to check their values.

use crate::pipeline::json::{quote_escape_or_control, skip_space};

/// Levels that fit [`Scan::value`]'s stack of bits.
const MAX_DEPTH: usize = 64;

/// Passes over the object that opens at `at`, nested at most `max_depth` levels, and gives `member`
/// each name (without its quotes; it holds no escape) and the text of its value. Where it ends;
/// `None` where it is not plain, or `member` says `false`.
pub(super) fn object<'a>(
    text: &'a str,
    at: usize,
    max_depth: usize,
    mut member: impl FnMut(&'a str, &'a str) -> bool,
) -> Option<usize> {
    let mut scan = Scan { bytes: text.as_bytes(), at: at + 1 };
    if text.as_bytes().get(at) != Some(&b'{') {
        return None;
    }
    let inner_depth = max_depth.min(MAX_DEPTH).checked_sub(1)?;
    scan.space();
    if scan.takes(b'}') {
        return Some(scan.at);
    }
    loop {
        let name = scan.name()?;
        let start = scan.at;
        scan.value(inner_depth)?;
        if !member(text.get(name.0..name.1)?, text.get(start..scan.at)?) {
            return None;
        }
        scan.space();
        if scan.takes(b',') {
            scan.space();
        } else {
            return scan.takes(b'}').then_some(scan.at);
        }
    }
}

struct Scan<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.at = skip_space(self.bytes, self.at);
        }
    }

    /// A name without escapes, the colon and the space around it; where the name lies.
    fn name(&mut self) -> Option<(usize, usize)> {
        if !self.takes(b'"') {
            return None;
        }
        let start = self.at;
        let end = quote_escape_or_control(self.bytes, start);
        self.at = end;
        if !self.takes(b'"') {
            return None;
        }
        self.space();
        if !self.takes(b':') {
            return None;
        }
        self.space();
        Some((start, end))
    }

    /// A string, from behind its opening quote.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at = quote_escape_or_control(self.bytes, self.at);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let length = match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                6
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }

    /// A value nested at most `max_depth` levels.
    fn value(&mut self, max_depth: usize) -> Option<()> {
        // The containers that are open, the innermost lowest: 1 is an object.
        let (mut kinds, mut depth) = (0_u64, 0_usize);
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    if depth == max_depth {
                        return None;
                    }
                    let is_object = byte == b'{';
                    self.space();
                    if !self.takes(if is_object { b'}' } else { b']' }) {
                        depth += 1;
                        kinds = kinds << 1 | u64::from(is_object);
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                _ => {
                    self.at -= 1;
                    self.number()?;
                }
            }
            while depth > 0 {
                let is_object = kinds & 1 == 1;
                self.space();
                if self.takes(b',') {
                    self.space();
                    if is_object {
                        self.name()?;
                    }
                    break;
                }
                if !self.takes(if is_object { b'}' } else { b']' }) {
                    return None;
                }
                depth -= 1;
                kinds >>= 1;
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..self.at + rest.len())?;
        self.at += rest.len();
        (found == rest).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            if !self.takes(b'+') {
                self.takes(b'-');
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += length;
        (length > 0).then_some(())
    }
}
