// The live stream: one WebSocket that comes back by itself.
//
// Knows: connecting, silence, pauses. Never: what a message means.

import { epoch, link } from "../state/live.js";
import type { Told } from "../api/types.js";
import { pause } from "./backoff.js";

/** The server tells something every second; silence longer than this is a loss. */
const SILENT_AFTER_MS = 4000;
/** Silence after which the connection is given up. */
const DEAD_AFTER_MS = 10_000;

let socket: WebSocket | null = null;
let kinds = "";
let attempt = 0;
let heardAt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let hear: (told: Told) => void = () => undefined;

/** Begins to listen, and goes on for as long as the page is open. */
export function listen(wanted: string, onTold: (told: Told) => void): void {
  [kinds, hear] = [wanted, onTold];
  connect();
  setInterval(watch, 500);
  // A machine that wakes up, or finds its network again, does not wait for the pause to end.
  addEventListener("online", retryNow);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && link.value.state === "lost") retryNow();
  });
}

/** Listens to other kinds from now on. */
export function want(wanted: string): void {
  if (wanted === kinds) return;
  kinds = wanted;
  retryNow();
}

/** Attempts to connect without waiting. */
export function retryNow(): void {
  const old = socket;
  socket = null;
  old?.close();
  connect();
}

function connect(): void {
  clearTimeout(timer);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const query = kinds ? `?kinds=${encodeURIComponent(kinds)}` : "";
  const opened = new WebSocket(`${scheme}//${location.host}/ws/live${query}`);
  socket = opened;
  heardAt = performance.now();
  if (link.value.state === "lost") link.value = { ...link.value, retryAt: null };
  opened.onmessage = (message: MessageEvent<string>) => {
    if (socket !== opened) return;
    heardAt = performance.now();
    hear(JSON.parse(message.data) as Told);
    found();
  };
  opened.onclose = (closed) => {
    if (socket !== opened) return;
    socket = null;
    const wait = pause(attempt, Math.random());
    attempt += 1;
    lost(closed.reason ? `the live stream ended: ${closed.reason}` : "the live stream is lost", wait);
    timer = setTimeout(connect, wait);
  };
}

function watch(): void {
  if (socket === null) return;
  const silence = performance.now() - heardAt;
  if (silence > DEAD_AFTER_MS) retryNow();
  else if (silence > SILENT_AFTER_MS) lost("the live stream is silent", null);
}

function found(): void {
  attempt = 0;
  if (link.value.state === "live") return;
  link.value = { state: "live", since: Date.now(), why: "", retryAt: null };
  epoch.value += 1;
}

function lost(why: string, wait: number | null): void {
  const since = link.value.state === "lost" ? link.value.since : Date.now();
  link.value = { state: "lost", since, why, retryAt: wait === null ? null : Date.now() + wait };
}
