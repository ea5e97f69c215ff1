// The page: listens, and shows what it is told. It adds nothing and guesses nothing.
//
// Knows: which parts there are. Never: what one of them does.

import { render } from "preact";
import type { Status, Told } from "./api/types.js";
import { App } from "./app.js";
import { followMedia } from "./components/media.js";
import { listen } from "./live/socket.js";
import * as events from "./state/events.js";
import { followHistory } from "./state/history.js";
import { clockAhead, gapsTold, link, metrics, now, status } from "./state/live.js";
import { follow } from "./state/route.js";
import { effect } from "@preact/signals";
import "uplot/dist/uPlot.min.css";
import "./style/page.css";

function hear(told: Told): void {
  switch (told.type) {
    case "snapshot":
      metrics.value = told.metrics;
      showStatus(told.status);
      void events.begin(told.events, told.status.details.catching_up);
      break;
    case "event":
    case "events":
      events.take(told.events);
      break;
    case "metrics":
      metrics.value = told.metrics;
      break;
    case "status":
      showStatus(told.status);
      break;
    case "gap":
      told.gaps.forEach(events.tellGap);
      gapsTold.value += 1;
      break;
    case "lagged":
      events.lagged(told.missed);
      break;
  }
}

function showStatus(told: Status): void {
  clockAhead.value = Date.parse(told.details.at) - Date.now();
  const wasCatchingUp = status.value?.details.catching_up === true;
  status.value = told;
  if (wasCatchingUp && !told.details.catching_up) void events.catchUp();
}

follow();
followMedia();
followHistory();
events.followFilter();
effect(() => {
  document.body.dataset.link = link.value.state;
});
setInterval(() => {
  now.value = Date.now();
}, 1000);
listen(events.kindsOf(events.filter.value.kind), hear);
const root = document.getElementById("page");
if (root !== null) render(<App />, root);
