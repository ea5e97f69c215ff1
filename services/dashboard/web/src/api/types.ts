// The words of the API, as the page reads them.
//
// Knows: the shape of every answer. Never: how it is fetched or shown. Money is text and stays text.

/** A moment: RFC 3339, UTC. */
export type Moment = string;
/** A decimal number as text, exact. */
export type Money = string;
/** What is not known is null, never 0. */
export type Maybe<T> = T | null;

export type Trust = "trustworthy" | "degraded" | "starting" | "down";
export type ServiceName = "feed" | "processor" | "writer" | "dashboard";
export type Verdict = "clean" | "flagged" | "refused";
export type Kind = "trade" | "price" | "book" | "quote" | "tick_size";
export type Reason = "G1" | "G3" | "G5" | "SKEW";
export type BookState = "live" | "quiet" | "suspect" | "resyncing" | "never_seen";

export interface Wrong {
  who: string;
  what: string;
}

export interface Server {
  connected: Maybe<boolean>;
  since: Moment;
  problem: Maybe<string>;
  durability?: string;
}

export interface Instance {
  instance: string;
  version: string;
  state: "running" | "unknown" | "replaced";
  started_at: Moment;
  uptime_seconds: number;
  heard_age_seconds: number;
  per_second: Maybe<number>;
  errors_last_hour: number;
  problems: string[];
}

export interface Service {
  service: ServiceName;
  state: "running" | "unknown";
  heard_age_seconds: Maybe<number>;
  instances: Instance[];
}

/** A process that took the place of another one. */
export interface Restart {
  service: ServiceName;
  at: Moment;
  instance: string;
  before: string;
}

export interface Gap {
  id: string;
  condition_id: string;
  question?: Maybe<string>;
  shard: string;
  cause: string;
  opened_at: Moment;
  detected_at: Maybe<Moment>;
  healed_at: Maybe<Moment>;
  state: "open" | "waiting" | "incomplete" | "healed";
  trades_recovered: number;
}

export interface Status {
  healthy: boolean;
  uptime_seconds: Maybe<number>;
  websocket_state: Maybe<"disconnected" | "connecting" | "connected" | "reconnecting">;
  last_event_age_seconds: Maybe<number>;
  database_connected: Maybe<boolean>;
  errors_last_hour: number;
  details: {
    at: Moment;
    verdict: Trust;
    verdict_since: Moment;
    problems: Wrong[];
    notices: Wrong[];
    bus: Server;
    database: Server;
    services: Service[];
    restarts: Restart[];
    catching_up: boolean;
    gaps_open: Maybe<number>;
    gap_oldest_at: Maybe<Moment>;
    gaps: Gap[];
  };
}

export interface Gate {
  evaluated: Maybe<number>;
  hit: Maybe<number>;
  unknown: Maybe<number>;
}

export interface Percentiles {
  p50_us: number;
  p90_us: number;
  p99_us: number;
  samples: number;
}

export interface ErrorNote {
  at: Moment;
  until: Maybe<Moment>;
  service: string;
  instance: string;
  message: string;
}

export interface Metrics {
  at: Moment;
  websocket_connected: Maybe<boolean>;
  websocket_connected_at: Maybe<Moment>;
  last_message_at: Maybe<Moment>;
  reconnection_count: Maybe<number>;
  subscribed_markets: Maybe<number>;
  events_received: Maybe<number>;
  events_per_second: Maybe<number>;
  trades_stored: Maybe<number>;
  price_updates: Maybe<number>;
  g1_stale_filtered: Maybe<number>;
  g3_missing_size: Maybe<number>;
  g3_size_backfilled: Maybe<number>;
  g5_divergence_detected: Maybe<number>;
  average_trade_age_seconds: Maybe<number>;
  errors_last_hour: ErrorNote[];
  uptime_seconds: Maybe<number>;
  sockets: Maybe<number>;
  sockets_connected: Maybe<number>;
  tokens: Maybe<number>;
  tokens_with_book: Maybe<number>;
  freshness: Maybe<number>;
  coverage: Maybe<number>;
  gates: {
    g1: Gate;
    g3: Gate;
    g5: Gate;
    g3_backfilled: Maybe<number>;
    g5_overruled: Maybe<number>;
    skewed: Maybe<number>;
  };
  judged: { clean: Maybe<number>; flagged: Maybe<number>; refused: Maybe<number> };
  events_5m: Maybe<number>;
  trades_5m: Maybe<number>;
  gaps_open: Maybe<number>;
  gaps_waiting: Maybe<number>;
  trades_recovered: Maybe<number>;
  hashes_checked: Maybe<number>;
  hash_mismatches: Maybe<number>;
  tokens_set_aside: Maybe<number>;
  dropped: Maybe<number>;
  dead: Maybe<number>;
  buffered: Maybe<number>;
  rest_calls: Maybe<number>;
  rest_failures: Maybe<number>;
  latency: {
    executed_to_received: Maybe<Percentiles>;
    received_to_judged: Maybe<Percentiles>;
  };
  clients: Maybe<number>;
  counted_since: { feed: Maybe<Moment>; processor: Maybe<Moment>; writer: Maybe<Moment> };
}

export interface Event {
  id: string;
  kind: Kind;
  condition_id: string;
  token_id: string;
  question: Maybe<string>;
  outcome: Maybe<string>;
  at: Moment;
  received_at: Moment;
  judged_at: Maybe<Moment>;
  age_seconds: Maybe<number>;
  origin: Maybe<"socket" | "rest">;
  side: Maybe<"BUY" | "SELL">;
  price_before: Maybe<Money>;
  price: Maybe<Money>;
  size: Maybe<Money>;
  size_source: Maybe<"venue" | "rest">;
  verdict: Verdict;
  reasons: Reason[];
  best_bid: Maybe<Money>;
  best_ask: Maybe<Money>;
  quote_age_seconds: Maybe<number>;
  deviation: Maybe<Money>;
  confirmed: Maybe<boolean>;
  transaction_hash: Maybe<string>;
  tick_size_before: Maybe<Money>;
  tick_size: Maybe<Money>;
  /** All levels of a book, best first: price and size. */
  bids: Maybe<[Money, Money][]>;
  asks: Maybe<[Money, Money][]>;
}

export interface EventPage {
  events: Event[];
  total: number;
}

/** A message of `/ws/live`. */
export type Told =
  | { type: "snapshot"; at: Moment; events: Event[]; metrics: Metrics; status: Status }
  | { type: "event" | "events"; events: Event[] }
  | { type: "metrics"; metrics: Metrics }
  | { type: "status"; status: Status }
  | { type: "gap"; gaps: Gap[]; missed: number }
  | { type: "lagged"; missed: number };

export interface Token {
  token_id: string;
  condition_id: string;
  question: Maybe<string>;
  outcome: Maybe<string>;
  bid: Maybe<Money>;
  ask: Maybe<Money>;
  last: Maybe<Money>;
  volume_24h: Maybe<Money>;
  ticks_per_s: Maybe<number>;
  last_tick_at: Maybe<Moment>;
  age_s: Maybe<number>;
  state: BookState;
}

export interface TokenPage {
  total: number;
  matched: number;
  offset: number;
  limit: number;
  at: Moment;
  counts: Record<BookState, number>;
  tokens: Token[];
}

export interface TokenDetail extends Token {
  slug: Maybe<string>;
  end_at: Maybe<Moment>;
  neg_risk: Maybe<boolean>;
  tick_size: Maybe<Money>;
  resolved_at: Maybe<Moment>;
  winning_outcome: Maybe<string>;
  gaps: Gap[];
}

/** A market as it is stored. */
export interface Market {
  condition_id: string;
  slug: string;
  question: string;
  end_at: Maybe<Moment>;
  active: boolean;
  closed: boolean;
  neg_risk: boolean;
  tick_size: Maybe<Money>;
  volume_24h: Maybe<Money>;
  tokens: { token_id: string; outcome: string }[];
  updated_at: Moment;
  first_seen_at: Maybe<Moment>;
}

export interface MarketPage {
  markets: Market[];
  limit: number;
  next: Maybe<string>;
}

export interface Ladder {
  token_id: string;
  at: Maybe<Moment>;
  bids: [Money, Money][];
  asks: [Money, Money][];
  hash_ok: Maybe<boolean>;
  source_received_at: Maybe<Moment>;
}

export interface ChartTrade {
  at: Moment;
  id: string;
  price: Money;
  size: Maybe<Money>;
  side: Maybe<"BUY" | "SELL">;
  verdict: Verdict;
  reasons: string[];
  origin: string;
}

export interface Chart {
  from: Moment;
  to: Moment;
  step_s: number;
  prices: { at: Moment; bid: Maybe<Money>; ask: Maybe<Money> }[];
  trades: ChartTrade[];
  trades_cut?: boolean;
  /** Since when the market is known: before it nobody listened. */
  known_from: Maybe<Moment>;
  gaps: { opened_at: Moment; healed_at: Maybe<Moment>; cause: string }[];
}

export interface Coverage {
  from: Moment;
  to: Moment;
  hours: Moment[];
  total: number;
  markets: {
    condition_id: string;
    question: Maybe<string>;
    cells: Maybe<number>[];
    cells_trades?: Maybe<number>[];
  }[];
}

export interface Socket {
  name: string;
  shard: string;
  state: "disconnected" | "connecting" | "connected" | "reconnecting";
  tokens: number;
  messages_per_s: Maybe<number>;
  last_frame_at: Maybe<Moment>;
  last_pong_at: Maybe<Moment>;
  reconnects: number;
  connected_at: Maybe<Moment>;
  problem?: Maybe<string>;
}

export interface Sockets {
  at: Moment;
  age_s: Maybe<number>;
  sockets: Socket[];
  silent: {
    token_id: string;
    condition_id: string;
    question: Maybe<string>;
    outcome: Maybe<string>;
    last_tick_at: Maybe<Moment>;
    age_s: Maybe<number>;
  }[];
}

export type StageName =
  "venue" | "feed" | "nats_raw" | "processor" | "nats_judged" | "writer" | "postgres" | "dashboard";

export interface StageInstance {
  instance: string;
  age_s: Maybe<number>;
  rate: Maybe<number>;
  ok: Maybe<boolean>;
  note: Maybe<string>;
}

export interface Stage {
  name: StageName;
  instances: StageInstance[];
  rate: Maybe<number>;
  state: string;
}

export interface Arrow {
  from: StageName;
  to: StageName;
  rate: Maybe<number>;
  lag: Maybe<number>;
  age_s: Maybe<number>;
}

export interface Flow {
  at: Moment;
  stages: Stage[];
  arrows: Arrow[];
}

export interface Series {
  from: Moment;
  step_s: number;
  series: Record<string, Maybe<number>[]>;
}

export type LatencyStage = "received" | "judged" | "stored" | "page";

/** Milliseconds, signed: negative where the clock of the venue runs ahead. */
export interface LatencyRow {
  p50: Maybe<number>;
  p90: Maybe<number>;
  p99: Maybe<number>;
  /** One list for each step, oldest first; null for a step in which nothing was measured. */
  counts: Maybe<number[]>[];
}

export interface Latency {
  step_s: number;
  from: Moment;
  /** Ascending; bucket `i` holds what is below bound `i`, the last one what is above all. */
  bounds_ms: number[];
  stages: Record<LatencyStage, Maybe<LatencyRow>>;
  skew: Maybe<{
    min_ms: Maybe<number>;
    p50_ms: Maybe<number>;
    max_ms?: Maybe<number>;
    negative?: Maybe<number>;
    samples?: Maybe<number>;
    /** The clock of the venue minus that of the feed, as far as whole seconds tell. */
    clock_offset_ms?: Maybe<number>;
  }>;
}

export interface GapPage {
  gaps: Gap[];
  limit: number;
  next: Maybe<string>;
}
