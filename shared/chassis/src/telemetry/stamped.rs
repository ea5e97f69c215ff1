//! JSON log lines that say which process wrote them.
//!
//! Knows: the first bytes of a JSON object. Never: what the rest of it says.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The JSON format `F` with `service` and `instance` put in front of every line.
#[derive(Debug)]
pub(super) struct Stamped<F> {
    inner: F,
    stamp: String,
}

// === impl Stamped ===

impl<F> Stamped<F> {
    pub(super) fn new(inner: F, service: &str, instance: &str) -> Self {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let stamp = format!("{{\"service\":{},\"instance\":{},", quoted(service), quoted(instance));
        Self { inner, stamp }
    }
}

impl<S, N, F> FormatEvent<S, N> for Stamped<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => {
                writer.write_str(&self.stamp)?;
                writer.write_str(rest)
            }
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt;
    use tracing_subscriber::fmt::format::Format;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_one_json_object_that_names_service_and_instance() {
        let kept = Kept::default();
        let writer = kept.clone();
        let format = Stamped::new(Format::default().json().flatten_event(true), "feed", "feed-1");
        let layer = fmt::layer().json().event_format(format).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("frame", correlation.id = "c1").entered();
            tracing::info!(token.id = 7, "a \"line\"\nof two");
        });
        let bytes = kept.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["service"], "feed");
        assert_eq!(line["instance"], "feed-1");
        assert_eq!(line["message"], "a \"line\"\nof two");
        assert_eq!(line["token.id"], 7);
        assert_eq!(line["span"]["correlation.id"], "c1");
        assert_eq!(line["level"], "INFO");
    }
}
