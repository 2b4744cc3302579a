//! Layers, faults and their places.

use std::path::Path;

use serde_json::Value;

use super::schema::setting_of;
use super::*;
use crate::settings::Span;

fn request(variables: &[(&str, &str)], set: &[&str], directory: &Path) -> Request {
    Request {
        set: set.iter().map(ToString::to_string).collect(),
        environment: variables.iter().copied().collect(),
        directory: directory.to_owned(),
        ..Request::default()
    }
}

fn texts(error: &LoadError) -> Vec<String> {
    error.0.iter().map(|fault| format!("{}: {}", fault.origin, fault.text)).collect()
}

struct Home(tempfile::TempDir);

impl Home {
    fn with(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = home.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        home
    }

    fn load(&self, variables: &[(&str, &str)], set: &[&str]) -> Result<Loaded, LoadError> {
        load(&request(variables, set, self.0.path()))
    }

    fn faults(&self, variables: &[(&str, &str)], set: &[&str]) -> Vec<String> {
        let home = self.0.path().display().to_string();
        let faults = texts(&self.load(variables, set).unwrap_err());
        faults.iter().map(|text| text.replace(&home, "~")).collect()
    }
}

#[test]
fn a_later_layer_wins_and_says_so() {
    let home = Home::with(&[
        ("config/default.toml", "[worker]\nbatch_size = 1\n"),
        ("config/mine.toml", "[worker]\nbatch_size = 2\n"),
    ]);
    let size = |variables: &[(&str, &str)], set: &[&str]| {
        let loaded = home.load(variables, set).unwrap();
        (loaded.settings.worker.batch_size, loaded.origin("worker.batch_size").map(str::to_owned))
    };
    let file = home.0.path().join("config/default.toml").display().to_string();
    assert_eq!(size(&[], &[]), (1, Some(format!("{file}:2:14"))));
    let profile = ("EVP_PROFILE", "mine");
    assert_eq!(size(&[profile], &[]).0, 2);
    let seed = ("WORKER_BATCH_SIZE", "3");
    assert_eq!(size(&[profile, seed], &[]), (3, Some("variable WORKER_BATCH_SIZE".into())));
    let own = ("EVP__WORKER__BATCH_SIZE", "4");
    assert_eq!(size(&[profile, seed, own], &[]).0, 4);
    let set = "worker.batch_size=5";
    assert_eq!(size(&[profile, seed, own], &[set]), (5, Some("--set worker.batch_size".into())));
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let home = Home::with(&[(
        "config/default.toml",
        "[worker]\nbatch_size = \"many\"\nbatch_timout = \"1s\"\n[htp]\nlisten = \"x\"\n",
    )]);
    let faults = home.faults(&[("EVP__HTTP__LISTN", "1")], &["http.body_timeout=five", "nothing"]);
    assert_eq!(
        faults,
        [
            "~/config/default.toml:3:1: unknown key worker.batch_timout; did you mean worker.batch_timeout?",
            "~/config/default.toml:4:2: unknown section htp; did you mean http?",
            "variable EVP__HTTP__LISTN: there is no setting http.listn; did you mean EVP__HTTP__LISTEN?",
            "--set nothing: is not of the form key=value",
            "~/config/default.toml:2:14: worker.batch_size: expected an integer, found string \"many\"",
            "--set http.body_timeout: http.body_timeout: \"five\" is not a duration like 50ms, 5s, 1m30s or 24h",
        ]
    );
}

#[test]
fn broken_toml_names_line_and_column() {
    let home = Home::with(&[("config/default.toml", "data_dir = \"x\"\n[http\n")]);
    let faults = home.faults(&[], &[]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("~/config/default.toml:2:"), "{faults:?}");
}

#[test]
fn a_choice_says_what_may_be_chosen() {
    let home = Home::with(&[]);
    assert_eq!(
        home.faults(&[], &["http.compat=seed-00"]),
        ["--set http.compat: http.compat: expected one of native, seed-000, seed-001, seed-003"]
    );
    let schema = Schema::of_settings();
    for (key, _) in schema.keys() {
        for choice in schema.choices(key) {
            home.load(&[], &[&format!("{key}={choice}")]).unwrap();
        }
    }
}

#[test]
fn properties_that_would_break_the_promise_are_refused() {
    let home = Home::with(&[]);
    for property in ["acks=1", " enable.auto.commit = true", "delivery.report.only.error=true"] {
        let faults = home.faults(&[("EVP__KAFKA__PROPERTIES", property)], &[]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("variable EVP__KAFKA__PROPERTIES: "), "{faults:?}");
    }
    home.load(&[("EVP__KAFKA__PROPERTIES", "socket.timeout.ms=10000")], &[]).unwrap();
}

#[test]
fn values_that_do_not_go_together_are_refused_where_they_stand() {
    let home = Home::with(&[("config/default.toml", "[http]\nmax_body_bytes = \"1KiB\"\n")]);
    let faults = home.faults(&[], &["log.partitions=0", "topics.raw=decisions"]);
    assert!(faults.iter().any(|f| f.starts_with("--set log.partitions: ")), "{faults:?}");
    assert!(faults.iter().any(|f| f.contains("collector.max_event_bytes: 768KiB is above")));
    assert!(faults.iter().any(|f| f.contains("has the name of topics.raw")), "{faults:?}");
    let faults = home.faults(&[], &["admin.listen=0.0.0.0:8080"]);
    assert!(faults.iter().any(|f| f.contains("is taken by http.listen")), "{faults:?}");
    // Less room only where records go to brokers.
    let small = "kafka.max_record_bytes=800KiB";
    let faults = home.faults(&[], &["http.max_body_bytes=10MiB", "backend.log=kafka", small]);
    assert!(faults.iter().any(|f| f.contains("must be at least 832KiB")), "{faults:?}");
    home.load(&[], &["http.max_body_bytes=10MiB", small]).unwrap();
}

#[test]
fn an_address_with_a_password_is_refused_and_not_repeated() {
    let home = Home::with(&[("config/mine.toml", "[redis]\naddr = \"redis://u:hunter2@h:1\"\n")]);
    let place = home.0.path().join("config/mine.toml").display().to_string();
    for (variable, value, origin, meant) in [
        ("REDIS_ADDR", "redis://:hunter2@h:1/0", "variable REDIS_ADDR", "redis.password"),
        ("REDIS_ADDR", "hunter2@h:1", "variable REDIS_ADDR", "redis.password"),
        ("EVP_PROFILE", "mine", "~/config/mine.toml:2:8", "redis.password"),
        ("MINIO_ENDPOINT", "http://a:hunter2@h:1", "variable MINIO_ENDPOINT", "s3.secret_key"),
        ("MINIO_ENDPOINT", "hunter2@h:1", "variable MINIO_ENDPOINT", "s3.secret_key"),
    ] {
        let faults = home.faults(&[(variable, value)], &[]);
        let [fault] = faults.as_slice() else { panic!("{value} of {place}: {faults:?}") };
        assert!(fault.starts_with(&format!("{origin}: ")) && fault.contains(meant), "{fault}");
        assert!(!fault.contains("hunter2"), "{fault}");
    }
    home.load(&[("REDIS_ADDR", "rediss://user@h:7000/3"), ("MINIO_ENDPOINT", "h:9000")], &[])
        .unwrap();
}

#[test]
fn a_property_that_is_none_is_refused_and_not_repeated() {
    let home = Home::with(&[]);
    let faults = home.faults(&[("EVP__KAFKA__PROPERTIES", "sasl.password=a,hunter2")], &[]);
    let said =
        "variable EVP__KAFKA__PROPERTIES: kafka.properties: number 2 of the list is not name=value";
    assert_eq!(faults, [said]);
    let text = "[kafka]\nproperties = \"sasl.password=hunter2\"\n";
    let faults = Home::with(&[("config/default.toml", text)]).faults(&[], &[]);
    assert!(faults[0].contains("kafka.properties: cannot be read"), "{faults:?}");
    assert!(!faults[0].contains("hunter2"), "{faults:?}");
}

#[test]
fn a_url_of_postgres_that_cannot_be_read_is_refused_where_it_is_used() {
    let home = Home::with(&[]);
    for wrong in ["postgres://u:hunter2@h:bad/db", "postgres://u:hunt/er2@[::1]:x", "mysql://h/db"]
    {
        let variables = [("DB_URL", wrong)];
        let faults = home.faults(&variables, &["backend.store=postgres"]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("variable DB_URL: postgres.url: "), "{faults:?}");
        assert!(!faults[0].contains("er2"), "{faults:?}");
        home.load(&variables, &[]).unwrap();
    }
    for right in [
        "postgres://u:hunter2@h:5432/db?sslmode=disable",
        "postgresql://h1:1,[::1]:2,h3/db",
        "postgres://u@/db?host=/run",
        "host=h port=5432",
    ] {
        home.load(&[("DB_URL", right)], &["backend.store=postgres"]).unwrap();
    }
}

#[test]
fn a_word_that_is_no_level_is_refused_and_a_filter_is_not() {
    let home = Home::with(&[]);
    for wrong in ["loud", "evp", "INFOS", "in-fo"] {
        let faults = home.faults(&[("LOG_LEVEL", wrong)], &[]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        let said =
            format!("variable LOG_LEVEL: telemetry.log_level: \"{wrong}\" is none of error, ");
        assert!(faults[0].starts_with(&said), "{faults:?}");
    }
    for right in ["off", "WARN", "Trace", "evp=debug", "info,evp=debug", "evp::roles", "evp,hyper"]
    {
        home.load(&[("LOG_LEVEL", right)], &[]).unwrap();
    }
    for word in ["warning", "WARNING"] {
        let settings = home.load(&[("LOG_LEVEL", word)], &[]).unwrap().settings;
        assert_eq!(settings.telemetry.log_level, "warn");
    }
}

#[test]
fn numbers_that_nothing_can_be_made_of_are_refused_where_they_stand() {
    let home = Home::with(&[]);
    for (set, key) in [
        ("http.max_connections=18446744073709551615", "http.max_connections"),
        ("http.threads=1025", "http.threads"),
        ("postgres.max_connections=10001", "postgres.max_connections"),
        ("collector.rate_limit_rps=2000000000", "collector.rate_limit_rps"),
        ("collector.rate_limit_rps=-1", "collector.rate_limit_rps"),
        ("collector.rate_limit_rps=nan", "collector.rate_limit_rps"),
        ("shutdown.grace=1e19", "shutdown.grace"),
        ("spill.low=10GiB", "spill.low"),
        ("data_dir=", "data_dir"),
    ] {
        let faults = home.faults(&[], &[set]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(&format!("--set {key}: {key}: ")), "{faults:?}");
    }
    let slow = ["collector.rate_limit_rps=0.001", "collector.rate_limit_burst=4294967295"];
    let faults = home.faults(&[], &slow);
    assert!(faults[0].starts_with("--set collector.rate_limit_burst: "), "{faults:?}");
    home.load(&[], &["collector.rate_limit_rps=0.001", "spill.low=8GiB"]).unwrap();
    home.load(&[], &["http.max_connections=10000000", "http.threads=1024"]).unwrap();
}

#[test]
fn the_seeds_variables_mean_what_they_meant() {
    let home = Home::with(&[]);
    let variables = [
        ("PORT", "9113"),
        ("DEDUP_TTL_SEC", "86400"),
        ("IP_RATE_LIMIT_PER_MIN", "100"),
        ("SERVER_READ_TIMEOUT", "1m30s"),
        ("LOG_LEVEL", "INFO"),
        ("KAFKA_TOPIC", "events"),
        ("KAFKA_INPUT_TOPIC", "events"),
        ("RATE_LIMIT_RPS", "0.5"),
        ("REDIS_ADDR", "localhost:6379"),
        ("DB_URL", "postgres://postgres:hunter2@localhost:5432/analytics?sslmode=disable"),
        ("CLICKHOUSE_HOST", "localhost"),
    ];
    let loaded = home.load(&variables, &[]).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:9113");
    assert_eq!(settings.processor.dedup_ttl, Span::from_secs(86_400));
    assert_eq!(settings.processor.ip_rate_limit_per_min, 100);
    assert_eq!(settings.http.body_timeout, Span::from_secs(90));
    assert_eq!(settings.topics.raw.as_str(), "events");
    assert!((settings.collector.rate_limit_rps - 0.5).abs() < f64::EPSILON);
    assert_eq!(settings.redis.addr, "localhost:6379");
    let url = settings.postgres.url.as_ref().unwrap();
    assert!(url.expose().contains("hunter2") && !format!("{settings:?}").contains("hunter2"));
    let notes = &loaded.notes;
    assert!(notes.iter().any(|note| note.contains("CLICKHOUSE_HOST")), "{notes:?}");
}

#[test]
fn a_port_variable_keeps_the_address_below_it() {
    let home = Home::with(&[]);
    let loaded = home.load(&[("PORT", "7000"), ("EVP_PROFILE", "seed-000")], &[]).unwrap();
    assert_eq!(loaded.settings.http.listen.to_string(), "0.0.0.0:7000");
    assert_eq!(home.faults(&[("PORT", "70000")], &[]), ["variable PORT: \"70000\" is not a port"]);
}

#[test]
fn two_variables_that_disagree_are_named_both() {
    let home = Home::with(&[]);
    assert_eq!(
        home.faults(&[("PORT", "1"), ("HTTP_PORT", "2")], &[]),
        [": http.listen: variable PORT and variable HTTP_PORT both set it and disagree"]
    );
    home.load(&[("PORT", "8081"), ("HTTP_PORT", "8081")], &[]).unwrap();
}

#[test]
fn an_env_file_is_read_when_asked_for_and_mentioned_when_not() {
    let text = "# seeds\nexport PORT=\"9000\"  # the port\nbroken line with secret\n";
    let home = Home::with(&[(".env", text)]);
    let loaded = home.load(&[], &[]).unwrap();
    assert!(loaded.notes[0].contains(".env lies here unread"), "{:?}", loaded.notes);
    let path = home.0.path().join(".env").display().to_string();
    assert_eq!(home.faults(&[("EVP_ENV_FILE", &path)], &[]), ["~/.env:3: is not NAME=value"]);
    std::fs::write(&path, "PORT='9000'\n").unwrap();
    let loaded = home.load(&[("EVP_ENV_FILE", &path)], &[]).unwrap();
    assert_eq!(loaded.settings.http.listen.port(), 9000);
    let loaded = home.load(&[("EVP_ENV_FILE", &path), ("PORT", "9001")], &[]).unwrap();
    assert_eq!(loaded.settings.http.listen.port(), 9001, "the process's own variable wins");
}

#[test]
fn lists_are_parted_by_commas_and_numbers_stay_as_written() {
    let home = Home::with(&[]);
    let set = ["http.trusted_proxies=10.0.0.0/8, ::1/128", "groups.worker=00123"];
    let settings = home.load(&[], &set).unwrap().settings;
    assert_eq!(settings.http.trusted_proxies.len(), 2);
    assert_eq!(settings.groups.worker.as_str(), "00123");
    let faults = home.faults(&[], &["http.trusted_proxies=10.0.0.0/99"]);
    assert!(faults[0].starts_with("--set http.trusted_proxies: "), "{faults:?}");
}

#[test]
fn an_unknown_profile_lists_those_there_are() {
    let faults = Home::with(&[]).faults(&[("EVP_PROFILE", "seed-9")], &[]);
    assert!(faults[0].contains("embedded, cluster, seed-000, seed-001"), "{faults:?}");
    for name in profiles::names() {
        Home::with(&[]).load(&[("EVP_PROFILE", name)], &[]).unwrap();
    }
}

#[test]
fn a_secret_comes_from_a_file_and_its_value_is_in_no_message() {
    let home = Home::with(&[("password", "hunter2\n"), ("groups_worker", "hunter3")]);
    let schema = Schema::with_secret("groups.worker");
    let path = |name: &str| home.0.path().join(name).display().to_string();
    let given = |name: &str, value: String| {
        (name.to_owned(), variables::Given { value, origin: format!("variable {name}") })
    };
    let mut faults = Vec::new();
    let mut variables: variables::Variables =
        [given("EVP__GROUPS__WORKER_FILE", path("password"))].into();
    let layer = variables::secrets(&variables, &schema, &mut faults);
    assert_eq!(layer.entries[0].value.clone().into_string().unwrap(), "hunter2");
    let own = variables::own(&variables, &schema, &mut faults, &mut Vec::new());
    assert!(own.entries.is_empty() && faults.is_empty(), "{faults:?}");

    variables.extend([given("CREDENTIALS_DIRECTORY", home.0.path().display().to_string())]);
    let layer = variables::secrets(&variables, &schema, &mut faults);
    assert_eq!(layer.entries.last().unwrap().value.clone().into_string().unwrap(), "hunter3");

    let wrong = Layer {
        name: String::new(),
        entries: vec![Entry::from_text(
            &Schema::with_secret("worker.batch_size"),
            "worker.batch_size",
            "hunter2",
            "x",
        )],
    };
    entry::stack(&[wrong], &Schema::with_secret("worker.batch_size"), &mut faults);
    assert_eq!(faults.len(), 1);
    assert!(!faults[0].text.contains("hunter2"), "{faults:?}");
}

/// `config/default.toml` names every key with its default and a line of words, and nothing else.
#[test]
fn the_commented_file_is_in_step_with_the_program() {
    let text = include_str!("../../../config/default.toml");
    let schema = Schema::of_settings();
    let mut section = String::new();
    let mut seen = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = format!("{}.", header.trim_end_matches(']'));
        } else if let Some((name, written)) = setting_of(line) {
            let key = format!("{section}{name}");
            let default = schema.default_of(&key).unwrap_or_else(|| panic!("no setting {key}"));
            if default.is_null() {
                assert!(written.ends_with("# unset"), "{key} is unset by default");
            } else {
                let set = format!("x = {written}");
                let document = toml_edit::Document::parse(set.as_str()).unwrap();
                let origin = String::new();
                let value = files::value(document.as_table().get("x").unwrap(), &origin);
                let value: Value = value.try_deserialize().unwrap();
                assert_eq!(&value, default, "the default of {key}");
            }
            assert!(Schema::words(&key).is_some_and(|words| words.len() > 5), "words on {key}");
            seen.push(key);
        }
    }
    let keys: Vec<&str> = schema.keys().map(|(key, _)| key).collect();
    seen.sort();
    assert_eq!(seen, keys);
}
