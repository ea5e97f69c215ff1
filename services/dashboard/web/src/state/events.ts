// The list of live events: what is wanted, what is held, what is shown.
//
// Knows: filter, pause, the newest rows. Never: a connection, or a row's looks.

import { computed, effect, signal, untracked } from "@preact/signals";
import { ask } from "../api/client.js";
import type { Event, EventPage, Gap, Kind, Reason, Verdict } from "../api/types.js";
import { fill } from "../live/hole.js";
import { Ring } from "../live/ring.js";
import { want } from "../live/socket.js";
import { param } from "./route.js";

/** Rows that are kept: what a person scrolls through. */
const HELD_MAX = 500;
/** Most redraws of the list in a second. */
const DRAWS_PER_SECOND = 8;
const PAGE = 200;
/** Gaps of one cause that are closer than this are told together. */
const ALIKE_MS = 2000;

export type Row =
  | { type: "event"; id: string; event: Event }
  | { type: "gap"; id: string; gap: Gap; markets: number }
  | { type: "hole"; id: string; why: string };

export type KindFilter = Kind | "all";

export interface Filter {
  kind: KindFilter;
  verdict: Verdict | "";
  reason: Reason | "";
  text: string;
}

/** What is wanted, by the address. Trades unless said otherwise: they are what the gates judge. */
export const filter = computed<Filter>(() => ({
  kind: (param("kind") || "trade") as KindFilter,
  verdict: param("verdict") as Verdict | "",
  reason: param("reason") as Reason | "",
  text: param("text").trim().toLowerCase(),
}));

export const paused = signal(false);
/** Events that the server says went by unseen. */
export const missed = signal(0);
/** Rows as they are drawn, newest first. */
export const rows = signal<readonly Row[]>([]);
/** Rows that came while the list was paused. */
export const held = signal(0);

const ring = new Ring<Row>(HELD_MAX);
let drawPlanned = false;
let drawnAt = 0;
let question: AbortController | null = null;
/** Events that come while history is being read: they are newer than all of it. */
let waiting: Event[] | null = null;

export function kindsOf(kind: KindFilter): string {
  return kind === "all" ? "" : `${kind},gap`;
}

export function matches(event: Event, { kind, verdict, reason, text }: Filter): boolean {
  if (kind !== "all" && event.kind !== kind) return false;
  if (verdict !== "" && event.verdict !== verdict) return false;
  if (reason !== "" && !event.reasons.includes(reason)) return false;
  if (text === "") return true;
  return `${event.question ?? ""}\n${event.outcome ?? ""}`.toLowerCase().includes(text);
}

/** Takes events of the stream, oldest first. */
export function take(events: readonly Event[]): void {
  if (waiting !== null) {
    waiting.push(...events);
    return;
  }
  let fresh = 0;
  const wanted = untracked(() => filter.value);
  for (const event of events) {
    if (matches(event, wanted) && ring.push({ type: "event", id: event.id, event })) fresh += 1;
  }
  if (fresh > 0) plan(fresh);
}

/**
 * Takes the first events of a stream, newest first: after a loss what lies between is read. A dashboard that has just
 * started does not have that yet: what comes waits until it has.
 */
export async function begin(newest: readonly Event[], isCatchingUp = false): Promise<void> {
  if (isCatchingUp) {
    question?.abort();
    question = null;
    waiting ??= [];
    return;
  }
  if (ring.length === 0) {
    await refill();
    return;
  }
  await gather(async (signal) => {
    const { kind } = filter.value;
    const before = async (id: string): Promise<Event[] | null> => {
      const query = { limit: 500, before: id, kind: kind === "all" ? null : kind };
      const answer = await ask<EventPage>("/api/events", query, signal);
      return answer.ok ? answer.value.events : null;
    };
    // The list is narrower than the stream, so what is known is told by time where an id is not held.
    const lastAt = newestHeldAt();
    const passed = new Set(newest.filter((event) => event.received_at < lastAt).map((event) => event.id));
    const isKnown = (id: string): boolean => ring.has(id) || passed.has(id);
    const { events, isWhole } = await fill(newest, isKnown, async (id) => {
      const page = await before(id);
      page?.filter((event) => event.received_at < lastAt).forEach((event) => passed.add(event.id));
      return page;
    });
    if (!isWhole) hole("some events between are no longer held by the dashboard");
    return events;
  });
}

/** The dashboard has read what was before its start: now the list can be made whole. */
export async function catchUp(): Promise<void> {
  const { kind } = untracked(() => filter.value);
  const query = { limit: PAGE, kind: kind === "all" ? null : kind };
  const answer = ring.length === 0 ? null : await ask<EventPage>("/api/events", query);
  await begin(answer?.ok ? answer.value.events : []);
}

/** Tells a gap in the list. */
export function tellGap(gap: Gap): void {
  const { verdict, reason, text, kind } = untracked(() => filter.value);
  if (verdict !== "" || reason !== "" || (kind !== "all" && kind !== "trade")) return;
  if (text !== "" && !(gap.question ?? "").toLowerCase().includes(text)) return;
  const newest = ring.at(0);
  if (newest?.type === "gap" && isAlike(newest.gap, gap)) {
    newest.markets += 1;
    plan(0);
    return;
  }
  const id = `${gap.id}${gap.healed_at === null ? "" : " healed"}`;
  if (ring.push({ type: "gap", id, gap, markets: 1 })) plan(1);
}

/** A socket that breaks tells a gap of each of its markets: they are one row. */
function isAlike(one: Gap, other: Gap): boolean {
  if (one.cause !== other.cause || (one.healed_at === null) !== (other.healed_at === null)) return false;
  const at = (gap: Gap): number => Date.parse(gap.healed_at ?? gap.opened_at);
  return Math.abs(at(one) - at(other)) < ALIKE_MS;
}

export function lagged(count: number): void {
  missed.value += count;
}

export function pauseOrGoOn(): void {
  paused.value = !paused.value;
  if (!paused.value) draw();
}

/** Reads the list anew from history, by the filter. */
async function refill(): Promise<void> {
  ring.clear();
  missed.value = 0;
  await gather(async (signal) => {
    const { kind, verdict, reason, text } = filter.value;
    const query = { limit: PAGE, kind: kind === "all" ? null : kind, verdict, reason, q: text };
    const answer = await ask<EventPage>("/api/events", query, signal);
    return answer.ok ? answer.value.events : [];
  });
  draw();
}

async function gather(read: (signal: AbortSignal) => Promise<Event[]>): Promise<void> {
  question?.abort();
  const mine = new AbortController();
  question = mine;
  waiting ??= [];
  const events = await read(mine.signal);
  if (question !== mine) return;
  const came = waiting;
  waiting = null;
  take(events.reverse());
  take(came);
}

function newestHeldAt(): string {
  for (let place = 0; place < ring.length; place += 1) {
    const row = ring.at(place);
    if (row?.type === "event") return row.event.received_at;
  }
  return "";
}

function hole(why: string): void {
  ring.push({ type: "hole", id: `hole ${Date.now()}`, why });
}

/** Draws soon: in a frame, and not more often than an eye can follow. */
function plan(fresh: number): void {
  if (paused.value) {
    held.value += fresh;
    return;
  }
  if (drawPlanned) return;
  drawPlanned = true;
  const wait = Math.max(0, drawnAt + 1000 / DRAWS_PER_SECOND - performance.now());
  setTimeout(() => requestAnimationFrame(draw), wait);
}

function draw(): void {
  drawPlanned = false;
  if (paused.value) return;
  drawnAt = performance.now();
  held.value = 0;
  rows.value = ring.newest();
}

/** Follows the filter: another one asks for another list. */
export function followFilter(): void {
  let first = true;
  effect(() => {
    const { kind } = filter.value;
    if (first) {
      first = false;
      return;
    }
    untracked(() => {
      want(kindsOf(kind));
      void refill();
    });
  });
}
