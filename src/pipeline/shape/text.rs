//! Texts of known members: read without copying where nothing is escaped, and refused where some
//! store could not keep them in a text column.

use std::borrow::Cow;

/// Why a member's text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextError {
    /// It is no string.
    Type,
    /// It has more characters than allowed.
    Long,
    /// It contains a control character.
    Control,
    /// It contains half a surrogate pair.
    Surrogate,
}

/// Reads a JSON string of at most `limit` characters.
pub(super) fn read(raw: &str, limit: usize) -> Result<Cow<'_, str>, TextError> {
    let inner =
        raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(TextError::Type)?;
    // one pass without branches: almost every text is plain ASCII without escapes
    let odd = inner.bytes().fold(false, |odd, byte| odd | (byte == b'\\') | (byte >= 0x7f));
    if !odd {
        return if inner.len() > limit { Err(TextError::Long) } else { Ok(Cow::Borrowed(inner)) };
    }
    let text = if inner.contains('\\') {
        let owned: String = serde_json::from_str(raw).map_err(|_| TextError::Surrogate)?;
        Cow::Owned(owned)
    } else {
        Cow::Borrowed(inner)
    };
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    if text.len() > limit && text.chars().count() > limit {
        return Err(TextError::Long);
    }
    Ok(text)
}

/// The name of a member from its JSON string; as it is written where it holds half a surrogate pair.
pub(super) fn name(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    if !inner.bytes().fold(false, |escaped, byte| escaped | (byte == b'\\')) {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(raw).map_or(Cow::Borrowed(inner), Cow::Owned)
}
