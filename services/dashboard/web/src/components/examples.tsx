// The latest trades that a gate caught.
//
// Knows: the question for them. Never: the rule of a gate.

import type { JSX } from "preact";
import type { EventPage } from "../api/types.js";
import { price, shares } from "../format/number.js";
import { go, set, units } from "../state/route.js";
import { Dialog } from "./dialog.js";
import { reasonWords } from "./eventcells.js";
import { Time } from "./moment.js";
import { usePoll } from "./poll.js";

const TITLES: Record<string, string> = {
  G1: "G1: stale trades, refused",
  G3: "G3: trades without a size",
  G5: "G5: trades off the book, flagged",
  SKEW: "SKEW: trades from the future, flagged",
};

export function Examples({ gate }: { gate: string }): JSX.Element {
  const { value, why } = usePoll<EventPage>("/api/events", { kind: "trade", reason: gate, limit: 20 }, 3000);
  const events = value?.events ?? [];
  return (
    <Dialog id="examples" title={TITLES[gate] ?? gate} onClose={() => set({ gate: "" }, "push")}>
      <p class="note">
        the latest {events.length}, newest first{" "}
        <button type="button" onClick={() => go("events", { reason: gate, gate: "", kind: "", verdict: "" })}>
          follow them live
        </button>
      </p>
      {why !== null && <p class="empty">unknown: {why}</p>}
      <ol class="examples" data-rows={events.length}>
        {events.map((event) => (
          <li key={event.id} data-event={event.id}>
            <button
              type="button"
              class="plain"
              onClick={() => set({ gate: "", token: event.token_id }, "push")}
            >
              <span class="head">
                <Time at={event.at} /> <b>{event.question ?? event.condition_id}</b> {event.outcome}
              </span>
              <span class="facts">
                {event.side} {shares(event.size)} at {price(event.price, units.value)}; the book was{" "}
                {price(event.best_bid, units.value)} / {price(event.best_ask, units.value)}
              </span>
              <span class="facts">
                <span class={`badge ${event.verdict}`}>{event.verdict}</span> {reasonWords(event)}
              </span>
            </button>
          </li>
        ))}
        {value !== null && events.length === 0 && (
          <li class="empty">none among the events that the dashboard holds</li>
        )}
      </ol>
    </Dialog>
  );
}
