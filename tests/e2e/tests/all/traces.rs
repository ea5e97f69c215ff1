//! One trade is one trace: what a collector hears from the four services.
//!
//! Knows: OTLP, the names of spans, who begins below whom. Never: how long anything takes.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{Bus, Source, Start, StreamMessage};
use e2e::{Settings, World, eventually};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// From the end of the scenario until the last span has come: the services gather for a second.
const TOLD_WITHIN: Duration = Duration::from_mins(1);

/// A receiver of OTLP that keeps everything.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<Told>>>);

/// A span as it was told, with the resource it came from.
#[derive(Clone, Debug)]
struct Told {
    service: String,
    instance: String,
    span: Span,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut told = self.0.lock().unwrap();
        for of_resource in request.into_inner().resource_spans {
            let resource = of_resource.resource.unwrap_or_default().attributes;
            let (service, instance) =
                (text(&resource, "service.name"), text(&resource, "service.instance.id"));
            let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
            told.extend(spans.map(|span| Told {
                service: service.clone(),
                instance: instance.clone(),
                span,
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts it; its address as a setting.
    fn start() -> (Self, String) {
        let collector = Self::default();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let endpoint = format!("http://{}", incoming.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        (collector, endpoint)
    }

    /// The spans by trace.
    fn traces(&self) -> HashMap<String, Vec<Told>> {
        let mut traces: HashMap<String, Vec<Told>> = HashMap::new();
        for told in self.0.lock().unwrap().iter() {
            traces.entry(hexadecimal(&told.span.trace_id)).or_default().push(told.clone());
        }
        traces
    }
}

impl Told {
    fn is_below(&self, cause: &Self) -> bool {
        self.span.parent_span_id == cause.span.span_id
    }

    fn text(&self, name: &str) -> String {
        text(&self.span.attributes, name)
    }

    fn traceparent(&self) -> String {
        format!("00-{}-{}-01", hexadecimal(&self.span.trace_id), hexadecimal(&self.span.span_id))
    }
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.clone()) {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        _ => String::new(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// The one span of this name and service.
fn the<'a>(trace: &'a [Told], service: &str, name: &str) -> &'a Told {
    let found: Vec<_> =
        trace.iter().filter(|told| told.service == service && told.span.name == name).collect();
    assert_eq!(found.len(), 1, "`{name}` of {service} in {trace:#?}");
    found[0]
}

fn settings(scenario: &str, endpoint: &str, ratio: &str) -> Settings {
    let mut settings = Settings::scenario(scenario).sized(20, 100, Some(10));
    settings.env.push(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()));
    settings.env.push(("OTEL_TRACES_SAMPLER_ARG", ratio.to_owned()));
    settings
}

/// All messages of a stream, by the id in their traceparent.
async fn messages(world: &World, source: Source) -> BTreeMap<String, StreamMessage> {
    let bus = Bus::connect_read_only(&world.bus_as("admin")).await.unwrap();
    let stored = bus.stored(source, Start::Beginning).await.unwrap();
    let by_trace =
        |message: StreamMessage| (message.traceparent.unwrap().to_string()[3..35].to_owned(), message);
    stored.into_iter().map(by_trace).collect()
}

async fn all_stored(world: &World) {
    eventually("everything sent is stored", e2e::world::STORED_WITHIN, async || {
        world.account().await.balanced().map_err(|word| format!("{word}\n{}", world.logs()))
    })
    .await;
}

/// Holds a whole trace against the way of a trade and the messages that carried it.
fn check(id: &str, trace: &[Told], raw: &StreamMessage, judged: &StreamMessage) {
    let (socket, sent) = (the(trace, "feed", "socket"), the(trace, "feed", "publish"));
    let (judge, verdict) = (the(trace, "processor", "judge"), the(trace, "processor", "publish"));
    let (insert, page) = (the(trace, "writer", "insert"), the(trace, "dashboard", "page"));
    assert!(socket.span.parent_span_id.is_empty(), "{socket:#?}");
    let links = [(sent, socket), (judge, sent), (verdict, judge), (insert, verdict), (page, verdict)];
    let calls =
        trace.iter().filter(|told| told.span.kind() == SpanKind::Client && told.service == "processor");
    for (span, cause) in links.into_iter().chain(calls.map(|call| (call, judge))) {
        assert!(span.is_below(cause), "{span:#?} is not below {cause:#?}");
        assert!(span.span.start_time_unix_nano >= cause.span.start_time_unix_nano, "{trace:#?}");
        assert!(span.span.end_time_unix_nano >= span.span.start_time_unix_nano, "{span:#?}");
    }
    for (seen, publish) in [(raw, sent), (judged, verdict)] {
        assert_eq!(seen.traceparent.unwrap().to_string(), publish.traceparent());
        assert_eq!(publish.text("messaging.message.conversation_id"), seen.correlation_id.clone().unwrap());
        assert_eq!(publish.text("messaging.destination.name"), seen.subject);
        assert_eq!(
            (publish.text("messaging.message.id"), publish.text("messaging.system")),
            (id.into(), "nats".into())
        );
    }
    assert!(judged.subject.starts_with(&format!("ticks.{}.", judge.text("polyfeed.verdict"))), "{judge:#?}");
    assert_eq!(
        (insert.text("db.system.name"), insert.text("db.collection.name")),
        ("postgresql".into(), "trades".into())
    );
    for (told, instance) in
        [(socket, "feed"), (judge, "processor-1"), (insert, "writer-1"), (page, "dashboard")]
    {
        assert_eq!(told.instance, instance);
    }
}

#[tokio::test]
async fn a_trade_is_one_trace_from_the_socket_to_the_page_with_the_call_for_its_size() {
    let (collector, endpoint) = Collector::start();
    let world = World::start(settings("missing-sizes", &endpoint, "1")).await;
    world.play().await;
    all_stored(&world).await;
    let ids = world.query("select replace(id::text, '-', '') from api.trades where origin = 'socket'").await;
    let ids: Vec<&str> = ids.iter().map(|row| row[0].as_str()).collect();
    assert!(!ids.is_empty(), "no trade was stored");
    let last_names = ["socket", "judge", "insert", "page"];
    eventually("every trade is told from its socket to the page", TOLD_WITHIN, async || {
        let traces = collector.traces();
        let is_whole = |id: &&str| {
            let told = traces.get(*id).map(Vec::as_slice).unwrap_or_default();
            last_names.iter().all(|name| told.iter().any(|told| told.span.name == *name))
        };
        let whole = ids.iter().filter(|id| is_whole(id)).count();
        if whole == ids.len() {
            Ok(())
        } else {
            Err(format!("{whole} of {} trades\n{}", ids.len(), world.logs()))
        }
    })
    .await;
    let (raw, judged) = (messages(&world, Source::RawTrades).await, messages(&world, Source::Judged).await);
    let traces = collector.traces();
    let mut asked = 0;
    for id in &ids {
        check(id, &traces[*id], &raw[*id], &judged[*id]);
        let mut calls = traces[*id].iter().filter(|told| told.span.name == "GET trades");
        if let Some(call) = calls.next() {
            asked += 1;
            assert_eq!(call.text("http.request.method"), "GET");
            assert!(call.text("url.full").starts_with(&world.sim.urls().data), "{call:#?}");
        }
    }
    assert!(asked > 0, "no trade's size was asked for");
    // Prices are never traced, however many are sampled.
    assert_eq!(traces.len(), ids.len());
}

#[tokio::test]
async fn what_is_not_sampled_is_not_told_to_anybody() {
    let (collector, endpoint) = Collector::start();
    let mut world = World::start(settings("missing-sizes", &endpoint, "0")).await;
    world.play().await;
    all_stored(&world).await;
    let raw = messages(&world, Source::RawTrades).await;
    assert!(!raw.is_empty() && raw.values().all(|seen| !seen.traceparent.unwrap().is_sampled()));
    // What a service has gathered leaves with its end at the latest.
    for name in world.names() {
        assert_eq!(world.stop(&name).await, Some(0), "{name}\n{}", world.logs());
    }
    assert!(collector.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_costs_the_ticks_nothing() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::start(settings("missing-sizes", &format!("http://{nobody}"), "1")).await;
    world.play().await;
    all_stored(&world).await;
    world.all_healthy().await;
    for name in world.names() {
        assert_eq!(world.stop(&name).await, Some(0), "{name}\n{}", world.logs());
    }
}
