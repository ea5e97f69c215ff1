// The errors of the last hour.
//
// Knows: what the services told. Never: a silent service for one without errors.

import type { JSX } from "preact";
import { count, known } from "../format/number.js";
import { metrics, standing, status } from "../state/live.js";
import { Time } from "./moment.js";
import { Panel } from "./panel.js";

/** Lines shown; the number beside the title counts all. */
const SHOWN_MAX = 60;

/** What an empty list says: before the first answer it is not empty, it is not there. */
function nothing(isLoaded: boolean, isWhole: boolean): string {
  if (!isLoaded) return "loading …";
  return isWhole ? "no service told of an error" : "unknown: a service is silent";
}

export function Errors(): JSX.Element {
  const errors = metrics.value?.errors_last_hour ?? [];
  const total = status.value?.errors_last_hour;
  const isWhole = standing(["feed", "processor", "writer"]).state === "live";
  return (
    <Panel
      name="errors"
      title="Errors of the last hour"
      needs={["feed", "processor", "writer", "dashboard"]}
      note={
        <b
          class={known(total) && total > 0 ? "bad" : ""}
          data-figure="errors_last_hour"
          data-value={known(total) ? total : ""}
        >
          {count(total)}
        </b>
      }
    >
      <ol class="lines" tabIndex={0} aria-label="errors, newest first">
        {errors.slice(0, SHOWN_MAX).map(({ at, until, service, instance, message }) => (
          <li key={`${at}${instance}${message}`}>
            <Time at={at} />
            {until && until !== at ? (
              <>
                {" to "}
                <Time at={until} />
              </>
            ) : (
              service === "verdict" && !until && " until now"
            )}{" "}
            <b>{instance}</b> {message}
          </li>
        ))}
        {errors.length === 0 && <li class="empty">{nothing(status.value !== null, isWhole)}</li>}
      </ol>
    </Panel>
  );
}
