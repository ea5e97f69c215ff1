// A chart of uPlot that lives as long as its place in the page.
//
// Knows: making, resizing, colours of the theme. Never: what is drawn.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "./media.js";

interface Props {
  label: string;
  height: number;
  data: uPlot.AlignedData;
  /** Made anew when the theme changes, since it holds colours. */
  options: () => Omit<uPlot.Options, "width" | "height">;
}

export function Chart({ label, height, data, options }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shade = theme.value;
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const made = new uPlot({ ...options(), width: element.clientWidth, height }, data, element);
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shade, height]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div ref={box} class="chart" role="img" aria-label={label} style={{ height: `${height}px` }} />;
}
