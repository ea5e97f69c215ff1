// A moment that may be of another day: then the day stands before it.
//
// Knows: today. Never: what happened then.

import type { JSX } from "preact";
import { known } from "../format/number.js";
import { clock, full } from "../format/time.js";

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export function Moments({ at }: { at: string }): JSX.Element {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  return (
    <time dateTime={at} title={full(at)}>
      {isToday ? "" : `${DAY.format(date)} `}
      {clock(at)}
    </time>
  );
}

/** Since when counters count: none of them knows what was before. */
export function CountedSince({ at }: { at: string | null | undefined }): JSX.Element | null {
  return known(at) ? (
    <>
      counted since <Moments at={at} />
    </>
  ) : null;
}
