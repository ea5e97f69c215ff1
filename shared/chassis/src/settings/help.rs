//! The text of `--help`.
//!
//! Knows: the settings a service has declared. Never: their values.

use std::fmt::Write;

use super::raw::flag_of;

/// One setting as it is shown.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// What may be given, with unit and range.
    pub(super) shape: String,
    /// What holds when nothing is given, in words.
    pub(super) otherwise: Otherwise,
    pub(super) help: &'static str,
}

/// What holds when a setting is not given.
#[derive(Debug)]
pub(super) enum Otherwise {
    Default(String),
    Required,
    Nothing,
}

/// One word of the command line as it is shown: what it is called and what it does.
pub(super) type Word = (&'static str, &'static str);

pub(super) fn text(
    service: &str,
    about: &str,
    commands: &[Word],
    words: &[Word],
    settings: &[Setting],
) -> String {
    let mut text = format!("{}: {about}\n\nUsage: {service}", version(service));
    if !commands.is_empty() {
        text.push_str(" [COMMAND]");
    }
    for (name, _) in words {
        line(&mut text, format_args!(" [{name}]"));
    }
    text.push_str(" [--SETTING VALUE]...\n");
    section(&mut text, "Commands", commands);
    section(&mut text, "Words", words);
    text.push_str("\nSettings, as environment variables or as flags (a flag wins):\n");
    for Setting { name, shape, otherwise, help } in settings {
        let otherwise = match otherwise {
            Otherwise::Default(value) => format!("Default: {value}"),
            Otherwise::Required => "Required".to_owned(),
            Otherwise::Nothing => "Not set by default".to_owned(),
        };
        line(
            &mut text,
            format_args!("\n  {name}, {}\n      {help}\n      {shape}. {otherwise}.\n", flag_of(name)),
        );
    }
    text.push_str("\nExit codes: 0 stopped as asked, 64 configuration, 1 could not go on.");
    text
}

pub(super) fn version(service: &str) -> String {
    format!("{service} {}", env!("CARGO_PKG_VERSION"))
}

fn section(text: &mut String, title: &str, entries: &[Word]) {
    if entries.is_empty() {
        return;
    }
    line(text, format_args!("\n{title}:\n"));
    for (name, help) in entries {
        line(text, format_args!("  {name}\n      {help}\n"));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a String cannot fail");
}
