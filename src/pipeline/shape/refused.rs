//! Why an event is refused, in the words and codes that the seeds' clients know.

use std::borrow::Cow;
use std::fmt;

use crate::model::Shape;
use crate::pipeline::json::JsonError;

/// The closed list of [`FieldError::code`]; the first seven are seed 003's own.
pub mod code {
    /// It is missing, null or empty.
    pub const REQUIRED: &str = "validation.required.error";
    /// It has too many characters or bytes.
    pub const MAX_LENGTH: &str = "validation.max-length.error";
    /// It lies after now.
    pub const TIMESTAMP_FUTURE: &str = "validation.timestamp-future.error";
    /// It lies before the window.
    pub const TIMESTAMP_EXPIRED: &str = "validation.timestamp-expired.error";
    /// It is not on the list of channels.
    pub const INVALID_CHANNEL: &str = "validation.invalid-channel.error";
    /// There are too many tags.
    pub const MAX_TAGS: &str = "validation.max-tags.error";
    /// One tag has too many characters.
    pub const TAG_TOO_LONG: &str = "validation.tag-too-long.error";
    /// It is of another JSON type.
    pub const INVALID_TYPE: &str = "validation.invalid-type.error";
    /// It is no instant that every store can keep.
    pub const INVALID_TIMESTAMP: &str = "validation.invalid-timestamp.error";
    /// It holds a character that a text column cannot keep.
    pub const INVALID_TEXT: &str = "validation.invalid-text.error";
    /// It is not a country of two letters.
    pub const INVALID_COUNTRY: &str = "validation.invalid-country.error";
    /// It is no event id.
    pub const INVALID_ID: &str = "validation.invalid-id.error";
    /// The member stands there twice.
    pub const DUPLICATE_MEMBER: &str = "validation.duplicate-member.error";
    /// The member is spelled in another letter case.
    pub const LETTER_CASE: &str = "validation.letter-case.error";
    /// Nothing says which of the shapes it is.
    pub const UNKNOWN_SHAPE: &str = "validation.unknown-shape.error";
}

/// One member that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The member as clients spell it; `tags[3]` for a tag.
    pub field: String,
    /// One of [`code`].
    pub code: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// Where in the event, as a JSON pointer.
    pub pointer: String,
}

impl FieldError {
    pub(in crate::pipeline) fn new(
        field: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let pointer = format!("/{}", field.replace('~', "~0").replace('/', "~1"));
        Self { field: field.to_owned(), code, message: message.into(), pointer }
    }

    pub(super) fn required(field: &str) -> Self {
        Self::new(field, code::REQUIRED, format!("{field} is required"))
    }

    pub(super) fn wrong_type(field: &str, wanted: &str) -> Self {
        Self::new(field, code::INVALID_TYPE, format!("{field} must be {wanted}"))
    }

    pub(super) fn too_long(field: &str, limit: usize) -> Self {
        Self::new(field, code::MAX_LENGTH, format!("{field} must be at most {limit} characters"))
    }
}

/// Why an event is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The text is no JSON. In a batch this means that the whole body is none: the split functions
    /// cut by brackets and leave the grammar to the check of each element.
    Json(JsonError),
    /// It is JSON, but no object (or, where one is asked for, no array).
    WrongKind(&'static str),
    /// It is larger than one event may be.
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// These members are wrong: all of them, in the order of the seed's own validation.
    Fields(Vec<FieldError>),
}

impl From<JsonError> for Refused {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl Refused {
    /// The members that are wrong; empty where it is not about members.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Self::Fields(fields) => fields,
            _ => &[],
        }
    }

    /// The text of `error` in the answer to a single event, as the shape's own clients know it.
    #[must_use]
    pub fn summary(&self, shape: Shape) -> Cow<'static, str> {
        let fields = self.fields();
        let has = |wanted: &str| fields.iter().any(|field| field.code == wanted);
        let unreadable = matches!(self, Self::Json(_) | Self::WrongKind(_));
        match shape {
            Shape::Campaign if has(code::REQUIRED) => {
                "event_type, user_id and campaign_id are required".into()
            }
            Shape::Campaign
                if unreadable || has(code::INVALID_TYPE) || has(code::INVALID_TIMESTAMP) =>
            {
                "Invalid Request Body".into()
            }
            Shape::NamedV1 if unreadable || has(code::INVALID_TYPE) => {
                "invalid request body".into()
            }
            Shape::NamedV1 if !fields.is_empty() => "validation failed".into(),
            _ => self.to_string().into(),
        }
    }

    /// The text for one item of 003's batch answer: `field: message; field: message`.
    #[must_use]
    pub fn item(&self) -> String {
        let fields = self.fields();
        if fields.is_empty() {
            return self.to_string();
        }
        let each: Vec<_> =
            fields.iter().map(|field| format!("{}: {}", field.field, field.message)).collect();
        each.join("; ")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "invalid JSON: {error}"),
            Self::WrongKind(message) => f.write_str(message),
            Self::TooLarge { bytes, max } => {
                write!(f, "the event has {bytes} bytes, at most {max} are allowed")
            }
            Self::Fields(fields) => {
                for (index, field) in fields.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{}", field.message)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Refused {}
