// The live events: filter, pause, newest first.
//
// Knows: how rows are chosen and shown. Never: more rows in the document than are in sight.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { count, UNKNOWN } from "../format/number.js";
import { filter, held, missed, paused, pauseOrGoOn, rows, type Row } from "../state/events.js";
import { status } from "../state/live.js";
import { param, set, units } from "../state/route.js";
import { eventCells, gapCells } from "./eventcells.js";
import { Grid, type Column } from "./grid.js";
import { isNarrow } from "./media.js";

const COLUMNS: readonly Column[] = [
  { name: "time", head: "received", class: "c-time" },
  { name: "executed", head: "executed", class: "c-executed" },
  { name: "kind", head: "kind", class: "c-kind" },
  { name: "question", head: "question", class: "c-question" },
  { name: "outcome", head: "outcome", class: "c-outcome" },
  { name: "side", head: "side", class: "c-side" },
  { name: "price", head: "price", class: "c-price number" },
  { name: "shares", head: "shares", class: "c-shares number" },
  { name: "verdict", head: "verdict", class: "c-verdict" },
];

const KINDS = {
  trade: "trades",
  all: "everything",
  price: "price changes",
  book: "books",
  quote: "quotes",
  tick_size: "tick sizes",
};

export function EventFilters(): JSX.Element {
  return (
    <div class="tools">
      <TextFilter name="text" label="filter by question or outcome" placeholder="filter …" />
      <Choice name="kind" label="kind" usual="trade" options={KINDS} />
      <Choice
        name="verdict"
        label="verdict"
        usual=""
        options={{ "": "any verdict", clean: "clean", flagged: "flagged", refused: "refused" }}
      />
      <Choice
        name="reason"
        label="reason"
        usual=""
        options={{
          "": "any reason",
          G1: "G1 stale",
          G3: "G3 no size",
          G5: "G5 off the book",
          SKEW: "SKEW future",
        }}
      />
      <button type="button" id="pause" class="pause" aria-pressed={paused.value} onClick={pauseOrGoOn}>
        {paused.value ? "Go on" : "Pause"}
      </button>
    </div>
  );
}

export function EventNote(): JSX.Element {
  const told = [
    paused.value ? `paused · ${count(held.value)} newer` : "",
    missed.value > 0 ? `${count(missed.value)} went by unseen` : "",
  ].filter(Boolean);
  return (
    <span class="note" id="events-note" role="status">
      {told.join(" · ")}
    </span>
  );
}

export function EventList({ id }: { id: string }): JSX.Element {
  const list = rows.value;
  const unit = units.value;
  const open = (index: number): void => {
    const row = list[index];
    if (row?.type === "event") set({ token: row.event.token_id }, "push");
  };
  // Where only one kind is shown, its word in every row tells nothing.
  const withKind = filter.value.kind === "all";
  const columns = withKind ? COLUMNS : COLUMNS.filter(({ name }) => name !== "kind");
  const row = (index: number): Shown => {
    const all = shown(list[index], unit);
    return withKind
      ? all
      : { ...all, cells: all.cells.filter((_, place) => COLUMNS[place]?.name !== "kind") };
  };
  return (
    <Grid
      id={id}
      class={withKind ? "with-kind" : ""}
      label="live events, newest first"
      columns={columns}
      total={list.length}
      rowHeight={isNarrow.value ? 50 : 28}
      row={row}
      onOpen={open}
      onMove={() => {
        // Who walks through the rows does not want them to run away.
        if (!paused.value) pauseOrGoOn();
      }}
      empty={nothing()}
    />
  );
}

/** What an empty list says: before the first word of the live stream it is not empty, it is not there. */
function nothing(): string {
  if (status.value?.details.catching_up !== false) return "loading …";
  const { text, verdict, reason } = filter.value;
  return text || verdict || reason ? "no event matches" : "no event yet";
}

type Shown = ReturnType<Parameters<typeof Grid>[0]["row"]>;

function shown(row: Row | undefined, unit: ReturnType<typeof units.peek>): Shown {
  if (row === undefined) return { key: "", cells: COLUMNS.map(() => UNKNOWN) };
  if (row.type === "event") {
    const { event } = row;
    const data = {
      "data-event": event.id,
      "data-kind": event.kind,
      "data-verdict": event.verdict,
      "data-reasons": event.reasons.join(" "),
    };
    return {
      key: row.id,
      cells: eventCells(event, unit),
      class: event.kind === "trade" ? event.verdict : "",
      data,
    };
  }
  if (row.type === "gap")
    return { key: row.id, cells: gapCells(row.gap, row.markets), class: "gap", data: { "data-kind": "gap" } };
  return {
    key: row.id,
    cells: ["", "", "hole", row.why, "", "", "", "", ""],
    class: "hole",
    data: { "data-kind": "hole" },
  };
}

interface TextProps {
  name: string;
  label: string;
  placeholder: string;
}

/** A text of the address, changed a moment after the last key. */
export function TextFilter({ name, label, placeholder }: TextProps): JSX.Element {
  const [text, setText] = useState(param(name));
  const told = param(name);
  useEffect(() => setText(told), [told]);
  useEffect(() => {
    if (text === told) return undefined;
    const timer = setTimeout(() => set({ [name]: text, row: "" }), 180);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      type="search"
      name={name}
      aria-label={label}
      placeholder={placeholder}
      value={text}
      autocomplete="off"
      spellcheck={false}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}

interface ChoiceProps {
  name: string;
  label: string;
  /** The value that stands for itself in the address by not being there. */
  usual: string;
  options: Record<string, string>;
}

export function Choice({ name, label, usual, options }: ChoiceProps): JSX.Element {
  return (
    <select
      name={name}
      aria-label={label}
      value={param(name) || usual}
      onChange={(event) =>
        set({ [name]: event.currentTarget.value === usual ? "" : event.currentTarget.value, row: "" })
      }
    >
      {Object.entries(options).map(([value, word]) => (
        <option key={value} value={value}>
          {word}
        </option>
      ))}
    </select>
  );
}
