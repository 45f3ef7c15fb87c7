// A lock and an office, by hand.

import { $, code, each, isUsable, setText, setUsable, strong } from "./dom.js";
import { problem, say } from "./timeline.js";
import { show } from "./value.js";

/** What a lock and an office have in common: one waits for it, has it, and gives it up or loses it. */
class Grip {
  #panel;
  #take;
  #leave;
  #word;
  #stop = null;

  constructor(what, take, leave) {
    this.#panel = $(`${what}-panel`);
    this.#take = take;
    this.#leave = leave;
    this.#word = leave.textContent;
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
    setUsable(this.#take, !busy);
    setUsable(this.#leave, busy);
    setText(this.#leave, state === "waiting" ? "Give up" : this.#word);
    setText($(`${this.#panel.id.split("-")[0]}-state`), text);
  }

  end() {
    this.#stop = null;
  }
}

const never = new AbortController().signal;

/** Resolves when either says so. */
function either(...signals) {
  return new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    }
  });
}

export class Hands {
  #cluster = null;
  #people = null;
  #signal = never;
  #lock = new Grip("lock", $("lock-acquire"), $("lock-release"));
  #office = new Grip("election", $("election-campaign"), $("election-resign"));
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

  attach(cluster, people, signal) {
    this.#cluster = cluster;
    this.#people = people;
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
    const grip = this.#lock;
    if (!this.#cluster || grip.isTaken || !name) return;
    grip.begin();
    const { signal } = grip.stop;
    grip.show("waiting", `Waits for ${name}, in turn …`);
    setText($("lock-token"), "–");
    let held = null;
    try {
      await this.#cluster.lock(name, { signal }, async (lock) => {
        held = lock;
        setText($("lock-token"), String(lock.fencingToken));
        grip.show("held", `This tab holds ${name}`);
        say("lock", "This tab holds the lock ", code(name), ", token ", strong(String(lock.fencingToken)));
        await either(signal, lock.signal);
      });
      grip.show("idle", `${name} is released`);
      say("lock", "The lock ", code(name), " is released");
    } catch (error) {
      if (held?.signal.aborted && !signal.aborted) {
        this.#lose(grip, `lock ${name}`);
      } else if (signal.aborted) {
        grip.show("idle", held ? `${name} is released` : "No longer waits");
        say(
          "lock",
          held ? "The lock " : "This tab no longer waits for the lock ",
          code(name),
          held ? " is released" : "",
        );
      } else {
        grip.show("idle", "Not held by this tab");
        problem(`lock ${name}`, error);
      }
    } finally {
      grip.end();
    }
  }

  #lose(grip, what) {
    grip.show("lost", `Lost: the ${what} may be another’s now`);
    say("wrong", "This tab has lost the ", code(what), "; its token may be overtaken");
  }

  async #campaign() {
    const name = $("election-name").value;
    const grip = this.#office;
    if (!this.#cluster || grip.isTaken || !name) return;
    grip.begin();
    const { signal } = grip.stop;
    grip.show("waiting", `Stands for ${name}, in turn …`);
    try {
      const office = await this.#cluster
        .election(name)
        .campaign($("election-value").value || this.#people.me || "a tab", { signal });
      grip.show("held", `This tab is in office, token ${office.fencingToken}`);
      say("lead", "This tab was elected ", code(name), ", token ", strong(String(office.fencingToken)));
      await either(signal, office.signal);
      if (office.signal.aborted && !signal.aborted) {
        this.#lose(grip, `office ${name}`);
        return;
      }
      await office.release();
      grip.show("idle", "Resigned");
      say("lead", "This tab resigned as ", code(name));
    } catch (error) {
      grip.show("idle", "This tab does not stand");
      if (!signal.aborted) problem(`campaign for ${name}`, error);
    } finally {
      grip.end();
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
          say("lead", code(name), " is ", strong(show(state.value, 40)), `, token ${state.generation}`);
        else if (!first) say("lead", code(name), " is vacant");
        first = false;
      });
    } catch (error) {
      if (!signal.aborted) problem(`observe ${name}`, error);
    }
  }
}
