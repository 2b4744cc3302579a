//! The shapes against their seeds' own words.

use super::*;
use crate::model::{Shape, Timestamp};

fn now() -> Timestamp {
    "2026-01-31T12:00:00.250Z".parse().unwrap()
}

fn door() -> Rules {
    Rules::at_door(now())
}

/// The fields and messages with which the event is refused.
fn refusal(shape: Shape, text: &str) -> Vec<(String, String)> {
    match check(shape, text, &door()) {
        Ok(checked) => panic!("{text} was taken as {checked:?}"),
        Err(Refused::Fields(fields)) => {
            fields.into_iter().map(|field| (field.field, field.message)).collect()
        }
        Err(other) => vec![(String::new(), other.to_string())],
    }
}

#[test]
fn a_campaign_event_is_read() {
    let text = r#"{"event_type":"impression","user_id":"user123","campaign_id":"camp456",
        "geo_country":"US","device_type":"mobile","created_at":"2026-01-31T13:00:00.5+01:00",
        "meta_data":{"price":1.10},"other":1}"#;
    let checked = check(Shape::Campaign, text, &door()).unwrap();
    assert_eq!(checked.event_type, "impression");
    assert_eq!(checked.user_id.as_deref(), Some("user123"));
    assert_eq!(checked.geo_country.as_deref(), Some("US"));
    assert_eq!(checked.created_at.unwrap().to_string(), "2026-01-31T12:00:00.500Z");
    assert_eq!(checked.free_json(), Some(r#"{"price":1.10}"#));
}

#[test]
fn the_three_required_members_of_a_campaign_event_are_asked_for_first() {
    for text in [
        r#"{}"#,
        r#"{"event_type":"click","user_id":"u","geo_country":"USA"}"#,
        r#"{"event_type":"click","user_id":"","campaign_id":"c"}"#,
        r#"{"event_type":"click","user_id":null,"campaign_id":"c"}"#,
    ] {
        let refused = check(Shape::Campaign, text, &door()).unwrap_err();
        assert_eq!(
            refused.summary(Shape::Campaign),
            "event_type, user_id and campaign_id are required"
        );
    }
    let refused = check(Shape::Campaign, "{", &door()).unwrap_err();
    assert_eq!(refused.summary(Shape::Campaign), "Invalid Request Body");
}

#[test]
fn a_v1_event_names_every_failing_field_in_the_seeds_words() {
    let text = r#"{"timestamp":1769860801,"channel":"tv","tags":[1]}"#;
    assert_eq!(
        refusal(Shape::NamedV1, text),
        [
            ("event_name", "event_name is required"),
            ("user_id", "user_id is required"),
            ("timestamp", "timestamp cannot be in the future"),
            ("channel", "channel must be one of: web, mobile_app, api"),
            ("tags[0]", "tag must be a string"),
        ]
        .map(|(field, message)| (field.to_owned(), message.to_owned()))
    );
}
