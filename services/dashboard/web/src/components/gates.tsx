// The gates: how often each was asked, what it caught, what it could not decide.
//
// Knows: the three gates by name. Never: their rules.

import type { JSX } from "preact";
import { count, known, UNKNOWN } from "../format/number.js";
import { metrics } from "../state/live.js";
import { set } from "../state/route.js";
import { Figure } from "./figure.js";
import { CountedSince } from "./moments.js";
import { Panel } from "./panel.js";
import { Spark } from "./spark.js";

const GATES = [
  { gate: "g1", name: "G1", what: "stale", outcome: "refused", hint: "Trades older than 300 s are refused" },
  {
    gate: "g3",
    name: "G3",
    what: "no size",
    outcome: "backfilled",
    hint: "Trades without a usable size: the size is looked up",
  },
  {
    gate: "g5",
    name: "G5",
    what: "off the book",
    outcome: "flagged",
    hint: "Trades more than 0.10 away from the book are flagged",
  },
] as const;

export function Gates(): JSX.Element {
  const m = metrics.value;
  return (
    <Panel
      name="gates"
      title="Gotcha protection"
      needs={["processor"]}
      note={<CountedSince at={m?.counted_since.processor} />}
    >
      <table class="gates">
        <thead>
          <tr>
            <th scope="col">gate</th>
            <th scope="col" aria-hidden="true" />
            <th scope="col">hit</th>
            <th scope="col">evaluated</th>
            <th scope="col">unknown</th>
          </tr>
        </thead>
        <tbody>
          {GATES.map(({ gate, name, what, hint }) => {
            const told = m?.gates[gate];
            return (
              <tr key={gate} data-gate={name} title={hint}>
                <th scope="row">
                  <button
                    type="button"
                    class="plain"
                    onClick={() => set({ gate: name }, "push")}
                    data-examples={name}
                    aria-label={`${name} ${what}: latest examples`}
                  >
                    <b>{name}</b> {what}
                  </button>
                </th>
                <td class="spark-cell">
                  <Cellspark series={gate} />
                </td>
                <Count name={`${gate}_hit`} value={told?.hit} lead />
                <Count name={`${gate}_evaluated`} value={told?.evaluated} />
                <Count name={`${gate}_unknown`} value={told?.unknown} warn />
              </tr>
            );
          })}
        </tbody>
      </table>
      <dl class="figures">
        <Figure
          name="g3_size_backfilled"
          label="G3 sizes found by REST"
          value={m?.g3_size_backfilled}
          show={count}
          series={null}
        />
        <Figure
          name="g5_overruled"
          label="G5 cleared by a second look"
          value={m?.gates.g5_overruled}
          show={count}
          series={null}
        />
        <Figure
          name="skewed"
          label="SKEW, from the future"
          value={m?.gates.skewed}
          show={count}
          series={null}
        />
      </dl>
    </Panel>
  );
}

function Cellspark({ series }: { series: string }): JSX.Element {
  return (
    <dl class="bare">
      <dt class="hidden">last five minutes</dt>
      <Spark series={series} tall={false} />
    </dl>
  );
}

function Count({
  name,
  value,
  lead,
  warn,
}: {
  name: string;
  value: number | null | undefined;
  lead?: boolean;
  warn?: boolean;
}): JSX.Element {
  const kind = !known(value) ? "unknown" : lead ? "lead" : warn && value > 0 ? "warn" : "";
  return (
    <td class={kind} data-figure={name} data-value={known(value) ? value : ""}>
      {known(value) ? count(value) : UNKNOWN}
    </td>
  );
}
