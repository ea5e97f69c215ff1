// The last five minutes of every figure, one value a second.
//
// Knows: what the API tells as series, and what this page saw itself where the API has none.
// Never: a value for a second in which nothing was told.

import { effect, signal } from "@preact/signals";
import { ask } from "../api/client.js";
import type { Metrics, Series } from "../api/types.js";
import { isLive, metrics } from "./live.js";

export const SECONDS = 300;
const ASK_EVERY_MS = 2000;

type Line = readonly (number | null)[];

/** Series of the API by name; null when it has none. */
export const told = signal<Record<string, Line> | null>(null);
/** Counts up when `seen` has grown. */
export const grown = signal(0);

const seen = new Map<string, (number | null)[]>();
let lastAt = 0;

/** The line of a figure, oldest first; null when nothing is known of it. */
export function line(name: string): Line | null {
  const fromApi = told.value?.[name];
  if (fromApi) return fromApi;
  void grown.value;
  return seen.get(name) ?? null;
}

/** Takes the figures of one message. A second without a message is a hole in every line. */
export function note(at: number, figures: Record<string, number | null>): void {
  const second = Math.floor(at / 1000);
  if (second === lastAt) return;
  const skipped = lastAt === 0 ? 0 : Math.min(SECONDS, Math.max(0, second - lastAt - 1));
  lastAt = second;
  for (const [name, value] of Object.entries(figures)) {
    let values = seen.get(name);
    if (values === undefined) {
      values = new Array<number | null>(SECONDS).fill(null);
      seen.set(name, values);
    }
    for (let hole = 0; hole < skipped; hole += 1) values.push(null);
    values.push(value);
    values.splice(0, values.length - SECONDS);
  }
  grown.value += 1;
}

function figures(m: Metrics): Record<string, number | null> {
  return {
    reconnection_count: m.reconnection_count,
    subscribed_markets: m.subscribed_markets,
    sockets_connected: m.sockets_connected,
    trades_stored: m.trades_stored,
    price_updates: m.price_updates,
    trades_5m: m.trades_5m,
    average_trade_age_seconds: m.average_trade_age_seconds,
    freshness: m.freshness,
    coverage: m.coverage,
    latency_received: m.latency.executed_to_received?.p99_us ?? null,
    latency_judged: m.latency.received_to_judged?.p99_us ?? null,
    hash_mismatches: m.hash_mismatches,
    trades_recovered: m.trades_recovered,
    gaps_open: m.gaps_open,
    g1: m.gates.g1.hit,
    g3: m.gates.g3.hit,
    g5: m.gates.g5.hit,
    errors: m.errors_last_hour.length,
  };
}

/** Follows the metrics, and asks for the series while somebody looks. */
export function followHistory(): void {
  effect(() => {
    if (metrics.value) note(Date.parse(metrics.value.at), figures(metrics.value));
  });
  const read = async (): Promise<void> => {
    if (document.hidden || !isLive.value) return;
    const answer = await ask<Series>("/api/series", { minutes: 5 });
    if (answer.ok) told.value = answer.value.series;
  };
  void read();
  setInterval(() => void read(), ASK_EVERY_MS);
}
