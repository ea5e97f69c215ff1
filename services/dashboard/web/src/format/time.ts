// How moments and spans look.
//
// Knows: the zone of the reader. Never: the time of day now; it is given.

import { known, UNKNOWN } from "./number.js";

const two = (value: number): string => String(value).padStart(2, "0");

/** The time of day of a moment in the zone of the reader, to the second or the millisecond. */
export function clock(moment: string | number, digits: 0 | 3 = 0): string {
  const at = new Date(moment);
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return digits === 3 ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Hours and minutes only, for axes. */
export function hourMinute(moment: string | number): string {
  const at = new Date(moment);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

const DATE = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZoneName: "short",
});

/** Date, time and zone in full: what a pointer that rests on a time is shown. */
export function full(moment: string | number): string {
  return `${clock(moment, 3)}, ${DATE.format(new Date(moment))}`;
}

/** A span in the largest units that fit. */
export function span(seconds: number | null | undefined): string {
  if (!known(seconds)) return UNKNOWN;
  const sign = seconds < 0 ? "−" : "";
  const all = Math.abs(seconds);
  if (all < 10) return `${sign}${all.toFixed(1)} s`;
  const whole = Math.floor(all);
  const days = Math.floor(whole / 86_400);
  const hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60;
  if (days > 0) return `${sign}${days} d ${hours} h`;
  if (hours > 0) return `${sign}${hours} h ${minutes} min`;
  if (minutes > 0) return `${sign}${minutes} min ${two(whole % 60)} s`;
  return `${sign}${whole} s`;
}

/** The same in whole units: what stands in a line that changes every second. */
export function wholeSpan(seconds: number | null | undefined): string {
  return known(seconds) && Math.abs(seconds) < 10 ? `${Math.floor(seconds)} s` : span(seconds);
}

/** A latency in microseconds, in the unit that reads best. */
export function latency(micros: number | null | undefined): string {
  if (!known(micros)) return UNKNOWN;
  const sign = micros < 0 ? "−" : "";
  const all = Math.abs(micros);
  if (all < 1000) return `${sign}${Math.round(all)} µs`;
  if (all < 100_000) return `${sign}${(all / 1000).toFixed(1)} ms`;
  if (all < 1_000_000) return `${sign}${Math.round(all / 1000)} ms`;
  if (all < 60_000_000) return `${sign}${(all / 1e6).toFixed(2)} s`;
  return span(micros / 1e6);
}

/** An age in seconds, short ones in finer units. */
export function age(seconds: number | null | undefined): string {
  return known(seconds) && Math.abs(seconds) < 10 ? latency(seconds * 1e6) : span(seconds);
}

/** Seconds from one moment to another. */
export function between(
  from: string | null | undefined,
  to: string | number | null | undefined,
): number | null {
  if (!known(from) || !known(to)) return null;
  return (new Date(to).getTime() - new Date(from).getTime()) / 1000;
}
