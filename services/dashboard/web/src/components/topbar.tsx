// The bar on top: name, run time, the views, the switch for prices, the link.
//
// Knows: where one can go. Never: what is there.

import type { JSX } from "preact";
import { known } from "../format/number.js";
import { span } from "../format/time.js";
import { link, now, status } from "../state/live.js";
import { addressOf, set, units, view, VIEWS, type View } from "../state/route.js";
import { retryNow } from "../live/socket.js";

const NAMES: Record<View, string> = {
  overview: "Overview",
  markets: "Markets",
  latency: "Latency",
  gaps: "Gaps",
  sockets: "Sockets",
  events: "Events",
};

export function TopBar(): JSX.Element {
  return (
    <header class="topbar">
      <h1>polyfeed</h1>
      <Uptime />
      <nav aria-label="views">
        <ul>
          {VIEWS.map((name) => (
            <li key={name}>
              <a
                ref={view.value === name ? inSight : null}
                href={addressOf(name)}
                aria-current={view.value === name ? "page" : undefined}
                data-view={name}
              >
                {NAMES[name]}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Units />
      <LinkState />
    </header>
  );
}

/** Where the views do not fit side by side, the one that is open is to be seen. */
function inSight(link: HTMLElement | null): void {
  link?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function Uptime(): JSX.Element {
  const seconds = status.value?.uptime_seconds;
  return (
    <p
      class="uptime"
      data-figure="uptime_seconds"
      data-value={known(seconds) ? seconds : ""}
      title="run time of the feed"
    >
      up <b>{known(seconds) ? span(seconds).replace(".0", "") : "unknown"}</b>
    </p>
  );
}

function Units(): JSX.Element {
  const choose = (value: string): void => set({ units: value });
  return (
    <div class="segments" role="group" aria-label="prices in">
      <button
        type="button"
        aria-pressed={units.value === "decimals"}
        onClick={() => choose("")}
        data-units="decimals"
      >
        0.55
      </button>
      <button
        type="button"
        aria-pressed={units.value === "cents"}
        onClick={() => choose("cents")}
        data-units="cents"
      >
        55¢
      </button>
    </div>
  );
}

function LinkState(): JSX.Element {
  const { state, retryAt } = link.value;
  const wait = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now.value) / 1000));
  return (
    <p class="link" id="link" data-state={state}>
      <span class="dot" aria-hidden="true" />
      {state === "lost" ? (
        <button type="button" onClick={retryNow} title="connect now">
          offline{wait > 0 ? ` · ${wait} s` : ""}
        </button>
      ) : (
        <span>{state}</span>
      )}
    </p>
  );
}
