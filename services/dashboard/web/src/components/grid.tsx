// A table of any length: only the rows in sight are in the document; reached and read by keyboard alone.
//
// Knows: scrolling, the active row, keys. Never: what a row holds.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { inSight, step, towards, type Span } from "./window.js";

export interface Column {
  name: string;
  head: ComponentChildren;
  /** `ascending`, `descending`, or none: a column that is not sorted by. */
  sorted?: "ascending" | "descending" | "none" | undefined;
  class?: string;
}

interface Props {
  id: string;
  class?: string;
  label: string;
  columns: readonly Column[];
  total: number;
  rowHeight: number;
  /** The row a reload or a link begins with. */
  startAt?: number;
  /** Cells of a row, one for each column. */
  row: (index: number) => {
    key: string;
    cells: ComponentChildren[];
    class?: string;
    data?: Record<string, string>;
  };
  onSpan?: (span: Span) => void;
  onOpen?: (index: number) => void;
  onMove?: () => void;
  empty: ComponentChildren;
}

const HEAD_HEIGHT = 30;

export function Grid(props: Props): JSX.Element {
  const { id, label, columns, total, rowHeight, row, onSpan, onOpen, onMove, empty } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: (props.startAt ?? 0) * rowHeight, height: 600 });
  const [active, setActive] = useState(props.startAt ?? -1);
  const [hasFocus, setFocus] = useState(false);
  const span = inSight(view.top, view.height, rowHeight, total);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const measure = (): void =>
      setView({ top: element.scrollTop, height: Math.max(rowHeight, element.clientHeight - HEAD_HEIGHT) });
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [rowHeight]);
  // A place far down is there only once the rows are.
  useLayoutEffect(() => {
    if (total > 0 && props.startAt && box.current) box.current.scrollTop = props.startAt * rowHeight;
  }, [total > 0]);
  useEffect(() => onSpan?.(span), [span.first, span.end, total]);

  const onScroll = (): void => {
    const element = box.current;
    if (element === null) return;
    // Only when another row comes into sight is there anything to draw.
    const next = inSight(element.scrollTop, view.height, rowHeight, total);
    if (next.first !== span.first || next.end !== span.end) setView({ ...view, top: element.scrollTop });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== box.current || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      if (active >= 0 && active < total && onOpen) {
        event.preventDefault();
        onOpen(active);
      }
      return;
    }
    const next = step(event.key, active, total, Math.max(1, Math.floor(view.height / rowHeight) - 1));
    if (next === null || box.current === null) return;
    event.preventDefault();
    setActive(next);
    onMove?.();
    const top = towards(next, box.current.scrollTop, view.height, rowHeight);
    if (top !== null) {
      box.current.scrollTop = top;
      setView({ ...view, top });
    }
  };

  const isActiveDrawn = active >= span.first && active < span.end;
  const rows: JSX.Element[] = [];
  for (let index = span.first; index < span.end; index += 1) {
    const { cells, class: kind, data } = row(index);
    rows.push(
      <div
        key={index}
        id={`${id}-row-${index}`}
        role="row"
        aria-rowindex={index + 2}
        aria-selected={index === active}
        class={`grid-row ${kind ?? ""}`}
        onClick={() => {
          setActive(index);
          onOpen?.(index);
        }}
        {...data}
      >
        {cells.map((cell, place) => (
          <div key={columns[place]?.name} role="gridcell" class={columns[place]?.class}>
            {cell}
          </div>
        ))}
      </div>,
    );
  }
  return (
    <div
      id={id}
      ref={box}
      class={`grid ${props.class ?? ""}`}
      role="grid"
      tabIndex={0}
      aria-label={label}
      aria-rowcount={total + 1}
      aria-colcount={columns.length}
      aria-activedescendant={isActiveDrawn ? `${id}-row-${active}` : undefined}
      data-rows={total}
      data-focus={hasFocus ? "" : undefined}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
      onFocus={(event) => {
        if (event.target !== box.current) return;
        setFocus(true);
        if (active < 0 && total > 0) setActive(span.first);
      }}
      onBlur={() => setFocus(false)}
    >
      <div role="rowgroup" class="grid-head">
        <div role="row" aria-rowindex={1} class="grid-row">
          {columns.map(({ name, head, sorted, class: kind }) => (
            <div key={name} role="columnheader" aria-sort={sorted} class={kind}>
              {head}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" class="grid-body" style={{ height: `${total * rowHeight}px` }}>
        <div
          role="presentation"
          class="grid-window"
          style={{ transform: `translateY(${span.first * rowHeight}px)` }}
        >
          {rows}
        </div>
      </div>
      {total === 0 && (
        <div role="rowgroup">
          <div role="row">
            <div role="gridcell" class="empty">
              {empty}
            </div>
          </div>
        </div>
      )}
    </div>
  );
}
