// The verdict line: whether the data can be trusted now, because of whom not, and since when.
//
// Knows: what the dashboard says of the whole, and whether it still says it. Never: the rule behind it.

import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import type { Trust, Wrong } from "../api/types.js";
import { restartWords } from "../format/restarts.js";
import { clock, full, wholeSpan } from "../format/time.js";
import { link, now, serverNow, status } from "../state/live.js";
import { OpenGaps } from "./opengaps.js";

type Word = Trust | "unknown";

interface Said {
  word: Word;
  reasons: Wrong[];
  since: number | null;
  seconds: number;
  /** What happened and is over, and is nobody's trouble. */
  news: string[];
}

/** Shapes that tell the words apart without their colours. */
const SHAPES: Record<Word, string> = {
  trustworthy: "●",
  degraded: "▲",
  starting: "◌",
  down: "■",
  unknown: "?",
};
const COLOURS: Record<Word, string> = {
  trustworthy: "%2315803d",
  degraded: "%23d97706",
  starting: "%23737b8c",
  down: "%23dc2626",
  unknown: "%23737b8c",
};

const words = ({ who, what }: Wrong): string => (who === "" ? what : `${who}: ${what}`);

function said(): Said {
  const { state, since, why, retryAt } = link.value;
  const told = status.value;
  if (state === "lost") {
    const next =
      retryAt === null
        ? "connecting now"
        : `next attempt in ${Math.max(0, Math.ceil((retryAt - now.value) / 1000))} s`;
    const reasons = [
      { who: "", what: `This page hears nothing of the system: ${why}.` },
      { who: "", what: `What is grey is as of ${clock(since)}; ${next}.` },
    ];
    return { word: "unknown", reasons, since, seconds: (now.value - since) / 1000, news: [] };
  }
  if (told === null) {
    const reasons = [{ who: "", what: "This page has heard nothing of the system yet." }];
    return { word: "unknown", reasons, since: null, seconds: 0, news: [] };
  }
  const { verdict, verdict_since, problems, notices, restarts } = told.details;
  const settled = Date.parse(verdict_since);
  return {
    word: verdict,
    reasons: [...problems, ...notices],
    since: settled,
    seconds: (serverNow.value - settled) / 1000,
    news: restartWords(restarts, serverNow.value),
  };
}

export function Verdict(): JSX.Element {
  const { word, reasons, since, seconds, news } = said();
  const [first, ...more] = reasons;
  // What was told before the link was lost is no news of now.
  const gaps = link.value.state === "lost" ? 0 : (status.value?.details.gaps_open ?? 0);
  // Where a line is cut, what explains the rest stands first.
  const others = [...news, ...more.map(words)];
  useEffect(() => wear(word), [word]);
  return (
    <section id="verdict" data-state={word} aria-label="verdict">
      <p class="word" role="status">
        <span class="shape" aria-hidden="true">
          {SHAPES[word]}
        </span>
        <strong id="verdict-word">{word}</strong>
      </p>
      <div class="because" id="verdict-because">
        {first === undefined ? (
          <p class="first">All services report, data flows, no problems.</p>
        ) : (
          <p class="first" title={words(first)}>
            {first.who !== "" && <b>{first.who}: </b>}
            {first.what}
          </p>
        )}
        <p class="others" title={others.join("\n")}>
          {gaps > 0 && (
            <>
              <OpenGaps count={gaps} />
              {others.length > 0 && " · "}
            </>
          )}
          {others.length > 0
            ? others.join(" · ")
            : first === undefined && gaps === 0
              ? "Feed, processor, writer, bus and database answer."
              : ""}
        </p>
      </div>
      <p class="since" id="verdict-since">
        {since !== null && (
          <>
            <span class="for">for</span> <b>{wholeSpan(Math.max(0, seconds))}</b>
            <time dateTime={new Date(since).toISOString()} title={full(since)}>
              since {clock(since)}
            </time>
          </>
        )}
      </p>
    </section>
  );
}

/** The verdict in the title and the icon of the tab, for whoever looks elsewhere. */
function wear(word: Word): void {
  document.title = word === "trustworthy" ? "polyfeed" : `${SHAPES[word]} ${word} – polyfeed`;
  const shape: Record<Word, string> = {
    trustworthy: "<circle cx='8' cy='8' r='6'/>",
    degraded: "<path d='M8 1.5 15 14H1z'/>",
    starting:
      "<circle cx='8' cy='8' r='5' fill='none' stroke-width='3' stroke='%23737b8c' stroke-dasharray='3 3'/>",
    down: "<rect x='2' y='2' width='12' height='12'/>",
    unknown: "<circle cx='8' cy='8' r='5' fill='none' stroke-width='3' stroke='%23737b8c'/>",
  };
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='${COLOURS[word]}'>${shape[word]}</svg>`;
  document
    .querySelector<HTMLLinkElement>("link[rel=icon]")
    ?.setAttribute("href", `data:image/svg+xml,${svg}`);
}
