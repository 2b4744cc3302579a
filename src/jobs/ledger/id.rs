//! Ids of a run's events: a function of run and number, so that an id tells whose it is even where
//! the ledger lost its line.

use uuid::Uuid;

/// Length of every id that a run makes, so that one can be written over another in place.
pub const EVENT_ID_BYTES: usize = 32 + 1 + 16;

/// The id of an event of a run: the run's 32 hexadecimal digits, a dash, the number's 16.
#[must_use]
pub fn event_id(run: Uuid, number: u64) -> String {
    encode_event_id(run, number, &mut [0; EVENT_ID_BYTES]).to_owned()
}

/// Writes [`event_id`] without allocating.
pub fn encode_event_id(run: Uuid, number: u64, into: &mut [u8; EVENT_ID_BYTES]) -> &str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    run.simple().encode_lower(&mut into[..32]);
    into[32] = b'-';
    for (at, byte) in number.to_be_bytes().into_iter().enumerate() {
        into[33 + 2 * at] = DIGITS[usize::from(byte >> 4)];
        into[34 + 2 * at] = DIGITS[usize::from(byte & 15)];
    }
    // Hexadecimal digits and a dash are ASCII.
    std::str::from_utf8(into).unwrap_or_default()
}

/// The number of an id that this run made; `None` for every other id.
#[must_use]
pub fn number_of(run: Uuid, id: &str) -> Option<u64> {
    let digits = id.get(33..).filter(|digits| digits.len() == 16)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (encode_event_id(run, number, &mut [0; EVENT_ID_BYTES]) == id).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_number_and_only_to_its_run() {
        let run = Uuid::from_u128(0x0190_a5d0_ac96_774b_bcce_b302_099a_8057);
        let id = event_id(run, 255);
        assert_eq!(id, "0190a5d0ac96774bbcceb302099a8057-00000000000000ff");
        for number in [0, 255, u64::MAX] {
            assert_eq!(number_of(run, &event_id(run, number)), Some(number));
        }
        assert_eq!(number_of(Uuid::from_u128(1), &id), None);
        for other in ["", &id[1..], &id.to_uppercase(), &id.replace("-0", "-+"), "é-é", &id[..48]]
        {
            assert_eq!(number_of(run, other), None, "{other}");
        }
        assert!(crate::model::EventId::check(&id).is_ok());
    }
}
