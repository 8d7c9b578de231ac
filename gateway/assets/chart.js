// A chart over time: bars that stand on each other, or lines and the band between two. Drawn as SVG of as many pixels as it has, so
// that its lines are sharp; what is under the pointer, or was chosen by the arrow keys, is told in words.

import { element, setShown, setText } from "./element.js";
import { day, dayAndTime, exactTime, timeOfDay } from "./format.js";
import { say } from "./i18n.js";
import { steps, times } from "./scale.js";

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 52;
const BOTTOM = 22;
const TOP = 8;
/** A part of a bar is never so low that it can't be seen. */
const LEAST_PIXELS = 1;
const PIXELS_A_TIME = 84;

function svg(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** How a time is written at an axis whose times are so far apart. */
function axisTime(time, step) {
  if (step < 60) return exactTime(time);
  if (step < 86_400) return timeOfDay(time);
  return day(time);
}

/** What a point is called: when it begins, and for the longer ones when it ends. */
function pointName({ from, seconds }) {
  if (seconds < 60) return exactTime(from);
  if (seconds >= 86_400) return day(from);
  return seconds === 60 ? timeOfDay(from) : `${dayAndTime(from)} – ${timeOfDay(from + seconds)}`;
}

/** Texts at places, made once and moved. */
class Labels {
  #group;
  #nodes = [];

  constructor(group) {
    this.#group = group;
  }

  show(labels) {
    while (this.#nodes.length < labels.length) this.#nodes.push(this.#group.appendChild(svg("text")));
    this.#nodes.forEach((node, index) => {
      const label = labels[index];
      node.setAttribute("visibility", label ? "visible" : "hidden");
      if (!label) return;
      node.setAttribute("x", label.x);
      node.setAttribute("y", label.y);
      node.setAttribute("text-anchor", label.anchor);
      setText(node, label.text);
    });
  }
}

/** A chart in a figure. A series is `{name, tone, of(point) → number or null}`. */
export class Chart {
  #series;
  #options;
  #points = [];
  #top = 0;
  #chosen;
  #parts;
  #size = { width: 0, height: 0 };

  /**
   * `options`: `isStacked` for bars; else lines, with a band between the first two. `format` writes values, `isWhole` where they are
   * counts, `title` names the word of its title.
   */
  constructor(figure, series, options) {
    this.#series = series;
    this.#options = options;
    this.#parts = this.#make(figure);
    new ResizeObserver(() => this.draw()).observe(this.#parts.plot);
    this.#listen();
  }

  /** Shows these points, each `{from, seconds, …}`, in order and without gaps. */
  show(points) {
    if (points.length !== this.#points.length || points[0]?.seconds !== this.#points[0]?.seconds) {
      this.#top = 0;
      this.#chosen = undefined;
    }
    this.#points = points;
    this.draw();
  }

  #make(figure) {
    const plot = element("div", { class: "plot", tabIndex: 0, role: "slider", "aria-valuemin": "0" });
    const root = svg("svg", { "aria-hidden": "true" });
    const grid = root.appendChild(svg("path", { class: "grid" }));
    const band = this.#options.isStacked ? undefined : root.appendChild(svg("path", { class: `band ${this.#series[0].tone}` }));
    // The first series is drawn last, above the others.
    const paths = this.#series.map(({ tone }) => svg("path", { class: `${this.#options.isStacked ? "bars" : "line"} ${tone}` }));
    root.append(...[...paths].reverse());
    const cursor = root.appendChild(svg("path", { class: "cursor" }));
    const labels = new Labels(root.appendChild(svg("g", { class: "labels" })));
    const told = element("div", { class: "told", "aria-hidden": "true", hidden: true });
    const toldTime = told.appendChild(element("div", { class: "told-time" }));
    const toldValues = this.#series.map(({ tone }) => {
      const name = element("span");
      const value = element("b");
      told.append(element("div", { class: "told-row" }, element("i", { class: `swatch ${tone}` }), name, value));
      return { name, value };
    });
    plot.append(root, told);
    figure.append(plot);
    return { plot, root, grid, band, paths, cursor, labels, told, toldTime, toldValues };
  }

  #listen() {
    const { plot } = this.#parts;
    const choose = (index) => {
      this.#chosen = index;
      this.#tell();
    };
    plot.addEventListener("pointermove", (event) => {
      const place = (event.clientX - plot.getBoundingClientRect().left - LEFT) / this.#step();
      choose(Math.min(Math.max(Math.floor(place), 0), this.#points.length - 1));
    });
    plot.addEventListener("pointerleave", () => choose(undefined));
    plot.addEventListener("blur", () => choose(undefined));
    plot.addEventListener("keydown", (event) => {
      const last = this.#points.length - 1;
      const now = this.#chosen ?? last + 1;
      const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, Escape: undefined };
      if (!(event.key in next) || last < 0) return;
      event.preventDefault();
      choose(event.key === "Escape" ? undefined : Math.min(Math.max(next[event.key], 0), last));
    });
  }

  #step() {
    return (this.#size.width - LEFT) / Math.max(this.#points.length, 1);
  }

  /** The highest value, with some hold: an axis that changes with every point can't be read. */
  #most() {
    const { isStacked, least } = this.#options;
    const heights = this.#points.map((point) => {
      const values = this.#series.map(({ of }) => of(point) ?? 0);
      return isStacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values);
    });
    const most = Math.max(least, ...heights);
    if (most > this.#top || most < this.#top * 0.4) this.#top = most;
    return this.#top;
  }

  /** Draws what was shown last, in the size and the language of now. */
  draw() {
    const { plot, root, grid, labels } = this.#parts;
    plot.setAttribute("aria-label", say(this.#options.title));
    const { clientWidth: width, clientHeight: height } = plot;
    if (width === 0) return;
    if (width !== this.#size.width || height !== this.#size.height) {
      this.#size = { width, height };
      root.setAttribute("width", width);
      root.setAttribute("height", height);
      root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    }
    const values = steps(this.#most(), this.#options.isWhole);
    const floor = height - BOTTOM;
    const y = (value) => floor - (value / values.at(-1)) * (floor - TOP);
    const lines = values.map((value) => Math.round(y(value)) + 0.5);
    grid.setAttribute("d", lines.map((line) => `M${LEFT} ${line}H${width}`).join(""));
    const written = values.map((value, index) => ({
      x: LEFT - 8,
      y: lines[index] + 4,
      anchor: "end",
      text: value === 0 ? "0" : this.#options.format(value),
    }));
    labels.show([...written, ...this.#timeLabels(width, height)]);
    if (this.#options.isStacked) this.#drawBars(y, floor);
    else this.#drawLines(y);
    this.#tell();
  }

  #timeLabels(width, height) {
    if (this.#points.length === 0) return [];
    const from = this.#points[0].from;
    const last = this.#points.at(-1);
    const to = last.from + last.seconds;
    const round = times(from, to, Math.max(2, Math.floor((width - LEFT) / PIXELS_A_TIME)));
    return round.times
      .map((time) => ({ time, x: LEFT + ((time - from) / (to - from)) * (width - LEFT) }))
      .filter(({ x }) => x >= LEFT + 16 && x <= width - 24)
      .map(({ time, x }) => ({ x, y: height - 5, anchor: "middle", text: axisTime(time, round.step) }));
  }

  #drawBars(y, floor) {
    const step = this.#step();
    const gap = step > 9 ? 2 : step > 4 ? 1 : 0;
    const drawn = this.#series.map(() => "");
    this.#points.forEach((point, index) => {
      const left = Math.round(LEFT + index * step);
      const right = Math.max(left + 1, Math.round(LEFT + (index + 1) * step) - gap);
      let below = floor;
      this.#series.forEach(({ of }, number) => {
        const value = of(point);
        if (value === 0) return;
        const above = below - Math.max(LEAST_PIXELS, floor - y(value));
        drawn[number] += `M${left} ${below.toFixed(1)}H${right}V${above.toFixed(1)}H${left}Z`;
        below = above;
      });
    });
    this.#parts.paths.forEach((path, number) => path.setAttribute("d", drawn[number]));
  }

  #drawLines(y) {
    const step = this.#step();
    const x = (index) => (LEFT + (index + 0.5) * step).toFixed(1);
    /** Where there are values, from where to where. */
    const runs = (of) => {
      const found = [];
      this.#points.forEach((point, index) => {
        if (of(point) === null) return;
        if (found.at(-1)?.at(-1) === index - 1) found.at(-1).push(index);
        else found.push([index]);
      });
      return found;
    };
    const dash = Math.max(4, Math.round(step / 2));
    const along = (run, of) => run.map((index) => `${x(index)} ${y(of(this.#points[index])).toFixed(1)}`).join("L");
    this.#series.forEach(({ of }, number) => {
      // A value that stands alone is a dash.
      const drawn = runs(of).map((run) => `M${along(run, of)}${run.length === 1 ? `m-${dash / 2} 0h${dash}` : ""}`);
      this.#parts.paths[number].setAttribute("d", drawn.join(""));
    });
    const [{ of: low }, { of: high }] = this.#series;
    const bands = runs(low).map((run) => `M${along(run, low)}L${along([...run].reverse(), high)}Z`);
    this.#parts.band.setAttribute("d", bands.join(""));
  }

  /** Tells of the point that is chosen. */
  #tell() {
    const { plot, cursor, told, toldTime, toldValues } = this.#parts;
    const point = this.#points[this.#chosen];
    plot.setAttribute("aria-valuemax", Math.max(0, this.#points.length - 1));
    setShown(told, point !== undefined);
    cursor.setAttribute("visibility", point ? "visible" : "hidden");
    plot.setAttribute("aria-valuenow", this.#chosen ?? Math.max(0, this.#points.length - 1));
    // Who only passes by isn't told of every second.
    if (!point) {
      plot.setAttribute("aria-valuetext", say("chart.keys"));
      return;
    }
    const values = this.#series.map(({ name, of }) => {
      const value = of(point);
      return { name: say(name), value: value === null ? "–" : this.#options.format(value) };
    });
    const text = values.map(({ name, value }) => `${name} ${value}`).join(", ");
    plot.setAttribute("aria-valuetext", `${pointName(point)}: ${text}`);
    setText(toldTime, pointName(point));
    values.forEach(({ name, value }, number) => {
      setText(toldValues[number].name, name);
      setText(toldValues[number].value, value);
    });
    const middle = LEFT + (this.#chosen + 0.5) * this.#step();
    cursor.setAttribute("d", `M${Math.round(middle) + 0.5} ${TOP}V${this.#size.height - BOTTOM}`);
    const beside = middle + 14 + told.offsetWidth > this.#size.width ? middle - 14 - told.offsetWidth : middle + 14;
    told.style.transform = `translate(${Math.round(Math.max(0, beside))}px, ${TOP}px)`;
  }
}
