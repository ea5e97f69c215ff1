// A moment as the reader's clock shows it, with its date for a pointer that rests on it.
//
// Knows: nothing but a moment. Never: what happened then.

import type { JSX } from "preact";
import { known, UNKNOWN } from "../format/number.js";
import { clock, full } from "../format/time.js";

export function Time({ at, digits = 0 }: { at: string | null | undefined; digits?: 0 | 3 }): JSX.Element {
  if (!known(at)) return <span class="unknown">{UNKNOWN}</span>;
  return (
    <time dateTime={at} title={full(at)}>
      {clock(at, digits)}
    </time>
  );
}
