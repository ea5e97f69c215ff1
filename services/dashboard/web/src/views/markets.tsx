// All tokens that are followed: sorted and filtered by the server, drawn as far as they are in sight.
//
// Knows: columns and their order. Never: more rows than the window.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { BookState, Token } from "../api/types.js";
import { Choice, TextFilter } from "../components/eventlist.js";
import { Grid, type Column } from "../components/grid.js";
import { isNarrow } from "../components/media.js";
import { Panel } from "../components/panel.js";
import { count, dollars, grouped, known, price, rate, UNKNOWN, type Units } from "../format/number.js";
import { age, full } from "../format/time.js";
import { BOOK_STATES } from "../format/words.js";
import { param, set, units, view } from "../state/route.js";
import { BEYOND } from "../components/window.js";
import { Tokens } from "../state/tokens.js";

interface Sortable {
  sort: string;
  head: string;
  class: string;
  /** Whether the first click sorts downwards: numbers, the largest first. */
  isDownwards: boolean;
  cell: (token: Token, units: Units) => ComponentChildren;
}

const COLUMNS: readonly Sortable[] = [
  {
    sort: "question",
    head: "question",
    class: "m-question",
    isDownwards: false,
    cell: (token) => (
      <span title={token.question ?? token.condition_id}>{token.question ?? token.condition_id}</span>
    ),
  },
  {
    sort: "outcome",
    head: "outcome",
    class: "m-outcome",
    isDownwards: false,
    cell: (token) => <span title={token.outcome ?? token.token_id}>{token.outcome ?? UNKNOWN}</span>,
  },
  {
    sort: "bid",
    head: "bid",
    class: "m-bid number",
    isDownwards: true,
    cell: (token, unit) => price(token.bid, unit),
  },
  {
    sort: "ask",
    head: "ask",
    class: "m-ask number",
    isDownwards: true,
    cell: (token, unit) => price(token.ask, unit),
  },
  {
    sort: "last",
    head: "last",
    class: "m-last number",
    isDownwards: true,
    cell: (token, unit) => price(token.last, unit),
  },
  {
    sort: "volume_24h",
    head: "24 h vol.",
    class: "m-volume number",
    isDownwards: true,
    cell: (token) => (
      <span title={known(token.volume_24h) ? `$${grouped(token.volume_24h)}` : "unknown"}>
        {dollars(token.volume_24h)}
      </span>
    ),
  },
  {
    sort: "ticks_per_s",
    head: "ticks/s",
    class: "m-rate number",
    isDownwards: true,
    cell: (token) => rate(token.ticks_per_s),
  },
  {
    sort: "age",
    head: "age",
    class: "m-age number",
    isDownwards: true,
    cell: (token) => (
      <span title={known(token.last_tick_at) ? full(token.last_tick_at) : "unknown"}>{age(token.age_s)}</span>
    ),
  },
  {
    sort: "state",
    head: "book",
    class: "m-state",
    isDownwards: false,
    cell: (token) => (
      <span class={`state-word ${token.state}`}>{BOOK_STATES[token.state] ?? token.state}</span>
    ),
  },
];

const USUAL = "volume_24h";

let placing: ReturnType<typeof setTimeout> | undefined;
let place: string | null = null;

/** Writes the place into the address once the scroll bar rests. */
function keepPlace(row: string): void {
  clearTimeout(placing);
  place = row;
  placing = setTimeout(writePlace, 300);
}

/** Writes a place that waits for it. */
function writePlace(): void {
  clearTimeout(placing);
  if (place !== null && view.peek() === "markets") set({ row: place });
  place = null;
}

export function Markets(): JSX.Element {
  const list = useMemo(() => new Tokens(), []);
  useEffect(() => () => list.close(), []);
  const sort = param("sort") || USUAL;
  const dir = param("dir") || (COLUMNS.find((column) => column.sort === sort)?.isDownwards ? "desc" : "asc");
  const [q, state] = [param("q"), param("state")];
  useEffect(() => list.choose({ sort, dir, q, state }), [sort, dir, q, state]);
  void list.version.value;
  const { total, matched, counts, why } = list.window.value;
  const unit = units.value;
  return (
    <Panel
      name="markets"
      title="Markets"
      needs={["feed"]}
      class="full"
      note={
        <span role="status" data-figure="tokens_matched" data-value={matched}>
          {why !== null
            ? `unknown: ${why}`
            : matched === total
              ? `${count(total)} tokens`
              : `${count(matched)} of ${count(total)} tokens`}
        </span>
      }
      tools={<Filters counts={counts} />}
    >
      <Grid
        id="markets"
        key={`${sort} ${dir} ${q} ${state} ${isNarrow.value}`}
        label="followed tokens"
        columns={COLUMNS.map((column) => heading(column, sort, dir))}
        total={matched}
        rowHeight={isNarrow.value ? 50 : 28}
        startAt={Number(param("row")) || 0}
        row={(index) => shown(list.at(index), unit)}
        onSpan={({ first, end }) => {
          list.look(first, end);
          if (matched > 0) keepPlace(first === 0 ? "" : String(first + BEYOND));
        }}
        onOpen={(index) => {
          const token = list.at(index);
          if (!token) return;
          writePlace();
          set({ token: token.token_id }, "push");
        }}
        empty={why ?? (q || state ? "no token matches" : "no token is followed yet")}
      />
    </Panel>
  );
}

function Filters({ counts }: { counts: Record<BookState, number> | null }): JSX.Element {
  const options: Record<string, string> = { "": "any state" };
  for (const [state, word] of Object.entries(BOOK_STATES)) {
    options[state] = counts ? `${word} (${count(counts[state as BookState])})` : word;
  }
  return (
    <div class="tools">
      <TextFilter name="q" label="filter markets by question or outcome" placeholder="filter …" />
      <Choice name="state" label="book state" usual="" options={options} />
    </div>
  );
}

function heading(column: Sortable, sort: string, dir: string): Column {
  const isSorted = column.sort === sort;
  const next = isSorted ? (dir === "desc" ? "asc" : "desc") : column.isDownwards ? "desc" : "asc";
  return {
    name: column.sort,
    class: column.class,
    sorted: isSorted ? (dir === "desc" ? "descending" : "ascending") : "none",
    head: (
      <button
        type="button"
        class="plain"
        data-sort={column.sort}
        onClick={() => set({ sort: column.sort, dir: next, row: "" })}
      >
        {column.head}
        <span class="sign" aria-hidden="true">
          {isSorted ? (dir === "desc" ? "▼" : "▲") : ""}
        </span>
      </button>
    ),
  };
}

function shown(token: Token | undefined, unit: Units): ReturnType<Parameters<typeof Grid>[0]["row"]> {
  if (token === undefined) return { key: "", cells: COLUMNS.map(() => "…"), class: "loading" };
  return {
    key: token.token_id,
    cells: COLUMNS.map(({ cell }) => cell(token, unit)),
    class: token.state,
    data: { "data-token": token.token_id, "data-state": token.state },
  };
}
