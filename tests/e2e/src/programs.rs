//! Our programs: where they were built, and how one is started.
//!
//! Knows: the folder beside the test. Never: a setting of a program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stack::launch::{Group, Launch, StopBy};

/// Longest wait for a part to start: the machine may be building beside it.
pub const START_WITHIN: Duration = Duration::from_mins(1);

/// How `program` is started with these settings, its log in `folder`.
pub(crate) fn launch(name: &str, program: &str, env: Vec<(&str, String)>, folder: &Path) -> Launch {
    Launch {
        name: name.to_owned(),
        program: binary(program),
        args: Vec::new(),
        env: env.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        folder: None,
        account: None,
        log: folder.join(format!("{name}.log")),
        stop_by: StopBy::Terminate,
        group: Group::Shared,
    }
}

/// A program of ours, as it was built beside this test.
///
/// # Panics
/// When it was not built: run the tests with `./just test`.
pub fn binary(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let built = test.parent().and_then(Path::parent).map(|folder| folder.join(program));
    let path = built.filter(|path| path.is_file());
    path.unwrap_or_else(|| {
        panic!("`{program}` was not built: run `cargo build --workspace --bins`, or `./just test`")
    })
}

/// The one variable that a program with a cleared environment still gets: where a coverage build writes what it reached.
pub fn coverage() -> Option<(&'static str, OsString)> {
    const FILE: &str = "LLVM_PROFILE_FILE";
    std::env::var_os(FILE).map(|path| (FILE, path))
}
