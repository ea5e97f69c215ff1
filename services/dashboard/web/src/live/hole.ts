// What happened while the page was not listening.
//
// Knows: two lists of events, one of them with a hole behind it. Never: how events are fetched; that is given.

import type { Event } from "../api/types.js";

/** Most pages that are read to fill one hole. */
const PAGES_MAX = 4;

export interface Filled {
  /** Events that are new, newest first. */
  events: Event[];
  /** Whether they reach up to what was known. If not, some are missing for good. */
  isWhole: boolean;
}

/** Reads backwards from `newest` (newest first) until an event is known already. */
export async function fill(
  newest: readonly Event[],
  isKnown: (id: string) => boolean,
  readBefore: (id: string) => Promise<Event[] | null>,
): Promise<Filled> {
  const events: Event[] = [];
  let page: readonly Event[] = newest;
  for (let read = 0; ; read += 1) {
    for (const event of page) {
      if (isKnown(event.id)) return { events, isWhole: true };
      events.push(event);
    }
    const oldest = page.at(-1);
    if (oldest === undefined || read === PAGES_MAX) return { events, isWhole: false };
    const next = await readBefore(oldest.id);
    if (next === null) return { events, isWhole: false };
    page = next;
  }
}
