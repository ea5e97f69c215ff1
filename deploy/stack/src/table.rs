//! The table of processes: who is whose child, and since when a process runs.
//!
//! Knows: `/proc` on Linux, `ps` elsewhere. Never: what a process does.

use std::fs;
use std::process::Command;

/// Since when process `pid` runs, as a mark that no later process with the same number can carry:
/// on Linux the boot's id and the start in clock ticks, elsewhere what `ps` prints.
/// `None` when there is no such process, or it has ended and only waits to be reaped.
pub fn started(pid: u32) -> Option<String> {
    if let Some(fields) = stat(pid) {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        return (fields.state != 'Z').then(|| format!("{}:{}", boot.trim(), fields.started));
    }
    if fs::exists("/proc/self/stat").unwrap_or(false) {
        return None;
    }
    let printed = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let mark = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    (!mark.is_empty()).then_some(mark)
}

/// Whether the process `pid` that carried the mark `since` still runs.
pub fn runs(pid: u32, since: &str) -> bool {
    started(pid).is_some_and(|mark| mark == since)
}

/// The children of process `parent`, each with its mark.
pub fn children(parent: u32) -> Vec<(u32, String)> {
    let pids: Vec<u32> = match fs::read_dir("/proc") {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| stat(*pid).is_some_and(|fields| fields.parent == parent))
            .collect(),
        Err(_) => listed_children(parent),
    };
    pids.into_iter().filter_map(|pid| Some((pid, started(pid)?))).collect()
}

struct Stat {
    state: char,
    parent: u32,
    started: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 3, 4 and 22 of `/proc/<pid>/stat`. The second field is the command's name in
/// parentheses, which may itself hold spaces and parentheses: everything counts from the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn listed_children(parent: u32) -> Vec<u32> {
    let Ok(printed) = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output() else {
        return Vec::new();
    };
    parse_pairs(&String::from_utf8_lossy(&printed.stdout), parent)
}

fn parse_pairs(text: &str, parent: u32) -> Vec<u32> {
    let pair = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    text.lines().filter_map(pair).filter(|(_, of)| *of == parent).map(|(pid, _)| pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_a_name_with_parentheses_and_spaces() {
        let text = "42 (a) (b c)) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let fields = parse_stat(text).unwrap();
        assert_eq!((fields.state, fields.parent, fields.started), ('S', 7, 98_765));
        assert!(parse_stat("42 (short) S 7").is_none());
        assert!(parse_stat("").is_none());
    }

    #[test]
    fn pairs_of_ps_are_read() {
        assert_eq!(parse_pairs("  10   1\n 11 10\nbad\n 12 10\n", 10), [11, 12]);
    }

    #[test]
    fn child_is_found_with_a_mark_that_ends_with_it() {
        let mut child =
            Command::new("sh").args(["-c", "read line"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mark = started(child.id()).unwrap();
        assert!(runs(child.id(), &mark));
        assert!(!runs(child.id(), "another"));
        assert!(children(std::process::id()).contains(&(child.id(), mark.clone())));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!runs(child.id(), &mark));
    }
}
