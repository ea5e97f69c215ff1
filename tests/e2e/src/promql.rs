//! The names in a query of Prometheus, and the queries in our files.
//!
//! Knows: as much of the language and of our own files as it takes to find them. Never: what a query gives.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

/// Words between which values stand.
const KEYWORDS: [&str; 9] = ["and", "or", "unless", "offset", "bool", "inf", "nan", "start", "end"];
/// Words before a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Aggregations may have their labels before what they aggregate: `sum by (job) (…)`.
const AGGREGATIONS: [&str; 12] = [
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
];

/// A rule: what it is called, and what it asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Name of the recorded series or of the alert.
    pub name: String,
    /// Whether it raises an alarm; else it records.
    pub is_alert: bool,
    /// Its query.
    pub query: String,
}

/// The metrics that a query names.
pub fn metrics(query: &str) -> BTreeSet<String> {
    let (mut names, mut left) = (BTreeSet::new(), query.chars().peekable());
    while let Some(&next) = left.peek() {
        match next {
            '"' | '\'' | '`' => skip_text(&mut left),
            '{' => skip_to(&mut left, '}'),
            '[' => skip_to(&mut left, ']'),
            // A number or a duration: `5m`, `0x1f`, `1e3`.
            '0'..='9' => drop(word(&mut left)),
            '_' | ':' | 'a'..='z' | 'A'..='Z' => {
                let word = word(&mut left);
                while left.next_if(|next| next.is_whitespace()).is_some() {}
                let is_called = left.peek() == Some(&'(');
                let lower = word.to_lowercase();
                if BEFORE_LABELS.contains(&lower.as_str()) {
                    if is_called {
                        skip_to(&mut left, ')');
                    }
                } else if !is_called
                    && !KEYWORDS.contains(&lower.as_str())
                    && !AGGREGATIONS.contains(&lower.as_str())
                {
                    names.insert(word);
                }
            }
            _ => drop(left.next()),
        }
    }
    names
}

/// The queries of a dashboard, each with the title of its panel.
pub fn of_dashboard(dashboard: &Value) -> Vec<(String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        let title = panel["title"].as_str().unwrap_or_default();
        for target in list(&panel["targets"]) {
            queries.push((title.to_owned(), target["expr"].as_str().unwrap_or_default().to_owned()));
        }
    }
    queries
}

/// The rules of a file of rules, as we write them: `expr:` on one line, or as a block below `>-`.
///
/// # Panics
/// When an expression stands before the first rule.
pub fn of_rules(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    // Indentation of an `expr:` whose block is being read.
    let mut block = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let plain = line.trim_start().trim_start_matches("- ");
        if block.is_some_and(|expr| indent > expr) {
            let rule = rules.last_mut().expect("a block belongs to a rule");
            if !rule.query.is_empty() {
                rule.query.push(' ');
            }
            rule.query.push_str(plain);
            continue;
        }
        block = None;
        let rule = |name: &str, is_alert| Rule { name: name.to_owned(), is_alert, query: String::new() };
        if let Some(name) = plain.strip_prefix("record: ") {
            rules.push(rule(name, false));
        } else if let Some(name) = plain.strip_prefix("alert: ") {
            rules.push(rule(name, true));
        } else if let Some(query) = plain.strip_prefix("expr: ") {
            if query == ">-" {
                block = Some(indent);
            } else {
                query.clone_into(&mut rules.last_mut().expect("an expression belongs to a rule").query);
            }
        }
    }
    rules
}

fn word(left: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(next) =
        left.next_if(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | ':' | '.'))
    {
        word.push(next);
    }
    word
}

/// Skips a quoted text.
fn skip_text(left: &mut Peekable<Chars<'_>>) {
    let quote = left.next();
    while let Some(next) = left.next() {
        if next == '\\' && quote != Some('`') {
            left.next();
        } else if Some(next) == quote {
            return;
        }
    }
}

/// Skips a bracket to its end; a quoted text in it may hold anything.
fn skip_to(left: &mut Peekable<Chars<'_>>, end: char) {
    left.next();
    while let Some(&next) = left.peek() {
        if matches!(next, '"' | '\'' | '`') {
            skip_text(left);
            continue;
        }
        left.next();
        if next == end {
            return;
        }
    }
}
