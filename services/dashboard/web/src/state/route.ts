// Where the reader is: view and filters, kept in the address so that a reload or a link brings them back.
//
// Knows: the part of the address behind `#`. Never: what a view does with its parameters.

import { computed, signal } from "@preact/signals";
import type { Units } from "../format/number.js";

export const VIEWS = ["overview", "markets", "latency", "gaps", "sockets", "events"] as const;
export type View = (typeof VIEWS)[number];
export type Params = Readonly<Record<string, string>>;

export interface Place {
  view: View;
  params: Params;
}

/** Parameters that go along from view to view. */
const EVERYWHERE = ["units"];

/** Reads what stands behind `#`; anything odd is the overview. */
export function parse(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const view = VIEWS.find((name) => name === path) ?? "overview";
  return { view, params: Object.fromEntries(new URLSearchParams(query)) };
}

/** The text behind `#` for a place; empty parameters are left out. */
export function text({ view, params }: Place): string {
  const kept = Object.entries(params).filter(([, value]) => value !== "");
  const query = new URLSearchParams(kept).toString();
  return `#/${view === "overview" ? "" : view}${query ? `?${query}` : ""}`;
}

const here = signal<Place>(parse(typeof location === "undefined" ? "" : location.hash));
/** What each view was last shown with, so that coming back finds it as it was left. */
const left = new Map<View, Params>();

export const view = computed(() => here.value.view);
export const params = computed(() => here.value.params);
export const units = computed<Units>(() => (here.value.params.units === "cents" ? "cents" : "decimals"));

/** One parameter, as text; empty when it is not there. */
export const param = (name: string): string => here.value.params[name] ?? "";

/** The address of a view, as it was left. */
export function addressOf(name: View): string {
  const everywhere = Object.fromEntries(
    Object.entries(here.value.params).filter(([key]) => EVERYWHERE.includes(key)),
  );
  return text({ view: name, params: { ...left.get(name), ...everywhere } });
}

/** Changes parameters. `push` makes a step that the browser's way back undoes. */
export function set(patch: Params, step: "push" | "replace" = "replace"): void {
  const place = { view: here.value.view, params: { ...here.value.params, ...patch } };
  if (text(place) === text(here.value)) return;
  move(parse(text(place)), step);
}

/** Goes to a view with parameters. */
export function go(name: View, own: Params = {}): void {
  const { params: kept } = parse(addressOf(name));
  move(parse(text({ view: name, params: { ...kept, ...own } })), "push");
}

function move(place: Place, step: "push" | "replace"): void {
  const target = text(place);
  if (step === "push") history.pushState(null, "", target);
  else history.replaceState(null, "", target);
  arrive(place);
}

function arrive(place: Place): void {
  const { token: _token, gate: _gate, ...stays } = place.params;
  left.set(place.view, stays);
  here.value = place;
}

/** Follows the browser's own steps. */
export function follow(): void {
  const read = (): void => arrive(parse(location.hash));
  addEventListener("popstate", read);
  addEventListener("hashchange", read);
}
