//! Configuration from environment variables and the same as flags, declared as it is read.
//!
//! Knows: names, shapes, ranges and defaults. Never: what a setting is for.

mod fault;
mod help;
mod raw;
mod secret;
mod settings_dir;
mod suggest;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::{core_dump, instance_name, logline, trace};
use help::{Otherwise, Setting, Word};
use raw::{Flag, RawSettings, Text, flag_of};

pub use fault::{EarlyExit, Fault};
pub(crate) use raw::of_this_process;
pub use secret::Secret;

/// Longest part of a value that a fault shows, in characters.
const SHOWN_MAX: usize = 80;

/// The configuration of a process while it is being read. Read everything, then call [`Settings::finish`].
///
/// A reading method that meets a fault keeps it and answers with a stand-in, so that one run shows every fault.
/// Values are trimmed, but for secrets. A flag wins over the environment.
#[derive(Debug)]
#[must_use = "faults are told only by `finish`"]
pub struct Settings {
    service: &'static str,
    about: &'static str,
    given: RawSettings,
    declared: Vec<Setting>,
    commands: Vec<Word>,
    words: Vec<Word>,
    known: Vec<String>,
    faults: Vec<Fault>,
}

/// What [`Settings::finish`] found and what the log says once there is one.
static SLIPS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Variables that look like a slip of ours, found since this was last asked.
pub(crate) fn take_slips() -> Vec<String> {
    std::mem::take(&mut *SLIPS.lock().unwrap_or_else(PoisonError::into_inner))
}

enum Raw {
    Absent,
    Faulty,
    Value(String),
}

// === impl Settings ===

impl Settings {
    /// The configuration of this process: its environment and its command line.
    ///
    /// `service` is the name of the program; `about` says in a sentence what it does. From here on the process has
    /// secrets, and leaves no core file.
    pub fn of_process(service: &'static str, about: &'static str) -> Self {
        if let Err(error) = core_dump::forbid() {
            eprintln!("{service}: core files cannot be forbidden: {error}");
        }
        Self::of_given(service, about, RawSettings::of_process())
    }

    /// The configuration in `map` and `arguments` (without the program's name) alone, for tests.
    pub fn of_map<'a>(
        service: &'static str,
        about: &'static str,
        map: impl IntoIterator<Item = (&'a str, &'a str)>,
        arguments: &[&str],
    ) -> Self {
        let readable = |(name, value): (&str, &str)| (name.to_owned(), Text::Readable(value.to_owned()));
        let given =
            RawSettings { environment: map.into_iter().map(readable).collect(), ..RawSettings::default() };
        Self::of_given(service, about, given.with_arguments(arguments.iter().map(Into::into)))
    }

    fn of_given(service: &'static str, about: &'static str, given: RawSettings) -> Self {
        let (settings, commands, words, known) = Default::default();
        let mut given = given.with_folder();
        let faults = std::mem::take(&mut given.faults);
        Self { service, about, given, declared: settings, commands, words, known, faults }
    }

    /// The sub-command, the first word of the command line, if there is one. `allowed`: name and help line of each.
    ///
    /// A word that is not allowed is a fault. Call it at most once, before [`Settings::word`].
    pub fn command(&mut self, allowed: &[(&'static str, &'static str)]) -> Option<String> {
        self.commands.extend(allowed);
        let word = self.given.words.pop_front()?;
        if allowed.iter().any(|(name, _)| *name == word) {
            return Some(word);
        }
        let names: Vec<_> = allowed.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(suggest::nearest(&word, names.iter().copied()));
        let message = format!("is not a command (there are: {}){hint}", names.join(", "));
        self.fault(&logline::sanitize(&word, SHOWN_MAX), message);
        None
    }

    /// The next word of the command line that is neither flag nor command, if there is one.
    pub fn word(&mut self, name: &'static str, help: &'static str) -> Option<String> {
        self.words.push((name, help));
        self.given.words.pop_front()
    }

    /// A text, or `default`.
    pub fn text(&mut self, name: &'static str, default: &str, help: &'static str) -> String {
        self.given_or(name, default, "text", help).unwrap_or_default()
    }

    /// A text, or nothing where it is not given.
    pub fn optional_text(&mut self, name: &'static str, help: &'static str) -> Option<String> {
        self.declare(name, "text", Otherwise::Nothing, help);
        self.value(name)
    }

    /// A text that must be given; a fault and an empty text where it is not.
    pub fn required_text(&mut self, name: &'static str, help: &'static str) -> String {
        self.declare(name, "text", Otherwise::Required, help);
        match self.raw(name) {
            Raw::Value(value) => value.trim().to_owned(),
            Raw::Faulty => String::new(),
            Raw::Absent => {
                self.fault(name, "is required and not set");
                String::new()
            }
        }
    }

    /// A secret from `NAME`, or from the file that `NAME_FILE` names (at most 64 KiB, without its last line break).
    pub fn secret(&mut self, name: &'static str, help: &'static str) -> Option<Secret> {
        self.declare(name, "secret; NAME_FILE names a file to read it from", Otherwise::Nothing, help);
        match self.raw_secret(name) {
            Raw::Value(value) => Some(Secret::new(value)),
            Raw::Absent | Raw::Faulty => None,
        }
    }

    /// A secret that must be given, as [`Settings::secret`]; a fault and an empty secret where it is not.
    pub fn required_secret(&mut self, name: &'static str, help: &'static str) -> Secret {
        self.declare(name, "secret; NAME_FILE names a file to read it from", Otherwise::Required, help);
        match self.raw_secret(name) {
            Raw::Value(value) => Secret::new(value),
            Raw::Faulty => Secret::default(),
            Raw::Absent => {
                self.fault(name, format!("is required and not set (nor is `{name}_FILE`)"));
                Secret::default()
            }
        }
    }

    /// A whole number of `unit` (such as `rows`; may be empty) within `range`, or `default`.
    pub fn integer(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        unit: &'static str,
        help: &'static str,
    ) -> u64 {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let shape = format!("whole number, {} to {}{unit}", range.start(), range.end());
        let parse = |text: &str| whole(text).filter(|number| range.contains(number));
        self.shaped(name, &default.to_string(), &shape, help, parse).unwrap_or(default)
    }

    /// Seconds, whole or decimal (`0.5`, exact to the nanosecond), within `range`, or `default`.
    pub fn seconds(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        help: &'static str,
    ) -> Duration {
        let shape = format!("seconds, decimals allowed, {} to {}", range.start(), range.end());
        let allowed = Duration::from_secs(*range.start())..=Duration::from_secs(*range.end());
        let parse = |text: &str| decimal_seconds(text).filter(|duration| allowed.contains(duration));
        self.shaped(name, &default.to_string(), &shape, help, parse).unwrap_or(Duration::from_secs(default))
    }

    /// Whole milliseconds within `range`, or `default`.
    pub fn milliseconds(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        help: &'static str,
    ) -> Duration {
        Duration::from_millis(self.integer(name, default, range, "milliseconds", help))
    }

    /// One of a closed set of words, or the one called `default`.
    ///
    /// # Panics
    ///
    /// When `default` is not among `choices`.
    pub fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        default: &str,
        choices: &[(&'static str, T)],
        help: &'static str,
    ) -> T {
        let find = |text: &str| choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let chosen = self.shaped(name, default, &format!("one of: {}", words.join(", ")), help, find);
        chosen.or_else(|| find(default)).expect("the default is one of the choices")
    }

    /// An address such as `127.0.0.1:9101` or `[::1]:9101`, or `default`, which must be one.
    ///
    /// # Panics
    ///
    /// When `default` is not an address.
    pub fn address(&mut self, name: &'static str, default: &str, help: &'static str) -> SocketAddr {
        let shape = "IP address and port, such as 127.0.0.1:9101; port 0 picks one";
        let chosen = self.shaped(name, default, shape, help, |text| text.parse().ok());
        chosen.unwrap_or_else(|| default.parse().expect("the default is an address"))
    }

    /// What `parse` makes of the value, or of `default`; nothing after a fault.
    ///
    /// `shape` is shown in the help and in the fault, together with what `parse` says.
    /// Not for secrets: a fault shows the value.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        default: &str,
        shape: &'static str,
        help: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.given_or(name, default, shape, help)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(
                    name,
                    format!(
                        "must be {shape}, not `{}`: {}",
                        presentable(&text),
                        presentable(&error.to_string())
                    ),
                );
                None
            }
        }
    }

    /// Keeps a fault that only the service can see, such as a rule across settings.
    pub fn fault(&mut self, name: &str, message: impl Into<String>) {
        self.faults.push(Fault { name: name.to_owned(), message: message.into() });
    }

    /// Names settings of other services that share a prefix with ours, so that one environment can serve them all.
    pub fn elsewhere(&mut self, names: &[&'static str]) {
        self.known.extend(names.iter().map(|name| (*name).to_owned()));
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`EarlyExit::Help`] or [`EarlyExit::Version`] where one was asked for, even beside faults; else [`EarlyExit::Faults`]
    /// where there are any, including flags and words that nobody has read. A variable that nobody has read
    /// and that looks like a slip of ours is a warning in the log.
    pub fn finish(mut self) -> Result<(), EarlyExit> {
        self.read_settings_of_the_frame();
        if self.given.help {
            let Self { service, about, commands, words, declared: settings, .. } = &self;
            return Err(EarlyExit::Help(help::text(service, about, commands, words, settings)));
        }
        if self.given.version {
            return Err(EarlyExit::Version(help::version(self.service)));
        }
        self.fault_unknown();
        *SLIPS.lock().unwrap_or_else(PoisonError::into_inner) = self.slips();
        if self.faults.is_empty() { Ok(()) } else { Err(EarlyExit::Faults(self.faults)) }
    }

    fn read_settings_of_the_frame(&mut self) {
        let shape = "1 to 32 of a-z, 0-9 and -";
        let check = |text: &str| instance_name::is_usable(text).then_some(());
        self.shaped("INSTANCE", GENERATED, shape, "Name of this process among its siblings.", check);
        let formats = [("auto", ()), ("json", ()), ("text", ())];
        self.choice(
            "LOG_FORMAT",
            "auto",
            &formats,
            "Form of the log; auto is text on a terminal, else json.",
        );
        let help =
            "Folder of more settings, one a file that is named like it; the environment and flags win.";
        self.declare(settings_dir::NAME, "folder", Otherwise::Nothing, help);
        // A bad filter is no fault: the log says so and uses the default, and blank is what tools often leave there.
        self.declare("RUST_LOG", "log filter", Otherwise::Default("info".to_owned()), "What is logged.");
        self.read_settings_of_traces();
    }

    fn read_settings_of_traces(&mut self) {
        let shape = "http://host:port of an OTLP receiver (gRPC)";
        self.declare(
            trace::ENDPOINT,
            shape,
            Otherwise::Nothing,
            "Where traces of trades go; without it nowhere.",
        );
        if let Some(text) = self.value_or_blank(trace::ENDPOINT)
            && let Err(why) = trace::endpoint_of(&text)
        {
            self.fault(trace::ENDPOINT, format!("must be {shape}, not `{}`: {why}", presentable(&text)));
        }
        let (shape, default) = ("number, 0 to 1", trace::RATIO_DEFAULT);
        let help = "Share of trades that are traced; the feed decides, the others follow.";
        self.declare(trace::RATIO, shape, Otherwise::Default(default.to_owned()), help);
        if let Some(text) = self.value_or_blank(trace::RATIO)
            && trace::ratio_of(&text).is_none()
        {
            self.fault(trace::RATIO, format!("must be a {shape}, not `{}`", presentable(&text)));
        }
    }

    fn fault_unknown(&mut self) {
        let is_known = |name: &String| self.known.contains(name);
        let mut unknown = Vec::new();
        for flag in self.given.flags.keys().filter(|name| !is_known(name)) {
            let meant = suggest::nearest(flag, self.known.iter().map(String::as_str)).map(flag_of);
            let name = logline::sanitize(&flag_of(flag), SHOWN_MAX);
            unknown.push((
                name,
                format!("is not a flag of `{}`{}", self.service, did_you_mean(meant.as_deref())),
            ));
        }
        for word in &self.given.words {
            unknown.push((logline::sanitize(word, SHOWN_MAX), "is one word too many".to_owned()));
        }
        self.faults.extend(unknown.into_iter().map(|(name, message)| Fault { name, message }));
    }

    /// Variables that nobody reads and that look like a slip of ours. They are no faults: other programs share our
    /// prefixes.
    fn slips(&self) -> Vec<String> {
        let unknown = self.given.environment.keys().filter(|name| !self.known.contains(name));
        let slip = |name: &String| {
            let hint = suggest::meant(name, &self.known)?;
            let name = logline::sanitize(name, SHOWN_MAX);
            Some(format!("`{name}` is not a setting of `{}`{}", self.service, did_you_mean(Some(hint))))
        };
        unknown.filter_map(slip).collect()
    }

    fn declare(
        &mut self,
        name: &'static str,
        shape: impl Into<String>,
        otherwise: Otherwise,
        help: &'static str,
    ) {
        self.known.push(name.to_owned());
        self.declared.push(Setting { name, shape: shape.into(), otherwise, help });
    }

    fn shaped<T>(
        &mut self,
        name: &'static str,
        default: &str,
        shape: &str,
        help: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.given_or(name, default, shape, help)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(name, format!("must be {shape}, not `{}`", presentable(&text)));
        }
        value
    }

    /// Declares a setting with a default and gives its text; nothing after a fault.
    fn given_or(
        &mut self,
        name: &'static str,
        default: &str,
        shape: &str,
        help: &'static str,
    ) -> Option<String> {
        self.declare(name, shape, Otherwise::Default(default.to_owned()), help);
        match self.raw(name) {
            Raw::Absent => Some(default.to_owned()),
            Raw::Faulty => None,
            Raw::Value(value) => Some(value.trim().to_owned()),
        }
    }

    fn value(&mut self, name: &str) -> Option<String> {
        match self.raw(name) {
            Raw::Value(value) => Some(value.trim().to_owned()),
            Raw::Absent | Raw::Faulty => None,
        }
    }

    /// The value of a setting that is not only ours: the standard of OpenTelemetry takes a blank one for none.
    fn value_or_blank(&mut self, name: &str) -> Option<String> {
        let is_blank = |text: &Text| matches!(text, Text::Readable(text) if text.trim().is_empty());
        let is_none =
            !self.given.flags.contains_key(name) && self.given.environment.get(name).is_some_and(is_blank);
        if is_none { None } else { self.value(name) }
    }

    fn raw(&mut self, name: &str) -> Raw {
        let text = match self.given.flags.get(name) {
            Some(Flag::Value(text)) => Ok(text),
            Some(Flag::WithoutValue) => Err("needs a value behind its flag"),
            Some(Flag::Twice) => Err("is given by more than one flag"),
            None => match self.given.environment.get(name) {
                Some(text) => Ok(text),
                None => return Raw::Absent,
            },
        };
        let message = match text {
            Ok(Text::Readable(text)) if text.trim().is_empty() => "is blank; unset it for its default",
            Ok(Text::Readable(text)) => return Raw::Value(text.clone()),
            Ok(Text::NotUtf8) => "is not UTF-8",
            Err(message) => message,
        };
        self.fault(name, message);
        Raw::Faulty
    }

    fn raw_secret(&mut self, name: &str) -> Raw {
        let by_file = format!("{name}_FILE");
        self.known.push(by_file.clone());
        let path = match (self.raw(name), self.raw(&by_file)) {
            (Raw::Value(_), Raw::Value(_)) => {
                self.fault(name, format!("and `{by_file}` are both set; keep one"));
                return Raw::Faulty;
            }
            (Raw::Absent, Raw::Value(path)) => path,
            (Raw::Absent | Raw::Faulty, Raw::Faulty) | (Raw::Faulty, _) => return Raw::Faulty,
            (direct, _) => return direct,
        };
        let message = match Secret::of_file(path.trim()) {
            Ok(secret) if !secret.trim().is_empty() => return Raw::Value(secret),
            Ok(_) => format!("names `{}`, which is blank", presentable(&path)),
            Err(error) => format!("names `{}`, which cannot be read: {error}", presentable(&path)),
        };
        self.fault(&by_file, message);
        Raw::Faulty
    }
}

/// What the help shows as the default of `INSTANCE`; like every usable name it is also accepted as one.
const GENERATED: &str = "made-up";

fn whole(text: &str) -> Option<u64> {
    // `u64::from_str` alone would take `+5`.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn decimal_seconds(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if seconds.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = whole(&format!("{fraction:0<9}"))?;
    Some(Duration::new(whole(seconds)?, u32::try_from(nanoseconds).ok()?))
}

fn presentable(text: &str) -> String {
    logline::sanitize(&logline::without_passwords(text), SHOWN_MAX)
}

fn did_you_mean(name: Option<&str>) -> String {
    name.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
