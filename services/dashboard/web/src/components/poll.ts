// An answer of the API that is asked for again and again while somebody looks at it.
//
// Knows: pauses, abandoned questions, the return of the link. Never: what the answer means.

import { useEffect, useState } from "preact/hooks";
import { address, ask, type Query } from "../api/client.js";
import { epoch, isLive } from "../state/live.js";

export interface Polled<T> {
  value: T | null;
  /** Why there is no newer answer, in words; null while all is well. */
  why: string | null;
  /** Status of the newest answer; null before the first, 0 where nobody answers. */
  status: number | null;
}

/** Asks at once, then every `everyMs` (never again for 0), when the link comes back, and when `cue` changes. */
export function usePoll<T>(path: string | null, query: Query, everyMs: number, cue = 0): Polled<T> {
  const target = path === null ? null : address(path, query);
  const [polled, setPolled] = useState<Polled<T> & { of: string | null }>({
    value: null,
    why: null,
    status: null,
    of: null,
  });
  const again = epoch.value;
  useEffect(() => {
    if (target === null) return undefined;
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async (): Promise<void> => {
      if (!document.hidden && isLive.peek()) {
        const answer = await ask<T>(target, {}, controller.signal);
        if (controller.signal.aborted) return;
        setPolled((before) =>
          answer.ok
            ? { value: answer.value, why: null, status: 200, of: target }
            : {
                value: before.of === target ? before.value : null,
                why: answer.why,
                status: answer.status,
                of: target,
              },
        );
      }
      if (everyMs > 0) timer = setTimeout(() => void read(), everyMs);
    };
    void read();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [target, everyMs, again, cue]);
  return polled;
}
