//! Tests of the reading of a configuration.
//!
//! Knows: maps and argument lists. Never: the environment of the process that runs them.

use proptest::prelude::*;

use super::*;

const HELP: &str = "A setting.";

fn vars<'a>(map: impl IntoIterator<Item = (&'a str, &'a str)>, arguments: &[&str]) -> Settings {
    Settings::of_map("feed", "reads the venue", map, arguments)
}

fn of<'a>(map: impl IntoIterator<Item = (&'a str, &'a str)>) -> Settings {
    vars(map, &[])
}

fn faults(vars: Settings) -> Vec<String> {
    match vars.finish() {
        Ok(()) => Vec::new(),
        Err(EarlyExit::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other:?}"),
    }
}

fn ping(vars: &mut Settings) -> u64 {
    vars.integer("FEED_PING_S", 10, 1..=60, "seconds", HELP)
}

#[test]
fn nothing_given_means_every_default() {
    let mut vars = of([]);
    assert_eq!(ping(&mut vars), 10);
    assert_eq!(vars.text("FEED_UNIVERSE", "top:150", HELP), "top:150");
    assert_eq!(vars.optional_text("NATS_CREDS", HELP), None);
    assert!(vars.secret("NATS_PASSWORD", HELP).is_none());
    assert_eq!(vars.milliseconds("WRITER_FLUSH_MS", 200, 1..=60_000, HELP), Duration::from_millis(200));
    assert_eq!(vars.address("ADMIN_ADDR", "127.0.0.1:9101", HELP).port(), 9101);
    assert_eq!(vars.choice("BUS_DURABILITY", "standard", &[("standard", 1), ("strict", 2)], HELP), 1);
    assert_eq!(faults(vars), [""; 0]);
}

#[test]
fn a_flag_wins_over_the_environment_in_both_its_forms() {
    for arguments in [&["--feed-ping-s", "7"][..], &["--feed-ping-s=7"]] {
        let mut vars = vars([("FEED_PING_S", "5")], arguments);
        assert_eq!(ping(&mut vars), 7);
        assert_eq!(faults(vars), [""; 0]);
    }
}

#[test]
fn a_folder_of_settings_is_read_and_everything_else_wins_over_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("FEED_PING_S", "7\n"), ("FEED_UNIVERSE", "top:1"), ("NATS_CREDS", "/c")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let mut vars = vars([("SETTINGS_DIR", path), ("FEED_UNIVERSE", "all")], &["--nats-creds", "/mine"]);
    assert_eq!(ping(&mut vars), 7);
    assert_eq!(vars.text("FEED_UNIVERSE", "top:150", HELP), "all");
    assert_eq!(vars.optional_text("NATS_CREDS", HELP).as_deref(), Some("/mine"));
    assert_eq!(faults(vars), [""; 0]);
    let told = faults(of([("SETTINGS_DIR", "/nowhere")]));
    assert!(told.len() == 1 && told[0].starts_with("`SETTINGS_DIR` names a folder"), "{told:?}");
}

#[test]
fn every_fault_is_told_in_one_run() {
    let mut vars = of([
        ("FEED_PING_S", "61"),
        ("FEED_UNIVERSE", " "),
        ("ADMIN_ADDR", "localhost"),
        ("FEED_SHARD", "4/4"),
        ("BUS_DURABILITY", "loose"),
    ]);
    assert_eq!(ping(&mut vars), 10);
    vars.text("FEED_UNIVERSE", "all", HELP);
    vars.address("ADMIN_ADDR", "127.0.0.1:9101", HELP);
    let shard = vars.parsed("FEED_SHARD", "0/1", "INDEX/COUNT", HELP, |_| Err::<(), _>("4 is not below 4"));
    assert_eq!(shard, None);
    vars.choice("BUS_DURABILITY", "standard", &[("standard", 1), ("strict", 2)], HELP);
    assert_eq!(vars.required_text("NATS_URL", HELP), "");
    vars.required_secret("DATABASE_URL", HELP);
    vars.fault("FEED_RECONNECT_MIN_S", "is above FEED_RECONNECT_MAX_S");
    assert_eq!(
        faults(vars),
        [
            "`FEED_PING_S` must be whole number, 1 to 60 seconds, not `61`",
            "`FEED_UNIVERSE` is blank; unset it for its default",
            "`ADMIN_ADDR` must be IP address and port, such as 127.0.0.1:9101; port 0 picks one, not `localhost`",
            "`FEED_SHARD` must be INDEX/COUNT, not `4/4`: 4 is not below 4",
            "`BUS_DURABILITY` must be one of: standard, strict, not `loose`",
            "`NATS_URL` is required and not set",
            "`DATABASE_URL` is required and not set (nor is `DATABASE_URL_FILE`)",
            "`FEED_RECONNECT_MIN_S` is above FEED_RECONNECT_MAX_S",
        ]
    );
}

#[test]
fn seconds_are_whole_or_decimal_and_exact() {
    let read = |text: &str| {
        let mut vars = of([("REST_TIMEOUT_S", text)]);
        let duration = vars.seconds("REST_TIMEOUT_S", 5, 0..=60, HELP);
        vars.finish().is_ok().then_some(duration)
    };
    assert_eq!(read("0.5"), Some(Duration::from_millis(500)));
    assert_eq!(read("0.000000001"), Some(Duration::from_nanos(1)));
    assert_eq!(read("60"), Some(Duration::from_mins(1)));
    for wrong in ["60.000000001", "0.0000000001", "-1", "+1", "1.", ".5", "1.5.1", "1e3", "1s", "NaN"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[test]
fn misspelt_flags_and_words_are_faults_with_a_hint_and_misspelt_variables_are_said() {
    let mut vars = vars(
        [
            ("FEED_PIGN_S", "5"),
            ("FEED_OTHER", "x"),
            ("FEED_PING_X", "x"),
            ("NATS_CONTEXT", "x"),
            ("PATH", "/bin"),
        ],
        &["extra", "--feed-png-s", "5", "--loud"],
    );
    ping(&mut vars);
    vars.elsewhere(&["FEED_PING_X"]);
    assert_eq!(vars.slips(), ["`FEED_PIGN_S` is not a setting of `feed`; did you mean `FEED_PING_S`?"]);
    assert_eq!(
        faults(vars),
        [
            "`--feed-png-s` is not a flag of `feed`; did you mean `--feed-ping-s`?",
            "`--loud` is not a flag of `feed`",
            "`extra` is one word too many",
        ]
    );
}

#[test]
fn a_flag_without_a_value_or_given_twice_is_a_fault() {
    for (arguments, expected) in [
        (&["--feed-ping-s"][..], "`FEED_PING_S` needs a value behind its flag"),
        (&["--feed-ping-s", "1", "--feed-ping-s=1"], "`FEED_PING_S` is given by more than one flag"),
        (&["--feed-ping-s="], "`FEED_PING_S` is blank; unset it for its default"),
    ] {
        let mut vars = vars([], arguments);
        ping(&mut vars);
        assert_eq!(faults(vars), [expected]);
    }
}

#[test]
fn a_command_is_one_of_the_allowed_words_and_words_follow_it() {
    let allowed = [("migrate", "Migrates and ends."), ("healthcheck", "Asks /ready and ends.")];
    let mut given = vars([], &["migrate", "now"]);
    assert_eq!(given.command(&allowed).as_deref(), Some("migrate"));
    assert_eq!(given.word("WHEN", HELP).as_deref(), Some("now"));
    assert_eq!(given.word("WHERE", HELP), None);
    assert_eq!(faults(given), [""; 0]);
    let mut given = vars([], &["migrat"]);
    assert_eq!(given.command(&allowed), None);
    let expected = "`migrat` is not a command (there are: migrate, healthcheck); did you mean `migrate`?";
    assert_eq!(faults(given), [expected]);
}

#[test]
fn a_secret_comes_from_its_variable_or_from_a_file_but_not_from_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, " hunter2 \n").unwrap();
    let path = path.to_str().unwrap();
    let mut direct = of([("NATS_PASSWORD", "hunter1")]);
    assert_eq!(direct.secret("NATS_PASSWORD", HELP).unwrap().expose(), "hunter1");
    assert_eq!(faults(direct), [""; 0]);
    let mut by_file = of([("NATS_PASSWORD_FILE", path)]);
    assert_eq!(by_file.required_secret("NATS_PASSWORD", HELP).expose(), " hunter2 ");
    assert_eq!(faults(by_file), [""; 0]);
    let mut both = of([("NATS_PASSWORD", "hunter1"), ("NATS_PASSWORD_FILE", path)]);
    assert!(both.secret("NATS_PASSWORD", HELP).is_none());
    assert_eq!(faults(both), ["`NATS_PASSWORD` and `NATS_PASSWORD_FILE` are both set; keep one"]);
}

#[test]
fn a_secret_file_that_is_missing_or_blank_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let blank = folder.path().join("blank");
    std::fs::write(&blank, "\n").unwrap();
    let missing = folder.path().join("missing");
    for (path, expected) in [(&blank, "which is blank"), (&missing, "which cannot be read")] {
        let mut vars = of([("NATS_PASSWORD_FILE", path.to_str().unwrap())]);
        assert!(vars.secret("NATS_PASSWORD", HELP).is_none());
        let told = faults(vars);
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
    }
}

#[test]
fn no_fault_shows_a_password() {
    let mut vars =
        vars([("NATS_URL", "nats://me:hunter2@h:1"), ("NATS_PASSWRD", "hunter2")], &["--x=hunter2"]);
    vars.parsed("NATS_URL", "", "an address", HELP, |text| Err::<(), _>(format!("bad: {text}")));
    vars.secret("NATS_PASSWORD", HELP);
    let mut told = vars.slips().join("\n");
    told.push_str(&faults(vars).join("\n"));
    assert!(!told.contains("hunter2"), "{told}");
    assert!(told.contains("nats://***@h:1"), "{told}");
    assert!(told.contains("did you mean `NATS_PASSWORD`?"), "{told}");
}

#[test]
fn the_help_lists_every_setting_with_unit_range_and_default_even_beside_faults() {
    for flag in ["--help", "-h"] {
        let mut vars = vars([("FEED_PING_S", "999")], &[flag]);
        vars.command(&[("migrate", "Migrates and ends.")]);
        vars.word("SUBJECT", "What to show.");
        ping(&mut vars);
        vars.required_secret("DATABASE_URL", "The database.");
        vars.optional_text("NATS_CREDS", "Credentials.");
        let Err(EarlyExit::Help(text)) = vars.finish() else { panic!("no help") };
        for part in [
            ": reads the venue\n",
            "Usage: feed [COMMAND] [SUBJECT] [--SETTING VALUE]...",
            "  migrate\n      Migrates and ends.",
            "  FEED_PING_S, --feed-ping-s\n      A setting.\n      whole number, 1 to 60 seconds. Default: 10.",
            "  DATABASE_URL, --database-url\n      The database.",
            "Required.",
            "Not set by default.",
            "LOG_FORMAT",
            "RUST_LOG",
            "INSTANCE",
        ] {
            assert!(text.contains(part), "{part}\nin\n{text}");
        }
    }
}

#[test]
fn the_version_is_told() {
    let stop = vars([], &["--version"]).finish().unwrap_err();
    let expected = concat!("feed ", env!("CARGO_PKG_VERSION"));
    assert_eq!(stop, EarlyExit::Version(expected.to_owned()));
    assert_eq!(stop.to_string(), expected);
}

#[test]
fn the_settings_of_the_frame_are_checked_for_every_service() {
    assert_eq!(faults(vars([("RUST_LOG", "")], &["--instance", "feed-1", "--log-format=json"])), [""; 0]);
    let told = faults(of([("INSTANCE", "Feed 1"), ("LOG_FORMAT", "xml"), ("RUST_BACKTRACE", "1")]));
    assert_eq!(
        told,
        [
            "`INSTANCE` must be 1 to 32 of a-z, 0-9 and -, not `Feed 1`",
            "`LOG_FORMAT` must be one of: auto, json, text, not `xml`",
        ]
    );
}

#[test]
fn the_environment_of_this_very_process_can_be_read() {
    // The test runner's own flags stand on this command line, so only the environment's side is looked at.
    assert!(of_this_process("PATH").is_some());
    assert_eq!(of_this_process("A_SETTING_THAT_NOBODY_HAS"), None);
    let mut vars = Settings::of_process("feed", "reads the venue");
    assert_eq!(vars.text("A_SETTING_THAT_NOBODY_HAS", "x", HELP), "x");
}

#[cfg(unix)]
#[test]
fn what_is_not_utf8_is_a_fault() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![0xff, 0xfe]);
    let given = RawSettings::default().with_arguments(["--feed-ping-s".into(), broken(), broken()]);
    let mut vars = Settings::of_given("feed", "reads the venue", given);
    assert_eq!(ping(&mut vars), 10);
    assert_eq!(faults(vars), ["`FEED_PING_S` is not UTF-8", "`(not UTF-8)` is one word too many"]);
}

#[test]
fn settings_of_traces_are_checked_with_the_others_and_blank_ones_are_as_if_not_given() {
    let odd = [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
    let told = faults(of(odd));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("`OTEL_EXPORTER_OTLP_ENDPOINT` must be http://host:port"), "{told:?}");
    assert_eq!(told[1], "`OTEL_TRACES_SAMPLER_ARG` must be a number, 0 to 1, not `2`");
    let login = faults(of([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hunter2@host:4317")]));
    assert!(login.len() == 1 && !login[0].contains("hunter2"), "{login:?}");
    let good = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:4317"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")];
    assert!(faults(of(good)).is_empty());
    let blank = [("OTEL_EXPORTER_OTLP_ENDPOINT", ""), ("OTEL_TRACES_SAMPLER_ARG", " ")];
    assert!(faults(of(blank)).is_empty());
    // What the exporter reads by itself, or others use, is not ours to judge.
    assert!(faults(of([("OTEL_EXPORTER_OTLP_HEADERS", "a=b"), ("OTEL_SERVICE_NAME", "x")])).is_empty());
}

proptest! {
    #[test]
    fn an_integer_is_accepted_exactly_when_it_is_in_range(
        number in any::<u64>(),
        low in any::<u64>(),
        high in any::<u64>(),
    ) {
        let (low, high) = (low.min(high), low.max(high));
        for number in [number, low, high, low.saturating_sub(1), high.saturating_add(1)] {
            let text = number.to_string();
            let mut vars = of([("FEED_PING_S", text.as_str())]);
            let read = vars.integer("FEED_PING_S", low, low..=high, "", HELP);
            let is_in_range = (low..=high).contains(&number);
            prop_assert_eq!(read, if is_in_range { number } else { low });
            prop_assert_eq!(vars.finish().is_ok(), is_in_range);
        }
    }

    #[test]
    fn no_text_makes_the_reading_panic(text in ".*", flag in ".*") {
        let mut vars = vars([("FEED_PING_S", text.as_str())], &[flag.as_str()]);
        ping(&mut vars);
        let _ = vars.finish();
    }
}
