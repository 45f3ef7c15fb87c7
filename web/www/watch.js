// The states of one key as they change.

import { $, code, each, el, isUsable, setUsable, strong } from "./dom.js";
import { showError } from "./timeline.js";
import { parse, show } from "./value.js";

const STATES = 50;

export class Watch {
  #cluster = null;
  #watching = new AbortController();

  constructor() {
    $("watch-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const key = $("watch-key").value;
      if (key) this.of(parse(key).value, $("bucket").value.trim() || undefined);
    });
    $("watch-stop").addEventListener("click", () => isUsable($("watch-stop")) && this.#stop());
  }

  attach(cluster, signal) {
    this.#cluster = cluster;
    signal.addEventListener("abort", () => {
      this.#cluster = null;
      this.#stop();
    });
  }

  async of(key, bucket) {
    if (!this.#cluster) return;
    this.#stop();
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    $("watch-key").value = show(key, Infinity);
    const list = $("watch-states");
    list.replaceChildren();
    $("watch-panel").dataset.state = "watching";
    setUsable($("watch-stop"), true);
    try {
      await each(this.#cluster.watch(key, { bucket }), signal, (state) => {
        const what = state.vacant ? "vacant" : code(show(state.value, 120));
        list.prepend(
          el(
            "li",
            { "data-vacant": String(Boolean(state.vacant)), "data-generation": state.generation },
            strong(String(state.generation)),
            el("span", {}, what),
          ),
        );
        while (list.childElementCount > STATES) list.lastElementChild.remove();
      });
    } catch (error) {
      if (!signal.aborted) showError(`watch ${show(key, 60)}`, error);
    }
    if (!signal.aborted) this.#stop();
  }

  #stop() {
    this.#watching.abort();
    $("watch-panel").dataset.state = "idle";
    setUsable($("watch-stop"), false);
  }
}
