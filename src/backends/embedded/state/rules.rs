//! The table of rules: ours to write, an operator's to type into.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::model::{Rule, RuleSource, RuleTarget, Timestamp};

/// The rules as last read, good while nobody wrote to the file.
#[derive(Debug, Default)]
pub(super) struct RuleCache {
    read: Option<(i64, Vec<Rule>)>,
}

impl RuleCache {
    /// All rules.
    pub(super) fn all(&mut self, connection: &Connection) -> rusqlite::Result<Vec<Rule>> {
        // Moves when another connection commits; our own writes call `forget`.
        let version =
            connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if let Some((read_at, rules)) = &self.read
            && *read_at == version
        {
            return Ok(rules.clone());
        }
        let rules = read_all(connection)?;
        self.read = Some((version, rules.clone()));
        Ok(rules)
    }

    /// The table changed.
    pub(super) fn forget(&mut self) {
        self.read = None;
    }
}

const COLUMNS: &str = "SELECT target, reason, source, created_at, expires_at FROM rules";

fn read_all(connection: &Connection) -> rusqlite::Result<Vec<Rule>> {
    let mut select = connection.prepare_cached(&format!("{COLUMNS} ORDER BY target"))?;
    let mut rows = select.query([])?;
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        rules.extend(rule(row)?);
    }
    Ok(rules)
}

/// A row as a rule; `None`, with a warning, for one that no evp wrote and none can read.
fn rule(row: &Row<'_>) -> rusqlite::Result<Option<Rule>> {
    let text: String = row.get(0)?;
    let Ok(target) = text.trim().parse::<RuleTarget>() else {
        tracing::warn!(target_text = text, "rule ignored: its target is no address or network");
        return Ok(None);
    };
    let end: Option<String> = row.get(4)?;
    let expires_at = match end.as_deref().map(instant) {
        None => None,
        Some(Some(at)) => Some(at),
        Some(None) => {
            tracing::warn!(target = %target, expires_at = end, "rule ignored: its end is no instant");
            return Ok(None);
        }
    };
    let source: String = row.get(2)?;
    let created: String = row.get(3)?;
    Ok(Some(Rule {
        target,
        reason: row.get::<_, Option<String>>(1)?.map(Rule::cut_reason),
        source: if source == "automatic" { RuleSource::Automatic } else { RuleSource::Operator },
        created_at: instant(&created).unwrap_or_default(),
        expires_at,
    }))
}

/// RFC 3339, or what `datetime('now', '+1 hour')` of SQLite gives.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{}Z", text.replacen(' ', "T", 1)).parse().ok())
}

/// The rule with that target.
pub(super) fn find(connection: &Connection, target: &RuleTarget) -> rusqlite::Result<Option<Rule>> {
    let found = connection
        .prepare_cached(&format!("{COLUMNS} WHERE target = ?"))?
        .query_row([target.to_string()], rule)
        .optional()?;
    Ok(found.flatten())
}

/// Adds a rule or replaces the one with its target.
pub(super) fn put(connection: &Connection, rule: &Rule) -> rusqlite::Result<()> {
    let source = match rule.source {
        RuleSource::Operator => "operator",
        RuleSource::Automatic => "automatic",
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO rules (target, reason, source, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?)",
        )?
        .execute((
            rule.target.to_string(),
            rule.reason.as_deref(),
            source,
            rule.created_at.to_string(),
            rule.expires_at.map(|at| at.to_string()),
        ))?;
    Ok(())
}

/// Takes a rule away, also where an operator spelled its target in another way; what was there.
pub(super) fn remove(tx: &Transaction<'_>, target: &RuleTarget) -> rusqlite::Result<Option<Rule>> {
    let mut found = find(tx, target)?;
    if found.is_none() {
        respell(tx)?;
        found = find(tx, target)?;
    }
    tx.prepare_cached("DELETE FROM rules WHERE target = ?")?.execute([target.to_string()])?;
    Ok(found)
}

/// Drops rules that ended at or before `end`; whether there were any.
pub(super) fn sweep(tx: &Transaction<'_>, end: Timestamp) -> rusqlite::Result<bool> {
    let ended: Vec<Rule> = read_all(tx)?
        .into_iter()
        .filter(|rule| rule.expires_at.is_some_and(|at| at <= end))
        .collect();
    if !ended.is_empty() {
        respell(tx)?;
    }
    for rule in &ended {
        tx.prepare_cached("DELETE FROM rules WHERE target = ?")?
            .execute([rule.target.to_string()])?;
    }
    Ok(!ended.is_empty())
}

/// Gives every target its one spelling; of two rows with one target the hand-typed one stays.
fn respell(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut select = tx.prepare_cached("SELECT target FROM rules")?;
    let texts: Vec<String> =
        select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for text in texts {
        let Ok(target) = text.trim().parse::<RuleTarget>() else {
            continue;
        };
        let spelled = target.to_string();
        if spelled != text {
            tx.execute("UPDATE OR REPLACE rules SET target = ? WHERE target = ?", [spelled, text])?;
        }
    }
    Ok(())
}
