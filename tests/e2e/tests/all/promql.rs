//! The reader of queries and rules that the test of the dashboards relies on.
//!
//! Knows: queries as text. Never: Prometheus.

use e2e::promql::{Rule, metrics, of_rules};

fn named(query: &str) -> Vec<String> {
    metrics(query).into_iter().collect()
}

#[test]
fn functions_labels_texts_and_durations_are_no_metrics() {
    for (query, names) in [
        ("up", vec!["up"]),
        ("sum by (job, up) (rate(a_total{b=\"c}\", d=~`e`}[5m:1m] offset 5m)) / 1e3", vec!["a_total"]),
        ("sum(a) without (x) > bool 0x1f", vec!["a"]),
        ("a * on (x) group_left (y) b unless c:d:e5m", vec!["a", "b", "c:d:e5m"]),
        ("histogram_quantile(0.95, sum by (le) (rate(h_bucket[$__rate_interval])))", vec!["h_bucket"]),
        ("absent(up{job=\"x\"}) or -inf < nan or max(z)", vec!["up", "z"]),
        ("label_replace(a, \"b\", \"$1\", \"c\", \"(d)\") and vector(1)", vec!["a"]),
        ("time() - t", vec!["t"]),
        ("count by(a)(b)", vec!["b"]),
    ] {
        assert_eq!(named(query), names, "{query}");
    }
}

#[test]
fn rules_are_read_with_their_queries() {
    let text = "groups:\n  - name: x\n    rules:\n      - record: a:b\n        expr: >-\n          one\n          or two\n      \
                - alert: C\n        expr: d > 1\n        for: 1m\n";
    let rule = |name: &str, is_alert, query: &str| Rule { name: name.into(), is_alert, query: query.into() };
    assert_eq!(of_rules(text), [rule("a:b", false, "one or two"), rule("C", true, "d > 1")]);
}
