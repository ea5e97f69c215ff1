// The cells of one row of the live events.
//
// Knows: how a tick of each kind reads. Never: which rows there are.

import type { ComponentChildren, JSX } from "preact";
import type { Event, Gap } from "../api/types.js";
import { direction, known, price, shares, UNKNOWN, type Units } from "../format/number.js";
import { isApart, sideWord } from "../format/tick.js";
import { age, between, clock, full, span } from "../format/time.js";
import { cause } from "../format/words.js";
import { Time } from "./moment.js";

export function eventCells(event: Event, units: Units): ComponentChildren[] {
  return [
    <Received event={event} />,
    <Executed event={event} />,
    event.kind.replace("_", " "),
    <span title={event.question ?? event.condition_id}>{event.question ?? "unknown market"}</span>,
    <span title={event.outcome ?? event.token_id}>{event.outcome ?? UNKNOWN}</span>,
    event.kind === "trade" ? sideWord(event.side) : "",
    <PriceCell event={event} units={units} />,
    <SharesCell event={event} />,
    <VerdictCell event={event} />,
  ];
}

export function gapCells(gap: Gap, markets: number): ComponentChildren[] {
  const healed = gap.healed_at;
  const lasted = healed === null ? "open" : `healed after ${span(between(gap.opened_at, healed))}`;
  const one = gap.question ?? gap.condition_id;
  const name = markets === 1 ? one : `${one} and ${markets - 1} more markets`;
  const recovered = healed !== null && gap.trades_recovered > 0 ? `${gap.trades_recovered} recovered` : "";
  return [
    <Time at={healed ?? gap.opened_at} digits={3} />,
    "",
    "gap",
    <span title={name}>{name}</span>,
    "",
    "",
    `${cause(gap.cause)}`,
    recovered,
    <span class={`badge ${healed === null ? "flagged" : "clean"}`}>{lasted}</span>,
  ];
}

function Received({ event }: { event: Event }): JSX.Element {
  const venue = isApart(event) ? `; at the venue ${full(event.at)}` : "";
  return (
    <time dateTime={event.received_at} title={`received ${full(event.received_at)}${venue}`}>
      {clock(event.received_at, 3)}
    </time>
  );
}

/** When it happened at the venue, where that is not about when it was received. */
function Executed({ event }: { event: Event }): JSX.Element | null {
  if (!isApart(event)) return null;
  const apart = between(event.at, event.received_at) ?? 0;
  const words = `at the venue ${span(Math.abs(apart))} ${apart < 0 ? "after" : "before"} it was received`;
  return (
    <time dateTime={event.at} title={`${full(event.at)}: ${words}`}>
      <span class="hidden">at the venue </span>
      {clock(event.at)}
    </time>
  );
}

const ARROWS: Record<string, { sign: string; word: string; class: string }> = {
  "1": { sign: "▲", word: "up", class: "up" },
  "-1": { sign: "▼", word: "down", class: "down" },
  "0": { sign: "=", word: "as before", class: "" },
};

function PriceCell({ event, units }: { event: Event; units: Units }): JSX.Element {
  const show = (text: string | null): string => price(text, units);
  if (event.kind === "trade") {
    const book = `${event.side ?? ""}; the book was ${show(event.best_bid)} / ${show(event.best_ask)}`;
    const way = ARROWS[String(direction(event.price_before, event.price))];
    return (
      <span class="move" title={book}>
        <span class="before">{show(event.price_before)}</span>
        <span class="to">→</span>
        <b>{show(event.price)}</b>
        <span class={`way ${way?.class ?? ""}`}>
          <span aria-hidden="true">{way?.sign ?? " "}</span>
          {way && <span class="hidden">{way.word}</span>}
        </span>
      </span>
    );
  }
  if (event.kind === "tick_size") {
    return (
      <span>
        grid {event.tick_size_before ?? UNKNOWN} → {event.tick_size ?? UNKNOWN}
      </span>
    );
  }
  if (event.kind === "price") {
    return (
      <span>
        {event.side === "BUY" ? "bid" : "ask"} {show(event.price)}
      </span>
    );
  }
  return (
    <span title="best bid / best ask">
      {show(event.best_bid)} / {show(event.best_ask)}
    </span>
  );
}

function SharesCell({ event }: { event: Event }): JSX.Element {
  const hint =
    event.kind === "price"
      ? "now resting at this price"
      : event.size_source === "rest"
        ? `${event.size ?? ""}: found by REST (G3)`
        : known(event.size)
          ? event.size
          : event.kind === "trade"
            ? "the venue gave no size, and none was found"
            : "";
  return (
    <span title={hint} class={known(event.size) ? "" : "unknown"}>
      {shares(event.size)}
      {event.size_source === "rest" ? "*" : ""}
    </span>
  );
}

const REASONS: Record<string, (event: Event) => string> = {
  G1: (event) => `stale: ${age(event.age_seconds)} old`,
  G3: () => "came without a size",
  G5: (event) =>
    `${event.deviation ?? "?"} off the book${event.confirmed === null ? "" : event.confirmed ? ", confirmed" : ", not confirmed"}`,
  SKEW: (event) => `from the future: ${age(event.age_seconds)}`,
};

/** The reasons of a verdict, in words. */
export function reasonWords(event: Event): string {
  return event.reasons.map((reason) => `${reason} ${REASONS[reason]?.(event) ?? ""}`).join("; ");
}

function VerdictCell({ event }: { event: Event }): JSX.Element | null {
  if (event.kind !== "trade") return null;
  return (
    <span title={reasonWords(event) || "no gate objects"}>
      <span class={`badge ${event.verdict}`}>{[event.verdict, ...event.reasons].join(" ")}</span>
      {event.origin === "rest" && <span class="aside"> recovered</span>}
    </span>
  );
}
