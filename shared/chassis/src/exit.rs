//! Final log line and exit code.
//!
//! Knows: codes 0, 1 and 64. Never: why a service could not go on, beyond the error it is given.

use std::io::Write;
use std::process::ExitCode;

use tracing::{error, info};

use crate::logline;
use crate::settings::EarlyExit;

/// Exit code of a process whose configuration cannot be used (`EX_USAGE` of sysexits.h).
pub const CONFIGURATION: u8 = 64;

/// Ends a process that was not to run: help and version go to stdout with code 0,
/// faults to stderr, one a line, with code 64.
pub fn unusable(stop: EarlyExit) -> ExitCode {
    // A reader that has gone away (`feed --help | head -1`) is no reason to fail, so write errors are passed over.
    match stop {
        EarlyExit::Help(text) | EarlyExit::Version(text) => {
            let _ = writeln!(std::io::stdout().lock(), "{text}");
            ExitCode::SUCCESS
        }
        faults @ EarlyExit::Faults(_) => {
            let _ = writeln!(std::io::stderr().lock(), "{faults}");
            ExitCode::from(CONFIGURATION)
        }
    }
}

/// The exit code of a finished run: 0, or 1 after the whole chain of the error as the last line of the log.
pub fn of(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => {
            info!("stopped as asked");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            let chain = logline::error_chain(reason.as_ref());
            if tracing::dispatcher::has_been_set() {
                error!("could not go on: {chain}");
            } else {
                // Whoever has no log yet still says why; a stderr that is gone leaves nothing to say it to.
                let _ = writeln!(std::io::stderr().lock(), "could not go on: {chain}");
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Fault;

    // ExitCode has no equality; its Debug text has the number.
    fn same(left: ExitCode, right: ExitCode) -> bool {
        format!("{left:?}") == format!("{right:?}")
    }

    #[test]
    fn help_and_version_end_with_0() {
        assert!(same(unusable(EarlyExit::Help("help".to_owned())), ExitCode::from(0)));
        assert!(same(unusable(EarlyExit::Version("feed 0.1.0".to_owned())), ExitCode::from(0)));
    }

    #[test]
    fn faults_end_with_64() {
        let fault = Fault { name: "FEED_PING_S".to_owned(), message: "is blank".to_owned() };
        assert!(same(unusable(EarlyExit::Faults(vec![fault])), ExitCode::from(64)));
    }

    #[test]
    fn a_run_ends_with_0_and_an_error_with_1() {
        assert!(same(of(Ok(())), ExitCode::from(0)));
        assert!(same(of(Err(anyhow::anyhow!("the sky").context("fell"))), ExitCode::from(1)));
    }
}
