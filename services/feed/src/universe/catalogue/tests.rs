//! Sweeps of a small catalogue.
//!
//! Knows: what comes, stays and goes. Never: a page.

use contract::ids::TokenId;
use contract::market::Outcome;
use proptest::prelude::*;

use super::*;

fn choice(text: &str) -> UniverseSelector {
    UniverseSelector::of_text(text).unwrap()
}

const ALONE: Shard = Shard { number: 0, of: 1 };

fn id(number: usize) -> ConditionId {
    ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap()
}

fn market(number: usize) -> Market {
    let token = |t| Outcome {
        token_id: TokenId::try_from(format!("{}", 10 * number + t).as_str()).unwrap(),
        outcome: "Yes".to_owned(),
    };
    Market {
        question: format!("{number}?"),
        active: true,
        tokens: vec![token(1), token(2)],
        ..Market::unknown(id(number), Timestamp::from_millis(1_790_000_000_000))
    }
}

/// One whole sweep that shows these, in this order; what came and went.
fn sweep(catalogue: &mut Catalogue, shown: &[usize]) -> CatalogueChange {
    catalogue.begin();
    let mut change = CatalogueChange::default();
    for page in shown.chunks(3) {
        change.new.extend(catalogue.learn(page.iter().map(|&n| market(n)).collect()).new);
    }
    let seen: Vec<ConditionId> = shown.iter().map(|&n| id(n)).collect();
    if catalogue.believe(&seen) == Believed::Yes {
        let ranked = catalogue.rank();
        change.new.extend(ranked.new);
        change.gone = ranked.gone;
    }
    change
}

fn numbers(change: &CatalogueChange) -> Vec<usize> {
    change.new.iter().map(|market| market.question.trim_end_matches('?').parse().unwrap()).collect()
}

#[test]
fn the_first_page_is_followed_before_the_last_is_read() {
    let mut catalogue = Catalogue::new(&choice("top:4"), ALONE);
    assert_eq!(catalogue.tokens_expected(), 8);
    let learned = catalogue.learn(vec![market(1), market(2)]);
    assert_eq!((learned.new.len(), learned.messages.len()), (2, 2));
    assert!(catalogue.follows(&id(1)) && !catalogue.follows(&id(3)));
}

#[test]
fn a_market_stays_while_it_is_among_twice_as_many_and_is_replaced_when_it_falls_further() {
    let mut catalogue = Catalogue::new(&choice("top:2"), ALONE);
    assert_eq!(numbers(&sweep(&mut catalogue, &[1, 2, 3, 4])), [1, 2]);
    assert_eq!(sweep(&mut catalogue, &[3, 4, 5, 1, 2]).gone, [(id(2), Gone::Unchosen)]);
    assert!(
        catalogue.follows(&id(1)) && catalogue.follows(&id(3)),
        "the fourth stays, the best newcomer comes"
    );
    assert_eq!(sweep(&mut catalogue, &[3, 4, 5, 1, 2]), CatalogueChange::default(), "and nothing more moves");
}

#[test]
fn a_market_that_closes_without_its_tokens_keeps_those_it_had() {
    let mut catalogue = Catalogue::new(&choice("all"), ALONE);
    catalogue.learn(vec![market(1)]);
    let bare = Market { closed: true, tokens: Vec::new(), ..market(1) };
    let (change, messages, _) = catalogue.close(vec![bare]);
    assert_eq!(change.gone, [(market(1).condition_id, Gone::Closed)]);
    let published: Market = contract::codec::decode(&messages[0].payload).unwrap();
    assert_eq!((published.closed, published.tokens), (true, market(1).tokens));
}

#[test]
fn a_closed_market_goes_and_the_next_in_rank_takes_its_place() {
    let mut catalogue = Catalogue::new(&choice("top:2"), ALONE);
    sweep(&mut catalogue, &[1, 2, 3]);
    let seen = HashSet::from([id(2), id(3)]);
    assert_eq!(catalogue.missing(&seen), [id(1)]);
    let open = catalogue.close(vec![market(1)]);
    assert!(open.0.gone.is_empty(), "the catalogue still calls it open");
    let (change, messages, _) = catalogue.close(vec![Market { closed: true, ..market(1) }]);
    assert_eq!((change.gone, messages.len()), (vec![(id(1), Gone::Closed)], 1));
    let (past, _, _) = catalogue.close(vec![Market { closed: true, ..market(9) }]);
    assert_eq!(past.gone, [(id(9), Gone::Closed)], "a market that only an earlier feed followed");
    assert_eq!(numbers(&sweep(&mut catalogue, &[2, 3])), [3]);
}

#[test]
fn a_sweep_that_shows_nothing_or_less_than_a_tenth_is_not_believed() {
    let mut catalogue = Catalogue::new(&choice("all"), ALONE);
    let all: Vec<usize> = (0..100).collect();
    sweep(&mut catalogue, &all);
    let ids = |count: usize| (0..count).map(id).collect::<Vec<_>>();
    assert_eq!(catalogue.believe(&[]), Believed::Empty);
    assert_eq!(catalogue.believe(&ids(9)), Believed::Shrunk { from: 100, to: 9 });
    assert_eq!(catalogue.believe(&ids(10)), Believed::Yes);
}

#[test]
fn what_is_announced_is_wanted_only_where_everything_is_followed() {
    let mut all = Catalogue::new(&choice("all"), ALONE);
    assert!(all.wants(&market(1)));
    all.learn(vec![market(1)]);
    assert!(!all.wants(&market(1)), "known already");
    assert!(!Catalogue::new(&choice("top:5"), ALONE).wants(&market(1)));
    let series = Catalogue::new(&choice("top:5+series:s"), ALONE);
    assert!(series.wants(&market(1)) && !series.picks(&market(1)), "only the catalogue knows its series");
    let elsewhere =
        (0..2).filter(|&number| Catalogue::new(&choice("all"), Shard { number, of: 2 }).wants(&market(1)));
    assert_eq!(elsewhere.count(), 1);
}

#[test]
fn a_market_is_told_when_its_words_change_and_its_volume_now_and_then() {
    let mut catalogue = Catalogue::new(&choice("all"), ALONE);
    let published = |catalogue: &mut Catalogue, market: Market| catalogue.learn(vec![market]).messages.len();
    let later = |market: Market, by: Duration| Market { updated_at: market.updated_at.plus(by), ..market };
    let busier = Market { volume_24h: Some(7.into()), ..market(1) };
    assert_eq!(published(&mut catalogue, market(1)), 1);
    assert_eq!(published(&mut catalogue, later(busier.clone(), Duration::from_secs(599))), 0);
    assert_eq!(published(&mut catalogue, later(busier, VOLUME_EVERY)), 1);
    assert_eq!(published(&mut catalogue, later(Market { closed: true, ..market(1) }, VOLUME_EVERY)), 1);
}

#[test]
fn what_a_pattern_names_is_followed_beside_the_busiest_and_never_falls_out() {
    let mut catalogue = Catalogue::new(&choice("top:1+slug:btc-*"), ALONE);
    let bitcoin = Market { slug: "btc-1".to_owned(), ..market(7) };
    let rows = |busiest: usize| vec![market(busiest), market(3), market(4), bitcoin.clone()];
    assert_eq!(catalogue.learn(rows(1)).new.len(), 2);
    let ids = |rows: Vec<Market>| rows.into_iter().map(|market| market.condition_id).collect::<Vec<_>>();
    assert_eq!(catalogue.believe(&ids(rows(1))), Believed::Yes);
    assert_eq!(catalogue.rank(), CatalogueChange::default());
    catalogue.begin();
    assert!(catalogue.learn(rows(2)).new.is_empty(), "ranks count when the sweep is over");
    let change = catalogue.rank();
    assert_eq!((numbers(&change), change.gone), (vec![2], vec![(id(1), Gone::Unchosen)]));
    assert!(catalogue.follows(&id(7)));
}

#[test]
fn a_grid_that_a_frame_told_is_told_at_once_and_not_undone_by_an_older_row() {
    let mut catalogue = Catalogue::new(&choice("all"), ALONE);
    let step = |text: &str| text.parse::<Decimal>().unwrap();
    let row = |text: &str, after: Duration| Market {
        tick_size: Some(step(text)),
        updated_at: market(1).updated_at.plus(after),
        ..market(1)
    };
    catalogue.learn(vec![row("0.0001", Duration::ZERO)]);
    let at = market(1).updated_at.plus(Duration::from_secs(1));
    assert!(catalogue.regrid(&id(1), step("0.001"), at).is_some());
    assert!(catalogue.regrid(&id(1), step("0.001"), at).is_none(), "of the other token");
    assert!(catalogue.regrid(&id(1), step("0.0001"), market(1).updated_at).is_none(), "older");
    let tick_size = |catalogue: &Catalogue| catalogue.known[&id(1)].market.tick_size.unwrap();
    assert!(catalogue.learn(vec![row("0.0001", Duration::from_mins(1))]).messages.is_empty());
    assert_eq!(tick_size(&catalogue), step("0.001"));
    catalogue.learn(vec![row("0.01", GRID_HELD + Duration::from_secs(1))]);
    assert_eq!(tick_size(&catalogue), step("0.01"), "by then the catalogue knows");
}

#[test]
fn how_a_market_ended_is_told_at_once_and_stays_when_it_closes() {
    let mut catalogue = Catalogue::new(&choice("all"), ALONE);
    catalogue.learn(vec![market(1)]);
    let resolution = Resolution {
        resolved_at: Some(market(1).updated_at),
        winning_token_id: Some(market(1).tokens[0].token_id.clone()),
        winning_outcome: Some("Yes".to_owned()),
        source: contract::market::ResolutionSource::MarketResolved,
    };
    assert!(catalogue.resolved(&id(1), resolution.clone(), market(1).updated_at).is_some());
    assert!(
        catalogue.learn(vec![market(1)]).messages.is_empty(),
        "a row knows nothing of it and undoes nothing"
    );
    let (_, messages, closed) = catalogue.close(vec![Market { closed: true, ..market(1) }]);
    assert_eq!((messages.len(), closed[0].resolution.as_ref()), (1, Some(&resolution)));
}

#[test]
fn what_the_books_of_a_market_depend_on_is_corrected() {
    let mut catalogue = Catalogue::new(&choice("all"), ALONE);
    let announced = Market { order_size_min: None, ..market(1) };
    assert_eq!(catalogue.learn(vec![announced]).new.len(), 1);
    let known = Market { order_size_min: Some(5.into()), ..market(1) };
    let learned = catalogue.learn(vec![known.clone()]);
    assert_eq!((learned.new.len(), learned.corrected.len()), (0, 1));
    assert!(catalogue.learn(vec![known]).corrected.is_empty());
}

proptest! {
    #[test]
    fn top_n_follows_n_of_what_is_open_and_changes_no_more_than_it_must(
        sweeps in prop::collection::vec(prop::collection::vec(0usize..30, 1..30), 1..8), top in 1usize..8
    ) {
        let mut catalogue = Catalogue::new(&choice(&format!("top:{top}")), ALONE);
        for mut shown in sweeps {
            let mut met = HashSet::new();
            shown.retain(|number| met.insert(*number));
            shown.truncate(catalogue.ranks_needed());
            let before: HashSet<usize> = (0..30).filter(|&n| catalogue.follows(&id(n))).collect();
            if catalogue.believe(&shown.iter().map(|&n| id(n)).collect::<Vec<_>>()) != Believed::Yes { continue }
            sweep(&mut catalogue, &shown);
            let now: HashSet<usize> = (0..30).filter(|&n| catalogue.follows(&id(n))).collect();
            prop_assert_eq!(now.len(), top.min(shown.len()));
            let stay = before.iter().filter(|n| shown.contains(n));
            prop_assert!(stay.clone().all(|n| now.contains(n)), "{:?} of {:?}", now, before);
        }
    }
}
