//! Which market sits on which socket, and which tokens are left out of it for now.
//!
//! Knows: limits and slots. Never: a connection, a clock, why a token is held back.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use book::HashContext;
use contract::ids::{ConditionId, TokenId};
use contract::market::Market;
use contract::time::Timestamp;
use rust_decimal::Decimal;

/// A market as its socket needs it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AssignedMarket {
    /// The market.
    pub(crate) market: ConditionId,
    /// Its tokens, those held back left out.
    pub(crate) tokens: Vec<TokenId>,
    /// How many are held back: until there are none, the market lacks ticks.
    pub(crate) held: usize,
    /// Price grid, an input of the book hash.
    pub(crate) tick_size: Option<Decimal>,
    /// Smallest order, another one.
    pub(crate) order_size_min: Option<Decimal>,
    /// Part of a group of which one outcome wins, another one.
    pub(crate) neg_risk: bool,
    /// When it is to end.
    pub(crate) end_at: Option<Timestamp>,
}

/// The slots of all sockets. A market that has one keeps it until it leaves or is moved by name.
#[derive(Debug)]
pub(crate) struct SocketAssignments {
    tokens_per_socket: usize,
    sockets_max: usize,
    sockets: Vec<SocketSlots>,
    place: HashMap<ConditionId, usize>,
    /// Also of markets that wait.
    owner: HashMap<TokenId, ConditionId>,
    /// Markets for which no slot is left, in the order in which they came.
    waiting: VecDeque<AssignedMarket>,
    held: HashSet<TokenId>,
    /// Sockets whose list differs from what was last asked for.
    changed: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct SocketSlots {
    tokens: usize,
    markets: Vec<AssignedMarket>,
}

// === impl AssignedMarket ===

impl AssignedMarket {
    /// What a socket needs of this market.
    pub(crate) fn of(market: &Market) -> Self {
        Self {
            market: market.condition_id.clone(),
            tokens: market.tokens.iter().map(|outcome| outcome.token_id.clone()).collect(),
            held: 0,
            tick_size: market.tick_size,
            order_size_min: market.order_size_min,
            neg_risk: market.neg_risk,
            end_at: market.end_at,
        }
    }

    /// What the book of one of its tokens has to know.
    pub(crate) fn hash_context(&self, token: &TokenId) -> HashContext {
        HashContext {
            condition_id: self.market.clone(),
            token_id: token.clone(),
            tick_size: self.tick_size,
            order_size_min: self.order_size_min,
            neg_risk: self.neg_risk,
        }
    }
}

// === impl SocketAssignments ===

impl SocketAssignments {
    /// No market yet. `tokens_per_socket`: at least the two tokens of a market.
    pub(crate) fn new(tokens_per_socket: usize, sockets_max: usize) -> Self {
        Self {
            tokens_per_socket,
            sockets_max,
            sockets: Vec::new(),
            place: HashMap::new(),
            owner: HashMap::new(),
            waiting: VecDeque::new(),
            held: HashSet::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Opens so many sockets at once, within the limit, so that busy markets do not all share the first.
    pub(crate) fn expect(&mut self, tokens: usize) {
        let wanted = tokens.div_ceil(self.tokens_per_socket).min(self.sockets_max);
        while self.sockets.len() < wanted {
            self.sockets.push(SocketSlots::default());
        }
    }

    /// Gives a market a slot: on the emptiest socket with room, on a new one, or none yet.
    /// One that is known already, or whose token is, keeps what it has.
    pub(crate) fn add(&mut self, watched: AssignedMarket) {
        let known = |token: &TokenId| self.owner.contains_key(token);
        let odd = watched.tokens.is_empty() || watched.tokens.len() > self.tokens_per_socket;
        if odd || watched.tokens.iter().any(known) {
            return;
        }
        for token in &watched.tokens {
            self.owner.insert(token.clone(), watched.market.clone());
        }
        match self.room_for(watched.tokens.len(), None) {
            Some(socket) => self.slot(watched, socket),
            None => self.waiting.push_back(watched),
        }
    }

    /// Takes over what the catalogue has corrected of a market; its tokens and its slot stay.
    pub(crate) fn correct(&mut self, market: &Market) {
        let slots = self.place.get(&market.condition_id).map(|&socket| (socket, &mut self.sockets[socket]));
        let Some((socket, slots)) = slots else { return };
        if let Some(watched) = slots.markets.iter_mut().find(|it| it.market == market.condition_id) {
            let tokens = std::mem::take(&mut watched.tokens);
            *watched = AssignedMarket { tokens, held: watched.held, ..AssignedMarket::of(market) };
            self.changed.insert(socket);
        }
    }

    /// Takes a market away; those that wait move up. Whether it had a slot.
    pub(crate) fn remove(&mut self, market: &ConditionId) -> bool {
        let queued = self.waiting.iter().position(|waiting| waiting.market == *market);
        let queued = queued.and_then(|at| self.waiting.remove(at));
        let had_seat = queued.is_none();
        let Some(watched) = queued.or_else(|| self.unseat(market)) else { return false };
        for token in &watched.tokens {
            self.owner.remove(token);
            self.held.remove(token);
        }
        self.move_up();
        had_seat
    }

    /// Moves the market of a token to another socket than the one it sits on; whether there was room.
    pub(crate) fn move_away(&mut self, token: &TokenId) -> bool {
        let Some(market) = self.owner.get(token).cloned() else { return false };
        let Some(&from) = self.place.get(&market) else { return false };
        let count =
            self.sockets[from].markets.iter().find(|w| w.market == market).map_or(0, |w| w.tokens.len());
        let Some(to) = self.room_for(count, Some(from)) else { return false };
        if let Some(watched) = self.unseat(&market) {
            self.slot(watched, to);
        }
        true
    }

    /// Leaves a token out of its socket's list; its slot stays reserved. Whether it is one of ours.
    pub(crate) fn hold(&mut self, token: &TokenId) -> bool {
        let Some(socket) = self.socket_of(token) else { return false };
        self.held.insert(token.clone());
        self.changed.insert(socket);
        true
    }

    /// Puts a token back on its socket's list.
    pub(crate) fn release(&mut self, token: &TokenId) {
        if self.held.remove(token)
            && let Some(socket) = self.socket_of(token)
        {
            self.changed.insert(socket);
        }
    }

    /// The socket on which a token has its slot.
    pub(crate) fn socket_of(&self, token: &TokenId) -> Option<usize> {
        self.place.get(self.owner.get(token)?).copied()
    }

    /// The market of a token.
    pub(crate) fn market_of(&self, token: &TokenId) -> Option<&ConditionId> {
        self.owner.get(token)
    }

    /// The market of a token, where it has a slot.
    pub(crate) fn watched(&self, token: &TokenId) -> Option<&AssignedMarket> {
        let market = self.owner.get(token)?;
        let slots = &self.sockets[*self.place.get(market)?];
        slots.markets.iter().find(|watched| watched.market == *market)
    }

    /// When the market of a token is to end.
    pub(crate) fn end_of(&self, token: &TokenId) -> Option<Timestamp> {
        self.watched(token)?.end_at
    }

    /// The lists that changed since this was asked last, in the order of their sockets.
    pub(crate) fn changes(&mut self) -> Vec<(usize, Arc<[AssignedMarket]>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|socket| (socket, self.list(socket))).collect()
    }

    /// Sockets there are, empty ones included.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Markets and tokens that have a slot, and markets that wait for one.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        (self.place.len(), self.sockets.iter().map(|slots| slots.tokens).sum(), self.waiting.len())
    }

    /// The markets that have a slot.
    pub(crate) fn markets(&self) -> impl Iterator<Item = &ConditionId> {
        self.place.keys()
    }

    fn list(&self, socket: usize) -> Arc<[AssignedMarket]> {
        let shown = |watched: &AssignedMarket| {
            let shown = watched.tokens.iter().filter(|token| !self.held.contains(*token));
            let tokens: Vec<TokenId> = shown.cloned().collect();
            AssignedMarket { held: watched.tokens.len() - tokens.len(), tokens, ..watched.clone() }
        };
        let shown = self.sockets[socket].markets.iter().map(shown);
        shown.filter(|watched| !watched.tokens.is_empty()).collect()
    }

    /// The emptiest socket with room for so many tokens, but for one; a new one where none has.
    fn room_for(&mut self, tokens: usize, but: Option<usize>) -> Option<usize> {
        let open = self
            .sockets
            .iter()
            .enumerate()
            .filter(|(at, slots)| Some(*at) != but && slots.tokens + tokens <= self.tokens_per_socket);
        if let Some((at, _)) = open.min_by_key(|(at, slots)| (slots.tokens, *at)) {
            return Some(at);
        }
        if self.sockets.len() < self.sockets_max {
            self.sockets.push(SocketSlots::default());
            return Some(self.sockets.len() - 1);
        }
        None
    }

    fn slot(&mut self, watched: AssignedMarket, socket: usize) {
        self.place.insert(watched.market.clone(), socket);
        self.sockets[socket].tokens += watched.tokens.len();
        self.sockets[socket].markets.push(watched);
        self.changed.insert(socket);
    }

    fn unseat(&mut self, market: &ConditionId) -> Option<AssignedMarket> {
        let socket = self.place.remove(market)?;
        let slots = &mut self.sockets[socket];
        let at = slots.markets.iter().position(|watched| watched.market == *market)?;
        let watched = slots.markets.remove(at);
        slots.tokens -= watched.tokens.len();
        self.changed.insert(socket);
        Some(watched)
    }

    fn move_up(&mut self) {
        while let Some(first) = self.waiting.pop_front() {
            let Some(socket) = self.room_for(first.tokens.len(), None) else {
                self.waiting.push_front(first);
                return;
            };
            self.slot(first, socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(number: usize) -> TokenId {
        TokenId::try_from(number.to_string().as_str()).unwrap()
    }

    fn id(number: usize) -> ConditionId {
        ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap()
    }

    fn watched(number: usize) -> AssignedMarket {
        AssignedMarket {
            market: id(number),
            tokens: vec![token(2 * number), token(2 * number + 1)],
            held: 0,
            tick_size: None,
            order_size_min: None,
            neg_risk: false,
            end_at: None,
        }
    }

    fn filled(markets: usize, per_socket: usize, sockets_max: usize) -> SocketAssignments {
        let mut assignments = SocketAssignments::new(per_socket, sockets_max);
        (0..markets).for_each(|number| assignments.add(watched(number)));
        assignments
    }

    #[test]
    fn a_socket_is_filled_to_its_limit_and_not_beyond() {
        let mut assignments = filled(3, 4, 9);
        let sizes: Vec<usize> = assignments.changes().iter().map(|(_, list)| list.len()).collect();
        assert_eq!((sizes, assignments.sizes()), (vec![2, 1], (3, 6, 0)));
        assert_eq!(filled(3, 4, 1).sizes(), (2, 4, 1));
    }

    #[test]
    fn markets_are_spread_over_the_sockets_that_will_be_needed() {
        let mut assignments = SocketAssignments::new(4, 9);
        assignments.expect(8);
        (0..2).for_each(|number| assignments.add(watched(number)));
        assert_eq!(assignments.changes().iter().map(|(_, list)| list.len()).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_market_that_found_no_room_moves_up_when_another_leaves() {
        let mut assignments = filled(3, 4, 1);
        assert_eq!(assignments.socket_of(&token(4)), None);
        assert!(assignments.remove(&id(0)));
        assert!(!assignments.remove(&id(0)));
        assert_eq!((assignments.socket_of(&token(4)), assignments.sizes().2), (Some(0), 0));
    }

    #[test]
    fn a_held_token_keeps_its_seat_and_leaves_the_list() {
        let mut assignments = filled(1, 4, 9);
        assignments.changes();
        assert!(assignments.hold(&token(1)) && !assignments.hold(&token(9)));
        let shown = assignments.changes()[0].1[0].clone();
        assert_eq!((shown.tokens, shown.held), (vec![token(0)], 1));
        assignments.hold(&token(0));
        assert!(assignments.changes()[0].1.is_empty(), "a market without tokens is not on the list");
        assignments.release(&token(0));
        assignments.release(&token(1));
        assert_eq!(assignments.changes()[0].1[0].tokens.len(), 2);
        assert!(assignments.changes().is_empty(), "nothing changed since");
    }

    #[test]
    fn a_market_moves_to_another_socket_with_both_tokens_or_stays() {
        let mut assignments = filled(2, 4, 2);
        assert!(assignments.move_away(&token(1)));
        assert_eq!((assignments.socket_of(&token(0)), assignments.socket_of(&token(1))), (Some(1), Some(1)));
        assert!(!filled(2, 4, 1).move_away(&token(1)), "there is no other socket");
        assert!(!assignments.move_away(&token(99)));
    }

    #[test]
    fn a_token_that_two_markets_claim_stays_with_the_first() {
        let mut assignments = filled(1, 4, 9);
        assignments.add(AssignedMarket { market: id(7), ..watched(0) });
        assert_eq!(assignments.sizes(), (1, 2, 0));
    }

    proptest! {
        #[test]
        fn the_limits_hold_and_only_what_must_move_moves(
            steps in prop::collection::vec((0usize..40, 0u8..8), 1..120),
            per_socket in 2usize..9, sockets_max in 1usize..6
        ) {
            let mut assignments = SocketAssignments::new(per_socket, sockets_max);
            let mut followed = BTreeSet::new();
            for (number, what) in steps {
                let before: HashMap<usize, usize> =
                    (0..40).filter_map(|n| Some((n, assignments.socket_of(&token(2 * n))?))).collect();
                let mut moved = None;
                match what {
                    0..5 => { assignments.add(watched(number)); followed.insert(number); }
                    5 | 6 => { assignments.remove(&id(number)); followed.remove(&number); }
                    _ => if assignments.move_away(&token(2 * number)) { moved = Some(number) },
                }
                for (n, socket) in before {
                    if followed.contains(&n) && moved != Some(n) {
                        prop_assert_eq!(assignments.socket_of(&token(2 * n)), Some(socket), "{} moved", n);
                    }
                }
                let (markets, tokens, waiting) = assignments.sizes();
                prop_assert_eq!(markets + waiting, followed.len());
                prop_assert!(assignments.sockets() <= sockets_max);
                prop_assert!(assignments.sockets.iter().all(|slots| slots.tokens <= per_socket));
                let full = assignments.sockets.len() == sockets_max
                    && assignments.sockets.iter().all(|slots| slots.tokens + 2 > per_socket);
                prop_assert!(waiting == 0 || full, "{} wait beside free slots", waiting);
                prop_assert_eq!(tokens, assignments.sockets.iter().flat_map(|s| &s.markets).map(|w| w.tokens.len()).sum::<usize>());
                for slots in &assignments.sockets {
                    prop_assert_eq!(slots.tokens, slots.markets.iter().map(|w| w.tokens.len()).sum::<usize>());
                }
            }
        }
    }
}
