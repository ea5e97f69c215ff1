//! The binary behind `./just demo`, `up`, `down`, `logs`, `psql`.
//!
//! Knows: this process' arguments, variables and output. Never: what a verb does.

use std::io::Write;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let say = |line: &str| {
        // A terminal that is gone must not keep the children from being stopped.
        drop(writeln!(std::io::stdout(), "{line}"));
    };
    // Servers and services inherit it: no core file with a password in it.
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        say(&format!("stack: core files cannot be forbidden: {error}"));
    }
    ExitCode::from(stack::verbs::carry_out(&arguments, &variables, &say).await)
}
