//! Where events come from: a template, or a file of real ones.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::route::Route;
use super::template::Template;

/// An event that no route takes: an object that says of no shape that it is one.
pub(super) const BAD: &str = r#"{"event_id":"{{id}}","not_an_event":true}"#;

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A text with gaps; the route's own where there is none.
    Template(Option<String>),
    /// Lines of a file, one event each.
    Lines {
        /// The text of the file.
        text: String,
        /// Whether events keep the ids that they have, so that a second round is duplicates.
        keep_ids: bool,
    },
}

impl Source {
    /// The events to take in turn.
    ///
    /// # Errors
    /// Says what is wrong with the template, or in which line.
    pub(super) fn templates(
        &self,
        route: Route,
        users: u64,
        size: Option<usize>,
    ) -> Result<Vec<Template>, String> {
        match self {
            Self::Template(text) => {
                let text = text.as_deref().unwrap_or_else(|| route.template()).trim();
                if !text.starts_with('{') {
                    return Err("the template is no JSON object".to_owned());
                }
                let mut template = Template::parse(text, users)?;
                if let Some(size) = size {
                    template.fill_to(size)?;
                }
                Ok(vec![template])
            }
            Self::Lines { text, keep_ids } => {
                let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
                let templates: Result<Vec<Template>, String> = lines
                    .map(|(at, line)| {
                        line_template(line.trim(), route, *keep_ids)
                            .map_err(|reason| format!("line {}: {reason}", at + 1))
                    })
                    .collect();
                let templates = templates?;
                if templates.is_empty() {
                    return Err("there is no event in the file".to_owned());
                }
                Ok(templates)
            }
        }
    }
}

/// A real event, its id replaced by the run's own unless it is to be kept.
fn line_template(line: &str, route: Route, keep_ids: bool) -> Result<Template, String> {
    let members: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"))?;
    if keep_ids {
        return Ok(Template::plain(line));
    }
    // On a route of several shapes the event itself says which it is.
    let is_typed = !members.contains_key("event_name")
        && !members.contains_key("event_type")
        && (members.contains_key("type") || members.contains_key("payload"));
    let name = if is_typed { "id" } else { route.id_member() };
    let Some(value) = members.get(name).map(|value| value.get()) else {
        let mut template = Template::plain(line);
        template.add_id(name);
        return Ok(template);
    };
    let start = (value.as_ptr() as usize).saturating_sub(line.as_ptr() as usize);
    if !value.starts_with('"') {
        return Err(format!("{name} is no text"));
    }
    Ok(Template::with_id_at(line, start + 1..start + value.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::super::template::{Facts, Random};
    use super::*;
    use crate::model::Timestamp;

    fn render(template: &Template) -> String {
        let mut out = Vec::new();
        let now = Timestamp::from_millis(0).unwrap();
        let (number, place, request, random) = (1, 0, 0, Random::of(1, 1));
        template.render(&Facts { id: "new", number, place, request, now, random }, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn lines(text: &str, keep_ids: bool) -> Result<Vec<String>, String> {
        let source = Source::Lines { text: text.to_owned(), keep_ids };
        Ok(source.templates(Route::Ndjson, 1, None)?.iter().map(render).collect())
    }

    #[test]
    fn real_events_get_ids_of_the_run_unless_they_keep_their_own() {
        let text =
            "{\"a\":\"{{n}}\"}\n\n{\"event_id\" : \"old\",\"b\":\"old\"}\n{\"type\":\"t\"}\n";
        assert_eq!(
            lines(text, false).unwrap(),
            [
                r#"{"event_id":"new","a":"{{n}}"}"#,
                r#"{"event_id" : "new","b":"old"}"#,
                r#"{"id":"new","type":"t"}"#
            ]
        );
        assert_eq!(lines(text, true).unwrap()[1], r#"{"event_id" : "old","b":"old"}"#);
    }

    #[test]
    fn a_file_that_is_none_says_where() {
        assert!(lines("{}\n[1]\n", false).unwrap_err().starts_with("line 2: no JSON object"));
        assert!(lines("\n", false).unwrap_err().contains("no event"));
    }

    #[test]
    fn every_route_has_a_template_with_an_id() {
        for route in Route::ALL {
            let template = Source::Template(None).templates(route, 10, Some(768)).unwrap();
            assert!(template[0].has_id());
            assert_eq!(render(&template[0]).len(), 768);
        }
    }
}
