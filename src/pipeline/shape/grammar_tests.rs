//! What is JSON and what is not, at every place where an event's text is read.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::model::{Shape, Timestamp};
use crate::pipeline::json;

/// Values that the grammar of RFC 8259 allows, with the numbers and strings that trip readers.
const YES: &[&str] = &[
    "0",
    "-0",
    "0e1",
    "0E+2",
    "-1.5e-3",
    "1e400",
    "-1e-400",
    "123456789012345678901234567890",
    "0.1",
    "true",
    "false",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"\\udc00x\"",
    "\"\\ud800\\ud800\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\u{7f}\"",
    "\"\u{2028}\"",
    "\"\u{feff}\"",
    "\"\u{10ffff}\"",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,2]",
    "[[],[{}]]",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    "{\"\\ud800\":1}",
    "[null]",
    "[\t1\n,\r2 ]",
    "\"[{\"",
    "\"]}\\\"\"",
    "[\"a,b\",\"]\"]",
];

/// Values that it does not allow.
const NO: &[&str] = &[
    "",
    "nul",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "undefined",
    "'a'",
    "a",
    "01",
    "-01",
    "1.",
    ".5",
    "+1",
    "1e",
    "1e+",
    "0x1",
    "1_000",
    "--1",
    "1 2",
    "\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\u{1}\"",
    "\"\u{0}\"",
    "[",
    "]",
    "[1,]",
    "[,1]",
    "[1,,2]",
    "[1 2]",
    "[1}",
    "{",
    "}",
    "{]",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{1:1}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1}}",
    "[]]",
    "{\"a\"::1}",
    "// x\n1",
    "/**/1",
    "1 /* x */",
    "\u{a0}1",
    "\u{feff}1",
    "\u{c}1",
    "\"a\" \"b\"",
    "[\"a\" \"b\"]",
    "{\"a\":[}]",
    "[{]}",
    "\"\\'\"",
];

fn rules() -> Rules {
    Rules::at_door(Timestamp::default())
}

#[test]
fn free_json_takes_what_the_grammar_allows() {
    for value in YES {
        let text = format!(r#"{{"payload":{value}}}"#);
        let checked =
            check(Shape::Typed, &text, &rules()).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(checked.free, Some(*value));
        let text = format!(r#"{{"nobody":{value}}}"#);
        assert!(check(Shape::Typed, &text, &rules()).is_ok(), "{text}");
    }
}

#[test]
fn what_the_grammar_does_not_allow_is_refused_with_its_place() {
    for value in NO {
        for text in [(*value).to_owned(), format!(r#"{{"payload":{value}}}"#)] {
            match check(Shape::Typed, &text, &rules()) {
                Err(Refused::Json(error)) => assert!(error.offset() <= text.len(), "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_place_of_an_error_is_that_of_the_byte() {
    let text = "{\"type\":\"é\",\n  \"payload\": x}";
    let Err(Refused::Json(error)) = check(Shape::Typed, text, &rules()) else {
        panic!("it was taken")
    };
    assert_eq!((error.line(), error.column()), (2, 14));
    assert_eq!(&text[error.offset()..], "x}");
}

/// Whether the split functions and the checks of each element together take the body.
fn array_is_json(text: &str) -> bool {
    split_array(text, 64, 1000).is_ok_and(|elements| elements.into_iter().all(element_is_json))
}

fn element_is_json(text: &str) -> bool {
    !matches!(check(Shape::Typed, text, &rules()), Err(Refused::Json(_)))
}

#[test]
fn a_split_body_is_json_when_its_elements_are() {
    for value in YES {
        for text in [format!("[{value}]"), format!(" [ {value} , {value}\n] ")] {
            assert!(array_is_json(&text), "{text}");
        }
        let text = format!(r#"{{"x":{value},"events":[{value},{{}}],"y":[]}}"#);
        assert_eq!(split_member_events(&text, 64, 1000).unwrap(), [*value, "{}"]);
    }
    for value in NO {
        for text in [format!("[{value}x]"), format!("[{{}},{value}]"), format!("[{value},{{}}]")] {
            assert!(!array_is_json(&text), "{text}");
        }
        let text = format!(r#"{{"x":{value},"events":[]}}"#);
        assert!(matches!(split_member_events(&text, 64, 1000), Err(Refused::Json(_))), "{text}");
    }
}

#[test]
fn wrapper_members_are_strict() {
    let refused = |text: &str| split_member_events(text, 64, 1000).unwrap_err();
    assert_eq!(split_member_events("{}", 64, 1000), Ok(vec![]));
    assert_eq!(split_member_events(r#"{"events":null}"#, 64, 1000), Ok(vec![]));
    assert_eq!(split_member_events(r#"{"\u0065vents":[1]}"#, 64, 1000), Ok(vec!["1"]));
    assert_eq!(refused(r#"{"events":{}}"#).fields()[0].code, code::INVALID_TYPE);
    assert_eq!(refused(r#"{"Events":[]}"#).fields()[0].code, code::LETTER_CASE);
    assert_eq!(refused(r#"{"events":[],"events":[]}"#).fields()[0].code, code::DUPLICATE_MEMBER);
    assert_eq!(refused(r#"{"a":1,"a":1}"#).fields()[0].code, code::DUPLICATE_MEMBER);
    assert!(matches!(refused("[]"), Refused::WrongKind(_)));
    assert!(matches!(split_array("{}", 64, 1000), Err(Refused::WrongKind(_))));
    assert!(matches!(refused(r#"{"events":[]}]"#), Refused::Json(_)));
}

#[test]
fn depth_is_counted_from_each_element() {
    assert_eq!(split_array("[[[]],[[]]]", 2, 1000), Ok(vec!["[[]]", "[[]]"]));
    assert!(split_array("[[[[]]]]", 2, 1000).is_err());
    assert!(split_member_events(r#"{"events":[[[[]]]]}"#, 2, 1000).is_err());
    assert!(split_member_events(r#"{"x":[[[]]]}"#, 2, 1000).is_err());
    let deep = "[".repeat(1_000_000);
    assert!(split_array(&deep, 64, 1000).is_err());
}

#[test]
fn a_batch_is_cut_one_past_its_limit() {
    assert_eq!(split_array("[1,2,3]", 2, 3).unwrap().len(), 3);
    assert_eq!(split_array("[1,2,3,4,5,6}", 2, 3).unwrap().len(), 4);
    assert_eq!(split_member_events(r#"{"events":[1,2,3]}"#, 2, 3).unwrap().len(), 3);
    assert_eq!(split_member_events(r#"{"events":[1,2,3,4,5}"#, 2, 3).unwrap().len(), 4);
}

#[test]
fn lines_keep_their_numbers() {
    let lines: Vec<_> = split_lines(b"{}\r\n\n \t\n[\xff]\n\r\n1").collect();
    assert_eq!(lines, [(1, b"{}".as_slice()), (4, b"[\xff]"), (6, b"1")]);
    assert_eq!(split_lines(b"").count(), 0);
}

/// Texts that are JSON or nearly so.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(YES).prop_map(str::to_owned),
        prop::sample::select(NO).prop_map(str::to_owned),
        r#"[{}\[\],:" \\a1]{0,8}"#,
    ];
    let leaf = prop_oneof![8 => prop::sample::select(YES).prop_map(str::to_owned), 1 => leaf];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let space = prop::sample::select(&["", " ", "\n", "\t "][..]);
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), space.clone())
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(","))),
            (prop::collection::vec(("[a-c]{1,2}|events", inner), 0..4), space).prop_map(
                |(members, space)| {
                    let members: Vec<_> = members
                        .into_iter()
                        .map(|(name, value)| format!("{space}\"{name}\":{space}{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }
            ),
        ]
    })
}

/// What the quick pass over an array says of its events, and what cutting and checking each says.
fn both_ways(shape: Shape, text: &str) -> [Option<Vec<Result<String, String>>>; 2] {
    let said = |checked: Result<&Checked<'_>, &Refused>| match checked {
        Ok(checked) => Ok(format!("{checked:?}")),
        Err(refused) => Err(format!("{refused:?}")),
    };
    let mut quick = Vec::new();
    let plain = PlainBatch::of_array(text).and_then(|batch| {
        batch.check(shape, (6, 4), &rules(), |index, event, checked| {
            assert_eq!(index, quick.len());
            quick.push((event.to_owned(), said(checked.as_ref().map(|event| *event))));
        })
    });
    let quick = plain.map(|()| quick.iter().map(|(_, said)| said.clone()).collect());
    let slow = split_array(text, 6, 4).ok().filter(|events| events.len() <= 4);
    let slow = slow.map(|events| {
        let verdicts = events.into_iter().map(|event| check(shape, event, &rules()));
        verdicts.map(|checked| said(checked.as_ref())).collect()
    });
    [quick, slow]
}

#[test]
fn plain_bodies_take_the_quick_way_and_others_do_not() {
    let event = r#"{"event_type":"t","user_id":"ü","campaign_id":"c\n","meta_data":{"a":[1,-2.5e3,true,null,"\u00e4"]}}"#;
    let refused = r#"{"event_type":1, "other" : [ ] }"#;
    let [quick, slow] = both_ways(Shape::Campaign, &format!(" [ {event} ,\n{refused},{{}}] "));
    assert_eq!(quick.as_ref().map(Vec::len), Some(3));
    assert_eq!(quick, slow);
    for odd in [
        "",
        "[]",
        "{}",
        "[1]",
        "[{}",
        "[{},]",
        "[{}]]",
        "[{} {}]",
        "[{},{},{},{},{}]",
        r#"[{"Type":1}]"#,
        r#"[{"type":1,"type":1}]"#,
        r#"[{"a":1,"a":1}]"#,
        r#"[{"\u0061":1}]"#,
        r#"[{"a":[[[[[[0]]]]]]}]"#,
    ] {
        assert_eq!(both_ways(Shape::Typed, odd)[0], None, "{odd}");
    }
    assert!(PlainBatch::of_member_events(r#" { "events" : [{}]}"#).is_some());
    for odd in [r#"{"a":1,"events":[]}"#, r#"{"events":null}"#, r#"{"Events":[]}"#, "[]", ""] {
        assert!(PlainBatch::of_member_events(odd).is_none(), "{odd}");
    }
    let after = |text: &str| {
        let batch = PlainBatch::of_member_events(text).unwrap();
        batch.check(Shape::Typed, (6, 4), &rules(), |_, _, _| {})
    };
    assert_eq!(after("{\"events\":[{}]}\n"), Some(()));
    for odd in ["{\"events\":[{}]", "{\"events\":[{}]}}", "{\"events\":[{}],\"b\":1}"] {
        assert_eq!(after(odd), None, "{odd}");
    }
}

#[test]
fn the_quick_pass_knows_every_value_of_the_grammar() {
    for value in YES {
        let [quick, slow] = both_ways(Shape::Typed, &format!(r#"[{{"payload":{value}}}]"#));
        let is_plain = !value.contains("{\"\\ud800\"");
        assert_eq!(quick.is_some(), is_plain, "{value}");
        assert!(quick.is_none() || quick == slow, "{value}");
    }
    for value in NO {
        // Padded, since the pass looks at eight bytes at once where there are as many.
        for end in ["}]", "}         ]"] {
            let text = format!(r#"[{{"payload":{value}{end}"#);
            assert_eq!(both_ways(Shape::Typed, &text)[0], None, "{text}");
        }
    }
}

proptest! {
    #[test]
    fn the_quick_pass_says_what_the_library_says(
        events in prop::collection::vec(nearly_json(), 0..5),
        members in prop::collection::vec(("event_type|user_id|campaign_id|type|tags|x|X", nearly_json()), 0..6),
    ) {
        let members: Vec<_> =
            members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        for text in [format!("[{}]", events.join(",")), format!("[{{{}}}]", members.join(","))] {
            for shape in Shape::ALL {
                let [quick, slow] = both_ways(shape, &text);
                if quick.is_some() {
                    prop_assert_eq!(quick, slow);
                }
            }
        }
    }

    #[test]
    fn splitting_agrees_with_the_library(text in nearly_json()) {
        let library = serde_json::from_str::<Vec<&RawValue>>(&text);
        if let Ok(library) = library {
            let library: Vec<_> = library.into_iter().map(RawValue::get).collect();
            prop_assert_eq!(split_array(&text, 64, 1000).unwrap(), library);
            prop_assert!(array_is_json(&text));
        } else {
            prop_assert!(!array_is_json(&text));
        }
        if let Ok(elements) = split_member_events(&text, 64, 1000)
            && elements.iter().all(|element| element_is_json(element))
        {
            let whole: &RawValue = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(whole.get().as_bytes()[0], b'{');
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let events = value["events"].as_array().map_or(0, Vec::len);
                prop_assert_eq!(elements.len(), events);
            }
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), near in nearly_json()) {
        for bytes in [bytes.as_slice(), near.as_bytes()] {
            for line in split_lines(bytes) {
                prop_assert!(line.0 > 0);
            }
            let Ok(text) = json::check_text(bytes, 8) else { continue };
            for shape in Shape::ALL {
                if let Err(refused) = check(shape, text, &rules()) {
                    prop_assert!(!refused.summary(shape).is_empty() && !refused.item().is_empty());
                }
            }
            drop((split_array(text, 8, 1000), split_member_events(text, 8, 1000)));
            prop_assert_eq!(
                check_events(text, &rules()).map(|(shape, _)| shape).ok(),
                detect_events_shape(text).ok().filter(|shape| check(*shape, text, &rules()).is_ok())
            );
        }
    }

    #[test]
    fn depth_agrees_with_counting(text in nearly_json(), max in 0_usize..6) {
        if let Ok(Depth(depth)) = serde_json::from_str(&text) {
            prop_assert_eq!(json::check_text(text.as_bytes(), max).is_ok(), depth <= max);
        }
    }
}

/// Levels of a value, counted by recursion.
struct Depth(usize);

impl<'de> serde::Deserialize<'de> for Depth {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let inner: Vec<Self> = match raw.as_bytes()[0] {
            b'[' => serde_json::from_str(raw).unwrap(),
            b'{' => serde_json::from_str::<Members>(raw).unwrap().0,
            _ => return Ok(Self(0)),
        };
        Ok(Self(1 + inner.iter().map(|depth| depth.0).max().unwrap_or(0)))
    }
}

/// The values of an object, those of a repeated name too.
struct Members(Vec<Depth>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> serde::de::Visitor<'de> for Values {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut values = Vec::new();
                while let Some((_, value)) = map.next_entry::<&RawValue, Depth>()? {
                    values.push(value);
                }
                Ok(Members(values))
            }
        }
        deserializer.deserialize_map(Values)
    }
}
