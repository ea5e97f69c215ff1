// A drawer over the page: holds the focus, closes by Escape, gives the focus back.
//
// Knows: focus. Never: what stands in it.

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  id: string;
  title: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
}

/** What can have the focus. */
const REACHABLE = 'a[href], button:not([disabled]), input, select, [tabindex="0"]';

export function Dialog({ id, title, onClose, children }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  // Before anything is drawn: a key that is pressed at once would already belong to the drawer.
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    document.body.dataset.dialog = id;
    return () => {
      delete document.body.dataset.dialog;
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    } else if (event.key === "Tab" && box.current) hold(event, box.current);
  };
  return (
    <div class="curtain" onClick={(event) => event.target === event.currentTarget && onClose()}>
      <div
        id={id}
        ref={box}
        class="drawer"
        role="dialog"
        aria-modal="true"
        aria-labelledby={`${id}-title`}
        tabIndex={-1}
        onKeyDown={onKeyDown}
      >
        <div class="drawer-head">
          <h2 id={`${id}-title`}>{title}</h2>
          <button type="button" class="close" onClick={onClose} aria-label="close (Escape)">
            ✕
          </button>
        </div>
        {children}
      </div>
    </div>
  );
}

/** Keeps the focus within: behind the last comes the first. */
function hold(event: KeyboardEvent, box: HTMLElement): void {
  const all = [...box.querySelectorAll<HTMLElement>(REACHABLE)].filter(
    (element) => element.offsetParent !== null,
  );
  const [first, last] = [all[0], all.at(-1)];
  if (first === undefined || last === undefined) return;
  const at = document.activeElement;
  if (event.shiftKey && (at === first || at === box)) {
    event.preventDefault();
    last.focus();
  } else if (!event.shiftKey && at === last) {
    event.preventDefault();
    first.focus();
  }
}
