//! Tracers that export to nobody, looked at from the inside.
//!
//! Knows: spans as they are queued. Never: a collector; the test of the whole has a real one.

use std::net::TcpListener;

use super::*;

const ID: [u8; 16] = [0x3f; 16];

fn tracer(ratio: f64, room: usize) -> (Tracer, mpsc::Receiver<SpanData>) {
    let (queue, spans) = mpsc::channel(room);
    let scope = InstrumentationScope::builder("test").build();
    let sending = Sending { bound: bound_of(ratio), queue, counts: Counts::none(), scope };
    (Tracer(Some(Arc::new(sending))), spans)
}

fn count(tracer: &Tracer, outcome: &'static str) -> u64 {
    tracer.0.as_ref().unwrap().counts.of(outcome).get()
}

#[test]
fn a_ratio_is_a_number_from_0_to_1() {
    for (text, ratio) in [("0", Some(0.0)), ("1", Some(1.0)), ("0.01", Some(0.01)), ("1e-3", Some(0.001))] {
        assert_eq!(ratio_of(text), ratio, "{text}");
    }
    for text in ["-0.1", "1.01", "NaN", "inf", "", "1%", "always"] {
        assert_eq!(ratio_of(text), None, "{text}");
    }
    assert!(ratio_of(RATIO_DEFAULT).is_some());
}

#[test]
fn an_endpoint_is_plain_http_without_a_path() {
    for text in ["http://127.0.0.1:4317", "http://[::1]:4317", "http://jaeger:4317/"] {
        assert_eq!(endpoint_of(text), Ok(text));
    }
    for text in [
        "",
        "jaeger:4317",
        "https://jaeger:4317",
        "http://",
        "http://a b",
        "http://u:p@host:1",
        "http://host:1/v1/traces",
    ] {
        assert!(endpoint_of(text).is_err(), "{text}");
    }
}

#[test]
fn no_trace_is_sampled_at_0_every_one_at_1_and_one_is_always_decided_alike() {
    let begin = |tracer: &Tracer, id: [u8; 16]| tracer.root(id, "x", Role::Consumer, clock::now()).is_some();
    let ids = [[0; 16], ID, [0xff; 16]];
    let (none, all) = (tracer(0.0, 1).0, tracer(1.0, 1).0);
    assert!(ids.iter().all(|id| !begin(&none, *id) && begin(&all, *id) && !begin(&Tracer::default(), *id)));
    // The lower 63 bits of 3f3f… lie a little below half of the way.
    assert!(!begin(&tracer(0.49, 1).0, ID));
    assert!(begin(&tracer(0.5, 1).0, ID));
}

#[test]
fn the_share_of_sampled_ids_is_the_ratio() {
    let (tracer, _spans) = tracer(0.1, 1);
    let mut source = fastrand::Rng::with_seed(7);
    let ids = (0..10_000).map(|_| source.u128(..).to_be_bytes());
    let sampled = ids.filter(|id| tracer.root(*id, "x", Role::Consumer, clock::now()).is_some()).count();
    assert!((900..1_100).contains(&sampled), "{sampled}");
}

#[test]
fn a_message_carries_the_span_it_comes_from_and_its_reader_begins_below_it() {
    let (tracer, mut spans) = tracer(1.0, 9);
    let root = tracer.root(ID, "socket", Role::Consumer, clock::now()).unwrap();
    let publish = root.child("publish", Role::Producer).text("messaging.system", "nats").number("n", 3);
    let carried = Traceparent::of_text(&publish.traceparent().to_string());
    let judge = tracer.follow(carried, "judge", Role::Consumer).unwrap();
    for span in [root, publish, judge.failed("why")] {
        span.end();
    }
    let [root, publish, judge] = [(); 3].map(|()| spans.try_recv().unwrap());
    for span in [&root, &publish, &judge] {
        assert_eq!(span.span_context.trace_id().to_bytes(), ID);
        assert!(span.span_context.is_sampled() && span.end_time >= span.start_time);
    }
    assert_eq!((root.parent_span_id, root.parent_span_is_remote), (SpanId::INVALID, false));
    assert_eq!((publish.parent_span_id, publish.parent_span_is_remote), (root.span_context.span_id(), false));
    assert_eq!((judge.parent_span_id, judge.parent_span_is_remote), (publish.span_context.span_id(), true));
    assert_eq!(publish.attributes.len(), 2);
    assert_eq!(judge.status, Status::error("why"));
}

#[test]
fn what_is_not_sampled_or_not_said_is_not_followed() {
    let (tracer, _spans) = tracer(1.0, 1);
    let unsampled = Traceparent::unsampled(ID);
    assert!(tracer.follow(Some(unsampled), "judge", Role::Consumer).is_none());
    assert!(tracer.follow(None, "judge", Role::Consumer).is_none());
    let sampled = Traceparent::sampled(7, 7);
    assert!(tracer.follow(Some(sampled), "judge", Role::Consumer).is_some());
    assert!(Tracer::default().follow(Some(sampled), "judge", Role::Consumer).is_none());
}

#[test]
fn a_span_that_finds_the_queue_full_is_dropped_and_counted() {
    let (tracer, _spans) = tracer(1.0, 1);
    for _ in 0..3 {
        tracer.root(ID, "x", Role::Consumer, clock::now()).unwrap().end();
    }
    assert_eq!(count(&tracer, "dropped"), 2);
}

#[tokio::test]
async fn spans_that_nobody_takes_are_counted_and_the_end_does_not_wait_for_them() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (tracer, exporting) = start("feed", "feed-1", &format!("http://{nobody}"), 1.0).unwrap();
    tracer.root(ID, "x", Role::Consumer, clock::now()).unwrap().end();
    timeout(Duration::from_secs(30), async {
        while count(&tracer, "failed") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a call fails");
    exporting.finish().await;
    assert_eq!((count(&tracer, "exported"), count(&tracer, "failed")), (0, 1));
    let mut registry = Registry::default();
    tracer.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("trace_spans_total{outcome=\"failed\"} 1"), "{text}");
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let (tracer, exporting) = start("feed", "feed-1", &endpoint, 1.0).unwrap();
    tracer.root(ID, "x", Role::Consumer, clock::now()).unwrap().end();
    timeout(Duration::from_secs(30), exporting.finish()).await.expect("the end is bounded");
    assert_eq!(count(&tracer, "exported"), 0);
}
