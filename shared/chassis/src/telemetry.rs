//! The log of the process, its memory of the latest errors, and its traces.
//!
//! Knows: stderr, formats, the newest errors, when traces are on. Never: what an event means.

mod errors;
mod stamped;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::{Subscriber, error, warn};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Format;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::settings;
use crate::tasks::panic_text;
use crate::trace::{self, Exporting, Tracer};
use errors::ErrorLayer;
use stamped::Stamped;

pub use errors::{ErrorLog, ErrorNote};

/// The filter where `RUST_LOG` is not set or cannot be understood.
const FILTER_DEFAULT: &str = "info";

/// The one log of the process, once started.
static STARTED: OnceLock<Telemetry> = OnceLock::new();

/// The log of this process, started. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Telemetry {
    errors: ErrorLog,
    tracer: Tracer,
    exporting: Arc<Mutex<Option<Exporting>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LogFormat {
    Json,
    Text,
}

/// Starts the log on stderr, the memory of errors, the hook that logs panics, and the export of traces.
///
/// JSON unless stderr is a terminal (`LOG_FORMAT` decides otherwise), each line with `service` and `instance`;
/// filtered by `RUST_LOG`, default `info`. A second call in one process changes nothing and answers with the
/// first one's memory.
///
/// Traces are on where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and need a tokio runtime around this call.
pub fn start(service: &'static str, instance: &str) -> Telemetry {
    STARTED.get_or_init(|| start_first(service, instance)).clone()
}

// === impl Telemetry ===

impl Telemetry {
    /// The memory of errors, shared with the log.
    pub fn errors(&self) -> ErrorLog {
        self.errors.clone()
    }

    /// Makes the spans of this process.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends the last spans, for at most a second: the last thing to do before a process ends.
    pub async fn finish(&self) {
        let exporting = self.exporting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(exporting) = exporting {
            exporting.finish().await;
        }
    }
}

fn start_first(service: &'static str, instance: &str) -> Telemetry {
    let errors = ErrorLog::default();
    let is_terminal = io::stderr().is_terminal();
    let (format, format_fault) = format_of(settings::of_this_process("LOG_FORMAT").as_deref(), is_terminal);
    let (filter, filter_fault) = filter_of(settings::of_this_process("RUST_LOG").as_deref());
    let lines = lines(format, is_terminal, service, instance);
    // Only a test may have a log already; then that one stays.
    if layered(lines, filter, errors.clone()).try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    for fault in [format_fault, filter_fault].into_iter().flatten().chain(settings::take_slips()) {
        warn!("{fault}");
    }
    let (tracer, exporting) = start_traces(service, instance).unzip();
    Telemetry { errors, tracer: tracer.unwrap_or_default(), exporting: Arc::new(Mutex::new(exporting)) }
}

/// The configuration was checked when it was read; what is odd all the same is as if it were not given.
fn start_traces(service: &'static str, instance: &str) -> Option<(Tracer, Exporting)> {
    let endpoint = settings::of_this_process(trace::ENDPOINT)?;
    let ratio = settings::of_this_process(trace::RATIO).as_deref().and_then(trace::ratio_of);
    let ratio = ratio.or_else(|| trace::ratio_of(trace::RATIO_DEFAULT))?;
    trace::start(service, instance, trace::endpoint_of(&endpoint).ok()?, ratio)
}

/// Lines obey the filter; errors are remembered whatever it says. Each layer has a filter of its own, so that
/// an event which neither wants costs one comparison.
fn layered(
    lines: Box<dyn Layer<Registry> + Send + Sync>,
    filter: EnvFilter,
    errors: ErrorLog,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(ErrorLayer::new(errors).with_filter(LevelFilter::ERROR))
}

fn lines<S>(
    format: LogFormat,
    is_terminal: bool,
    service: &str,
    instance: &str,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Json => {
            let inner = Format::default().json().flatten_event(true).with_span_list(false);
            layer.json().event_format(Stamped::new(inner, service, instance)).boxed()
        }
        LogFormat::Text => layer.with_ansi(is_terminal).boxed(),
    }
}

fn format_of(setting: Option<&str>, is_terminal: bool) -> (LogFormat, Option<String>) {
    let automatic = if is_terminal { LogFormat::Text } else { LogFormat::Json };
    match setting {
        Some("json") => (LogFormat::Json, None),
        Some("text") => (LogFormat::Text, None),
        Some("auto") | None => (automatic, None),
        Some(_) => (automatic, Some("LOG_FORMAT is neither json, text nor auto; using auto".to_owned())),
    }
}

fn filter_of(setting: Option<&str>) -> (EnvFilter, Option<String>) {
    let setting = setting.unwrap_or(FILTER_DEFAULT);
    match EnvFilter::try_new(setting) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let fault = format!("RUST_LOG cannot be understood ({error}); using {FILTER_DEFAULT}");
            (EnvFilter::new(FILTER_DEFAULT), Some(fault))
        }
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic_text(panic.payload());
    // Captured only where RUST_BACKTRACE asks for it.
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        error!(panic.location = location, panic.backtrace = %trace, "panicked: {text}");
    } else {
        error!(panic.location = location, "panicked: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_json_unless_it_goes_to_a_terminal_or_a_setting_decides() {
        assert_eq!(format_of(None, false), (LogFormat::Json, None));
        assert_eq!(format_of(Some("auto"), true), (LogFormat::Text, None));
        assert_eq!(format_of(Some("json"), true), (LogFormat::Json, None));
        assert_eq!(format_of(Some("text"), false), (LogFormat::Text, None));
    }

    #[test]
    fn an_unknown_format_is_told_and_passed_over() {
        let (format, fault) = format_of(Some("xml"), false);
        assert_eq!(format, LogFormat::Json);
        assert!(fault.unwrap().contains("LOG_FORMAT"));
    }

    #[test]
    fn a_bad_filter_is_told_and_info_is_used() {
        let (filter, fault) = filter_of(Some("feed=loud=er"));
        assert_eq!(filter.to_string(), "info");
        assert!(fault.unwrap().contains("RUST_LOG"));
        let (filter, fault) = filter_of(Some("feed=debug"));
        assert_eq!((filter.to_string().as_str(), fault), ("feed=debug", None));
    }

    #[test]
    fn a_second_start_shares_the_memory_of_the_first_and_a_panic_is_remembered() {
        let first = start("feed", "feed-1");
        let second = start("feed", "feed-2");
        std::thread::spawn(|| panic!("remember {}", "me")).join().unwrap_err();
        let told = second.errors().last_hour(crate::clock::now());
        assert!(told.iter().any(|note| note.message.starts_with("panicked: remember me")), "{told:?}");
        assert!(first.errors().count_last_hour(crate::clock::now()) >= 1);
    }

    #[test]
    fn both_formats_can_be_written() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let lines = lines(format, false, "feed", "feed-1");
            let subscriber = layered(lines, EnvFilter::new("info"), ErrorLog::default());
            tracing::subscriber::with_default(subscriber, || warn!("a line"));
        }
    }

    #[test]
    fn an_error_is_remembered_even_where_the_filter_hides_it() {
        let errors = ErrorLog::default();
        let lines = lines(LogFormat::Json, false, "feed", "feed-1");
        let subscriber = layered(lines, EnvFilter::new("off"), errors.clone());
        tracing::subscriber::with_default(subscriber, || error!("hidden"));
        assert_eq!(errors.count_last_hour(crate::clock::now()), 1);
    }

    #[test]
    fn what_nobody_wants_is_switched_off_at_its_source() {
        let lines = lines(LogFormat::Json, false, "feed", "feed-1");
        let subscriber = layered(lines, EnvFilter::new("info"), ErrorLog::default());
        assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::INFO));
    }
}
