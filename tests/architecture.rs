//! The direction of dependencies, as a test: which top-level module may import which, that nothing
//! is in an import cycle, that only `wire` knows backends, that every file says what it is for, and that
//! the mutants of `tests/mutants` still have their places.

#![expect(clippy::unwrap_used, reason = "a failing test is the message")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module -> what it may import (docs/architecture.md).
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("settings", &["model"]),
    ("runtime", &["settings", "model"]),
    ("ports", &["model"]),
    ("pipeline", &["model", "ports"]),
    ("backends", &["model", "ports", "settings"]),
    ("wire", &["model", "settings", "ports", "backends"]),
    ("roles", &["model", "ports", "pipeline", "settings", "runtime"]),
    ("jobs", &["model", "ports", "pipeline", "settings", "runtime"]),
    ("cmd", &["model", "ports", "pipeline", "settings", "runtime", "roles", "jobs", "wire"]),
];

struct Source {
    path: PathBuf,
    /// Module path below the crate, such as `["backends", "embedded", "log"]`.
    module: Vec<String>,
    /// Without comments and without `#[cfg(test)]` items.
    code: String,
    text: String,
}

/// Every source of the crate but test modules and the contract suites, which run on backends.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(&root).unwrap().with_extension("");
        let mut module: Vec<String> =
            relative.components().map(|part| part.as_os_str().to_str().unwrap().into()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let text = fs::read_to_string(&path).unwrap();
        Source { code: production_code(&text), path, module, text }
    };
    files
        .into_iter()
        .map(read)
        .filter(|source| !source.module.is_empty())
        .filter(|source| !matches!(source.module[0].as_str(), "lib" | "main"))
        .filter(|source| !source.module.iter().any(|part| part == "tests" || part == "contract"))
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn production_code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.starts_with("#[cfg(test)]") || trimmed.starts_with("#[cfg(any(test") {
            skip_item(&mut lines);
        } else if !trimmed.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// Skips one item: up to its `;` or the closing brace at its own depth.
fn skip_item<'t>(lines: &mut impl Iterator<Item = &'t str>) {
    let mut depth = 0_i32;
    for line in lines {
        depth += line.chars().fold(0, |sum, c| match c {
            '{' => sum + 1,
            '}' => sum - 1,
            _ => sum,
        });
        let line = line.trim();
        if depth == 0 && !line.starts_with('#') && (line.ends_with(';') || line.ends_with('}')) {
            return;
        }
    }
}

/// Paths after `crate::`, with one level of braces taken apart: `crate::{a::b, c}`.
fn crate_paths(code: &str) -> BTreeSet<Vec<String>> {
    let mut paths = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            paths.insert(path_parts(rest));
            continue;
        };
        let mut depth = 1;
        let mut part_start = 0;
        for (position, character) in group.char_indices() {
            depth += match character {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            if depth == 0 || (depth == 1 && character == ',') {
                paths.insert(path_parts(group[part_start..position].trim_start()));
                part_start = position + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    paths.remove(&Vec::new());
    paths
}

fn path_parts(text: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let path: String = text.chars().take_while(|c| is_path(*c)).collect();
    path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[test]
fn imports_follow_the_table() {
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut faults = Vec::new();
    for source in sources() {
        let from = source.module[0].as_str();
        let allowed = table.get(from).unwrap_or_else(|| panic!("{from} is not in the table"));
        for path in crate_paths(&source.code) {
            let to = path[0].as_str();
            if table.contains_key(to) && to != from && !allowed.contains(&to) {
                faults.push(format!("{}: {from} must not import {to}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "edges outside the table:\n{}", faults.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let edges = MAY_IMPORT
        .iter()
        .map(|(from, to)| ((*from).to_owned(), to.iter().map(|name| (*name).to_owned()).collect()));
    assert_acyclic("", &edges.collect());
}

/// Neither have siblings below one top-level module, such as `roles::processor`.
#[test]
fn siblings_have_no_cycle() {
    let all = sources();
    let mut edges: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for source in all.iter().filter(|source| source.module.len() >= 2) {
        let (top, sibling) = (&source.module[0], &source.module[1]);
        let mut paths = crate_paths(&source.code);
        if source.module.len() == 2 && !source.path.ends_with("mod.rs") {
            for (at, found) in source.code.match_indices("super::") {
                let mut path = vec![top.clone()];
                path.extend(path_parts(&source.code[at + found.len()..]));
                paths.insert(path);
            }
        }
        let to = paths.into_iter().filter(|path| {
            path.len() >= 2
                && path[0] == *top
                && path[1] != *sibling
                && all.iter().any(|other| other.module.starts_with(&path[..2]))
        });
        let to = to.map(|path| path[1].clone());
        edges.entry(top.clone()).or_default().entry(sibling.clone()).or_default().extend(to);
    }
    for (top, edges) in &edges {
        assert_acyclic(top, edges);
    }
}

fn assert_acyclic(top: &str, edges: &BTreeMap<String, BTreeSet<String>>) {
    for start in edges.keys() {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = edges[start].iter().collect();
        while let Some(module) = open.pop() {
            assert_ne!(module, start, "{top}::{start} imports itself through {seen:?}");
            if seen.insert(module) {
                open.extend(edges.get(module).into_iter().flatten());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.text.trim_start().starts_with("//!"))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "files without a module doc:\n{}", silent.join("\n"));
}

#[test]
fn the_checker_sees_what_it_must() {
    let code = "use crate::{model::Rule, backends::{memory, embedded}};\ncrate::wire::open();";
    let tops: Vec<String> = crate_paths(code).into_iter().map(|path| path[0].clone()).collect();
    assert_eq!(tops, ["backends", "model", "wire"]);
    let text = "#[cfg(test)]\nmod tests {\n    use crate::backends::memory;\n}\nfn kept() {}\n";
    assert_eq!(production_code(text), "fn kept() {}\n");
    let knot = BTreeMap::from([
        ("a".to_owned(), BTreeSet::from(["b".to_owned()])),
        ("b".to_owned(), BTreeSet::from(["a".to_owned()])),
    ]);
    assert!(std::panic::catch_unwind(|| assert_acyclic("x", &knot)).is_err());
}

/// Every wrong build still has its place in the source, and its line in the list.
#[test]
fn every_mutant_has_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/mutants.md")).unwrap();
    let mut faults = Vec::new();
    for entry in fs::read_dir(root.join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let list: toml_edit::DocumentMut = fs::read_to_string(&path).unwrap().parse().unwrap();
        for mutant in list["mutant"].as_array_of_tables().unwrap() {
            let text_of = |key| mutant.get(key).and_then(toml_edit::Item::as_str);
            let name = text_of("name").unwrap();
            if !page.contains(&format!("| `{name}` |")) {
                faults.push(format!("{name} is not in docs/mutants.md: `just mutants` writes it"));
            }
            // One without a place of its own shares that of another.
            let (Some(file), Some(find)) = (text_of("file"), text_of("find")) else { continue };
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            let times = text.matches(find).count();
            if times != 1 {
                faults.push(format!("{name}: its `find` stands {times} times in {file}, not once"));
            }
        }
    }
    assert!(faults.is_empty(), "tests/mutants and the source differ:\n{}", faults.join("\n"));
}
