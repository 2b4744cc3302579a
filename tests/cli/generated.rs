//! What is generated from the program and committed: completions, the help of every command, the
//! table of settings.

use std::fmt::Write as _;

use evp::settings::loader::Schema;

use crate::sandbox::{Sandbox, assert_committed};

#[test]
fn completions_are_those_of_the_program() {
    let sandbox = Sandbox::new();
    for (shell, file) in [
        ("bash", "evp.bash"),
        ("zsh", "_evp"),
        ("fish", "evp.fish"),
        ("powershell", "_evp.ps1"),
        ("elvish", "evp.elv"),
    ] {
        let text = sandbox.run(&["completions", shell]).ok();
        assert!(text.contains("config"), "{shell}: {text}");
        assert_committed(&format!("completions/{file}"), &text);
    }
}

/// The help of every command by its words, parents before their leaves.
pub(crate) fn all_help(sandbox: &Sandbox) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(command) = open.pop() {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("--help");
        let text = sandbox.run(&args).ok();
        let commands = text.split("\nCommands:\n").nth(1).unwrap_or_default();
        let names = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
            let name = line.strip_prefix("  ")?;
            name.split_whitespace().next().filter(|_| !name.starts_with(' '))
        });
        let mut leaves: Vec<_> = names.map(|name| format!("{command} {name}")).collect();
        leaves.reverse();
        open.extend(leaves);
        found.push((command.trim().to_owned(), text));
    }
    found
}

#[test]
fn the_reference_is_the_help_of_every_command() {
    let mut text =
        "# Commands\n\nThe help of every command, written by `UPDATE=1 cargo test --test cli`.\n"
            .to_owned();
    for (command, help) in all_help(&Sandbox::new()) {
        let name = format!("evp {command}");
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        write!(text, "\n## {}\n\n```text\n{}\n```\n", name.trim(), help.join("\n").trim()).unwrap();
    }
    assert_committed("docs/cli.md", &text);
}

#[test]
fn the_manual_is_a_page_a_command() {
    let sandbox = Sandbox::new();
    assert!(sandbox.run(&["man"]).ok().contains(".TH evp 1"));
    std::fs::create_dir(sandbox.path("man1")).unwrap();
    assert_eq!(sandbox.run(&["man", "man1"]).ok(), "");
    let page = std::fs::read_to_string(sandbox.path("man1/evp-config-show.1")).unwrap();
    assert!(page.contains("Examples"), "{page}");
    let text = sandbox.run(&["man", "nowhere"]).failed(1);
    assert!(text.starts_with("error: cannot write manual pages into nowhere\n  caused by: "));
}

#[test]
fn the_table_of_settings_is_complete() {
    let mut text = include_str!("settings_head.md").to_owned();
    for (key, default) in Schema::of_settings().keys() {
        let default = match default {
            serde_json::Value::Null => "unset".to_owned(),
            serde_json::Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let mut variables = vec![format!("`{}`", Schema::variable(key))];
        variables.extend(Schema::seed_variables(key).map(|name| format!("`{name}`")));
        let words = Schema::words(key).unwrap_or_default().replace('|', "\\|");
        writeln!(text, "| `{key}` | {default} | {words} | {} |", variables.join(", ")).unwrap();
    }
    assert_committed("docs/settings.md", &text);
}
