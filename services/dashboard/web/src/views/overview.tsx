// The overview: the way of a tick and the six panels.
//
// Knows: which figure stands where. Never: how it is counted.

import type { JSX } from "preact";
import { Errors } from "../components/errors.js";
import { Figure } from "../components/figure.js";
import { Gates } from "../components/gates.js";
import { CountedSince } from "../components/moments.js";
import { OpenGaps } from "../components/opengaps.js";
import { Panel } from "../components/panel.js";
import { Path } from "../components/path.js";
import { count, known, percent, rate } from "../format/number.js";
import { age, between, full, latency, span, wholeSpan } from "../format/time.js";
import { metrics, serverNow, status } from "../state/live.js";
import { Events } from "./events.js";

export function Overview(): JSX.Element {
  return (
    <div class="overview">
      <Path />
      <Connection />
      <Flow />
      <Quality />
      <Gates />
      <Events class="wide" />
      <Errors />
    </div>
  );
}

/** What a counter counts, with the moment it counts from. */
const since = (what: string, at: string | null | undefined): string =>
  known(at) ? `${what}, since ${full(at)}` : what;

function Connection(): JSX.Element {
  const [m, s] = [metrics.value, status.value];
  const word = s?.websocket_state ?? null;
  const connected = between(m?.websocket_connected_at, serverNow.value);
  return (
    <Panel name="connection" title="Connection" needs={["feed"]} note="to the venue">
      <dl class="figures">
        <Figure
          lead
          name="websocket_state"
          label="WebSocket"
          value={word}
          show={(text) => text}
          tone={word === null ? "" : word === "connected" ? "good" : "bad"}
          series={null}
        />
        <Figure
          name="websocket_connected_at"
          label="connected for"
          value={m?.websocket_connected_at}
          show={() => wholeSpan(connected === null ? null : Math.max(0, connected))}
          series={null}
        />
        <Figure
          name="last_event_age_seconds"
          label="last data"
          value={s?.last_event_age_seconds}
          show={(text) => `${span(text)} ago`}
          series="events_per_second"
        />
        <Figure
          name="sockets_connected"
          label={`sockets open of ${known(m?.sockets) ? m.sockets : "?"}`}
          value={m?.sockets_connected}
          show={count}
          series="sockets_open"
          tone={
            known(m?.sockets) && known(m.sockets_connected) && m.sockets_connected < m.sockets ? "warn" : ""
          }
        />
        <Figure
          name="reconnection_count"
          label="reconnections"
          value={m?.reconnection_count}
          show={count}
          hint={since("Sockets that were opened again", m?.counted_since.feed)}
        />
        <Figure
          name="subscribed_markets"
          label="markets followed"
          value={m?.subscribed_markets}
          show={count}
        />
      </dl>
    </Panel>
  );
}

function Flow(): JSX.Element {
  const m = metrics.value;
  return (
    <Panel
      name="flow"
      title="Data flow"
      needs={["feed", "processor"]}
      note={<CountedSince at={m?.counted_since.feed} />}
    >
      <dl class="figures">
        <Figure
          lead
          name="events_per_second"
          label="events per second"
          value={m?.events_per_second}
          show={rate}
        />
        <Figure
          name="events_received"
          label="ticks received"
          value={m?.events_received}
          show={count}
          hint={since("Ticks that the feeds read", m?.counted_since.feed)}
          series="events_per_second"
        />
        <Figure
          name="trades_stored"
          label="trades stored"
          value={m?.trades_stored}
          show={count}
          series="trades"
          hint="Rows ever stored, as the database counts them"
        />
        <Figure name="price_updates" label="prices, 5 min" value={m?.price_updates} show={count} />
        <Figure name="trades_5m" label="trades, 5 min" value={m?.trades_5m} show={count} />
        <Figure
          name="dropped"
          label="dropped · dead"
          value={m?.dropped}
          show={(text) => `${count(text)} · ${count(m?.dead)}`}
          tone={(m?.dropped ?? 0) + (m?.dead ?? 0) > 0 ? "warn" : ""}
          series={null}
          hint={since(
            "Ticks without room in the feeds; messages that nobody could read",
            m?.counted_since.feed,
          )}
        />
      </dl>
    </Panel>
  );
}

function Quality(): JSX.Element {
  const m = metrics.value;
  const received = m?.latency.executed_to_received;
  const judged = m?.latency.received_to_judged;
  return (
    <Panel name="quality" title="Data quality" needs={["feed", "processor"]} note="latencies: p50 · p99">
      <dl class="figures">
        <Figure
          lead
          name="average_trade_age_seconds"
          label="average trade age"
          value={m?.average_trade_age_seconds}
          show={age}
          series="trade_age_p50"
          hint="From the match at the venue to the feed: socket trades of the last 5 minutes whose time is not at fault"
        />
        <Figure
          name="coverage"
          label="live books"
          value={m?.coverage}
          show={percent}
          hint={`${count(m?.tokens_with_book)} of ${count(m?.tokens)} tokens`}
          tone={known(m?.coverage) && m.coverage < 1 ? "warn" : ""}
        />
        <Figure
          name="freshness"
          label="fresh trades"
          hint={since("Share of the trades judged by G1 that it let pass", m?.counted_since.processor)}
          value={m?.freshness}
          show={percent}
        />
        <Figure
          name="latency_received"
          label="to feed"
          hint="From the match at the venue to the feed: 50 % and 99 % of the newest trades are faster"
          value={received?.p99_us}
          show={() => `${latency(received?.p50_us)} · ${latency(received?.p99_us)}`}
        />
        <Figure
          name="latency_judged"
          label="to verdict"
          hint="From the feed to the verdict: 50 % and 99 % of the newest trades are faster"
          value={judged?.p99_us}
          show={() => `${latency(judged?.p50_us)} · ${latency(judged?.p99_us)}`}
        />
        <Figure
          name="gaps_open"
          label="gaps open"
          value={m?.gaps_open}
          show={(open) => (open > 0 ? <OpenGaps count={open} isBare /> : count(open))}
          tone={(m?.gaps_open ?? 0) > 0 ? "warn" : ""}
        />
        <Figure
          name="hash_mismatches"
          label="books off"
          value={m?.hash_mismatches}
          show={(text) => `${count(text)} of ${count(m?.hashes_checked)}`}
          hint="Rebuilt books held against the venue's own hash since the feed started, and those that differed"
        />
      </dl>
    </Panel>
  );
}
