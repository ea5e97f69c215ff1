//! The compose stack as a user starts it: healthy, guarded, scaled, killed part by part, and gone.
//!
//! Knows: what `docker compose` and the page show. Never: a loss that no gap tells of.

use std::collections::HashSet;
use std::time::Duration;

use containers::{Project, engine};
use e2e::eventually;
use serde_json::Value;

/// Longest wait for work to show after a change.
const WORK_WITHIN: Duration = Duration::from_mins(2);

/// One project for all of it: each start costs half a minute.
#[tokio::test]
async fn the_stack_comes_up_guarded_shares_the_work_survives_kills_and_leaves_nothing() {
    if !engine::answers() {
        return;
    }
    let project = Project::new("whole");
    project.up();
    project.all_healthy().await;
    ticks_reach_page_and_database(&project).await;
    for container in project.containers() {
        assert_guarded(&container);
    }
    scaled_processors_share_the_work(&project).await;
    for service in ["processor", "writer", "dashboard", "nats", "postgres", "feed"] {
        for container in project.of_service(service) {
            project.crash(&container).await;
        }
    }
    project.end_of_the_venue().await;
    let account = project.conserved().await;
    eprintln!("{} matched, {} in gaps", account.matched, account.in_gaps);
    project.down().expect("everything can be ended");
    assert_eq!(project.remains(), [""; 0]);
}

async fn ticks_reach_page_and_database(project: &Project) {
    let (code, page) = project.page("/").await.expect("the page answers");
    assert!(code == 200 && page.contains("<html"), "{code} {page}");
    let database = project.database().await;
    eventually("ticks reach the database", WORK_WITHIN, async || {
        let row =
            database.query_one("select count(*) from api.prices", &[]).await.map_err(|e| e.to_string())?;
        if row.get::<_, i64>(0) > 1_000 { Ok(()) } else { Err(format!("{} rows", row.get::<_, i64>(0))) }
    })
    .await;
    let (_, status) = project.status().await.expect("the page answers");
    assert_eq!(status["healthy"], true, "{status:#}");
    assert_eq!(status["database_connected"], true, "{status:#}");
}

async fn scaled_processors_share_the_work(project: &Project) {
    let arguments =
        ["up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale", "processor=4", "processor"];
    project.compose(&arguments).expect("processors can be added");
    assert_eq!(project.of_service("processor").len(), 4);
    eventually("each of four processors has a share", WORK_WITHIN, async || {
        let (_, status) = project.status().await.map_err(|error| error.to_string())?;
        let received = shares(&status);
        let all_work = received.len() == 4 && received.iter().all(|count| *count > 0);
        if all_work { Ok(()) } else { Err(format!("{received:?}")) }
    })
    .await;
}

/// What each processor received.
fn shares(status: &Value) -> Vec<u64> {
    let services = status["details"]["services"].as_array().into_iter().flatten();
    let processors = services.filter(|service| service["service"] == "processor");
    let instances = processors.filter_map(|service| service["instances"].as_array()).flatten();
    instances.map(|one| one["report"]["received"].as_u64().unwrap_or(0)).collect()
}

/// Not root, nothing to write on but what is mounted, no capability, no port beyond this machine.
fn assert_guarded(container: &str) {
    let all = engine::inspect(container).expect("a container of the project");
    let (config, host) = (&all["Config"], &all["HostConfig"]);
    let user = config["User"].as_str().unwrap_or_default();
    assert!(
        !["", "0", "root"].contains(&user.split(':').next().unwrap_or_default()),
        "{container}: user `{user}`"
    );
    assert_eq!(host["ReadonlyRootfs"], true, "{container}");
    assert_eq!(host["Privileged"], false, "{container}");
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{container}");
    assert!(host["CapAdd"].as_array().is_none_or(Vec::is_empty), "{container}: {}", host["CapAdd"]);
    let options: HashSet<&str> =
        host["SecurityOpt"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(options.contains("no-new-privileges:true"), "{container}: {options:?}");
    assert!(
        host["Memory"].as_u64() > Some(0) && host["PidsLimit"].as_u64() > Some(0),
        "{container} has no limits"
    );
    let limits = host["Ulimits"].as_array().into_iter().flatten();
    let mut cores = limits.filter(|limit| limit["Name"] == "core");
    assert!(cores.any(|core| core["Hard"] == 0), "{container} may leave a core file: {}", host["Ulimits"]);
    assert_ne!(host["NetworkMode"], "host", "{container}");
    let published = host["PortBindings"].as_object().into_iter().flat_map(|ports| ports.values());
    for binding in published.filter_map(Value::as_array).flatten() {
        assert_eq!(binding["HostIp"], "127.0.0.1", "{container}: {binding}");
    }
    let secrets = config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for variable in
        secrets.filter(|variable| variable.contains("PASSWORD") || variable.contains("URL=postgres"))
    {
        assert!(variable.contains("_FILE="), "{container} has a secret in its environment: {variable}");
    }
}
