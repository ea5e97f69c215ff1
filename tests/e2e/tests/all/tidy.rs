//! The shape of the repository: who may import whom, which outside name lives where, how long a file may be.
//!
//! Knows: the house rules of ARCHITECTURE.md. Never: a running service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may import whom; an empty list means nobody of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("contract", &[]),
    ("chassis", &[]),
    ("venue-sim", &[]),
    ("stack", &[]),
    ("gates", &["contract"]),
    ("book", &["contract"]),
    ("polymarket", &["contract"]),
    ("store", &["contract"]),
    ("bus", &["contract", "chassis"]),
    ("feed", &["book", "polymarket", "bus", "contract", "chassis"]),
    ("processor", &["gates", "polymarket", "bus", "contract", "chassis"]),
    ("writer", &["bus", "store", "contract", "chassis"]),
    ("dashboard", &["bus", "store", "contract", "chassis"]),
    ("e2e", &["bus", "contract", "store", "stack", "venue-sim", "feed", "processor", "writer", "dashboard"]),
    ("containers", &["e2e", "stack", "venue-sim"]),
    ("browser", &["e2e", "venue-sim"]),
    ("bench", &["bus", "chassis", "contract", "store", "stack", "venue-sim"]),
];

/// Outside names, and the only rooms that may name them.
const DOORS: &[(&str, &[&str])] = &[
    ("async-nats", &["bus"]),
    ("tokio-postgres", &["store", "e2e", "containers", "bench"]),
    ("deadpool-postgres", &["store"]),
    ("tokio-tungstenite", &["polymarket", "venue-sim", "dashboard", "e2e"]),
    ("reqwest", &["polymarket", "e2e", "bench"]),
    ("axum", &["chassis", "dashboard", "venue-sim"]),
    ("opentelemetry", &["chassis"]),
    ("bcrypt", &["stack"]),
    ("rcgen", &["stack", "polymarket"]),
    ("opentelemetry_sdk", &["chassis"]),
    ("opentelemetry-otlp", &["chassis"]),
    ("opentelemetry-proto", &["e2e"]),
    ("tonic", &["e2e"]),
    ("testcontainers", &["containers"]),
    ("chromiumoxide", &["browser"]),
];

/// Rooms whose tests alone may name an outside door: they play the other side.
const TESTS_ONLY: &[(&str, &str)] =
    &[("tokio-tungstenite", "venue-sim"), ("tokio-tungstenite", "dashboard"), ("rcgen", "polymarket")];

const LINES_MAX: usize = 500;
const MAIN_LINES_MAX: usize = 30;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

pub(crate) fn sources() -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let files: Vec<PathBuf> =
        listed.lines().map(|line| root().join(line)).filter(|path| path.is_file()).collect();
    assert!(files.len() > 50, "git lists the sources");
    files
}

#[test]
fn crates_import_only_what_the_arrows_allow() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| text(package, "name")).collect();
    assert_eq!(ours, ARROWS.iter().map(|(name, _)| *name).collect(), "every crate has its arrows");
    for package in &packages {
        let name = text(package, "name");
        let (_, allowed) = ARROWS.iter().find(|(from, _)| *from == name).unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = text(dependency, "name");
            assert!(!ours.contains(to) || allowed.contains(&to), "`{name}` may not import `{to}`");
        }
    }
}

#[test]
fn outside_names_stay_in_their_rooms() {
    for package in &packages() {
        let name = text(package, "name");
        for dependency in package["dependencies"].as_array().unwrap() {
            let (outside, in_tests) = (text(dependency, "name"), text(dependency, "kind") == "dev");
            let Some((_, rooms)) = DOORS.iter().find(|(door, _)| *door == outside) else { continue };
            assert!(rooms.contains(&name), "`{outside}` may not be named in `{name}`");
            let only_tests = TESTS_ONLY.contains(&(outside, name));
            assert!(in_tests || !only_tests, "`{outside}` is for the tests of `{name}` alone");
        }
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace_and_is_named_like_its_folder() {
    for package in &packages() {
        let manifest = PathBuf::from(text(package, "manifest_path"));
        let content = std::fs::read_to_string(&manifest).unwrap();
        assert!(content.contains("[lints]\nworkspace = true"), "{}", manifest.display());
        let folder = manifest.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert_eq!(folder, text(package, "name"));
    }
}

#[test]
fn every_file_says_what_it_is_every_crate_its_invariant_and_all_are_short_enough_to_read() {
    for path in sources() {
        let content = std::fs::read_to_string(&path).unwrap();
        assert!(content.starts_with("//! "), "{}: it does not say what it is", path.display());
        if path.ends_with("src/lib.rs") {
            let plate: String = content.lines().take_while(|line| line.starts_with("//!")).collect();
            let is_whole = plate.contains("Knows:") && plate.contains("Never:");
            assert!(is_whole, "{}: the crate's invariant (Knows, Never) is missing", path.display());
        }
        let lines = content.lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", path.display());
        let is_service = path.starts_with(root().join("services"));
        if is_service && path.ends_with("src/main.rs") {
            assert!(lines <= MAIN_LINES_MAX + 5, "{}: {lines} lines", path.display());
        }
    }
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    let this = root().join("tests/e2e/tests/all/tidy.rs");
    let banned = ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "dbg!("];
    for path in sources().iter().filter(|path| **path != this) {
        let content = std::fs::read_to_string(path).unwrap();
        for word in banned {
            assert!(!content.contains(word), "{}: `{word}`", path.display());
        }
    }
}
