// Charts by Observable Plot; each is a figure with a title and a sentence that says what it means and what to do.
import { h } from "preact";
import { numeric, shown } from "./text.jsx";
import { useLayoutEffect, useRef } from "preact/hooks";
import { barX, dot, gridY, line, plot, rectY, ruleX, ruleY, text } from "@observablehq/plot";

const ACCENT = "var(--accent)";

const Chart = ({ title, says, marks, label, ...options }) => {
  const place = useRef(null);
  useLayoutEffect(() => {
    const drawn = plot({ width: 400, height: 210, marginLeft: 48, marginTop: 30, marginBottom: 40, style: { background: "none", fontSize: "12px" }, marks: marks(), ...options });
    // The figure is one image with one description: its parts have none.
    for (const part of drawn.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", label);
    place.current.replaceChildren(drawn);
  });
  return (
    <figure class="card">
      <h3>{title}</h3>
      <div ref={place} />
      <figcaption>{says}</figcaption>
    </figure>
  );
};

// No axis is drawn for numbers of this size.
const WIDEST = 1e300;

const spoken = (values) => values.join("; ");

// `histogram`: {edges: K + 1 numbers, counts: K numbers}.
export const Histogram = ({ title, says, histogram, unit, what = "groups" }) => {
  const bins = histogram.counts.map((count, k) => ({ count, low: histogram.edges[k], high: histogram.edges[k + 1] }));
  if (bins.at(-1).high - bins[0].low > WIDEST) {
    const full = bins.filter((bin) => bin.count).map((bin) => [`${numeric(bin.low)} to ${numeric(bin.high)}`, bin.count]);
    return <Bars title={title} says={says} counts={Object.fromEntries(full)} unit={what} />;
  }
  return (
    <Chart
      title={title} says={says}
      label={`${title}: ${spoken(bins.filter((bin) => bin.count).map((bin) => `${bin.low.toPrecision(3)} to ${bin.high.toPrecision(3)}: ${bin.count}`))}`}
      x={{ label: unit }} y={{ label: what, nice: true, ticks: Math.min(5, Math.max(1, ...histogram.counts)) }}
      marks={() => [gridY({ strokeOpacity: 0.15 }), rectY(bins, { x1: "low", x2: "high", y: "count", fill: ACCENT, insetLeft: 0.5, insetRight: 0.5, title: (bin) => `${bin.low.toPrecision(3)} to ${bin.high.toPrecision(3)}: ${bin.count}` }), ruleY([0])]}
    />
  );
};

export const Bars = ({ title, says, counts, unit = "groups" }) => {
  const bars = Object.entries(counts).map(([name, count]) => ({ name: shown(name.replaceAll("_", " "), 24), whole: name, count }));
  return (
    <Chart
      title={title} says={says} label={`${title}: ${spoken(bars.map((bar) => `${bar.name}: ${bar.count}`))}`}
      height={62 + 26 * bars.length} marginTop={10} marginLeft={150} marginRight={50} x={{ label: unit }} y={{ label: null, domain: bars.map((bar) => bar.whole), tickFormat: (_, k) => bars[k].name }}
      marks={() => [barX(bars, { x: "count", y: "whole", fill: ACCENT }), text(bars, { x: "count", y: "whole", text: (bar) => bar.count.toLocaleString("en"), dx: 4, textAnchor: "start", fill: "currentColor" }), ruleX([0])]}
    />
  );
};

// `bins`: [{low, high, groups, rate, least, most}], a rate with its 95% interval.
export const Rates = ({ title, says, bins, unit, rate }) => {
  const placed = bins.map((bin) => ({ ...bin, middle: (bin.low + bin.high) / 2 }));
  // The counts of bins that lie too close together for both of them are left out.
  const gap = 0.07 * (placed.at(-1).middle - placed[0].middle);
  const apart = placed.filter((bin, k) => k === 0 || bin.middle - placed[k - 1].middle >= gap);
  return (
    <Chart
      title={title} says={says}
      label={`${title}: ${spoken(placed.map((bin) => `${bin.low.toPrecision(3)} to ${bin.high.toPrecision(3)}: ${bin.rate.toFixed(2)}`))}`}
      x={{ label: unit, insetLeft: 12, insetRight: 12 }} y={{ label: rate, domain: [0, 1] }}
      marks={() => [
        gridY({ strokeOpacity: 0.15 }), ruleY([0]),
        ruleX(placed, { x: "middle", y1: "least", y2: "most", stroke: ACCENT, strokeWidth: 2 }),
        dot(placed, { x: "middle", y: "rate", fill: ACCENT, r: 4, title: (bin) => `${bin.rate.toFixed(3)} (${bin.least.toFixed(3)} to ${bin.most.toFixed(3)}), ${bin.groups} groups` }),
        text(apart, { x: "middle", y: 1, dy: -9, text: (bin) => bin.groups.toLocaleString("en"), fill: "currentColor", fontSize: 10 }),
      ]}
    />
  );
};

// `curves`: {name: [{x, y}]}; each curve is named at its end, so no legend is needed.
export const Curves = ({ title, says, curves, unit, rate, domain, log = false, alarm = null }) => {
  const series = Object.entries(curves)
    .map(([name, points]) => [name, points.filter((point) => Math.abs(point.y) < WIDEST)])
    .filter(([, points]) => points.length);
  if (!series.length) return null;
  // The names at the ends of curves, moved apart where the ends are close.
  const [low, high] = domain ?? [0, 1].map((k) => Math[k ? "max" : "min"](...series.flatMap(([, points]) => points.map((p) => p.y))));
  const ends = series.map(([name, points]) => ({ name, x: points.at(-1).x, y: points.at(-1).y })).sort((a, b) => a.y - b.y);
  for (let k = 1; k < ends.length; k += 1) ends[k].y = Math.max(ends[k].y, ends[k - 1].y + 0.085 * (high - low));
  return (
    <Chart
      title={title} says={says} marginRight={series.length > 1 ? 100 : 30}
      label={`${title}: ${spoken(series.map(([name, points]) => `${name} from ${points[0].y.toFixed(3)} to ${points.at(-1).y.toFixed(3)}`))}`}
      x={{ label: unit, insetLeft: series.length > 1 ? 0 : 16, insetRight: series.length > 1 ? 0 : 16, type: log ? "log" : "linear", base: 2, ticks: log || series[0][1].length <= 6 ? series[0][1].map((p) => p.x) : 6, tickFormat: "d" }} y={{ label: rate, domain: domain ?? (low === high ? [Math.min(0, low), Math.max(1, high)] : undefined), nice: !domain }}
      marks={() => [
        gridY({ strokeOpacity: 0.15 }),
        ruleX(alarm === null ? [] : [alarm], { stroke: "var(--bad)", strokeDasharray: "4 3", title: (step) => `alarm at step ${step}` }),
        text(alarm === null ? [] : [alarm], { x: (step) => step, frameAnchor: "top", text: () => "alarm", fill: "var(--bad)", dy: -12 }),
        ...series.flatMap(([name, points], k) => [
          line(points, { x: "x", y: "y", stroke: ACCENT, strokeOpacity: 1 - 0.22 * (k % 4), strokeDasharray: ["", "5 3", "2 3", "8 3 2 3"][k % 4] }),
          dot(points, { x: "x", y: "y", fill: ACCENT, r: points.length > 40 ? 1.5 : 3, title: (p) => `${name}: ${p.y.toFixed(4)} at ${p.x}` }),
        ]),
        // A single curve is named by the title: its points have their values where there are few.
        series.length > 1
          ? text(ends, { x: "x", y: "y", text: "name", dx: 6, textAnchor: "start", fill: "currentColor" })
          : text(series[0][1].length <= 10 ? series[0][1] : series[0][1].slice(-1), { x: "x", y: "y", text: (p) => numeric(p.y), dy: -10, fill: "currentColor" }),
      ]}
    />
  );
};
