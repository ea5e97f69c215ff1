// The page: listens to /ws/live and shows what it is told. It adds nothing and guesses nothing.

import {
  UNKNOWN, age, between, clock, count, element, grouped, known, latency, percent, span, sparkline, write,
} from "./draw.js";

const ROWS_MAX = 200; // rows of the table: what a person scrolls through
const DRAW_EVERY_MS = 250; // the table is drawn at most four times a second
const SILENT_AFTER_MS = 5000; // the stream tells something every second
const RETRY_MS = [500, 10000]; // pauses before the next attempt; doubling

const state = {
  socket: null,
  retryMs: RETRY_MS[0],
  retry: null,
  heardAt: 0,
  lostAt: null,
  paused: false,
  events: [], // newest first
  ids: new Set(),
  fresh: 0,
  missed: 0,
};

const byId = (id) => document.getElementById(id);

// ---- the stream ----

function connect() {
  clearTimeout(state.retry);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const kinds = byId("kinds").value;
  const query = kinds ? `?kinds=${encodeURIComponent(kinds)}` : "";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/live${query}`);
  state.socket = socket;
  state.heardAt = performance.now();
  socket.onmessage = (message) => {
    if (state.socket !== socket) return;
    state.heardAt = performance.now();
    hear(JSON.parse(message.data));
  };
  socket.onclose = () => {
    if (state.socket !== socket) return;
    state.socket = null;
    lost("the live stream is lost; connecting again");
    state.retry = setTimeout(connect, state.retryMs * (0.5 + Math.random() / 2));
    state.retryMs = Math.min(state.retryMs * 2, RETRY_MS[1]);
  };
}

function reconnectNow() {
  const old = state.socket;
  state.socket = null;
  if (old) old.close();
  connect();
}

function lost(why) {
  if (state.lostAt === null) state.lostAt = Date.now();
  document.body.dataset.stream = "lost";
  byId("stream").textContent = `${why} (since ${clock(state.lostAt)}; what is grey is old)`;
  verdict("unknown", "this page hears nothing of the system: the live stream is lost", `since ${clock(state.lostAt)}`);
}

function found() {
  state.lostAt = null;
  document.body.dataset.stream = "live";
  byId("stream").textContent = "live";
}

function watch() {
  if (state.socket && performance.now() - state.heardAt > SILENT_AFTER_MS) {
    lost("the live stream is silent");
    if (performance.now() - state.heardAt > 4 * SILENT_AFTER_MS) reconnectNow();
  }
}

function hear(told) {
  if (told.type === "snapshot") {
    state.retryMs = RETRY_MS[0];
    state.events = [];
    state.ids.clear();
    state.missed = 0;
    take([...told.events].reverse());
    showMetrics(told.metrics);
    showStatus(told.status);
    draw();
  } else if (told.type === "event") take(told.events);
  else if (told.type === "metrics") showMetrics(told.metrics);
  else if (told.type === "status") showStatus(told.status);
  else if (told.type === "lagged") state.missed += told.missed;
  found();
}

// ---- verdict, status, services ----

function verdict(word, because, since) {
  const line = byId("verdict");
  if (line.dataset.state !== word) line.dataset.state = word;
  for (const [id, text] of [["verdict-word", word], ["verdict-because", because], ["verdict-since", since]]) {
    if (byId(id).textContent !== text) byId(id).textContent = text;
  }
}

function showStatus(status) {
  const details = status.details;
  const wrong = [...details.problems, ...details.notices];
  const told = wrong.slice(0, 4).map(({ who, what }) => `${who}: ${what}`).join(" · ");
  const more = wrong.length > 4 ? ` · and ${wrong.length - 4} more` : "";
  const because = wrong.length ? told + more : "every service is heard of, data flows, nobody complains";
  verdict(details.verdict, because, `for ${span(between(details.verdict_since, details.at))}`);
  write("uptime", span(status.uptime_seconds));
  write("ws-state", status.websocket_state ?? "unknown");
  byId("ws-state").classList.toggle("good", status.websocket_state === "connected");
  byId("ws-state").classList.toggle("bad", known(status.websocket_state) && status.websocket_state !== "connected");
  const silence = status.last_event_age_seconds;
  write("last-event-age", known(silence) ? `${span(silence)} ago` : UNKNOWN);
  byId("errors-count").textContent = count(status.errors_last_hour);
  byId("services").replaceChildren(...details.services.map(service), server("bus", details.bus), server("database", details.database));
  showGaps(details);
}

function service({ service: name, state: word, heard_age_seconds: silence, instances }) {
  const box = element("div", "service");
  const head = element("h3", "", name);
  const never = "unknown: not heard of yet";
  const text = word === "running" ? `${instances.length} running` : known(silence) ? `unknown: heard ${span(silence)} ago` : never;
  const silent = instances.filter((instance) => instance.state !== "running").length;
  const sure = word === "running" && silent > 0 ? `${instances.length - silent} running, ${silent} unknown` : text;
  head.append(element("span", word === "running" && silent === 0 ? "good" : "warn", sure));
  box.append(head, ...instances.map(instanceLine));
  return box;
}

function instanceLine(instance) {
  const line = element("p");
  line.append(element("b", "", instance.instance));
  const facts = [];
  if (known(instance.per_second)) facts.push(`${count(instance.per_second)}/s`);
  facts.push(`up ${span(instance.uptime_seconds)}`);
  if (instance.state !== "running") facts.push(`last heard ${span(instance.heard_age_seconds)} ago`);
  if (known(instance.report.clients)) facts.push(`${instance.report.clients} watching`);
  facts.push(...instance.problems);
  line.append(` ${facts.join(" · ")}`);
  return line;
}

function server(name, { connected, since, problem, durability }) {
  const box = element("div", "service");
  const head = element("h3", "", name);
  const word = connected === null ? "unknown" : connected ? "answers" : "does not answer";
  head.append(element("span", connected ? "good" : "warn", word));
  box.append(head);
  const facts = [`since ${clock(since)}`, durability && `durability ${durability}`, problem].filter(Boolean);
  box.append(element("p", "", facts.join(" · ")));
  return box;
}

function showGaps({ gaps, gaps_open: open, at }) {
  write("gaps-open", count(open));
  byId("gaps-open").classList.toggle("warn", known(open) && open > 0);
  byId("gaps").replaceChildren(...gaps.map((gap) => {
    const line = element("li");
    const since = element("time", "", `open for ${span(between(gap.opened_at, at))}`);
    line.append(element("b", "warn", "gap"), since, `${gap.question ?? gap.condition_id}: ${gap.cause.replace("_", " ")}`);
    return line;
  }));
}

// ---- numbers ----

function showMetrics(metrics) {
  write("ws-since", span(between(metrics.websocket_connected_at, metrics.at)), metrics.websocket_connected_at);
  write("reconnections", count(metrics.reconnection_count));
  write("markets", count(metrics.subscribed_markets));
  const sockets = known(metrics.sockets) ? `${metrics.sockets_connected} of ${metrics.sockets}` : UNKNOWN;
  write("sockets", sockets);
  write("events-per-second", count(metrics.events_per_second));
  // The last second is not over yet: drawn, it would look like a fall.
  sparkline(byId("sparkline"), metrics.series?.events.slice(0, -1));
  write("trades-stored", count(metrics.trades_stored));
  write("price-updates", count(metrics.price_updates));
  write("trades-5m", count(metrics.trades_5m));
  write("trade-age", age(metrics.average_trade_age_seconds));
  write("freshness", percent(metrics.freshness));
  const of = known(metrics.tokens) ? `${metrics.tokens_with_book} of ${metrics.tokens} tokens` : undefined;
  write("coverage", percent(metrics.coverage), of);
  const checked = known(metrics.hashes_checked) ? `${count(metrics.hashes_checked)} / ${count(metrics.hash_mismatches)}` : UNKNOWN;
  write("books-checked", checked);
  write("trades-recovered", count(metrics.trades_recovered));
  for (const [id, spread] of [["latency-received", metrics.latency.executed_to_received], ["latency-judged", metrics.latency.received_to_judged]]) {
    write(id, spread ? `${latency(spread.p50_us)} / ${latency(spread.p99_us)}` : UNKNOWN);
  }
  showGates(metrics);
  showErrors(metrics.errors_last_hour);
  const waits = metrics.backlog.map(({ consumer, pending, unacknowledged }) =>
    `${consumer} ${count(pending)}${unacknowledged ? ` + ${count(unacknowledged)} under way` : ""}`);
  byId("backlog").textContent = `waiting on the bus: ${waits.join(" · ")}`;
}

function showGates(metrics) {
  const { g1, g3, g5 } = metrics.gates;
  for (const [name, gate] of [["g1", g1], ["g3", g3], ["g5", g5]]) {
    write(`${name}-evaluated`, count(gate.evaluated));
    write(`${name}-unknown`, count(gate.unknown));
  }
  write("g1-blocked", count(metrics.g1_stale_filtered));
  write("g3-backfilled", count(metrics.g3_size_backfilled));
  write("g3-missing", count(metrics.g3_missing_size));
  write("g5-flagged", count(metrics.g5_divergence_detected));
  write("g5-overruled", count(metrics.gates.g5_overruled));
}

function showErrors(errors) {
  byId("errors").replaceChildren(...errors.slice(0, 100).map(({ at, instance, message }) => {
    const line = element("li");
    const time = element("time", "", clock(at));
    time.dateTime = at;
    line.append(time, element("b", "", instance), message);
    return line;
  }));
  byId("errors-empty").hidden = errors.length > 0;
  byId("errors-empty").textContent = "no errors were told";
}

// ---- events ----

/** Takes events, oldest first. */
function take(events) {
  for (const event of events.slice(-ROWS_MAX)) {
    if (state.ids.has(event.id)) continue;
    state.ids.add(event.id);
    state.events.unshift(event);
    state.fresh += 1;
  }
  for (const gone of state.events.splice(ROWS_MAX)) state.ids.delete(gone.id);
}

function draw() {
  const held = state.paused ? `paused; ${Math.min(state.fresh, ROWS_MAX)} newer` : "";
  const missed = state.missed ? `${count(state.missed)} events went by unseen` : "";
  const note = [held, missed].filter(Boolean).join(" · ");
  if (byId("events-note").textContent !== note) byId("events-note").textContent = note;
  if (state.paused || state.fresh === 0) return;
  const body = byId("events").tBodies[0];
  // A list that began anew, or moved on by more than it holds, is drawn anew; else only what is new.
  const shown = new Set(Array.from(body.rows, (row) => row.dataset.id));
  const fresh = state.events.filter((event) => !shown.has(event.id));
  for (const row of Array.from(body.rows)) if (!state.ids.has(row.dataset.id)) row.remove();
  body.prepend(...fresh.map(eventRow));
  state.fresh = 0;
  byId("events-empty").hidden = state.events.length > 0;
}

function eventRow(event) {
  const row = element("tr", event.verdict);
  row.dataset.id = event.id;
  row.dataset.kind = event.kind;
  const time = element("td", "time", clock(event.at));
  time.title = `${event.at} at the venue, ${event.received_at} here`;
  const question = element("td", "question", event.question ?? "unknown market");
  question.title = event.condition_id;
  const outcome = element("td", "outcome", event.outcome ?? UNKNOWN);
  outcome.title = event.token_id;
  row.append(time, element("td", "kind", event.kind.replace("_", " ")), question, outcome, priceCell(event), sharesCell(event), verdictCell(event));
  return row;
}

function priceCell(event) {
  const cell = element("td", "number price");
  if (event.kind === "trade") {
    const [before, after] = [event.price_before, event.price];
    const [from, to] = [Number(before), Number(after)];
    const direction = !known(before) ? "" : to > from ? " ▲" : to < from ? " ▼" : " =";
    cell.textContent = `${before ?? UNKNOWN} → ${after}${direction}`;
    cell.title = `${event.side}; the book was ${event.best_bid ?? UNKNOWN} / ${event.best_ask ?? UNKNOWN}`;
  } else if (event.kind === "tick_size") {
    cell.textContent = `grid ${event.tick_size_before ?? UNKNOWN} → ${event.tick_size}`;
  } else if (event.kind === "price") {
    cell.textContent = `${event.side === "BUY" ? "bid" : "ask"} ${event.price}`;
  } else {
    cell.textContent = `${event.best_bid ?? UNKNOWN} / ${event.best_ask ?? UNKNOWN}`;
    cell.title = "best bid / best ask";
  }
  return cell;
}

function sharesCell(event) {
  const cell = element("td", "number shares", known(event.size) ? grouped(event.size) : UNKNOWN);
  if (event.kind === "trade" && !known(event.size)) cell.title = "the venue gave no size, and none was found";
  if (event.size_source === "rest") cell.title = "size found by REST (G3)";
  if (event.kind === "price") cell.title = "now resting at this price";
  return cell;
}

function verdictCell(event) {
  const cell = element("td", "verdict");
  if (event.kind !== "trade") return cell;
  const reasons = event.reasons.map((reason) =>
    reason === "G5" && known(event.confirmed) ? `G5 ${event.confirmed ? "confirmed" : "unconfirmed"}` : reason);
  cell.append(element("span", `badge ${event.verdict}`, [event.verdict, ...reasons].join(" ")));
  if (event.origin === "rest") cell.append(" recovered");
  return cell;
}

// ---- start ----

byId("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  byId("pause").setAttribute("aria-pressed", String(state.paused));
  byId("pause").textContent = state.paused ? "Go on" : "Pause";
  draw();
});
byId("kinds").addEventListener("change", () => {
  byId("events").tBodies[0].replaceChildren();
  reconnectNow();
});
setInterval(draw, DRAW_EVERY_MS);
setInterval(watch, 1000);
connect();
