//! On the way to the collector: a bounded queue, emptied in batches; nobody ever waits for it.
//!
//! Knows: OTLP over gRPC, what was exported, failed and dropped. Never: what a span means.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::logline;

/// Spans that wait at most, about 4 MB; one more is dropped and counted.
pub(super) const QUEUE_MAX: usize = 4_096;
/// Spans of one call: far below the 4 MiB that a receiver takes by default.
const BATCH_MAX: usize = 512;
/// How long spans are gathered before a call.
const GATHER: Duration = Duration::from_secs(1);
/// How long a call may take, repetitions included.
const EXPORT_MAX: Duration = Duration::from_secs(5);
/// A collector that takes nothing is complained about this often.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// What became of spans. A clone is the same counts.
#[derive(Clone, Debug)]
pub(super) struct Counts(Family<[(&'static str, &'static str); 1], Counter>);

/// The end of the queue that makes the calls.
#[derive(Debug)]
pub(super) struct Export {
    exporter: SpanExporter,
    spans: mpsc::Receiver<SpanData>,
    counts: Counts,
    complained_at: Option<Instant>,
    is_failing: bool,
}

// === impl Counts ===

impl Counts {
    pub(super) fn none() -> Self {
        let counts = Self(Family::default());
        for outcome in ["exported", "failed", "dropped"] {
            counts.of(outcome).inc_by(0);
        }
        counts
    }

    pub(super) fn of(&self, outcome: &'static str) -> Counter {
        self.0.get_or_create_owned(&[("outcome", outcome)])
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Spans by what became of them: exported, failed (the collector did not take them), \
                    dropped (the queue was full)";
        registry.register("trace_spans", help, self.0.clone());
    }
}

// === impl Export ===

impl Export {
    /// Prepares calls to the receiver at `endpoint`; nothing is sent yet, and nobody need be there.
    ///
    /// # Errors
    /// When the exporter cannot be set up, such as with a compression that is not built in.
    pub(super) fn new(
        endpoint: &str,
        service: &'static str,
        instance: &str,
        spans: mpsc::Receiver<SpanData>,
        counts: Counts,
    ) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder().with_tonic();
        let mut exporter = exporter.with_endpoint(endpoint).with_timeout(EXPORT_MAX).build()?;
        let resource = Resource::builder().with_service_name(service).with_attributes([
            KeyValue::new("service.namespace", "polyfeed"),
            KeyValue::new("service.instance.id", instance.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        exporter.set_resource(&resource.build());
        Ok(Self { exporter, spans, counts, complained_at: None, is_failing: false })
    }

    /// Exports what comes until `stop`, then what is left.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let gathered = self.gather(&mut batch);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = gathered => {}
            }
            self.export(std::mem::take(&mut batch)).await;
        }
        self.spans.close();
        while self.spans.recv_many(&mut batch, BATCH_MAX).await > 0 || !batch.is_empty() {
            self.export(std::mem::take(&mut batch)).await;
        }
    }

    /// Waits for a span, then a second for more. Dropping the wait loses nothing: what came is in `batch`.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) {
        if self.spans.recv_many(batch, BATCH_MAX).await == 0 {
            // All tracers are gone: only the stop is left to wait for.
            std::future::pending::<()>().await;
        }
        let deadline = Instant::now() + GATHER;
        while batch.len() < BATCH_MAX {
            let more = self.spans.recv_many(batch, BATCH_MAX - batch.len());
            if !matches!(timeout_at(deadline, more).await, Ok(1..)) {
                break;
            }
        }
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        let failure = match timeout(EXPORT_MAX, self.exporter.export(batch)).await {
            Ok(Ok(())) => {
                self.counts.of("exported").inc_by(spans);
                if std::mem::take(&mut self.is_failing) {
                    info!("traces are exported again");
                }
                return;
            }
            Ok(Err(failure)) => logline::error_chain(&failure),
            Err(late) => logline::error_chain(&late),
        };
        self.counts.of("failed").inc_by(spans);
        self.is_failing = true;
        let now = Instant::now();
        if self.complained_at.is_none_or(|at| now - at >= COMPLAIN_EVERY) {
            self.complained_at = Some(now);
            let (failed, dropped) = (self.counts.of("failed").get(), self.counts.of("dropped").get());
            warn!(
                spans.failed = failed,
                spans.dropped = dropped,
                "traces are not exported, which costs nothing else: {failure}"
            );
        }
    }
}
