//! `evp blacklist import`.

use std::io::Read;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::export::COLUMNS;
use crate::cmd::ask::ask;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdError, CmdResult, Finish, Kind};
use crate::jobs::blacklist::{Blacklist, BlacklistRequest, BlacklistResponse};
use crate::model::{Rule, RuleSource, RuleTarget, Timestamp};
use crate::ports::{Clock, SystemClock};

/// Take over rules from a file; where one line is wrong, none is
///
/// Reads what `evp blacklist export` writes: CSV with a header line, or one JSON object a line, or a
/// JSON array. Only the target must be there; a reason has 1024 bytes at most. A file of bare addresses
/// and networks, one a line, is read too. Rules of targets that the file does not name stay.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp blacklist import blacklist.csv --dry-run
  evp blacklist export -o ndjson | evp blacklist import -
  evp blacklist import addresses.txt")]
pub(super) struct Import {
    /// The file; - is stdin
    file: PathBuf,
    /// Change nothing, say what would change
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let name = self.file.display().to_string();
        let text = if name == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(&self.file)
        };
        let text = text.map_err(|error| {
            CmdError::caused(Kind::Failed, format!("cannot read {name}"), error)
        })?;
        let rules = parse(&text, SystemClock.now())
            .map_err(|why| CmdError::new(Kind::Failed, format!("{name}: {why}")))?;
        let request = BlacklistRequest::Import { rules, dry_run: self.dry_run };
        let answer = ask::<Blacklist>(context, "blacklist", request)?;
        context.ui.show(&answer, |ui| {
            let BlacklistResponse::Imported { added, replaced, unchanged, expired, dry_run } =
                &answer
            else {
                return Ok(());
            };
            let verb = if *dry_run { "would add" } else { "added" };
            ui.line(&format!(
                "{verb} {added}, replaced {replaced}, unchanged {unchanged}, expired {expired}"
            ))
        })?;
        Ok(Finish::Done)
    }
}

/// A rule as JSON says it: as in the other forms, only the target must be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleIn {
    target: RuleTarget,
    #[serde(default, deserialize_with = "reason")]
    reason: Option<String>,
    source: Option<RuleSource>,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

/// Read here already, where the line is known that has one too long.
fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let reason = Option::<String>::deserialize(deserializer)?;
    let checked = Rule::check_reason(reason.as_deref().unwrap_or_default());
    checked.map(|()| reason).map_err(serde::de::Error::custom)
}

impl RuleIn {
    fn rule(self, now: Timestamp) -> Rule {
        Rule {
            target: self.target,
            reason: self.reason,
            source: self.source.unwrap_or(RuleSource::Operator),
            created_at: self.created_at.unwrap_or(now),
            expires_at: self.expires_at,
        }
    }
}

/// The rules of a file in any of its forms; or which line is wrong, and why.
fn parse(text: &str, now: Timestamp) -> Result<Vec<Rule>, String> {
    let rules: Vec<RuleIn> = match text.trim_start().as_bytes().first() {
        Some(b'[') => serde_json::from_str(text).map_err(|error| error.to_string())?,
        Some(b'{') => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let rule = |(at, line)| {
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))
            };
            lines.map(rule).collect::<Result<_, _>>()?
        }
        _ => return table(text, now),
    };
    Ok(rules.into_iter().map(|rule| rule.rule(now)).collect())
}

fn table(text: &str, now: Timestamp) -> Result<Vec<Rule>, String> {
    let mut rows = rows(text)?.into_iter().peekable();
    let has_header =
        rows.peek().is_some_and(|(_, cells)| cells.first().map(String::as_str) == Some(COLUMNS[0]));
    let header: Vec<String> = if has_header {
        rows.next().map(|(_, cells)| cells).unwrap_or_default()
    } else {
        COLUMNS.map(str::to_owned).to_vec()
    };
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
        return Err(format!("unknown column {unknown:?}; the columns are {}", COLUMNS.join(", ")));
    }
    let rule = |(line, cells): (usize, Vec<String>)| {
        let cell = |name: &str| {
            let at = header.iter().position(|one| one == name)?;
            cells.get(at).map(String::as_str).filter(|text| !text.is_empty())
        };
        let instant = |name: &str| {
            let read = |text: &str| crate::cmd::ask::instant(text);
            cell(name).map(read).transpose()
        };
        let read = || {
            let reason = cell("reason");
            Rule::check_reason(reason.unwrap_or_default()).map_err(|error| error.to_string())?;
            Ok::<Rule, String>(Rule {
                target: cell("target")
                    .unwrap_or_default()
                    .trim()
                    .parse()
                    .map_err(|error: crate::model::RuleTargetError| error.to_string())?,
                reason: reason.map(str::to_owned),
                source: match cell("source") {
                    None | Some("operator") => RuleSource::Operator,
                    Some("automatic") => RuleSource::Automatic,
                    Some(other) => return Err(format!("{other:?} is no source of rules")),
                },
                created_at: instant("created_at")?.unwrap_or(now),
                expires_at: instant("expires_at")?,
            })
        };
        read().map_err(|why| format!("line {line}: {why}"))
    };
    rows.map(rule).collect()
}

/// The rows of a CSV text by RFC 4180, each with the number of the line on which it begins.
fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begins, mut is_quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        line += usize::from(character == '\n');
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.is_empty() => is_quoted = true,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                end_row(&mut rows, begins, std::mem::take(&mut row));
                begins = line;
            }
            '\r' if !is_quoted => {}
            other => cell.push(other),
        }
    }
    if is_quoted {
        return Err(format!("line {begins}: a quote is never closed"));
    }
    row.push(cell);
    end_row(&mut rows, begins, row);
    Ok(rows)
}

/// Empty lines and comments are none.
fn end_row(rows: &mut Vec<(usize, Vec<String>)>, begins: usize, row: Vec<String>) {
    let first = row.first().map_or("", |cell| cell.trim());
    if !(first.starts_with('#') || (row.len() == 1 && first.is_empty())) {
        rows.push((begins, row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Rule>, String> {
        parse(text, Timestamp::from_millis_clamped(7))
    }

    #[test]
    fn bare_addresses_are_rules_of_an_operator_for_good() {
        let rules = read("# bad\n203.0.113.7\r\n\n2001:db8::/32\n").unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[1].target.to_string(), "2001:db8::/32");
        assert_eq!((rules[0].source, rules[0].expires_at), (RuleSource::Operator, None));
        assert_eq!(rules[0].created_at.as_millis(), 7);
    }

    #[test]
    fn quoted_cells_may_hold_anything() {
        let text = "target,reason\n203.0.113.7,\"a, \"\"b\"\"\nc\"\n203.0.113.8,d\n";
        let rules = read(text).unwrap();
        assert_eq!(rules[0].reason.as_deref(), Some("a, \"b\"\nc"));
        assert_eq!(rules[1].reason.as_deref(), Some("d"));
    }

    #[test]
    fn the_wrong_line_is_named() {
        assert!(read("203.0.113.7\nnobody\n").unwrap_err().starts_with("line 2: "));
        assert!(read("target,why\n203.0.113.7,x\n").unwrap_err().contains("\"why\""));
        assert!(read("target,reason\n1.2.3.4,\"open\n").unwrap_err().starts_with("line 2: "));
        assert!(read("{\"source\":\"operator\"}\n").unwrap_err().starts_with("line 1: "));
        let unknown = read("{\"target\":\"1.2.3.4\"}\n{\"target\":\"1.2.3.5\",\"why\":\"x\"}\n");
        let unknown = unknown.unwrap_err();
        assert!(unknown.starts_with("line 2: ") && unknown.contains("`why`"), "{unknown}");
    }

    #[test]
    fn a_rule_as_json_needs_its_target_alone() {
        let line = "{\"target\":\"1.2.3.4\"}";
        let rules = read(&format!("{line}\n{{\"target\":\"1.2.3.5\",\"reason\":null}}\n")).unwrap();
        assert_eq!(rules[0], read("1.2.3.4").unwrap()[0]);
        assert_eq!(rules[1].reason, None);
        assert_eq!(read(&format!("[{line}]")).unwrap(), rules[..1]);
    }

    #[test]
    fn a_reason_that_is_too_long_is_refused_with_its_line() {
        let (most, long) = ("x".repeat(1024), "x".repeat(1025));
        let json = |reason: &str| format!("{{\"target\":\"1.2.3.4\",\"reason\":\"{reason}\"}}");
        for text in [
            format!("target,reason\n1.2.3.5,{long}\n"),
            format!("{}\n{}\n", json(&most), json(&long)),
            format!("[{},\n{}]\n", json(&most), json(&long)),
        ] {
            let said = read(&text).unwrap_err();
            assert!(said.contains("line 2") && said.contains("1024 are taken"), "{said}");
            assert!(read(&text.replace(&long, &most)).is_ok());
        }
    }
}
