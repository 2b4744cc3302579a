//! The headers that every accepted event has, in one header of Kafka's.
//!
//! Each header costs librdkafka two allocations and four small writes, and its reader as much.
//! Origin, id, time of receipt, shape and client address travel as
//! `evp: <origin> <received-at> <shape> <client-ip or -> <id>`; whatever else there is keeps a header
//! of its own. Nothing outside this backend sees it, and records with a header each are read as well.

use bytes::Bytes;

use crate::model::HeaderName;

/// Name of the packed header.
pub(super) const NAME: &str = "evp";
/// Stands for an absent address.
const ABSENT: &[u8] = b"-";
/// In the order in which the collector writes them.
const ORDER: [HeaderName; 4] =
    [HeaderName::Origin, HeaderName::EventId, HeaderName::ReceivedAt, HeaderName::Shape];

/// Packs the first headers into the buffer where they are the usual ones; whether it did, and those
/// that are left.
pub(super) fn pack<'h, I>(headers: I, buffer: &mut Vec<u8>) -> (bool, I)
where
    I: Iterator<Item = (&'h str, &'h [u8])> + Clone,
{
    let mut rest = headers.clone();
    let mut values = [&[][..]; ORDER.len()];
    for (name, value) in ORDER.iter().zip(&mut values) {
        match rest.next() {
            Some((given, of_it)) if given == name.as_str() => *value = of_it,
            _ => return (false, headers),
        }
    }
    let mut after = rest.clone();
    let client_ip = match after.next() {
        Some((name, value)) if name == HeaderName::ClientIp.as_str() => {
            rest = after;
            Some(value)
        }
        _ => None,
    };
    let [origin, id, received_at, shape] = values;
    let words = [origin, received_at, shape, client_ip.unwrap_or(ABSENT)];
    let is_word = |text: &[u8]| !text.is_empty() && !text.contains(&b' ');
    if client_ip == Some(ABSENT) || !words.iter().all(|word| is_word(word)) {
        return (false, headers);
    }
    for word in words {
        buffer.extend_from_slice(word);
        buffer.push(b' ');
    }
    // The last one: an id may hold blanks.
    buffer.extend_from_slice(id);
    (true, rest)
}

/// The headers in a packed one, sharing its bytes; `None` where it is none of ours.
pub(super) fn unpack(value: &Bytes) -> Option<impl Iterator<Item = (HeaderName, Bytes)> + use<>> {
    let mut parts = value.splitn(5, |byte| *byte == b' ').map(|part| value.slice_ref(part));
    let [origin, received_at, shape, client_ip, id] = std::array::from_fn(|_| parts.next());
    let always = [
        (HeaderName::Origin, origin?),
        (HeaderName::EventId, id?),
        (HeaderName::ReceivedAt, received_at?),
        (HeaderName::Shape, shape?),
    ];
    let client_ip = client_ip.filter(|text| text != ABSENT);
    Some(always.into_iter().chain(client_ip.map(|text| (HeaderName::ClientIp, text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (&'static str, &'static [u8]);

    /// What a reader gets of these headers, and how many travel.
    fn there_and_back(given: &[Pair]) -> (Vec<(String, Vec<u8>)>, usize) {
        let mut buffer = Vec::new();
        let (is_packed, rest) = pack(given.iter().copied(), &mut buffer);
        let rest: Vec<_> = rest.collect();
        let travelling = rest.len() + usize::from(is_packed);
        let mut read = Vec::new();
        if is_packed {
            let unpacked = unpack(&Bytes::from(buffer)).unwrap();
            read.extend(unpacked.map(|(name, value)| (name.as_str().to_owned(), value.to_vec())));
        }
        read.extend(rest.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())));
        (read, travelling)
    }

    #[test]
    fn headers_come_back_as_they_were_and_in_their_order() {
        const USUAL: [Pair; 4] = [
            ("evp-origin", b"01890a5d-ac96-774b-bcce-b302099a8057"),
            ("evp-event-id", b"an id with blanks"),
            ("evp-received-at", b"2026-11-21T10:00:00.000Z"),
            ("evp-shape", b"campaign"),
        ];
        let with = |more: &[Pair]| [&USUAL[..], more].concat();
        let cases: [(Vec<Pair>, usize); 9] = [
            (with(&[]), 1),
            (with(&[("evp-client-ip", b"203.0.113.7")]), 1),
            (with(&[("evp-client-ip", b"::1"), ("traceparent", b"00-1")]), 2),
            (with(&[("x-mine", b"-")]), 2),
            // Not to be told from an absent one, or from two words.
            (with(&[("evp-client-ip", b"-")]), 5),
            (with(&[("evp-client-ip", b"a b")]), 5),
            (with(&[("evp-client-ip", b"")]), 5),
            (USUAL[..3].to_vec(), 3),
            (vec![USUAL[1], USUAL[0], USUAL[2], USUAL[3]], 4),
        ];
        for (given, travelling) in cases {
            let (read, count) = there_and_back(&given);
            let expected: Vec<_> =
                given.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
            assert_eq!(read, expected);
            assert_eq!(count, travelling, "{given:?}");
        }
    }

    #[test]
    fn what_is_none_of_ours_is_not_unpacked() {
        for value in ["", "a", "a b c d"] {
            assert!(unpack(&Bytes::from_static(value.as_bytes())).is_none(), "{value}");
        }
    }
}
