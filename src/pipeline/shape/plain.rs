//! Batch bodies of plain events: cut, read and judged in one pass.
//!
//! Like the scan below it, it gives up on whatever is not plain from end to end, and then nothing of
//! it counts: the caller cuts the body with [`split_array`](super::split_array) or
//! [`split_member_events`](super::split_member_events) and checks each element, which says what is
//! wrong and where.

use super::check::Checked;
use super::judge::Judge;
use super::members::Members;
use super::refused::Refused;
use super::rules::Rules;
use crate::model::Shape;
use crate::pipeline::json::skip_space;

/// A body whose events lie in one array, none of them looked at yet.
#[derive(Debug, Clone, Copy)]
pub struct PlainBatch<'a> {
    text: &'a str,
    /// Where its first element is, if it has one.
    at: usize,
    /// Whether the array is the only member of an object.
    is_wrapped: bool,
}

impl<'a> PlainBatch<'a> {
    /// The elements of `[…]`.
    #[must_use]
    pub fn of_array(text: &'a str) -> Option<Self> {
        Self { text, at: 0, is_wrapped: false }.past(b"[")
    }

    /// The elements of `{"events":[…]}`, beside which there is nothing.
    #[must_use]
    pub fn of_member_events(text: &'a str) -> Option<Self> {
        let wrapper = Self { text, at: 0, is_wrapped: true };
        wrapper.past(b"{")?.past(b"\"events\"")?.past(b":")?.past(b"[")
    }

    /// The whole body.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.text
    }

    fn past(self, token: &[u8]) -> Option<Self> {
        let bytes = self.text.as_bytes();
        let at = skip_space(bytes, self.at);
        bytes.get(at..)?.starts_with(token).then_some(Self { at: at + token.len(), ..self })
    }

    /// Judges each event, and gives `take` its text and what was found; an event that is refused has
    /// wrong members or is too large. `None` where the body is not plain, has no event, or more than
    /// `max_events`; what was taken before then does not count.
    pub fn check(
        self,
        shape: Shape,
        (max_depth, max_events): (usize, usize),
        rules: &Rules,
        mut take: impl FnMut(usize, &'a str, Result<&Checked<'a>, Refused>),
    ) -> Option<()> {
        let bytes = self.text.as_bytes();
        let (mut members, mut checked) = (Members::default(), Checked::default());
        let mut at = skip_space(bytes, self.at);
        for index in 0..max_events {
            let end = members.scan(self.text, at, max_depth)?;
            let event = self.text.get(at..end)?;
            if event.len() > rules.max_event_bytes {
                let (bytes, max) = (event.len(), rules.max_event_bytes);
                take(index, event, Err(Refused::TooLarge { bytes, max }));
            } else {
                let verdict = Judge::new(&members, rules).verdict(shape, &mut checked);
                take(index, event, verdict.map(|()| &checked));
            }
            at = skip_space(bytes, end);
            match bytes.get(at)? {
                b',' => at = skip_space(bytes, at + 1),
                b']' => return self.ends_at(at + 1).then_some(()),
                _ => return None,
            }
        }
        None
    }

    /// Whether the body ends with an array that ends there.
    fn ends_at(self, mut at: usize) -> bool {
        let bytes = self.text.as_bytes();
        if self.is_wrapped {
            at = skip_space(bytes, at);
            if bytes.get(at) != Some(&b'}') {
                return false;
            }
            at += 1;
        }
        skip_space(bytes, at) == bytes.len()
    }
}
