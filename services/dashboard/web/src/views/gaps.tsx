// Gaps and coverage: when data was missing and why, and how complete each market is by the hour.
//
// Knows: which part asks what. Never: a gap of its own.

import type { JSX } from "preact";
import type { Coverage, Gap, GapPage } from "../api/types.js";
import { Moments } from "../components/moments.js";
import { Panel } from "../components/panel.js";
import { usePoll } from "../components/poll.js";
import { count } from "../format/number.js";
import { between, hourMinute, span } from "../format/time.js";
import { cause } from "../format/words.js";
import { gapsTold, now, serverNow } from "../state/live.js";
import { param, set } from "../state/route.js";
import { CoverageGrid } from "./coverage.js";
import { TimeLine } from "./timeline.js";

const SPANS: readonly [string, string][] = [
  ["1", "1 h"],
  ["6", "6 h"],
  ["24", "24 h"],
  ["168", "7 d"],
];
const HOUR_MS = 3_600_000;
const LISTED = 200;
const DRAWN = 500;

export function Gaps(): JSX.Element {
  const hours = Number(param("hours")) || 24;
  const page = Number(param("page")) || 0;
  // A question of a minute ago still asks for the same: otherwise every second would ask anew.
  const to = Math.ceil(now.value / 60_000) * 60_000;
  const from = new Date(to - hours * HOUR_MS).toISOString();
  const told = gapsTold.value;
  const drawn = usePoll<GapPage>("/api/gaps", { from, limit: DRAWN }, 5000, told);
  const coverage = usePoll<Coverage>(
    "/api/coverage",
    { hours: Math.max(hours, 12), limit: 50, offset: page * 50 },
    15_000,
  );
  return (
    <div class="gaps-view">
      <Panel
        name="timeline"
        title="Gaps over time"
        needs={["feed"]}
        note={drawn.why ?? (drawn.value ? noteOf(drawn.value) : "")}
        tools={
          <div class="segments" role="group" aria-label="span">
            {SPANS.map(([value, word]) => (
              <button
                type="button"
                key={value}
                aria-pressed={String(hours) === value}
                onClick={() => set({ hours: value === "24" ? "" : value, page: "" })}
              >
                {word}
              </button>
            ))}
          </div>
        }
      >
        <TimeLine
          gaps={drawn.value?.gaps ?? null}
          from={to - hours * HOUR_MS}
          to={to}
          now={serverNow.value}
          onPick={pick}
        />
      </Panel>
      <CoverageGrid
        told={coverage.value}
        why={coverage.why}
        page={page}
        onPick={(market, hour) => set({ market, hour, open: "" }, "push")}
      />
      <List />
    </div>
  );
}

const noteOf = ({ gaps, next }: GapPage): string =>
  `${next === null ? "" : "the newest "}${count(gaps.length)} gaps, ${count(gaps.filter(({ healed_at }) => healed_at === null).length)} open`;

function pick(gap: Gap): void {
  set({ market: gap.condition_id, hour: "", open: "" }, "push");
}

/** The gaps of what was clicked; all of them without a click. */
function List(): JSX.Element {
  const [market, hour] = [param("market"), param("hour")];
  const from = hour || null;
  const to = hour ? new Date(Date.parse(hour) + HOUR_MS).toISOString() : null;
  const before = param("before");
  const isOpenOnly = param("open") === "true";
  const open = isOpenOnly || null;
  const query = { condition_id: market, open, from, to, before, limit: LISTED };
  const { value, why } = usePoll<GapPage>("/api/gaps", query, before === "" ? 5000 : 0);
  const gaps = value?.gaps ?? [];
  const question = gaps.find((gap) => gap.question)?.question ?? market;
  const chosen = [
    isOpenOnly ? "open now" : "",
    market ? question : "",
    hour ? `${hourMinute(hour)} to ${hourMinute(to ?? hour)}` : "",
  ]
    .filter(Boolean)
    .join(", ");
  return (
    <Panel
      name="gap-list"
      title="List of gaps"
      needs={["writer"]}
      note={why ?? (chosen || "all markets, newest first")}
      tools={
        <div class="tools">
          {chosen !== "" && (
            <button type="button" onClick={() => set({ market: "", hour: "", before: "", open: "" })}>
              show all
            </button>
          )}
          {before !== "" && (
            <button type="button" onClick={() => set({ before: "" })}>
              newest
            </button>
          )}
          {value?.next && (
            <button type="button" onClick={() => set({ before: value.next ?? "" }, "push")}>
              older
            </button>
          )}
        </div>
      }
    >
      <div class="scroll" tabIndex={0} role="region" aria-label="rows of the list of gaps">
        <table class="rows" id="gap-list" data-rows={gaps.length}>
          <thead>
            <tr>
              <th scope="col">opened</th>
              <th scope="col">lasted</th>
              <th scope="col">cause</th>
              <th scope="col">market</th>
              <th scope="col" class="number">
                trades recovered
              </th>
              <th scope="col">shard</th>
            </tr>
          </thead>
          <tbody>
            {gaps.map((gap) => (
              <Line key={gap.id} gap={gap} />
            ))}
          </tbody>
        </table>
        {value !== null && gaps.length === 0 && (
          <p class="empty">{isOpenOnly ? "no gap is open" : "no gap"}</p>
        )}
      </div>
    </Panel>
  );
}

function Line({ gap }: { gap: Gap }): JSX.Element {
  const isOpen = gap.healed_at === null;
  return (
    <tr data-gap={gap.id} data-state={isOpen ? "open" : "healed"}>
      <td>
        <Moments at={gap.opened_at} />
      </td>
      <td>
        {isOpen ? (
          <b class="warn">open for {span(between(gap.opened_at, serverNow.value))}</b>
        ) : (
          <>
            {span(between(gap.opened_at, gap.healed_at))}
            {gap.state === "waiting" && <span class="quiet"> (trades asked for)</span>}
            {gap.state === "incomplete" && <b class="warn"> (trades missing)</b>}
          </>
        )}
      </td>
      <td>{cause(gap.cause)}</td>
      <td class="wide-cell">
        <button
          type="button"
          class="plain"
          onClick={() => set({ market: gap.condition_id, hour: "", before: "" }, "push")}
          title={gap.condition_id}
        >
          {gap.question ?? gap.condition_id}
        </button>
      </td>
      <td class="number">{count(gap.trades_recovered)}</td>
      <td>{gap.shard}</td>
    </tr>
  );
}
