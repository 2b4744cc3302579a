//! `evp config`: layers, places of faults, exit 78.

use crate::sandbox::Sandbox;

#[test]
fn show_says_what_holds_and_where_it_comes_from() {
    let sandbox = Sandbox::new().with("PORT", "9113").with("EVP__WORKER__BATCH_SIZE", "7");
    sandbox.write("config/default.toml", "[log]\npartitions = 3\n");
    let text = sandbox.run(&["config", "show", "--origin", "--changed"]).ok();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect())
        .collect();
    assert_eq!(
        rows,
        [
            vec!["key", "value", "origin"],
            vec!["http.listen", "127.0.0.1:9113", "variable PORT"],
            vec!["log.partitions", "3", "config/default.toml:2:14"],
            vec!["worker.batch_size", "7", "variable EVP__WORKER__BATCH_SIZE"],
        ]
    );
    let json = sandbox.run(&["config", "show", "-o", "json"]).ok();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert!(rows.iter().any(|row| row["key"] == "log.partitions" && row["value"] == 3));
    let csv = sandbox.run(&["config", "show", "-o", "csv"]).ok();
    assert!(csv.contains("\nhttp.trusted_proxies,\"127.0.0.1/32,::1/128\"\n"), "{csv}");
}

#[test]
fn explain_names_every_layer_and_the_winner() {
    let sandbox = Sandbox::new().with("PORT", "9000");
    sandbox.write("mine.toml", "[http]\nlisten = \"127.0.0.1:1\"\n");
    let args = ["config", "explain", "http.listen", "--config", "mine.toml"];
    let text = sandbox.run(&args).ok();
    assert!(text.starts_with("http.listen = 127.0.0.1:9000\n"), "{text}");
    assert!(text.contains("set by     mine.toml:2:10: 127.0.0.1:1\n"), "{text}");
    assert!(text.contains("set by     variable PORT: 127.0.0.1:9000   <- holds\n"), "{text}");
    assert!(text.contains("EVP__HTTP__LISTEN, PORT, HTTP_PORT, SERVER_PORT"), "{text}");
}

#[test]
fn a_fault_is_exit_78_with_file_line_and_column() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.toml", "[worker]\nbatch_size = true\n\n[loq]\npartitions = 1\n");
    let text = sandbox.run(&["config", "validate", "bad.toml"]).failed(78);
    assert!(text.contains("bad.toml:2:14: worker.batch_size: "), "{text}");
    assert!(text.contains("bad.toml:4:2: unknown section loq; did you mean log?"), "{text}");
    sandbox.write("good.toml", "[worker]\nbatch_size = 10\n");
    assert_eq!(sandbox.run(&["config", "validate", "good.toml"]).ok(), "");
    let text = sandbox.run(&["config", "validate", "none.toml"]).failed(78);
    assert!(text.contains("none.toml: cannot be read: No such file"), "{text}");
}

#[test]
fn a_verdict_that_is_good_is_json_where_that_is_asked_for() {
    let said = Sandbox::new().run(&["config", "validate", "-o", "json"]).ok();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["status"], "right");
}

#[test]
fn a_secret_within_a_value_is_not_printed() {
    let properties = "sasl.password=hunter2,ssl.key.pem=hunter3,ssl.key.location=/key.pem";
    let sandbox = Sandbox::new().with("EVP__KAFKA__PROPERTIES", properties);
    let shown = "sasl.password=***,ssl.key.pem=***,ssl.key.location=/key.pem";
    for args in [
        ["config", "show", "-o", "csv"],
        ["config", "show", "-o", "json"],
        ["config", "explain", "kafka.properties", "-q"],
        ["config", "explain", "kafka.properties", "-ojson"],
    ] {
        let text = sandbox.run(&args).ok();
        assert!(!text.contains("hunter") && text.contains("sasl.password=***"), "{text}");
        assert!(args.contains(&"json") || text.contains(shown), "{text}");
    }

    // An address that was overruled is explained all the same.
    let sandbox = Sandbox::new().with("REDIS_ADDR", "h:1").with("MINIO_ENDPOINT", "h:2");
    let secrets =
        "[redis]\naddr = \"redis://:hunter2@a:1\"\n[s3]\nendpoint = \"http://b:hunter2@a\"\n";
    sandbox.write("mine.toml", secrets);
    for (key, shown) in [("redis.addr", "redis://***@a:1"), ("s3.endpoint", "http://***@a")] {
        let text = sandbox.run(&["config", "explain", key, "--config", "mine.toml"]).ok();
        assert!(!text.contains("hunter") && text.contains(shown), "{text}");
    }
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", secrets);
    for command in [["config", "show"], ["doctor", "--quiet"]] {
        let args = [&command[..], &["--profile", "cluster", "--config", "mine.toml"]].concat();
        let ended = sandbox.run(&args);
        assert_eq!((ended.code, ended.stdout.as_str()), (78, ""), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter"), "{}", ended.stderr);
        assert!(ended.stderr.contains("mine.toml:2:8: redis.addr: "), "{}", ended.stderr);
    }
}
