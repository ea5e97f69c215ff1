// The sockets to the venue, and the tokens that are silent for longest.
//
// Knows: what the feed told of them. Never: a socket itself.

import type { JSX } from "preact";
import type { Socket, Sockets } from "../api/types.js";
import { Time } from "../components/moment.js";
import { Panel } from "../components/panel.js";
import { usePoll } from "../components/poll.js";
import { count, known, rate, UNKNOWN } from "../format/number.js";
import { between, full, span, wholeSpan } from "../format/time.js";
import { serverNow } from "../state/live.js";
import { set } from "../state/route.js";

export function SocketsView(): JSX.Element {
  const { value, why } = usePoll<Sockets>("/api/sockets", {}, 1000);
  const sockets = value?.sockets ?? [];
  const open = sockets.filter(({ state }) => state === "connected").length;
  return (
    <div class="two">
      <Panel
        name="sockets"
        title="Sockets"
        needs={["feed"]}
        note={why ?? (value ? `${open} of ${sockets.length} connected` : "")}
      >
        <div class="scroll" tabIndex={0} role="region" aria-label="rows of the sockets">
          <table class="rows">
            <thead>
              <tr>
                <th scope="col">socket</th>
                <th scope="col">state</th>
                <th scope="col" class="number">
                  tokens
                </th>
                <th scope="col" class="number">
                  messages/s
                </th>
                <th scope="col" class="number">
                  last frame
                </th>
                <th scope="col" class="number">
                  last PONG
                </th>
                <th scope="col" class="number">
                  connected for
                </th>
                <th scope="col" class="number">
                  reconnects
                </th>
              </tr>
            </thead>
            <tbody>
              {sockets.map((socket) => (
                <Line key={`${socket.shard} ${socket.name}`} socket={socket} />
              ))}
            </tbody>
          </table>
          {value !== null && sockets.length === 0 && <p class="empty">the feed tells of no socket</p>}
        </div>
      </Panel>
      <Panel name="silent" title="Silent for longest" needs={["feed"]} note="the worst 20 tokens">
        <ol class="silent" data-rows={value?.silent.length ?? 0}>
          {value?.silent.map((token) => (
            <li key={token.token_id}>
              <button
                type="button"
                class="plain"
                data-token={token.token_id}
                onClick={() => set({ token: token.token_id }, "push")}
              >
                <span class="age">{known(token.age_s) ? span(token.age_s) : "never heard"}</span>
                <span class="question">{token.question ?? token.condition_id}</span>
                <span class="outcome">{token.outcome}</span>
              </button>
            </li>
          ))}
          {value?.silent.length === 0 && <li class="empty">none</li>}
        </ol>
      </Panel>
    </div>
  );
}

function Ago({ at }: { at: string | null }): JSX.Element {
  const seconds = between(at, serverNow.value);
  return (
    <span title={at === null ? "unknown" : full(at)}>
      {known(seconds) ? `${wholeSpan(Math.max(0, seconds))} ago` : UNKNOWN}
    </span>
  );
}

function Line({ socket }: { socket: Socket }): JSX.Element {
  const {
    name,
    shard,
    state,
    tokens,
    messages_per_s,
    last_frame_at,
    last_pong_at,
    reconnects,
    connected_at,
    problem,
  } = socket;
  const tone = state === "connected" ? "good" : "bad";
  return (
    <tr data-socket={name} data-state={state}>
      <th scope="row">
        {name} <span class="aside">{shard}</span>
      </th>
      <td>
        <span class={`state-word ${tone}`}>{state}</span> {problem && <span class="aside">{problem}</span>}
      </td>
      <td class="number">{count(tokens)}</td>
      <td class="number">{rate(messages_per_s)}</td>
      <td class="number">
        <Ago at={last_frame_at} />
      </td>
      <td class="number">
        <Ago at={last_pong_at} />
      </td>
      <td class="number">
        {state === "connected" ? (
          wholeSpan(Math.max(0, between(connected_at, serverNow.value) ?? 0))
        ) : (
          <Time at={connected_at} />
        )}
      </td>
      <td class="number">{count(reconnects)}</td>
    </tr>
  );
}
