// The numbers of a price chart: where quotes stand, where nothing is known of them, where trades lie.
//
// Knows: an answer about a chart. Never: how a line is drawn.

import type { Chart as Told, Verdict } from "../api/types.js";
import { known } from "../format/number.js";

export const VERDICTS: readonly Verdict[] = ["clean", "flagged", "refused"];

export const seconds = (moment: string): number => Date.parse(moment) / 1000;

type Value = number | null;
/** Second, best bid, best ask. */
type Quote = [number, Value, Value];
/** The same, with the prices of trades by verdict. */
type Line = [...Quote, Value, Value, Value];

/** So many seconds behind the last point of a line nothing is known. */
const BEHIND_S = 0.001;

/** Columns of the chart: time, bid, ask, then one for the trades of each verdict. */
export function columns(told: Told): Value[][] {
  const lines = quotes(told).map((quote): Line => [...quote, null, null, null]);
  for (const trade of told.trades) {
    const line: Line = [seconds(trade.at), null, null, null, null, null];
    line[3 + VERDICTS.indexOf(trade.verdict)] = Number(trade.price);
    lines.push(line);
  }
  lines.sort((a, b) => a[0] - b[0]);
  // A trade between two quotes does not end the line of the quotes.
  let [bid, ask]: [Value, Value] = [null, null];
  for (const line of lines) {
    const isTrade = line[3] !== null || line[4] !== null || line[5] !== null;
    if (isTrade) [line[1], line[2]] = [bid, ask];
    else [bid, ask] = [line[1], line[2]];
  }
  return [0, 1, 2, 3, 4, 5].map((place) => lines.map((line) => line[place] ?? null));
}

/** The quotes as they are known: not before the market was, and not within its gaps. */
function quotes(told: Told): Quote[] {
  const knownFrom = known(told.known_from) ? seconds(told.known_from) : -Infinity;
  const number = (text: string | null): Value => (known(text) ? Number(text) : null);
  // The venue says of an opening book since when it stands: that is before anybody here knew of it.
  let points = told.prices.map(({ at, bid, ask }): Quote => [
    Math.max(seconds(at), knownFrom),
    number(bid),
    number(ask),
  ]);
  for (const [opened, healed] of holes(told)) {
    const before = points.findLast(([at]) => at < opened);
    // The book that ends a gap is not stored anew where it is as it was before.
    const after = points.findLast(([at]) => at <= healed);
    points = points.filter(([at]) => at < opened || at > healed);
    if (before) points.push([opened, before[1], before[2]], [opened + BEHIND_S, null, null]);
    if (after && Number.isFinite(healed)) points.push([healed, after[1], after[2]]);
    points.sort((a, b) => a[0] - b[0]);
  }
  return points;
}

/** The gaps, the oldest first; those that reach into one another are one. */
function holes({ gaps }: Told): [number, number][] {
  const spans = gaps.map(({ opened_at, healed_at }): [number, number] => [
    seconds(opened_at),
    healed_at === null ? Infinity : seconds(healed_at),
  ]);
  const merged: [number, number][] = [];
  for (const [opened, healed] of spans.sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && opened <= last[1]) last[1] = Math.max(last[1], healed);
    else merged.push([opened, healed]);
  }
  return merged;
}
