//! Help, usage errors and exit codes.

use crate::sandbox::Sandbox;

#[test]
fn help_leads_with_examples_and_goes_to_stdout() {
    let text = Sandbox::new().run(&["--help"]).ok();
    let (examples, usage) = (text.find("Examples:").unwrap(), text.find("Usage:").unwrap());
    assert!(examples < usage, "{text}");
    assert!(Sandbox::new().run(&["--version"]).ok().starts_with("evp "));
}

#[test]
fn every_leaf_has_examples() {
    let help = crate::generated::all_help(&Sandbox::new());
    for (command, text) in help {
        let parent = text.contains("\nCommands:\n");
        assert!(parent || text.contains("Examples:"), "evp {command} has no examples");
    }
}

#[test]
fn a_wrong_word_is_usage_and_names_the_near_miss() {
    let sandbox = Sandbox::new();
    let text = sandbox.run(&["confg"]).failed(2);
    assert!(text.contains("config"), "{text}");
    let text = sandbox.run(&["config", "explain", "http.listne"]).failed(2);
    assert_eq!(text, "error: unknown key http.listne; did you mean http.listen?\n");
}

#[test]
fn under_json_an_error_is_one_object_on_stderr() {
    for args in [
        &["config", "explain", "x.y", "-o", "json"][..],
        &["nothing", "--output=json"][..],
        &["nothing", "-ojson"][..],
    ] {
        let ended = Sandbox::new().run(args);
        assert!(ended.stdout.is_empty());
        let body: serde_json::Value = serde_json::from_str(&ended.failed(2)).unwrap();
        assert_eq!(body["kind"], "usage");
        assert_eq!(body["code"], 2);
    }
}

#[test]
fn a_reader_who_leaves_ends_it_quietly() {
    use std::process::Stdio;
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command(&["config", "show"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = crate::sandbox::Ended::of(&child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
