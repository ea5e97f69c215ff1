// The way a tick goes, as a picture: every stage with its instances, every arrow with rate, lag and age.
//
// Knows: the order of the stages. Never: whether a stage is well; it is told, or computed in format/flow.

import type { JSX } from "preact";
import type { Arrow, Flow, Stage, StageInstance, StageName } from "../api/types.js";
import { arrowOf, fullness, pace, stageOf, strength, type Pace } from "../format/flow.js";
import { count, known, rate, short, UNKNOWN } from "../format/number.js";
import { age, wholeSpan } from "../format/time.js";
import { STAGES } from "../format/words.js";
import { usePoll } from "./poll.js";

/** Instances shown in a box one by one; the rest is counted. */
const INSTANCES_MAX = 4;
/** Stages that run as instances of ours. */
const OURS: readonly StageName[] = ["feed", "processor", "writer", "dashboard"];
/** Who says nothing for so long is silent. */
const SILENT_S = 5;

/** Where things stand in the grid: column, row. Writer and dashboard both take what was judged. */
const BOXES: readonly [StageName, string][] = [
  ["venue", "a"],
  ["feed", "b"],
  ["nats_raw", "c"],
  ["processor", "d"],
  ["nats_judged", "e"],
  ["writer", "f"],
  ["postgres", "g"],
  ["dashboard", "h"],
];

const ARROWS: readonly [StageName, StageName, string][] = [
  ["venue", "feed", "ab"],
  ["feed", "nats_raw", "bc"],
  ["nats_raw", "processor", "cd"],
  ["processor", "nats_judged", "de"],
  ["nats_judged", "writer", "ef"],
  ["writer", "postgres", "fg"],
  ["nats_judged", "dashboard", "eh"],
];

export function Path(): JSX.Element {
  const { value: flow, why } = usePoll<Flow>("/api/flow", {}, 1000);
  return (
    <section
      class="panel path-panel"
      data-panel="path"
      data-state={flow ? "live" : "unknown"}
      aria-labelledby="panel-path"
    >
      <header class="panel-head">
        <h2 id="panel-path">The way a tick goes</h2>
        <p class="note">{why ?? "messages a second · waiting · age"}</p>
      </header>
      <div class="path">
        {BOXES.map(([name, area]) => (
          <Box key={area} name={name} area={area} stage={stageOf(flow, name)} waits={waiting(flow, name)} />
        ))}
        {ARROWS.map(([from, to, area]) => (
          <ArrowLine key={area} from={from} to={to} area={area} arrow={arrowOf(flow, from, to)} />
        ))}
        <You rate={stageOf(flow, "dashboard")?.rate} />
      </div>
    </section>
  );
}

/** What waits in a queue: the most that any taker has not had yet. */
function waiting(flow: Flow | null, name: StageName): number | null | undefined {
  if (name !== "nats_raw" && name !== "nats_judged") return undefined;
  const lags =
    flow?.arrows
      .filter((arrow) => arrow.from === name)
      .map((arrow) => arrow.lag)
      .filter(known) ?? [];
  return lags.length === 0 ? null : Math.max(...lags);
}

interface BoxProps {
  name: StageName;
  area: string;
  stage: Stage | undefined;
  waits: number | null | undefined;
}

function Box({ name, area, stage, waits }: BoxProps): JSX.Element {
  const state = stage?.state ?? "unknown";
  const instances = stage?.instances ?? [];
  const more = instances.length - INSTANCES_MAX;
  return (
    <div class={`stage at-${area}`} data-stage={name} data-state={state}>
      <h3>
        {STAGES[name]}
        {state !== "ok" && <span class="state">{state}</span>}
      </h3>
      {waits !== undefined && <Queue waits={waits} />}
      <ul>
        {instances.slice(0, INSTANCES_MAX).map((instance) => (
          <Line key={instance.instance} instance={instance} stage={name} isAlone={instances.length === 1} />
        ))}
        {more > 0 && <li class="more">and {more} more</li>}
        {instances.length === 0 && <li class="more">{nobody(name, stage)}</li>}
      </ul>
    </div>
  );
}

function Queue({ waits }: { waits: number | null }): JSX.Element {
  const full = fullness(waits);
  return (
    <p
      class="queue"
      data-full={full > 0.75 ? "high" : full > 0.55 ? "some" : "low"}
      title="messages that wait here"
    >
      <span class="meter" aria-hidden="true">
        <i style={{ width: `${Math.round(full * 100)}%` }} />
      </span>
      <span>{known(waits) ? `${count(waits)} wait` : UNKNOWN}</span>
    </p>
  );
}

/** `feed-1` in the box of the feed is just `1`: the box says the rest. */
function ownName(instance: string, stage: StageName): string {
  return instance.startsWith(`${stage}-`) ? instance.slice(stage.length + 1) : instance;
}

/** What stands in a box without instances: servers have none, a service without one is trouble. */
function nobody(name: StageName, stage: Stage | undefined): string {
  if (stage === undefined) return "unknown";
  if (OURS.includes(name)) return "no instance";
  return known(stage.rate) ? `${rate(stage.rate)}/s` : stage.state;
}

interface LineProps {
  instance: StageInstance;
  stage: StageName;
  /** Then the arrows tell its rate. */
  isAlone: boolean;
}

function Line({ instance, stage, isAlone }: LineProps): JSX.Element {
  const { instance: name, ok, rate: perSecond, note, age_s } = instance;
  const state = ok === null ? "unknown" : ok ? "ok" : "bad";
  const perSecondWord = known(perSecond) && !isAlone ? `${rate(perSecond)}/s` : "";
  const isSilent = known(age_s) && age_s > SILENT_S;
  const word =
    state === "ok"
      ? perSecondWord
      : isSilent
        ? `${wholeSpan(age_s)} ago`
        : state === "bad"
          ? "trouble"
          : state;
  const heard = known(age_s) ? `last word ${age(age_s)} ago` : "";
  return (
    <li data-instance={name} data-state={state} title={[name, note, heard].filter(Boolean).join(" · ")}>
      <span class="mark" aria-hidden="true" />
      <span class="name">{ownName(name, stage)}</span>
      <span class="rate">{word}</span>
    </li>
  );
}

interface ArrowProps {
  from: StageName;
  to: StageName;
  area: string;
  arrow: Arrow | undefined;
}

/** An arrow is narrower than the word for what is not known: the dash of its rate and its look say that. */
const PACES: Record<Pace, string> = { ok: "", behind: "behind", stuck: "stuck", unknown: "" };

function ArrowLine({ from, to, area, arrow }: ArrowProps): JSX.Element {
  const state = pace(arrow);
  const lag = arrow?.lag;
  return (
    <div class={`arrow at-${area}`} data-arrow={`${from}-${to}`} data-state={state}>
      <p class="rate">
        <span class="hidden">
          {STAGES[from]} to {STAGES[to]}: {state === "unknown" ? "unknown " : ""}
        </span>
        {known(arrow?.rate) ? `${rate(arrow.rate)}/s` : UNKNOWN}
      </p>
      <svg viewBox="0 0 60 12" preserveAspectRatio="none" aria-hidden="true">
        <path class="shaft" d="M0,6H60" style={{ strokeWidth: `${strength(arrow?.rate)}px` }} />
      </svg>
      <p class="wait">
        {PACES[state] !== "" && <b>{PACES[state]} </b>}
        {known(lag) && (lag > 0 || state !== "ok") && <span title={count(lag)}>{short(lag)} wait </span>}
        {known(arrow?.age_s) && <span title="age of what goes over this arrow">{age(arrow.age_s)}</span>}
      </p>
    </div>
  );
}

/** The last box: this very page. */
function You({ rate: perSecond }: { rate: number | null | undefined }): JSX.Element {
  return (
    <>
      <div class="arrow at-hi" data-arrow="dashboard-page" data-state={known(perSecond) ? "ok" : "unknown"}>
        <p class="rate">{known(perSecond) ? `${rate(perSecond)}/s` : UNKNOWN}</p>
        <svg viewBox="0 0 60 12" preserveAspectRatio="none" aria-hidden="true">
          <path class="shaft" d="M0,6H60" style={{ strokeWidth: `${strength(perSecond)}px` }} />
        </svg>
        <p class="wait" />
      </div>
      <div class="stage at-i" data-stage="page" data-state="ok">
        <h3>This page</h3>
      </div>
    </>
  );
}
