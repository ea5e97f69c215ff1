//! The scenarios that come with the program.
//!
//! Knows: their names and files. Never: what stands in them.

pub(super) const EMBEDDED: &[(&str, &str)] = &[
    ("calm", include_str!("../../scenarios/calm.json")),
    ("stale-trades", include_str!("../../scenarios/stale-trades.json")),
    ("missing-sizes", include_str!("../../scenarios/missing-sizes.json")),
    ("price-spikes", include_str!("../../scenarios/price-spikes.json")),
    ("reconnect", include_str!("../../scenarios/reconnect.json")),
    ("duplicates", include_str!("../../scenarios/duplicates.json")),
    ("garbage", include_str!("../../scenarios/garbage.json")),
    ("demo", include_str!("../../scenarios/demo.json")),
    ("match-groups", include_str!("../../scenarios/match-groups.json")),
    ("lagging-dump", include_str!("../../scenarios/lagging-dump.json")),
    ("stale-snapshots", include_str!("../../scenarios/stale-snapshots.json")),
    ("lost-removals", include_str!("../../scenarios/lost-removals.json")),
    ("poison", include_str!("../../scenarios/poison.json")),
    ("missing-books", include_str!("../../scenarios/missing-books.json")),
    ("silent-resolve", include_str!("../../scenarios/silent-resolve.json")),
    ("busy-door", include_str!("../../scenarios/busy-door.json")),
    ("slow-rest", include_str!("../../scenarios/slow-rest.json")),
    ("v1-gone", include_str!("../../scenarios/v1-gone.json")),
    ("odd-frames", include_str!("../../scenarios/odd-frames.json")),
    ("not-utf-8", include_str!("../../scenarios/not-utf-8.json")),
    ("thaw", include_str!("../../scenarios/thaw.json")),
    ("short-markets", include_str!("../../scenarios/short-markets.json")),
    ("late-markets", include_str!("../../scenarios/late-markets.json")),
    ("sparse-books", include_str!("../../scenarios/sparse-books.json")),
    ("blocked-rest", include_str!("../../scenarios/blocked-rest.json")),
    ("whole-venue", include_str!("../../scenarios/whole-venue.json")),
];
