//! Traces: what happened to one trade in all services, sent to a collector by OTLP.
//!
//! Knows: spans, their parents, who is sampled. Never: a log line, a wait; where nobody looks it costs a comparison.
//!
//! Whether a trace is sampled is decided once, where it begins ([`Tracer::root`]), by its id alone, and travels in
//! the header [`Traceparent`]; whoever comes later obeys that ([`Tracer::follow`]).

mod export;
mod traceparent;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::Uri;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{clock, logline};
use export::{Counts, Export, QUEUE_MAX};
use traceparent::halves;

pub use traceparent::Traceparent;

/// The setting that names the receiver.
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The setting that says which share of traces is sampled.
pub(crate) const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
/// That share where nothing is said.
pub(crate) const RATIO_DEFAULT: &str = "0.01";
/// How long the last spans may take to leave when the process ends.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// What a span is to the one it was caused by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Works on a message.
    Consumer,
    /// Sends a message.
    Producer,
    /// Asks another system and waits.
    Client,
}

/// Makes spans, or none where traces are off. A clone is the same tracer.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Sending>>);

#[derive(Debug)]
struct Sending {
    /// Traces whose lower 63 bits are below are sampled.
    bound: u64,
    queue: mpsc::Sender<SpanData>,
    counts: Counts,
    scope: InstrumentationScope,
}

/// A span that has begun. It is sent by [`Span::end`] and else forgotten.
#[derive(Debug)]
#[must_use = "a span that is not ended is never sent"]
pub struct Span {
    data: Box<SpanData>,
    sending: Arc<Sending>,
}

/// The export under way: ends with the process.
#[derive(Debug)]
pub(crate) struct Exporting {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// An address of an OTLP receiver, checked.
///
/// # Errors
/// In words, when it is none.
pub(crate) fn endpoint_of(text: &str) -> Result<&str, &'static str> {
    let Ok(address) = text.parse::<Uri>() else { return Err("it cannot be read") };
    match (address.scheme_str(), address.authority()) {
        (Some("http"), Some(host)) if host.as_str().contains('@') => Err("a login is not sent"),
        (Some("http"), Some(_)) if address.path() != "/" || address.query().is_some() => {
            Err("gRPC has no path")
        }
        (Some("http"), Some(_)) => Ok(text),
        (Some("https"), _) => Err("TLS is not built in: put a collector beside the service"),
        _ => Err("it does not begin with http://"),
    }
}

/// A share of traces: a number from 0 to 1.
pub(crate) fn ratio_of(text: &str) -> Option<f64> {
    text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
}

/// Starts the export to `endpoint` on the runtime around. None, and a warning, where it cannot be set up.
pub(crate) fn start(
    service: &'static str,
    instance: &str,
    endpoint: &str,
    ratio: f64,
) -> Option<(Tracer, Exporting)> {
    let (queue, spans) = mpsc::channel(QUEUE_MAX);
    let counts = Counts::none();
    let export = match Export::new(endpoint, service, instance, spans, counts.clone()) {
        Ok(export) => export,
        Err(error) => {
            warn!("traces are off, their export cannot be set up: {}", logline::error_chain(&error));
            return None;
        }
    };
    info!(endpoint, ratio, "traces are exported");
    let stop = CancellationToken::new();
    let task = tokio::spawn(export.run(stop.clone()));
    let scope = InstrumentationScope::builder("polyfeed").with_version(env!("CARGO_PKG_VERSION")).build();
    let sending = Sending { bound: bound_of(ratio), queue, counts, scope };
    Some((Tracer(Some(Arc::new(sending))), Exporting { stop, task }))
}

/// The rule of OpenTelemetry's `TraceIdRatioBased`: the lower 63 bits of a sampled trace are below this.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of 2^63 between 0 and 1; no money is in it"
)]
fn bound_of(ratio: f64) -> u64 {
    (ratio * (1_u64 << 63) as f64) as u64
}

// === impl Exporting ===

impl Exporting {
    /// Sends what is left, for at most a second.
    pub(crate) async fn finish(mut self) {
        self.stop.cancel();
        if timeout(FINISH_MAX, &mut self.task).await.is_err() {
            self.task.abort();
            warn!("the last spans did not leave within {FINISH_MAX:?}");
        }
    }
}

// === impl Tracer ===

impl Tracer {
    /// Shows in `registry` what became of the spans, if there are any.
    pub fn register(&self, registry: &mut Registry) {
        if let Some(sending) = &self.0 {
            sending.counts.register(registry);
        }
    }

    /// The first span of the trace `id`, begun at `at`; none where traces are off or this one is not sampled.
    pub fn root(
        &self,
        id: [u8; 16],
        name: &'static str,
        role: Role,
        at: impl Into<SystemTime>,
    ) -> Option<Span> {
        let sending = self.0.as_ref()?;
        let trace = u128::from_be_bytes(id);
        let [_, low] = halves(trace);
        (low & (u64::MAX >> 1) < sending.bound)
            .then(|| Span::begin(sending, trace, SpanId::INVALID, name, role, at.into()))
    }

    /// A span below the one that a message names, begun now; none where traces are off or this one is not sampled.
    pub fn follow(&self, parent: Option<Traceparent>, name: &'static str, role: Role) -> Option<Span> {
        let parent = parent.filter(|parent| parent.is_sampled())?;
        let sending = self.0.as_ref()?;
        let mut span =
            Span::begin(sending, parent.trace, parent.span.into(), name, role, clock::now().into());
        span.data.parent_span_is_remote = true;
        Some(span)
    }
}

// === impl Span ===

impl Span {
    fn begin(
        sending: &Arc<Sending>,
        trace: u128,
        parent: SpanId,
        name: &'static str,
        role: Role,
        at: SystemTime,
    ) -> Self {
        let (trace, span) = (TraceId::from(trace), SpanId::from(fastrand::u64(1..)));
        let data = SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: role.into(),
            name: name.into(),
            start_time: at,
            end_time: at,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: sending.scope.clone(),
        };
        Self { data: Box::new(data), sending: sending.clone() }
    }

    /// A span below this one, begun now.
    pub fn child(&self, name: &'static str, role: Role) -> Self {
        let context = &self.data.span_context;
        let trace = u128::from_be_bytes(context.trace_id().to_bytes());
        Self::begin(&self.sending, trace, context.span_id(), name, role, clock::now().into())
    }

    /// What a message caused by this span carries.
    pub fn traceparent(&self) -> Traceparent {
        let context = &self.data.span_context;
        let trace = u128::from_be_bytes(context.trace_id().to_bytes());
        Traceparent::sampled(trace, u64::from_be_bytes(context.span_id().to_bytes()))
    }

    /// Begins at `at` instead.
    pub fn begun_at(mut self, at: impl Into<SystemTime>) -> Self {
        self.data.start_time = at.into();
        self
    }

    /// With an attribute. `name`: of OpenTelemetry's semantic conventions where they have one.
    pub fn text(mut self, name: &'static str, value: impl Into<StringValue>) -> Self {
        self.data.attributes.push(KeyValue::new(name, value.into()));
        self
    }

    /// With an attribute that is a number.
    pub fn number(mut self, name: &'static str, value: u64) -> Self {
        self.data.attributes.push(KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX)));
        self
    }

    /// As failed, and why.
    pub fn failed(mut self, why: impl Into<String>) -> Self {
        self.data.status = Status::error(why.into());
        self
    }

    /// Ends now and is sent. Never waits: where the queue is full it is dropped and counted.
    pub fn end(mut self) {
        self.data.end_time = clock::now().into();
        if self.sending.queue.try_send(*self.data).is_err() {
            self.sending.counts.of("dropped").inc();
        }
    }
}

// === impl Role ===

impl From<Role> for SpanKind {
    fn from(role: Role) -> Self {
        match role {
            Role::Consumer => Self::Consumer,
            Role::Producer => Self::Producer,
            Role::Client => Self::Client,
        }
    }
}

#[cfg(test)]
mod tests;
