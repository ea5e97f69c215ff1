//! Which settings somebody misspelt.
//!
//! Knows: names and the distance between them. Never: values, but to tell whose a variable is.

/// Shortest name that is taken for a misspelling: chance likenesses are shorter.
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

/// The name among `known` that the environment variable `name`, which is none of them, was probably meant to be. Other
/// programs share our prefixes (`NATS_CONTEXT`), and Kubernetes sets `NATS_SERVICE_HOST`: those are nobody's mistake.
pub(super) fn meant<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let is_long = name.len() >= MISSPELT_LENGTH_MIN;
    is_long.then(|| nearest(name, known.iter().map(String::as_str))).flatten()
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
    fn a_variable_is_a_slip_only_where_it_is_nearly_one_of_ours() {
        let known = ["FEED_PING_S", "LOG_FORMAT", "NATS_URL", "INSTANCE"].map(str::to_owned);
        for (slip, meant_for) in
            [("FEDE_PING_S", "FEED_PING_S"), ("LOG_FROMAT", "LOG_FORMAT"), ("FEED_PIGN_S", "FEED_PING_S")]
        {
            assert_eq!(meant(slip, &known), Some(meant_for), "{slip}");
        }
        for foreign in [
            "FEED_ANYTHING",
            "LOG_LEVEL",
            "PATH",
            "FED",
            "NATS_CONTEXT",
            "NATS_PORT_4222_TCP_ADDR",
            "NATS_SERVICE_HOST",
        ] {
            assert_eq!(meant(foreign, &known), None, "{foreign}");
        }
    }
}
