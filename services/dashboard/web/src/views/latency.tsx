// Latency: how long each part of the way takes now, and over the last hours as a heat map.
//
// Knows: the four parts. Never: an age without its sign; a clock that runs ahead is shown, not hidden.

import type { JSX } from "preact";
import type { Latency, LatencyRow, LatencyStage, ServiceName } from "../api/types.js";
import { Panel } from "../components/panel.js";
import { usePoll } from "../components/poll.js";
import { count, known, UNKNOWN } from "../format/number.js";
import { latency } from "../format/time.js";
import { param, set } from "../state/route.js";
import { HeatMap } from "./heatmap.js";

/** What is kept: an hour. */
const SPANS: readonly [string, string][] = [
  ["5", "5 min"],
  ["15", "15 min"],
  ["60", "1 h"],
];

const STAGES: readonly { stage: LatencyStage; title: string; note: string; needs: ServiceName[] }[] = [
  {
    stage: "received",
    title: "Exchange → received",
    note: "from the match at the venue to the feed",
    needs: ["feed"],
  },
  { stage: "judged", title: "Received → judged", note: "from the feed to the verdict", needs: ["processor"] },
  { stage: "stored", title: "Judged → stored", note: "from the verdict to the database", needs: ["writer"] },
  {
    stage: "page",
    title: "Judged → page",
    note: "from the verdict to this page's stream",
    needs: ["dashboard"],
  },
];

/** Milliseconds as text. */
export const millis = (ms: number | null | undefined): string => latency(known(ms) ? ms * 1000 : null);

export function LatencyView(): JSX.Element {
  const asked = param("minutes");
  const minutes = SPANS.some(([name]) => name === asked) ? asked : "60";
  const { value, why } = usePoll<Latency>("/api/latency", { minutes }, 5000);
  return (
    <div class="latency">
      <div class="view-tools">
        <p class="note">
          {why === null
            ? "p50, p90, p99 of the last 5 minutes; below, how often each latency was seen"
            : `unknown: ${why}`}
        </p>
        <div class="segments" role="group" aria-label="span">
          {SPANS.map(([name, word]) => (
            <button
              type="button"
              key={name}
              aria-pressed={minutes === name}
              onClick={() => set({ minutes: name === "60" ? "" : name })}
            >
              {word}
            </button>
          ))}
        </div>
      </div>
      <Skew told={value} />
      <div class="stages">
        {STAGES.map(({ stage, title, note, needs }) => (
          <Panel key={stage} name={`latency-${stage}`} title={title} needs={needs} note={note}>
            <Now stage={stage} row={value?.stages[stage] ?? null} />
            <HeatMap title={title} told={value} row={value?.stages[stage] ?? null} />
          </Panel>
        ))}
      </div>
    </div>
  );
}

function Now({ stage, row }: { stage: LatencyStage; row: LatencyRow | null }): JSX.Element {
  return (
    <dl class="percentiles">
      {(["p50", "p90", "p99"] as const).map((name) => {
        const value = row?.[name];
        const kind = !known(value) ? "unknown" : value < 0 ? "skewed" : "";
        return (
          <div key={name} data-figure={`latency_${stage}_${name}`} data-value={known(value) ? value : ""}>
            <dt>{name}</dt>
            <dd class={kind}>{known(value) ? millis(value) : UNKNOWN}</dd>
          </div>
        );
      })}
    </dl>
  );
}

/** Ages below this are more than the rounding of a time to the millisecond. */
const AHEAD_MS = -50;

/** How the two clocks stand to each other, in sentences. */
function Skew({ told }: { told: Latency | null }): JSX.Element {
  const skew = told?.skew;
  const isAhead = known(skew?.min_ms) && (skew.min_ms < AHEAD_MS || (skew.p50_ms ?? 0) < 0);
  return (
    <p
      class="skew"
      data-state={isAhead ? "ahead" : "none"}
      data-figure="skew_min_ms"
      data-value={known(skew?.min_ms) ? skew.min_ms : ""}
    >
      <b>Skew</b> {skew ? skewWords(skew) : "unknown: no trade was measured in this span"}
    </p>
  );
}

function skewWords(skew: NonNullable<Latency["skew"]>): string {
  const { min_ms, negative, samples, clock_offset_ms: offset } = skew;
  const words: string[] = [];
  if (known(min_ms)) words.push(`the youngest trade was ${millis(min_ms)} old when it came`);
  if (known(negative) && known(samples)) {
    words.push(`${count(negative)} of ${count(samples)} came before their own time, by the venue's clock`);
  }
  if (known(offset)) {
    const side = offset < 0 ? "behind ours" : "ahead of ours";
    words.push(`the feed finds the venue's clock ${millis(Math.abs(offset))} ${side}`);
  }
  return words.length === 0 ? "unknown" : words.join("; ");
}
