//! What operators see: metrics by the conventions, rules and dashboards whose every name exists.
//!
//! Knows: `/metrics` of a running world, promtool, Prometheus, the files of deploy/observe. Never: a number's meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use e2e::promql::{Rule, metrics, of_dashboard, of_rules};
use e2e::{Settings, World, eventually};
use serde_json::Value;
use stack::{http, ports};

/// What Prometheus itself makes.
const OF_PROMETHEUS: [&str; 1] = ["up"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the root of the repository")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The folder of promtool and prometheus. Where they cannot be had this says so loudly; in CI they must be there.
fn tools() -> Option<PathBuf> {
    let found = Command::new(root().join("deploy/stack/promtool.sh")).output().expect("a shell");
    if found.status.success() {
        return Some(PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()));
    }
    let why = String::from_utf8_lossy(&found.stderr).trim().to_owned();
    assert!(std::env::var_os("CI").is_none(), "in CI promtool must be there: {why}");
    eprintln!(
        "\n!!! SKIPPED: metrics, rules and dashboards are NOT checked by Prometheus' own tools: {why}\n"
    );
    None
}

fn rules() -> Vec<Rule> {
    of_rules(&read("deploy/observe/rules.yml"))
}

/// The queries of all dashboards, each with the place it stands at.
fn queries() -> Vec<(String, String)> {
    let folder = root().join("deploy/observe/grafana/dashboards");
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(folder).expect("dashboards") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let found = of_dashboard(&dashboard);
        assert!(!found.is_empty(), "{name} asks nothing");
        queries.extend(found.into_iter().map(|(title, query)| (format!("{name}, {title}"), query)));
    }
    queries
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn configuration_and_rules_are_right_and_every_alert_fires_when_it_should() {
    let Some(tools) = tools() else { return };
    for (verb, file) in [
        (["check", "config"], "prometheus.yml"),
        (["check", "rules"], "rules.yml"),
        (["test", "rules"], "rules.test.yml"),
    ] {
        let file = root().join("deploy/observe").join(file);
        let output = Command::new(tools.join("promtool")).args(verb).arg(file).output().expect("promtool");
        assert!(output.status.success(), "{verb:?}: {}", told(&output));
    }
}

#[test]
fn every_alert_has_a_test_and_a_place_in_the_runbook() {
    let (tests, runbook, text) =
        (read("deploy/observe/rules.test.yml"), read("docs/runbook.md"), read("deploy/observe/rules.yml"));
    let alerts: Vec<Rule> = rules().into_iter().filter(|rule| rule.is_alert).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for Rule { name, .. } in alerts {
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} has no test");
        assert!(runbook.contains(&format!("\n### {name}\n")), "{name} is not in the runbook");
        let link = format!("runbook: docs/runbook.md#{}\n", name.to_lowercase());
        assert!(text.contains(&link), "{name} does not name its place in the runbook");
    }
    for section in runbook.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(text.contains(&format!("- alert: {section}\n")), "there is no alert {section}");
    }
}

#[tokio::test]
async fn metrics_follow_the_conventions_and_every_query_names_what_exists() {
    let tools = tools();
    // Sizes are asked for at the venue, so that calls are timed.
    let world = World::start(Settings::scenario("missing-sizes")).await;
    if let Some(tools) = &tools {
        let prometheus = Prometheus::start(&tools.join("prometheus"), &world);
        tokio::join!(world.play(), prometheus.answers_everything());
    } else {
        world.play().await;
    }
    let scrapes = scrapes(&world).await;
    if let Some(tools) = &tools {
        for (name, text) in &scrapes {
            accepted(&tools.join("promtool"), name, text);
        }
    }
    let sample = |line: &str| line.split(['{', ' ']).next().map(str::to_owned);
    let lines = scrapes.values().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#'));
    let mut known: BTreeSet<String> = lines.filter_map(sample).collect();
    assert!(known.len() > 100, "{known:?}");
    known.extend(OF_PROMETHEUS.map(str::to_owned));
    let rules = rules();
    known.extend(rules.iter().filter(|rule| !rule.is_alert).map(|rule| rule.name.clone()));
    let asked = queries().into_iter().chain(rules.into_iter().map(|rule| (rule.name, rule.query)));
    for (place, query) in asked {
        let named = metrics(&query);
        assert!(!named.is_empty(), "{place}: {query} names nothing");
        for name in named {
            assert!(known.contains(&name), "{place}: there is no `{name}`");
        }
    }
    world.finish().await;
}

/// The text of each service, once each has shown what it shows only now and then.
async fn scrapes(world: &World) -> BTreeMap<String, String> {
    let mut scrapes = BTreeMap::new();
    for name in world.names() {
        let address = world.metrics_address(&name);
        let program = name.split('-').next().unwrap_or_default().to_owned();
        eventually("everything is shown", Duration::from_secs(30), async || {
            let Some((200, text)) = http::get(address, "/metrics").await else {
                return Err("no answer".to_owned());
            };
            let late: &[&str] = match program.as_str() {
                "feed" => &["polyfeed_feed_rest_duration_seconds_count{", "polyfeed_feed_sockets{"],
                "processor" => &["polyfeed_processor_rest_duration_seconds_count{", "stream=\"TICKS_RAW\""],
                "writer" => &["stream=\"DEAD\""],
                _ => &["polyfeed_dashboard_requests_total{"],
            };
            for part in ["polyfeed_build_info{", "process_cpu_seconds_total "].iter().chain(late) {
                if !text.contains(part) {
                    return Err(format!("{name} does not show {part}"));
                }
            }
            scrapes.insert(name.clone(), text);
            Ok(())
        })
        .await;
    }
    scrapes
}

/// Without a word of promtool's: its findings on style are failures, too.
fn accepted(promtool: &Path, name: &str, text: &str) {
    let mut checking = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    std::io::Write::write_all(&mut checking.stdin.take().expect("its input"), text.as_bytes())
        .expect("it reads");
    let output = checking.wait_with_output().expect("it ends");
    assert!(output.status.success() && told(&output).trim().is_empty(), "{name}: {}", told(&output));
}

/// A real Prometheus that reads the services of a world. Dropped, it ends.
struct Prometheus {
    _process: tokio::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(program: &Path, world: &World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let rules = root().join("deploy/observe/rules.yml");
        let mut config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [\"{}\"]\nscrape_configs:\n",
            rules.display()
        );
        for name in world.names() {
            let (job, address) = (name.split('-').next().unwrap_or_default(), world.metrics_address(&name));
            writeln!(config, "  - {{job_name: {job}, static_configs: [{{targets: [\"{address}\"]}}]}}")
                .expect("text");
        }
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("a file");
        let port = ports::free().expect("a free port");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = tokio::process::Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus starts");
        Self { _process: process, port, _folder: folder }
    }

    /// Every query of a dashboard gives something, in the end; no target and no rule is broken.
    async fn answers_everything(&self) {
        let mut left = queries();
        eventually("every panel shows something", Duration::from_mins(2), async || {
            let mut empty = Vec::new();
            for (place, query) in &left {
                let answer = self.ask(&query.replace("$__rate_interval", "20s")).await?;
                assert_ne!(answer["status"], "error", "{place}: {query}: {answer}");
                if answer["data"]["result"].as_array().is_none_or(Vec::is_empty) {
                    empty.push((place.clone(), query.clone()));
                }
            }
            left = empty;
            if left.is_empty() { Ok(()) } else { Err(format!("empty: {left:#?}")) }
        })
        .await;
        let down = self.ask("up == 0").await.expect("an answer");
        assert_eq!(down["data"]["result"], Value::Array(vec![]), "{down}");
        let told = self.get("/api/v1/rules").await.expect("an answer");
        let told = told["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        assert_eq!(told.len(), rules().len());
        for rule in told {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }

    async fn ask(&self, query: &str) -> Result<Value, String> {
        let mut path = "/api/v1/query?query=".to_owned();
        for byte in query.bytes() {
            write!(path, "%{byte:02X}").expect("text");
        }
        self.get(&path).await
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let told = http::get(ports::loopback(self.port), path).await;
        let (_, mut body) = told.ok_or("prometheus does not answer yet")?;
        // A long answer comes in chunks: size, bytes, size, bytes; JSON in one line holds no line break.
        if !body.starts_with('{') {
            body = body.split("\r\n").skip(1).step_by(2).collect();
        }
        serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
    }
}
