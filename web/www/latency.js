// How long puts take, as a plot, and buttons that put many keys.

import { LATENCY_BUCKET } from "./config.js";
import { $, isUsable, duration, setText, setUsable, svg } from "./dom.js";
import { log, showError } from "./timeline.js";

/** The number of puts in the plot, at most. */
const SAMPLES = 200;
const PLOT = { left: 44, right: 314, top: 8, bottom: 112 };

export class Latency {
  #cluster = null;
  #signal = new AbortController().signal;
  #samples = [];
  #drawing = false;

  constructor() {
    $("put-100").addEventListener("click", () => this.#putMany(100, 1));
    $("put-1000").addEventListener("click", () => this.#putMany(1000, 1000));
    this.#draw();
  }

  attach(cluster, signal) {
    this.#cluster = cluster;
    this.#signal = signal;
    signal.addEventListener("abort", () => (this.#cluster = null));
  }

  record(ms) {
    this.#samples.push(ms);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  /** Puts many keys, so many at once. */
  async #putMany(many, atOnce) {
    const buttons = [$("put-100"), $("put-1000")];
    if (!this.#cluster || !isUsable(buttons[0])) return;
    for (const button of buttons) setUsable(button, false);
    const run = crypto.randomUUID().slice(0, 8);
    let next = 0;
    const putter = async () => {
      while (next < many) {
        next += 1;
        await this.#putOne(`${run}/${next}`, { at: next, of: many });
      }
    };
    const began = performance.now();
    try {
      await Promise.all(Array.from({ length: atOnce }, putter));
      const rate = Math.round(many / ((performance.now() - began) / 1000));
      setText($("latency-rate"), rate.toLocaleString("en"));
      log("call", `${many} puts, ${atOnce === 1 ? "one after the other" : "all at once"}: ${rate} a second`);
    } catch (error) {
      showError(`put ${many}`, error);
    } finally {
      for (const button of buttons) setUsable(button, true);
    }
  }

  async #putOne(key, value) {
    const began = performance.now();
    await this.#cluster.put(key, value, { bucket: LATENCY_BUCKET, timeout: 10_000, signal: this.#signal });
    this.record(performance.now() - began);
  }

  #draw() {
    const samples = this.#samples;
    const sorted = [...samples].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    const [low, high] = samples.length ? scale(sorted[0], sorted.at(-1)) : [1, 10];
    const height = (ms) => PLOT.bottom - (Math.log(ms / low) / Math.log(high / low)) * (PLOT.bottom - PLOT.top);
    const step = (PLOT.right - PLOT.left - 8) / Math.max(SAMPLES / 2, samples.length);
    const grid = steps(low, high).flatMap((ms) => [
      svg("line", { class: "grid", x1: PLOT.left, x2: PLOT.right, y1: height(ms), y2: height(ms) }),
      svg("text", { class: "tick", x: PLOT.left - 6, y: height(ms) + 3.5 }, ms < 1000 ? `${ms} ms` : `${ms / 1000} s`),
    ]);
    const dots = samples.map((ms, index) =>
      svg("circle", {
        class: "dot",
        r: 2,
        cx: (PLOT.left + 6 + index * step).toFixed(1),
        cy: height(Math.max(ms, low)).toFixed(1),
      }),
    );
    const middle =
      samples.length > 1
        ? [svg("line", { class: "median", x1: PLOT.left, x2: PLOT.right, y1: height(at(0.5)), y2: height(at(0.5)) })]
        : [];
    $("latency-plot").replaceChildren(...grid, ...middle, ...dots);
    if (!samples.length) return;
    setText($("latency-p50"), duration(at(0.5)));
    setText($("latency-p99"), duration(at(0.99)));
    setText(
      $("latency-summary"),
      `The line is the median of ${samples.length} puts.`,
    );
  }
}

/** The ends of the scale: numbers of 1, 2, 5, 10, 20 … around the samples. */
function scale(least, most) {
  const ticks = [];
  for (let decade = 0.01; decade < 1e6; decade *= 10) ticks.push(decade, 2 * decade, 5 * decade);
  const low = ticks.findLast((tick) => tick <= least) ?? ticks[0];
  const high = ticks.find((tick) => tick >= most && tick > low) ?? ticks.at(-1);
  return [low, Math.max(high, low * 5)];
}

function steps(low, high) {
  const ticks = [];
  for (let decade = 0.01; decade < 1e6; decade *= 10) {
    for (const tick of [decade, 2 * decade, 5 * decade])
      if (tick >= low * 0.99 && tick <= high * 1.01) ticks.push(Number(tick.toPrecision(1)));
  }
  const every = Math.ceil(ticks.length / 5);
  return ticks.filter((_, at) => at % every === 0);
}
