//! An event as text with gaps: parsed once, rendered for each event without allocating.

use crate::model::Timestamp;

/// Numbers that look random and follow from a seed: the same seed makes the same events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Random(u64);

impl Random {
    /// The numbers of one event, or of whatever else `number` counts.
    pub(super) const fn of(seed: u64, number: u64) -> Self {
        Self(seed.wrapping_add(number.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    /// The next number (`SplitMix64`).
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(super) const fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    /// True in that share of the cases.
    pub(super) fn is_hit(&mut self, share: f64) -> bool {
        super::units::float(self.next() >> 11) / 9_007_199_254_740_992.0 < share
    }
}

/// What an event is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// Its number in the run.
    pub(super) number: u64,
    /// Its place in the request, from 0.
    pub(super) place: u64,
    /// The request's number.
    pub(super) request: u64,
    /// When it is made.
    pub(super) now: Timestamp,
    /// What random gaps are filled from.
    pub(super) random: Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Number,
    Place,
    Request,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(Box<[u8]>),
    Id,
    Count {
        of: Count,
        modulo: u64,
        add: u64,
    },
    Int {
        low: u64,
        high: u64,
    },
    Pick(Vec<Box<[u8]>>),
    /// One after the other, by the place in the request.
    Cycle(Vec<Box<[u8]>>),
    Hex(usize),
    Now,
    NowMillis,
    NowSeconds,
    PastSeconds,
    /// Filler up to the whole event's size, of which the rest takes `tail` bytes.
    Fill {
        size: usize,
        tail: usize,
    },
}

/// An event with gaps.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Reads a text with gaps such as `{{id}}`; `users` is how many `{{user}}` stands for.
    ///
    /// # Errors
    /// Names a gap that there is not, or that is not closed.
    pub(super) fn parse(text: &str, users: u64) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let inside = &rest[at + 2..];
            let end = inside.find("}}").ok_or_else(|| {
                format!("the template opens a gap that it does not close: {}", short(&rest[at..]))
            })?;
            // `{"a":{{{n}}}}`: the gap's braces are the innermost.
            let braces = inside.bytes().take_while(|byte| *byte == b'{').count().min(end);
            push_text(&mut pieces, &rest[..at + braces]);
            pieces.push(gap(inside[braces..end].trim(), users)?);
            rest = &inside[end + 2..];
        }
        push_text(&mut pieces, rest);
        Ok(Self { pieces })
    }

    /// A text without gaps in which `id`, a range of bytes, is replaced by the id.
    pub(super) fn with_id_at(text: &str, id: std::ops::Range<usize>) -> Self {
        let mut pieces = Vec::new();
        push_text(&mut pieces, text.get(..id.start).unwrap_or_default());
        pieces.push(Piece::Id);
        push_text(&mut pieces, text.get(id.end..).unwrap_or_default());
        Self { pieces }
    }

    /// A text as it is.
    pub(super) fn plain(text: &str) -> Self {
        let mut pieces = Vec::new();
        push_text(&mut pieces, text);
        Self { pieces }
    }

    /// Whether it has the id in it.
    pub(super) fn has_id(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Id))
    }

    /// Gives the object at its start a member with the id.
    pub(super) fn add_id(&mut self, member: &str) {
        let Some(Piece::Text(first)) = self.pieces.first() else { return };
        let text = String::from_utf8_lossy(first).into_owned();
        let Some(rest) = text.trim_start().strip_prefix('{') else { return };
        let is_empty = rest.trim_start().starts_with('}');
        let mut pieces = Vec::new();
        push_text(&mut pieces, &format!("{{\"{member}\":\""));
        pieces.push(Piece::Id);
        push_text(&mut pieces, &format!("\"{}{rest}", if is_empty { "" } else { "," }));
        self.pieces.splice(0..1, pieces);
    }

    /// Fills each event up to `size` bytes with a member `pad` in its last object; `ends` is what
    /// the template ends with.
    pub(super) fn fill_to(&mut self, size: usize) -> Result<(), String> {
        let Some(Piece::Text(last)) = self.pieces.last() else {
            return Err("--size needs a template that ends with a brace".to_owned());
        };
        let text = String::from_utf8_lossy(last).trim_end().to_owned();
        let closing = text.bytes().rev().take_while(|byte| *byte == b'}').count();
        if closing == 0 {
            return Err("--size needs a template that ends with a brace".to_owned());
        }
        let head = format!("{},\"pad\":\"", &text[..text.len() - closing]);
        let tail = format!("\"{}", "}".repeat(closing));
        self.pieces.pop();
        push_text(&mut self.pieces, &head);
        self.pieces.push(Piece::Fill { size, tail: tail.len() });
        push_text(&mut self.pieces, &tail);
        Ok(())
    }

    /// Appends an event.
    pub(super) fn render(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let mut random = facts.random;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Id => out.extend_from_slice(facts.id.as_bytes()),
                Piece::Count { of, modulo, add } => {
                    let value = match of {
                        Count::Number => facts.number,
                        Count::Place => facts.place,
                        Count::Request => facts.request,
                    };
                    let value = if *modulo == 0 { value } else { value % modulo };
                    push_number(out, value.wrapping_add(*add));
                }
                Piece::Int { low, high } => {
                    let width = (high - low).saturating_add(1);
                    push_number(out, low + random.below(width));
                }
                Piece::Pick(values) => {
                    let at = usize::try_from(random.next() >> 33).unwrap_or(0) % values.len();
                    out.extend_from_slice(&values[at]);
                }
                Piece::Cycle(values) => {
                    let at = usize::try_from(facts.place).unwrap_or(0) % values.len();
                    out.extend_from_slice(&values[at]);
                }
                Piece::Hex(digits) => push_hex(out, *digits, &mut random),
                Piece::Now => out.extend_from_slice(facts.now.encode(&mut [0; 24]).as_bytes()),
                Piece::NowMillis => push_number(out, unsigned(facts.now.as_millis())),
                Piece::NowSeconds => push_number(out, unsigned(facts.now.as_secs())),
                Piece::PastSeconds => {
                    let now = unsigned(facts.now.as_secs());
                    push_number(out, now.saturating_sub(facts.place % 3600));
                }
                Piece::Fill { size, tail } => {
                    let used = out.len() - start + tail;
                    push_hex(out, size.saturating_sub(used), &mut random);
                }
            }
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(20).collect()
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.as_bytes().into()));
    }
}

fn gap(name: &str, users: u64) -> Result<Piece, String> {
    let mut parts = name.split(':');
    let kind = parts.next().unwrap_or_default();
    let unknown = || {
        format!(
            "there is no gap {{{{{name}}}}} in a template; there are id, n, i, r, user, now, \
             now_ms, now_s, past_s, int:LOW:HIGH, hex:DIGITS, pick:A,B,… and cycle:A,B,…"
        )
    };
    let numbers = |parts: std::str::Split<'_, char>| -> Result<Vec<u64>, String> {
        parts.map(|part| part.parse().map_err(|_| unknown())).collect()
    };
    let count = |of: Count, numbers: &[u64]| match numbers {
        [] => Ok(Piece::Count { of, modulo: 0, add: 0 }),
        [modulo] => Ok(Piece::Count { of, modulo: *modulo, add: 0 }),
        [modulo, add] => Ok(Piece::Count { of, modulo: *modulo, add: *add }),
        _ => Err(unknown()),
    };
    match kind {
        "n" => count(Count::Number, &numbers(parts)?),
        "i" => count(Count::Place, &numbers(parts)?),
        "r" => count(Count::Request, &numbers(parts)?),
        "int" => match numbers(parts)?[..] {
            [low, high] if low <= high => Ok(Piece::Int { low, high }),
            _ => Err(unknown()),
        },
        "hex" => match numbers(parts)?[..] {
            [digits @ 1..=1_000_000] => Ok(Piece::Hex(usize::try_from(digits).unwrap_or(1))),
            _ => Err(unknown()),
        },
        "pick" | "cycle" => {
            let values = name.split_once(':').unwrap_or_default().1;
            let values: Vec<Box<[u8]>> =
                values.split(',').map(|value| value.as_bytes().into()).collect();
            if values.iter().any(|value| value.is_empty()) {
                return Err(unknown());
            }
            Ok(if kind == "pick" { Piece::Pick(values) } else { Piece::Cycle(values) })
        }
        _ if parts.next().is_some() => Err(unknown()),
        "id" => Ok(Piece::Id),
        "user" => Ok(Piece::Int { low: 0, high: users.max(1) - 1 }),
        "now" => Ok(Piece::Now),
        "now_ms" => Ok(Piece::NowMillis),
        "now_s" => Ok(Piece::NowSeconds),
        "past_s" => Ok(Piece::PastSeconds),
        _ => Err(unknown()),
    }
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Appends a number in decimal digits.
pub(super) fn push_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn push_hex(out: &mut Vec<u8>, digits: usize, random: &mut Random) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let end = out.len() + digits;
    while out.len() < end {
        let mut bits = random.next();
        for _ in 0..(end - out.len()).min(16) {
            out.push(DIGITS[usize::try_from(bits & 15).unwrap_or(0)]);
            bits >>= 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(number: u64) -> Facts<'static> {
        Facts {
            id: "the-id",
            number,
            place: 3,
            request: 7,
            now: Timestamp::from_millis(1_769_860_800_123).unwrap(),
            random: Random::of(1, number),
        }
    }

    fn render(template: &Template, number: u64) -> String {
        let mut out = Vec::new();
        template.render(&facts(number), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn text(template: &str) -> String {
        render(&Template::parse(template, 10).unwrap(), 250)
    }

    #[test]
    fn gaps_are_filled() {
        assert_eq!(
            text("{{id}} {{n}} {{ n:100 }} {{n:100:7}} {{i}} {{r}}"),
            "the-id 250 50 57 3 7"
        );
        assert_eq!(
            text("{{now}} {{now_ms}} {{now_s}} {{past_s}}"),
            "2026-01-31T12:00:00.123Z 1769860800123 1769860800 1769860797"
        );
        assert_eq!(text(r#"{"a":{{{n}}}}"#), r#"{"a":{250}}"#);
        assert_eq!(text("{{hex:40}}").len(), 40);
        assert_eq!(text("{{cycle:a,b}}"), "b");
        assert!(["x", "y"].contains(&text("{{pick:x,y}}").as_str()));
        assert!(text("{{user}}").parse::<u64>().unwrap() < 10);
        assert!((5..=6).contains(&text("{{int:5:6}}").parse::<u64>().unwrap()));
    }

    #[test]
    fn the_same_number_makes_the_same_event() {
        let template = Template::parse("{{hex:16}}{{int:0:1000000}}", 10).unwrap();
        assert_eq!(render(&template, 5), render(&template, 5));
        assert_ne!(render(&template, 5), render(&template, 6));
    }

    #[test]
    fn what_is_no_gap_is_named() {
        for wrong in ["{{nothing}}", "{{int:5:1}}", "{{hex}}", "{{pick:}}", "{{id:4}}", "{{n:x}}"] {
            let error = Template::parse(wrong, 10).unwrap_err();
            assert!(error.contains("there is no gap {{"), "{error}");
        }
        assert!(Template::parse("{\"a\":\"{{id", 1).unwrap_err().contains("does not close"));
    }

    #[test]
    fn an_event_is_filled_to_its_size_and_stays_json() {
        let mut template = Template::parse(r#"{"a":{{int:1:100000}},"m":{"b":1}}"#, 1).unwrap();
        template.fill_to(768).unwrap();
        for number in 0..20 {
            let event = render(&template, number);
            assert_eq!(event.len(), 768);
            let value: serde_json::Value = serde_json::from_str(&event).unwrap();
            assert!(value["m"]["pad"].as_str().unwrap().len() > 700);
        }
    }

    #[test]
    fn an_object_without_an_id_is_given_one() {
        let mut template = Template::plain(r#" {"a":1}"#);
        template.add_id("event_id");
        assert_eq!(render(&template, 1), r#"{"event_id":"the-id","a":1}"#);
        let mut empty = Template::plain("{}");
        empty.add_id("id");
        assert_eq!(render(&empty, 1), r#"{"id":"the-id"}"#);
    }
}
