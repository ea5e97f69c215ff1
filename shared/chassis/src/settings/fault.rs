//! Why a process is not to run, in words for the one who started it.
//!
//! Knows: names and messages. Never: the value of a secret.

use std::fmt::{self, Display};

/// One thing that is wrong with a configuration. Its text never holds the value of a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The variable, flag or word at fault.
    pub name: String,
    /// What is wrong with it, to be read behind the name.
    pub message: String,
}

/// Why a process is not to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EarlyExit {
    /// `--help` was asked for: the text to print.
    Help(String),
    /// `--version` was asked for: the text to print.
    Version(String),
    /// The configuration cannot be used: everything that is wrong with it, at least one.
    Faults(Vec<Fault>),
}

// === impl Fault, EarlyExit ===

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.name, self.message)
    }
}

impl Display for EarlyExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help(text) | Self::Version(text) => formatter.write_str(text),
            Self::Faults(faults) => {
                let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
                formatter.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for EarlyExit {}
