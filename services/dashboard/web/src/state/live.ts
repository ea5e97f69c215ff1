// What the page was last told, and whether it is still being told.
//
// Knows: the newest status and metrics, the link, the two clocks. Never: how the words arrive.

import { computed, signal } from "@preact/signals";
import type { Metrics, Service, ServiceName, Status } from "../api/types.js";

export type LinkState = "connecting" | "live" | "lost";

export interface Link {
  state: LinkState;
  /** Since when, by the clock of the reader. */
  since: number;
  /** Why it is not live, in words. */
  why: string;
  /** When the next attempt begins; null while one is under way. */
  retryAt: number | null;
}

export const status = signal<Status | null>(null);
export const metrics = signal<Metrics | null>(null);
export const link = signal<Link>({ state: "connecting", since: Date.now(), why: "", retryAt: null });
/** Counts up each time the link comes back: what was fetched before is to be fetched anew. */
export const epoch = signal(0);
/** Counts up when gaps are told. */
export const gapsTold = signal(0);

/** The clock of the reader, once a second. */
export const now = signal(Date.now());
/** Clock of the server minus clock of the reader, in milliseconds, as far as the newest message tells. */
export const clockAhead = signal(0);
/** The clock of the server, once a second. */
export const serverNow = computed(() => now.value + clockAhead.value);

export const isLive = computed(() => link.value.state === "live");

export function serviceOf(name: ServiceName): Service | null {
  return status.value?.details.services.find((service) => service.service === name) ?? null;
}

/** What is to be said of a panel that stands on some services. */
export type Standing = { state: "live" } | { state: "unknown"; who: string; age: number | null };

/** Whether all of these services were heard of lately; if not, the one that is silent for longest. */
export function standing(names: readonly ServiceName[]): Standing {
  if (status.value === null) return { state: "unknown", who: "dashboard", age: null };
  const silent = names.map(serviceOf).filter((service) => service === null || service.state !== "running");
  const worst = silent.sort(
    (a, b) => (b?.heard_age_seconds ?? Infinity) - (a?.heard_age_seconds ?? Infinity),
  )[0];
  if (worst === undefined) return { state: "live" };
  return { state: "unknown", who: worst?.service ?? names[0] ?? "", age: worst?.heard_age_seconds ?? null };
}
