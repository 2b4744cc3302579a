//! The shapes against their seeds' own words.

use std::borrow::Cow;

use super::*;
use crate::model::{Shape, Timestamp};

fn now() -> Timestamp {
    "2026-01-31T12:00:00.250Z".parse().unwrap()
}

fn door() -> Rules {
    Rules::at_door(now())
}

/// The field and the message of everything for which the event is refused.
fn refusal(shape: Shape, text: &str) -> Vec<(String, String)> {
    match check(shape, text, &door()) {
        Ok(checked) => panic!("{text} was taken as {checked:?}"),
        Err(Refused::Fields(fields)) => {
            fields.into_iter().map(|field| (field.field, field.message)).collect()
        }
        Err(other) => vec![(String::new(), other.to_string())],
    }
}

/// Asserts that exactly this is wrong with the event.
#[track_caller]
fn refused(shape: Shape, text: &str, field: &str, message: &str) {
    assert_eq!(refusal(shape, text), [(field.to_owned(), message.to_owned())], "{text}");
}

#[track_caller]
fn taken(shape: Shape, text: &str) -> Checked<'_> {
    check(shape, text, &door()).unwrap_or_else(|refused| panic!("{text}: {refused}"))
}

/// An event of the shape that is right, with these members besides.
fn event(shape: Shape, members: &str) -> String {
    let base = match shape {
        Shape::Campaign => r#""event_type":"click","user_id":"u","campaign_id":"c""#,
        Shape::Typed => r#""type":"click""#,
        Shape::Job => r#""event_id":"evt-1""#,
        Shape::NamedV1 | Shape::Named => {
            r#""event_name":"click","user_id":"u","timestamp":1769850000"#
        }
    };
    if members.is_empty() { format!("{{{base}}}") } else { format!("{{{base},{members}}}") }
}

#[test]
fn a_campaign_event_is_read() {
    let text = r#"{"event_type":"impression","user_id":"user123","campaign_id":"camp456",
        "geo_country":"US","device_type":"mobile","created_at":"2026-01-31T13:00:00.5+01:00",
        "meta_data":{"price":1.10},"other":1}"#;
    let checked = taken(Shape::Campaign, text);
    assert_eq!(checked.event_type, "impression");
    assert_eq!(checked.user_id.as_deref(), Some("user123"));
    assert_eq!(checked.geo_country.as_deref(), Some("US"));
    assert_eq!(checked.created_at.unwrap().to_string(), "2026-01-31T12:00:00.500Z");
    assert_eq!(checked.free, Some(r#"{"price":1.10}"#));
}

#[test]
fn the_three_required_members_of_a_campaign_event_are_asked_for_first() {
    for text in [
        r#"{}"#,
        r#"{"event_type":"click","user_id":"u","geo_country":"USA"}"#,
        r#"{"event_type":"click","user_id":"","campaign_id":"c"}"#,
        r#"{"event_type":"click","user_id":null,"campaign_id":"c","user_id2":1}"#,
    ] {
        let refused = check(Shape::Campaign, text, &door()).unwrap_err();
        assert_eq!(
            refused.summary(Shape::Campaign),
            "event_type, user_id and campaign_id are required"
        );
    }
    for text in ["{", "", "[]", "1", &event(Shape::Campaign, r#""created_at":1"#)] {
        let refused = check(Shape::Campaign, text, &door()).unwrap_err();
        assert_eq!(refused.summary(Shape::Campaign), "Invalid Request Body", "{text}");
    }
}

#[test]
fn a_campaign_event_that_the_worker_would_refuse_is_refused_at_the_door() {
    let refused = |members: &str, field: &str, message: &str| {
        refused(Shape::Campaign, &event(Shape::Campaign, members), field, message);
    };
    let country = "geo_country must be exactly 2 letters";
    refused(r#""geo_country":"USA""#, "geo_country", country);
    refused(r#""geo_country":"U1""#, "geo_country", country);
    refused(r#""geo_country":"é""#, "geo_country", country);
    refused(r#""geo_country":7"#, "geo_country", "geo_country must be a string");
    refused(r#""meta_data":[1]"#, "meta_data", "meta_data must be an object");
    refused(r#""event_id":{}"#, "event_id", "event_id must be a string");
    let long = format!(r#""device_type":"{}""#, "d".repeat(51));
    refused(&long, "device_type", "device_type must be at most 50 characters");
    let wide = format!(r#""event_id":"{}""#, "é".repeat(128));
    refused(&wide, "event_id", "event_id must be at most 255 bytes");
    taken(Shape::Campaign, &event(Shape::Campaign, r#""geo_country":"","device_type":null"#));
}

#[test]
fn a_v1_event_names_every_failing_field_in_the_seeds_words() {
    let text = r#"{"timestamp":1769860801,"channel":"tv","tags":[1]}"#;
    let wanted = [
        ("event_name", "event_name is required"),
        ("user_id", "user_id is required"),
        ("timestamp", "timestamp cannot be in the future"),
        ("channel", "channel must be one of: web, mobile_app, api"),
        ("tags[0]", "tag must be a string"),
    ];
    let wanted = wanted.map(|(field, message)| (field.to_owned(), message.to_owned()));
    assert_eq!(refusal(Shape::NamedV1, text), wanted);
    let error = check(Shape::NamedV1, r#"{"timestamp":5}"#, &door()).unwrap_err();
    assert_eq!(error.summary(Shape::NamedV1), "validation failed");
    assert_eq!(
        error.item(),
        "event_name: event_name is required; user_id: user_id is required; \
         timestamp: timestamp cannot be older than 30 days"
    );
    let codes: Vec<_> = error.fields().iter().map(|field| field.code).collect();
    assert_eq!(codes, [code::REQUIRED, code::REQUIRED, code::TIMESTAMP_EXPIRED]);
}

#[test]
fn v1_limits_count_characters_and_items() {
    let v1 = |name: &str, members: &str| {
        format!(r#"{{"event_name":"{name}","user_id":"u","timestamp":1769850000{members}}}"#)
    };
    taken(Shape::NamedV1, &v1(&"é".repeat(100), ""));
    refused(
        Shape::NamedV1,
        &v1(&"é".repeat(101), ""),
        "event_name",
        "event_name must be at most 100 characters",
    );
    let tags = |count: usize, tag: &str| {
        format!(r#","tags":[{}]"#, vec![format!("{tag:?}"); count].join(","))
    };
    assert_eq!(taken(Shape::NamedV1, &v1("n", &tags(20, &"é".repeat(100)))).tags.len(), 20);
    refused(Shape::NamedV1, &v1("n", &tags(21, "t")), "tags", "tags must have at most 20 items");
    let long = format!(r#","tags":["ok","{0}","{0}"]"#, "t".repeat(101));
    refused(Shape::NamedV1, &v1("n", &long), "tags[1]", "tag must be at most 100 characters");
    let error = check(Shape::NamedV1, &v1("n", &long), &door()).unwrap_err();
    assert_eq!(error.fields()[0].pointer, "/tags/1");
    let users = |length: usize| event(Shape::Typed, "").replace("click", &"u".repeat(length));
    taken(Shape::Typed, &users(100));
    refused(Shape::Typed, &users(101), "type", "type must be at most 100 characters");
}

#[test]
fn the_v1_window_has_exact_ends() {
    let at = |timestamp: &str| {
        let text = format!(r#"{{"event_name":"n","user_id":"u","timestamp":{timestamp}}}"#);
        check(Shape::NamedV1, &text, &door()).err().map(|refused| refused.fields()[0].code)
    };
    assert_eq!(at("1769860800"), None);
    assert_eq!(at("1769860801"), Some(code::TIMESTAMP_FUTURE));
    assert_eq!(at("1769860800250"), None);
    assert_eq!(at("1769860800251"), Some(code::TIMESTAMP_FUTURE));
    assert_eq!(at("1767268800"), None);
    assert_eq!(at("1767268799"), Some(code::TIMESTAMP_EXPIRED));
    assert_eq!(at("-1"), Some(code::TIMESTAMP_EXPIRED));
    assert_eq!(at("0"), Some(code::REQUIRED));
    assert_eq!(at("1769860800.0"), Some(code::INVALID_TYPE));
    let later = r#"{"event_name":"n","user_id":"u","timestamp":9999999999}"#;
    assert!(check(Shape::Named, later, &door()).is_ok());
    assert!(check(Shape::NamedV1, later, &Rules::trusting()).is_ok());
}

#[test]
fn channels_are_the_union_and_by_setting_the_seeds_own() {
    let allowed = |shape: Shape, rules: &Rules, channel: &str| {
        check(shape, &event(shape, &format!(r#""channel":"{channel}""#)), rules).is_ok()
    };
    for channel in ["web", "mobile_app", "mobile", "api", "email", "push", ""] {
        assert!(allowed(Shape::Named, &door(), channel), "{channel}");
        assert!(allowed(Shape::NamedV1, &Rules::trusting(), channel), "{channel}");
    }
    let strict = Rules { strict_channels: true, ..door() };
    assert!(allowed(Shape::Named, &strict, "email") && allowed(Shape::Named, &strict, ""));
    assert!(!allowed(Shape::Named, &strict, "mobile_app"));
    assert!(!allowed(Shape::NamedV1, &door(), "email"));
    assert!(!allowed(Shape::Named, &door(), "WEB"));
}

#[test]
fn names_are_exact_and_given_once() {
    let refused = |members: &str, field: &str, message: &str| {
        refused(Shape::Named, &event(Shape::Named, members), field, message);
    };
    refused(r#""user_id":"v""#, "user_id", "user_id is given more than once");
    refused(r#""x":1,"y":2,"x":1"#, "x", "x is given more than once");
    refused(r#""x":1,"\u0078":1"#, "x", "x is given more than once");
    refused(r#""us\u0065r_id":"v""#, "user_id", "user_id is given more than once");
    refused(r#""Channel":"web""#, "Channel", "Channel must be spelled channel");
    refused(r#""a\n":1,"a\n":1"#, "a\\n", "a\\n is given more than once");
    let many: Vec<_> = (0..40).map(|index| format!(r#""k{index}":0"#)).collect();
    taken(Shape::Named, &event(Shape::Named, &many.join(",")));
    let twice = format!(r#"{},"k39":0"#, many.join(","));
    refused(&twice, "k39", "k39 is given more than once");
    // a member of another shape is nobody's business, within free JSON least of all
    taken(Shape::Named, &event(Shape::Named, r#""Payload":1,"metadata":{"a":1,"a":2}"#));
}

#[test]
fn text_columns_take_what_every_store_keeps() {
    let control = "user_id must not contain control characters";
    for (bad, message) in [
        (r"a\u0000b", control),
        (r"a\nb", control),
        ("a\u{7f}", control),
        ("a\u{85}", control),
        (r"\ud800", "user_id must not contain half a surrogate pair"),
        (r"\udc00\ud800", "user_id must not contain half a surrogate pair"),
    ] {
        let text = format!(r#"{{"event_type":"click","user_id":"{bad}","campaign_id":"c"}}"#);
        refused(Shape::Campaign, &text, "user_id", message);
    }
    let text = r#"{"event_type":"click","user_id":"\ud83d\ude00 \"ü\"","campaign_id":"c"}"#;
    assert_eq!(taken(Shape::Campaign, text).user_id.as_deref(), Some("😀 \"ü\""));
    let tag = event(Shape::Named, r#""tags":["a\u0001"]"#);
    refused(Shape::Named, &tag, "tags[0]", "tag must not contain control characters");
}

#[test]
fn free_json_is_left_as_it_came() {
    for free in [
        r#"{"a":1e400,"b":12345678901234567890123,"c":1.10,"d":-0}"#,
        r#"{"half":"\ud800","nul":"\u0000","dup":1,"dup":2}"#,
        "{ \"a\" :\n[ ] }",
    ] {
        let text = event(Shape::Named, &format!(r#""metadata":{free}"#));
        assert_eq!(taken(Shape::Named, &text).free, Some(free));
        let text = event(Shape::Typed, &format!(r#""payload":[{free},null]"#));
        assert_eq!(taken(Shape::Typed, &text).free, Some(&*format!("[{free},null]")));
    }
    assert_eq!(taken(Shape::Typed, r#"{"payload":null}"#).free, None);
    let job = event(Shape::Job, r#""payload":{}"#);
    refused(Shape::Job, &job, "payload", "payload must be a string");
}

#[test]
fn an_event_of_the_shared_route_tells_its_shape() {
    let shape = |text: &str| check_events(text, &door()).map(|(shape, _)| shape);
    assert_eq!(shape(&event(Shape::Named, "")), Ok(Shape::Named));
    assert_eq!(shape(r#"{"type":"click","payload":{"user_id":123}}"#), Ok(Shape::Typed));
    assert_eq!(shape(r#"{"payload":1}"#), Ok(Shape::Typed));
    assert_eq!(shape(" {} "), Ok(Shape::Typed));
    assert_eq!(detect_events_shape(r#"{"event_name":null,"type":"x"}"#), Ok(Shape::Named));
    let unknown = shape(r#"{"Event_Name":"x","user_id":"u"}"#).unwrap_err();
    assert_eq!(unknown.fields()[0].code, code::UNKNOWN_SHAPE);
    assert_eq!(unknown.fields()[1].message, "Event_Name must be spelled event_name");
    assert!(matches!(shape("null"), Err(Refused::WrongKind(_))));
    assert!(matches!(shape("{}x"), Err(Refused::Json(_))));
}

#[test]
fn an_id_of_001_has_two_spellings() {
    let id = |members: &str| {
        let text = event(Shape::Typed, members);
        taken(Shape::Typed, &text).event_id.map(Cow::into_owned)
    };
    assert_eq!(id(r#""id":"a""#).as_deref(), Some("a"));
    assert_eq!(id(r#""event_id":"b""#).as_deref(), Some("b"));
    assert_eq!(id(r#""id":"a","event_id":"b""#).as_deref(), Some("a"));
    assert_eq!(id(r#""id":"""#), None);
}

#[test]
fn an_event_above_the_limit_says_by_how_much() {
    let rules = Rules { max_event_bytes: 10, ..door() };
    let refused = check(Shape::Typed, r#"{"type":""}"#, &rules).unwrap_err();
    assert_eq!(refused, Refused::TooLarge { bytes: 11, max: 10 });
}
