//! No core file of this process: it would hold the passwords that the process was given.
//!
//! Knows: the limit. Never: a password.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// From here on neither this process nor one that it starts leaves a core file.
///
/// # Errors
/// When the system does not even let a limit be lowered.
pub fn forbid() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_and_its_children_leave_no_core() {
        forbid().unwrap();
        let none = |limits: &str| {
            let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
            line.split_whitespace().skip(4).take(2).all(|limit| limit == "0")
        };
        assert!(none(&std::fs::read_to_string("/proc/self/limits").unwrap()));
        let child = std::process::Command::new("cat").arg("/proc/self/limits").output().unwrap();
        assert!(none(&String::from_utf8(child.stdout).unwrap()));
    }
}
