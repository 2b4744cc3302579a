//! A listing over pages, held to what S3 promises: ascending keys below the prefix.

use super::client::Page;
use crate::ports::{Error, Kind, ObjectMeta, Result};

/// Most keys that a store gives at once.
const PAGE: usize = 1000;

/// A listing in the making.
#[derive(Debug)]
pub(super) struct Listing<'l> {
    pub(super) prefix: &'l str,
    /// Only keys behind this one, which is below the prefix.
    pub(super) after: Option<&'l str>,
    max: usize,
    pub(super) token: Option<String>,
    found: Vec<ObjectMeta>,
    last: String,
}

impl<'l> Listing<'l> {
    /// Starts; `None` where there can be nothing.
    pub(super) fn new(prefix: &'l str, after: Option<&'l str>, max: usize) -> Option<Self> {
        // Not every store knows what a start outside of the prefix means.
        let after = match after {
            Some(after) if after.starts_with(prefix) => Some(after),
            Some(after) if after > prefix => return None,
            _ => None,
        };
        let last = after.unwrap_or_default().to_owned();
        (max > 0).then_some(Self { prefix, after, max, token: None, found: Vec::new(), last })
    }

    /// How many keys to ask for next.
    pub(super) fn wanted(&self) -> usize {
        (self.max - self.found.len()).min(PAGE)
    }

    /// Takes a page; whether another is needed.
    pub(super) fn add(&mut self, page: Page) -> Result<bool> {
        for (key, size_bytes) in page.objects {
            if !key.starts_with(self.prefix) || key <= self.last {
                let text = format!("the store's listing below {:?} is out of order", self.prefix);
                return Err(Error::new(Kind::Corrupt, text));
            }
            self.last.clone_from(&key);
            // What begins with a dot is ours to try things with.
            if !key.starts_with('.') && self.found.len() < self.max {
                self.found.push(ObjectMeta { key, size_bytes });
            }
        }
        let goes_on = page.next.is_some() && self.found.len() < self.max;
        if goes_on && page.next == self.token {
            let text = format!("the store's listing below {:?} goes in circles", self.prefix);
            return Err(Error::new(Kind::Corrupt, text));
        }
        self.token = page.next;
        Ok(goes_on)
    }

    /// What was found.
    pub(super) fn into_found(self) -> Vec<ObjectMeta> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], next: Option<&str>) -> Page {
        let objects = keys.iter().map(|key| ((*key).to_owned(), 1)).collect();
        Page { objects, next: next.map(str::to_owned) }
    }

    #[test]
    fn pages_join_up_to_the_most_that_is_asked_for() {
        let mut listing = Listing::new("", None, 3).unwrap();
        assert!(listing.add(page(&[".evp/x", "a"], Some("1"))).unwrap());
        assert_eq!(listing.wanted(), 2);
        assert!(!listing.add(page(&["b", "c", "d"], Some("2"))).unwrap());
        let keys: Vec<String> = listing.into_found().into_iter().map(|meta| meta.key).collect();
        assert_eq!(keys, ["a", "b", "c"]);
    }

    #[test]
    fn a_listing_that_lies_is_refused() {
        let fresh = || Listing::new("a/", Some("a/5"), 9).unwrap();
        for keys in [&["a/6", "a/6"][..], &["a/7", "a/6"], &["b"], &["a/4"]] {
            assert_eq!(fresh().add(page(keys, None)).unwrap_err().kind(), Kind::Corrupt);
        }
        let mut listing = fresh();
        listing.add(page(&["a/6"], Some("1"))).unwrap();
        assert_eq!(listing.add(page(&[], Some("1"))).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn a_start_outside_of_the_prefix_is_everything_or_nothing() {
        assert!(Listing::new("b/", Some("c"), 9).is_none());
        assert!(Listing::new("b/", None, 0).is_none());
        assert_eq!(Listing::new("b/", Some("a/9"), 9).unwrap().after, None);
        assert_eq!(Listing::new("b/", Some("b/9"), 9).unwrap().after, Some("b/9"));
    }
}
