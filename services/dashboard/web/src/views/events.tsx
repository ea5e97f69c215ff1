// All of the live events.
//
// Knows: that they fill the view. Never: a row.

import type { JSX } from "preact";
import { EventFilters, EventList, EventNote } from "../components/eventlist.js";
import { Panel } from "../components/panel.js";

export function Events(): JSX.Element {
  return (
    <Panel
      name="events"
      title="Live events"
      needs={["processor"]}
      note={<EventNote />}
      tools={<EventFilters />}
      class="full"
    >
      <EventList id="events" />
    </Panel>
  );
}
