// The live events: a view of their own, and a panel of the overview.
//
// Knows: where they stand. Never: a row.

import type { JSX } from "preact";
import { EventFilters, EventList, EventNote } from "../components/eventlist.js";
import { Panel } from "../components/panel.js";

export function Events({ class: place = "full" }: { class?: string }): JSX.Element {
  return (
    <Panel
      name="events"
      title="Live events"
      needs={["processor"]}
      note={<EventNote />}
      tools={<EventFilters />}
      class={place}
    >
      <EventList id="events" />
    </Panel>
  );
}
