//! What a process was given: environment, flags and words.
//!
//! Knows: the shape of a command line. Never: which settings there are.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::path::Path;

use super::fault::Fault;
use super::settings_dir;

/// Environment and command line of one process, not yet judged.
#[derive(Debug, Default)]
pub(super) struct RawSettings {
    pub(super) environment: BTreeMap<String, Text>,
    pub(super) flags: BTreeMap<String, Flag>,
    pub(super) words: VecDeque<String>,
    pub(super) help: bool,
    pub(super) version: bool,
    pub(super) faults: Vec<Fault>,
}

/// A value as the system hands it over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Text {
    Readable(String),
    NotUtf8,
}

/// What stands behind a flag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Flag {
    Value(Text),
    WithoutValue,
    Twice,
}

/// The setting `name` of this process, flag before environment, where it is given, readable and not blank.
///
/// For what is needed before the configuration is read: the format of the log and the name of the instance.
pub(crate) fn of_this_process(name: &str) -> Option<String> {
    RawSettings::of_process().with_folder().readable(name)
}

/// `--feed-ping-s` for `FEED_PING_S`.
pub(super) fn flag_of(name: &str) -> String {
    format!("--{}", name.to_ascii_lowercase().replace('_', "-"))
}

fn name_of(flag: &str) -> String {
    flag.to_ascii_uppercase().replace('-', "_")
}

// === impl RawSettings ===

impl RawSettings {
    pub(super) fn of_process() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, Text::from(value))))
            .collect();
        Self { environment, ..Self::default() }.with_arguments(std::env::args_os().skip(1))
    }

    pub(super) fn with_arguments(mut self, arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut arguments = arguments.into_iter().map(Text::from).peekable();
        while let Some(argument) = arguments.next() {
            let Text::Readable(argument) = argument else {
                // Kept as a word nobody knows, so that it is faulted with the others.
                self.words.push_back("(not UTF-8)".to_owned());
                continue;
            };
            match argument.as_str() {
                "--help" | "-h" => self.help = true,
                "--version" | "-V" => self.version = true,
                _ => match argument.strip_prefix("--") {
                    Some(flag) => match flag.split_once('=') {
                        Some((name, value)) => {
                            self.keep(name, Flag::Value(Text::Readable(value.to_owned())));
                        }
                        None => match arguments.next_if(|next| !next.is_flag()) {
                            Some(value) => self.keep(flag, Flag::Value(value)),
                            None => self.keep(flag, Flag::WithoutValue),
                        },
                    },
                    None => self.words.push_back(argument),
                },
            }
        }
        self
    }

    /// Adds what lies in the folder that `SETTINGS_DIR` names; whatever is given otherwise wins.
    pub(super) fn with_folder(mut self) -> Self {
        let Some(path) = self.readable(settings_dir::NAME) else { return self };
        match settings_dir::read(Path::new(&path)) {
            Ok(settings) => {
                for (name, text) in settings {
                    self.environment.entry(name).or_insert(Text::Readable(text));
                }
            }
            Err(error) => {
                let message = format!("names a folder that cannot be read: {error}");
                self.faults.push(Fault { name: settings_dir::NAME.to_owned(), message });
            }
        }
        self
    }

    /// The text of `name`, flag before environment, where it is given, readable and not blank.
    fn readable(&self, name: &str) -> Option<String> {
        let text = match self.flags.get(name) {
            Some(Flag::Value(text)) => Some(text),
            _ => self.environment.get(name),
        };
        match text? {
            Text::Readable(value) if !value.trim().is_empty() => Some(value.trim().to_owned()),
            _ => None,
        }
    }

    fn keep(&mut self, flag: &str, value: Flag) {
        self.flags.entry(name_of(flag)).and_modify(|kept| *kept = Flag::Twice).or_insert(value);
    }
}

// === impl Text ===

impl Text {
    fn is_flag(&self) -> bool {
        matches!(self, Self::Readable(text) if text.starts_with("--"))
    }
}

impl From<OsString> for Text {
    fn from(text: OsString) -> Self {
        text.into_string().map_or(Self::NotUtf8, Self::Readable)
    }
}
