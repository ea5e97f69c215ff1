//! Which settings somebody misspelt.
//!
//! Knows: names and the distance between them. Never: values, but to tell whose a variable is.

/// Prefixes that other programs use too: an unknown name behind them is not our business unless it is nearly ours.
const SHARED_PREFIXES: [&str; 3] = ["LOG", "RUST", "OTEL"];

/// Shortest name that is taken for a misspelling although its prefix is not ours: chance likenesses are shorter.
const MISSPELT_LENGTH_MIN: usize = 8;

/// The name among `known` that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.len() / 4).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether the environment variable `name`, which is not among `known`, was meant for us.
pub(super) fn is_meant_for_us(name: &str, value: &str, known: &[String]) -> bool {
    if is_service_link(name, value) {
        return false;
    }
    let is_ours = |prefix: &str| {
        !SHARED_PREFIXES.contains(&prefix) && known.iter().any(|known| prefix_of(known) == Some(prefix))
    };
    prefix_of(name).is_some_and(is_ours)
        || (name.len() >= MISSPELT_LENGTH_MIN && known.iter().any(|known| distance(name, known) == 1))
}

fn prefix_of(name: &str) -> Option<&str> {
    name.split_once('_').map(|(prefix, _)| prefix)
}

/// Kubernetes sets `NATS_SERVICE_HOST`, `NATS_PORT=tcp://…`, `NATS_PORT_4222_TCP_ADDR` and their like in every
/// container beside a service called `nats`; nobody chose them.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_url = || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let behind = |part: &str| name.split_once(part).map(|(_, behind)| behind);
    name.ends_with("_SERVICE_HOST")
        || behind("_SERVICE_PORT").is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        || (name.ends_with("_PORT") && is_url())
        || behind("_PORT_").is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
}

/// Letters to insert, delete, replace or swap with their neighbour until `left` is `right`.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_slips() {
        for (left, right, expected) in [
            ("FEED", "FEED", 0),
            ("FEED", "FED", 1),
            ("FEED", "FEEDS", 1),
            ("FEED", "FEDE", 1),
            ("FEED", "SEED", 1),
            ("FEED", "", 4),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn the_nearest_name_is_found_within_a_quarter_of_its_letters() {
        let known = ["FEED_PING_S", "FEED_SHARD"];
        assert_eq!(nearest("FEED_PIGN_S", known), Some("FEED_PING_S"));
        assert_eq!(nearest("FEED_UNIVERSE", known), None);
    }

    #[test]
    fn variables_are_ours_by_their_prefix_or_by_one_slip() {
        let known = ["FEED_PING_S", "LOG_FORMAT", "INSTANCE"].map(str::to_owned);
        let ours = |name: &str| is_meant_for_us(name, "x", &known);
        assert!(ours("FEED_ANYTHING"));
        assert!(ours("FEDE_PING_S"));
        assert!(ours("LOG_FROMAT"));
        assert!(!ours("LOG_LEVEL"));
        assert!(!ours("PATH"));
        assert!(!ours("FED"));
    }

    #[test]
    fn what_kubernetes_sets_is_nobodys_mistake() {
        let known = ["NATS_URL"].map(str::to_owned);
        for (name, value) in [
            ("NATS_SERVICE_HOST", "10.0.0.1"),
            ("NATS_SERVICE_PORT", "4222"),
            ("NATS_SERVICE_PORT_CLIENT", "4222"),
            ("NATS_PORT", "tcp://10.0.0.1:4222"),
            ("NATS_PORT_4222_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(!is_meant_for_us(name, value, &known), "{name}");
        }
        assert!(is_meant_for_us("NATS_PORT", "4222", &known));
    }
}
