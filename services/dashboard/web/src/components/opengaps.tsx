// How many gaps are open, as the way to their list.
//
// Knows: where the list is. Never: a gap.

import type { JSX } from "preact";
import { count } from "../format/number.js";
import { text } from "../state/route.js";

/** Where the gaps that are open are listed. */
const PLACE = text({ view: "gaps", params: { open: "true" } });

interface Props {
  count: number;
  /** Where the words beside it say what is counted. */
  isBare?: boolean;
}

export function OpenGaps({ count: open, isBare }: Props): JSX.Element {
  const words = open === 1 ? "1 open gap" : `${count(open)} open gaps`;
  return (
    <a class="to-gaps" href={PLACE} aria-label={`${words}: list them`}>
      {isBare ? count(open) : words}
    </a>
  );
}
