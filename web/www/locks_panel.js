// The panels of a lock and of an election.

import { $, code, each, isUsable, setText, setUsable, strong } from "./dom.js";
import { log, showError } from "./timeline.js";
import { show } from "./value.js";

/** A lock or an office: this tab waits for it, has it, and releases or loses it. */
class Holding {
  #panel;
  #acquire;
  #release;
  #word;
  #stop = null;

  constructor(what, acquire, release) {
    this.#panel = $(`${what}-panel`);
    this.#acquire = acquire;
    this.#release = release;
    this.#word = release.textContent;
  }

  get isTaken() {
    return this.#stop !== null;
  }

  get stop() {
    return this.#stop;
  }

  begin() {
    this.#stop = new AbortController();
  }

  /** One of: idle, waiting, held, lost. */
  show(state, text) {
    this.#panel.dataset.state = state;
    const busy = state === "waiting" || state === "held";
    setUsable(this.#acquire, !busy);
    setUsable(this.#release, busy);
    setText(this.#release, state === "waiting" ? "Give up" : this.#word);
    setText($(`${this.#panel.id.split("-")[0]}-state`), text);
  }

  end() {
    this.#stop = null;
  }
}

const never = new AbortController().signal;

/** Resolves when either signal is aborted. */
function either(...signals) {
  return new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    }
  });
}

export class LocksPanel {
  #cluster = null;
  #peers = null;
  #signal = never;
  #lock = new Holding("lock", $("lock-acquire"), $("lock-release"));
  #office = new Holding("election", $("election-campaign"), $("election-resign"));
  #observing = new AbortController();

  constructor() {
    $("lock-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#acquire();
    });
    $("lock-release").addEventListener("click", () => isUsable($("lock-release")) && this.#lock.stop?.abort());
    $("election-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#campaign();
    });
    $("election-resign").addEventListener("click", () => isUsable($("election-resign")) && this.#office.stop?.abort());
    let soon;
    $("election-name").addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(() => this.#cluster && this.#observe(), 250);
    });
  }

  attach(cluster, peers, signal) {
    this.#cluster = cluster;
    this.#peers = peers;
    this.#signal = signal;
    signal.addEventListener("abort", () => {
      this.#cluster = null;
      this.#observing.abort();
      this.#lock.stop?.abort();
      this.#office.stop?.abort();
    });
    this.#observe();
  }

  async #acquire() {
    const name = $("lock-name").value;
    const holding = this.#lock;
    if (!this.#cluster || holding.isTaken || !name) return;
    holding.begin();
    const { signal } = holding.stop;
    holding.show("waiting", `Waits for ${name}, in turn …`);
    setText($("lock-token"), "–");
    let held = null;
    try {
      await this.#cluster.lock(name, { signal }, async (lock) => {
        held = lock;
        setText($("lock-token"), String(lock.fencingToken));
        holding.show("held", `This tab holds ${name}`);
        log("lock", "This tab holds the lock ", code(name), ", token ", strong(String(lock.fencingToken)));
        await either(signal, lock.signal);
      });
      holding.show("idle", `${name} is released`);
      log("lock", "The lock ", code(name), " is released");
    } catch (error) {
      if (held?.signal.aborted && !signal.aborted) {
        this.#lose(holding, `lock ${name}`);
      } else if (signal.aborted) {
        holding.show("idle", held ? `${name} is released` : "No longer waits");
        log(
          "lock",
          held ? "The lock " : "This tab no longer waits for the lock ",
          code(name),
          held ? " is released" : "",
        );
      } else {
        holding.show("idle", "Not held by this tab");
        showError(`lock ${name}`, error);
      }
    } finally {
      holding.end();
    }
  }

  #lose(holding, what) {
    holding.show("lost", `Lost: another may have the ${what} now`);
    log("wrong", "This tab has lost the ", code(what), "; its token may be overtaken");
  }

  async #campaign() {
    const name = $("election-name").value;
    const holding = this.#office;
    if (!this.#cluster || holding.isTaken || !name) return;
    holding.begin();
    const { signal } = holding.stop;
    holding.show("waiting", `Campaigns for ${name}, in turn …`);
    try {
      const office = await this.#cluster
        .election(name)
        .campaign($("election-value").value || this.#peers.me || "a tab", { signal });
      holding.show("held", `This tab is in office, token ${office.fencingToken}`);
      log("lead", "This tab was elected ", code(name), ", token ", strong(String(office.fencingToken)));
      await either(signal, office.signal);
      if (office.signal.aborted && !signal.aborted) {
        this.#lose(holding, `office ${name}`);
        return;
      }
      await office.release();
      holding.show("idle", "Resigned");
      log("lead", "This tab resigned as ", code(name));
    } catch (error) {
      holding.show("idle", "This tab does not campaign");
      if (!signal.aborted) showError(`campaign for ${name}`, error);
    } finally {
      holding.end();
    }
  }

  async #observe() {
    this.#observing.abort();
    this.#observing = new AbortController();
    const { signal } = this.#observing;
    const name = $("election-name").value;
    setText($("election-leads"), name ? `In office as ${name}` : "In office");
    setText($("election-leader"), "nobody");
    if (!name || this.#signal.aborted) return;
    let first = true;
    try {
      await each(this.#cluster.election(name).observe(), signal, (state) => {
        setText($("election-leader"), state.vacant ? "nobody" : `${show(state.value, 40)} · ${state.generation}`);
        if (!state.vacant)
          log("lead", code(name), " is ", strong(show(state.value, 40)), `, token ${state.generation}`);
        else if (!first) log("lead", code(name), " is vacant");
        first = false;
      });
    } catch (error) {
      if (!signal.aborted) showError(`observe ${name}`, error);
    }
  }
}
