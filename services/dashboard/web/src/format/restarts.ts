// Processes that took the place of others, in words.
//
// Knows: which of them are news. Never: why one ended.

import type { Restart } from "../api/types.js";
import { clock } from "./time.js";

/** How long a restart is news. */
const NEWS_FOR_MS = 60_000;

/** `writer restarted 22:19:33`, of each that is news at `now`, the newest first. */
export function restartWords(restarts: readonly Restart[], now: number): string[] {
  const news = restarts.filter(({ at }) => now - Date.parse(at) < NEWS_FOR_MS);
  return news.map(({ service, at }) => `${service} restarted ${clock(at)}`);
}
