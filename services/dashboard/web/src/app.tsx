// The frame: bar, verdict, the view that is open, the drawer over it.
//
// Knows: which view is which. Never: data.

import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Examples } from "./components/examples.js";
import { TopBar } from "./components/topbar.js";
import { Verdict } from "./components/verdict.js";
import { param, view, type View } from "./state/route.js";
import { Events } from "./views/events.js";
import { Overview } from "./views/overview.js";

/** Views that are fetched when they are opened first. */
const LATER: Partial<Record<View, () => Promise<ComponentType>>> = {
  markets: async () => (await import("./views/markets.js")).Markets,
  latency: async () => (await import("./views/latency.js")).LatencyView,
  gaps: async () => (await import("./views/gaps.js")).Gaps,
  sockets: async () => (await import("./views/sockets.js")).SocketsView,
};
const drawer = async (): Promise<ComponentType> => (await import("./views/market.js")).Market;

export function App(): JSX.Element {
  const place = view.value;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        to the contents
      </a>
      <TopBar />
      <Verdict />
      <main id="main" tabIndex={-1} data-view={place}>
        {place === "overview" && <Overview />}
        {place === "events" && <Events />}
        {LATER[place] && <Later key={place} load={LATER[place]} />}
      </main>
      {param("token") !== "" && <Later key="market" load={drawer} />}
      {param("gate") !== "" && <Examples gate={param("gate")} />}
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Later({ load }: { load: () => Promise<ComponentType> }): JSX.Element {
  const [state, setState] = useState<{ part: ComponentType | null; failed: boolean }>({
    part: null,
    failed: false,
  });
  useEffect(() => {
    let isHere = true;
    load().then(
      (part) => isHere && setState({ part, failed: false }),
      () => isHere && setState({ part: null, failed: true }),
    );
    return () => {
      isHere = false;
    };
  }, []);
  const { part: Part, failed } = state;
  if (Part !== null) return <Part />;
  return <p class="empty">{failed ? "This part could not be loaded: reload the page." : ""}</p>;
}
