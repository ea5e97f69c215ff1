// Whether a stage of the way keeps up.
//
// Knows: rates, waiting messages, ages. Never: how it is drawn.

import type { Arrow, Flow, Stage, StageName } from "../api/types.js";
import { known } from "./number.js";

export type Pace = "ok" | "behind" | "stuck" | "unknown";

/** Waiting messages that are no cause for a look. */
const LAG_CALM = 500;
/** Seconds of its own rate that an arrow may be behind. */
const BEHIND_S = 5;
const STUCK_S = 30;

/** How an arrow keeps up, by how long it would take to work off what waits. */
export function pace(arrow: Arrow | undefined): Pace {
  if (arrow === undefined || (!known(arrow.rate) && !known(arrow.lag) && !known(arrow.age_s)))
    return "unknown";
  const lag = arrow.lag ?? 0;
  const rate = arrow.rate ?? 0;
  const behind_s = lag <= LAG_CALM ? 0 : rate > 0 ? lag / rate : Infinity;
  // The age of what waits tells only something where something waits.
  const age_s = lag > 0 ? (arrow.age_s ?? 0) : 0;
  const worst = Math.max(behind_s, age_s);
  if (worst > STUCK_S) return "stuck";
  return worst > BEHIND_S ? "behind" : "ok";
}

/** How full a queue looks, 0 to 1: each tenfold of waiting messages is a fifth. */
export function fullness(lag: number | null | undefined): number {
  if (!known(lag) || lag <= 0) return 0;
  return Math.min(1, Math.log10(1 + lag) / 5);
}

/** Strength of the line of an arrow, in pixels: each tenfold of the rate is one more. */
export function strength(rate: number | null | undefined): number {
  if (!known(rate) || rate <= 0) return 1.5;
  return Math.min(6, 1.5 + Math.log10(1 + rate));
}

export const stageOf = (flow: Flow | null, name: StageName): Stage | undefined =>
  flow?.stages.find((stage) => stage.name === name);

export const arrowOf = (flow: Flow | null, from: StageName, to: StageName): Arrow | undefined =>
  flow?.arrows.find((arrow) => arrow.from === from && arrow.to === to);
