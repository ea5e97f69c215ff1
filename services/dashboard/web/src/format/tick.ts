// What of a tick is told beside its receipt.
//
// Knows: its two moments, its side. Never: how it is drawn.

import type { Event } from "../api/types.js";
import { UNKNOWN } from "./number.js";
import { between } from "./time.js";

/** Seconds by which the moment at the venue may differ from the receipt without being told beside it. */
const APART_S = 1;

/** Whether a tick happened at the venue at another moment than the one at which it was received. */
export function isApart({ at, received_at }: Pick<Event, "at" | "received_at">): boolean {
  return Math.abs(between(at, received_at) ?? 0) > APART_S;
}

/** What the taker of a trade did. */
export const sideWord = (side: Event["side"]): string => side?.toLowerCase() ?? UNKNOWN;
