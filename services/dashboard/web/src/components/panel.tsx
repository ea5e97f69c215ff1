// A panel: a heading, its contents, and whether what stands in it is to be believed.
//
// Knows: which services it stands on. Never: its contents.

import type { ComponentChildren, JSX } from "preact";
import { wholeSpan } from "../format/time.js";
import type { ServiceName } from "../api/types.js";
import { isLive, standing } from "../state/live.js";

interface Props {
  name: string;
  title: string;
  /** The services without which nothing is known here. */
  needs: readonly ServiceName[];
  note?: ComponentChildren;
  tools?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}

export function Panel({ name, title, needs, note, tools, class: kind, children }: Props): JSX.Element {
  const stands = standing(needs);
  const state = !isLive.value ? "old" : stands.state;
  return (
    <section
      class={`panel ${kind ?? ""}`}
      data-panel={name}
      data-state={state}
      aria-labelledby={`panel-${name}`}
    >
      <header class="panel-head">
        <h2 id={`panel-${name}`}>{title}</h2>
        {state === "unknown" && stands.state === "unknown" ? (
          <p class="badge unknown" data-silent={stands.who} title={sentence(stands.who, stands.age)}>
            {stands.age === null
              ? `unknown · ${stands.who} not heard of`
              : `unknown · ${stands.who} silent ${wholeSpan(stands.age)}`}
          </p>
        ) : (
          note !== undefined && <p class="note">{note}</p>
        )}
        {tools}
      </header>
      {children}
    </section>
  );
}

const sentence = (who: string, age: number | null): string =>
  age === null ? `nothing was heard of ${who} yet` : `the last word of ${who} came ${wholeSpan(age)} ago`;
