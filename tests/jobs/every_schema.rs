//! As much of JSON Schema as `docs/schemas` uses, so that every answer of the tests is held against
//! what is published. A member that the schema does not name is a fault here: it is to be published.

use serde_json::Value;

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schemas/verify.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The answer is what `docs/schemas/verify.json` says.
pub fn assert_valid(answer: &Value) {
    let root = schema();
    let mut faults = Vec::new();
    check(&root, &root, answer, "$", &mut faults);
    assert!(faults.is_empty(), "{faults:#?}\n{answer:#}");
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(&reference[1..]).unwrap();
        return check(root, target, value, at, faults);
    }
    let is_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("{other} is no type that is known here"),
    };
    if let Some(name) = schema["type"].as_str()
        && !is_type(name)
    {
        return faults.push(format!("{at} is no {name}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        faults.push(format!("{at} is {value}"));
    }
    if let Some(minimum) = schema["minimum"].as_i64()
        && value.as_i64().is_some_and(|value| value < minimum)
    {
        faults.push(format!("{at} is below {minimum}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            faults.push(format!("{at} has no {name}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        if schema["propertyNames"].is_object() {
            check(root, &schema["propertyNames"], &Value::from(&name[..]), &at, faults);
        }
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Null) => faults.push(format!("{at} is not published")),
            (Value::Null, additional) => check(root, additional, member, &at, faults),
            (property, _) => check(root, property, member, &at, faults),
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(root, &schema["items"], item, &format!("{at}[{index}]"), faults);
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let root = schema();
    let mut answer = serde_json::json!({
        "status": "fine", "books": 1, "notes": [1], "more": true, "totals": {"x": 0},
        "findings": [{"kind": "lost"}]
    });
    let mut faults = Vec::new();
    check(&root, &root, &answer, "$", &mut faults);
    let has = |what: &str| faults.iter().any(|fault| fault.contains(what));
    for what in [
        "$.status is \"fine\"",
        "$.books is no object",
        "$.notes[0] is no string",
        "$.more is not published",
        "$.totals.x is \"x\"",
        "$.totals.x is below 1",
        "$.findings[0] has no \"detail\"",
        "$ has no \"origins\"",
    ] {
        assert!(has(what), "{what}: {faults:#?}");
    }
    answer["status"] = "clean".into();
    faults.clear();
    check(&root, &root, &answer, "$", &mut faults);
    assert!(!faults.iter().any(|fault| fault.contains("status")));
}
