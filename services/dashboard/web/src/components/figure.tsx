// One number with its name and its last five minutes.
//
// Knows: what is unknown looks unknown. Never: how the number came about.

import type { ComponentChildren, JSX } from "preact";
import { known, UNKNOWN } from "../format/number.js";
import { Spark } from "./spark.js";

interface Props<T> {
  /** Its name in the API: what a test finds it by. */
  name: string;
  label: ComponentChildren;
  value: T | null | undefined;
  show: (value: T) => ComponentChildren;
  /** What the number means, for a pointer that rests on it. */
  hint?: string;
  /** The line beside it; its own name unless said otherwise, none for null. */
  series?: string | null;
  tone?: "good" | "warn" | "bad" | "" | undefined;
  lead?: boolean;
}

export function Figure<T extends string | number>(props: Props<T>): JSX.Element {
  const { name, label, value, show, hint, tone, lead } = props;
  const series = props.series === undefined ? name : props.series;
  const isKnown = known(value);
  return (
    <div
      class={lead ? "figure lead" : "figure"}
      data-figure={name}
      data-value={isKnown ? String(value) : ""}
      title={hint}
    >
      <dt>{label}</dt>
      {series === null ? (
        <dd class="spark" aria-hidden="true" />
      ) : (
        <Spark series={series} tall={lead ?? false} />
      )}
      <dd class={isKnown ? (tone ?? "") : "unknown"} title={isKnown ? undefined : "unknown"}>
        {isKnown ? show(value) : UNKNOWN}
      </dd>
    </div>
  );
}
