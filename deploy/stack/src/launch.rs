//! Starting a program and ending it again.
//!
//! Knows: processes, signals and exit codes. Never: which program it is, or when to start it again.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::fault::Fault;
use crate::os_user::Account;
use crate::table;

/// How long orphans of a killed server may take to notice; they look every few milliseconds.
const ORPHANS_WAIT: Duration = Duration::from_secs(5);
/// How often a state that gives no notice is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a dropped process gets before it is killed. Drops block, so it is short.
const DROP_GRACE: Duration = Duration::from_secs(3);

/// Variables that no child inherits: those for this crate alone, which a service would refuse, and logins for
/// another bus than ours.
pub const OUR_VARIABLES: [&str; 8] = [
    "NATS_PORT",
    "POSTGRES_PORT",
    "VENUE_SIM_PORT",
    "NATS_USER",
    "NATS_PASSWORD",
    "NATS_PASSWORD_FILE",
    "NATS_CREDS",
    "NATS_CA_FILE",
];

/// Everything that is needed to start a program.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What people call it: `feed`, `processor-1`. Also the name of its log.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set beside those of this process.
    pub env: Vec<(String, String)>,
    /// Folder it starts in; `None`: the present one.
    pub folder: Option<PathBuf>,
    /// Account it runs under; `None`: the present one.
    pub account: Option<Account>,
    /// File its output is appended to.
    pub log: PathBuf,
    /// How it is asked to stop.
    pub stop_by: StopBy,
    /// Which process group it joins.
    pub group: Group,
}

/// The signal by which a program is asked to stop in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StopBy {
    /// SIGTERM: what services and NATS understand.
    Terminate,
    /// SIGINT: Postgres' fast shutdown; its SIGTERM would wait for every client to leave.
    Interrupt,
}

/// The process group of a child.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// A group of its own: a Ctrl-C at the terminal does not reach it, only its supervisor.
    Own,
    /// The group of this process: a test runner that kills the test's group takes it along.
    Shared,
}

/// A running program. Dropped, it is asked to stop, and killed after a short while.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    stop_by: StopBy,
    group: Group,
    ended: Option<ExitStatus>,
}

impl Launch {
    /// Starts the program with its output appended to the log.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be started.
    pub fn spawn(&self) -> Result<Process, Fault> {
        let opened = fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let log = opened.map_err(|source| {
            Fault::io(format!("could not open the log `{}`", self.log.display()), source)
        })?;
        let for_errors = log.try_clone().map_err(|source| {
            Fault::io(format!("could not share the log `{}`", self.log.display()), source)
        })?;
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for name in OUR_VARIABLES {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log).stderr(for_errors);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(account) = &self.account {
            command.uid(account.user_id).gid(account.group_id);
        }
        if self.group == Group::Own {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|source| {
            Fault::io(format!("could not start {} (`{}`)", self.name, self.program.display()), source)
        })?;
        let gone = || Fault::new(format!("{} ended before it had a number", self.name));
        let pid = child.id().ok_or_else(gone)?;
        Ok(Process { child, pid, stop_by: self.stop_by, group: self.group, ended: None })
    }
}

/// Sends `signal` to process `pid`, or to its whole group where it leads one of its own.
/// A process that is gone already is no error.
pub fn send(pid: u32, group: Group, signal: Signal) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let sent = match group {
        Group::Own => rustix::process::kill_process_group(pid, signal),
        Group::Shared => rustix::process::kill_process(pid, signal),
    };
    // The only answers possible are "gone" and, for a process that was never ours, "not allowed".
    debug_assert!(sent.is_ok() || sent != Err(rustix::io::Errno::INVAL), "the signal exists");
}

/// Waits until every one of `processes` (number and mark) is gone, at most `limit`.
pub async fn until_gone(processes: &[(u32, String)], limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while processes.iter().any(|(pid, since)| table::runs(*pid, since)) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}

impl StopBy {
    /// The signal itself.
    pub fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
        }
    }
}

// === impl Process ===

impl Process {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for its end; cancelling loses nothing. `None` when the system cannot say how it ended.
    pub async fn wait(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.wait().await.ok();
        }
        self.ended
    }

    /// Asks it to stop.
    pub fn ask(&mut self) {
        if self.ended().is_none() {
            // To the process alone: Postgres' own children take their orders from it.
            send(self.pid, Group::Shared, self.stop_by.signal());
        }
    }

    /// Asks it to stop and kills it after `grace`. Returns how it ended.
    pub async fn stop(&mut self, grace: Duration) -> Option<ExitStatus> {
        self.ask();
        match timeout(grace, self.wait()).await {
            Ok(status) => {
                self.sweep();
                status
            }
            Err(_) => self.kill().await,
        }
    }

    /// Kills it at once (SIGKILL) and waits until it and its children are gone: a Postgres whose
    /// old children still hold its memory refuses to start.
    pub async fn kill(&mut self) -> Option<ExitStatus> {
        let children = table::children(self.pid);
        if self.ended().is_none() {
            send(self.pid, self.group, Signal::KILL);
        }
        let status = self.wait().await;
        if !until_gone(&children, ORPHANS_WAIT).await {
            for (pid, since) in &children {
                if table::runs(*pid, since) {
                    send(*pid, Group::Shared, Signal::KILL);
                }
            }
        }
        status
    }

    /// Halts it and its children (SIGSTOP) as an overloaded machine would; [`Process::thaw`] lets them go on.
    pub fn freeze(&mut self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets it and its children go on after [`Process::freeze`].
    pub fn thaw(&mut self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&mut self, signal: Signal) {
        if self.ended().is_none() {
            send(self.pid, self.group, signal);
            if self.group == Group::Shared {
                // Itself first: then it makes no more children.
                for (child, _) in table::children(self.pid) {
                    send(child, Group::Shared, signal);
                }
            }
        }
    }

    /// Kills what an ended leader left in its group.
    pub fn sweep(&mut self) {
        if self.group == Group::Own {
            send(self.pid, Group::Own, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        self.ask();
        // A halted process receives no other signal.
        self.thaw();
        let deadline = std::time::Instant::now() + DROP_GRACE;
        while self.ended().is_none() && std::time::Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        if self.ended().is_none() {
            send(self.pid, self.group, Signal::KILL);
        }
    }
}
