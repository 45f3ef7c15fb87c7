// The keys of a bucket as they change, and the form that puts, gets and erases.

import { $, code, each, el, isUsable, duration, replay, setText, setUsable, strong, svg } from "./dom.js";
import { hue } from "./peers_panel.js";
import { log, showError } from "./timeline.js";
import { identity, parse, show } from "./value.js";

/** Rows in the table at most. */
const ROWS = 500;
/** Lines in the timeline for changes of keys, in a second. */
const LINES = 8;

export class Keys {
  #cluster;
  #peers;
  #record;
  #changed;
  #signal;
  #watching = new AbortController();
  #rows = new Map();
  #live = 0;
  #calling = null;
  #ownerless = [];
  /** The leases of this tab’s own puts. A state shows only the owner. */
  #madeHere = new Map();
  #burst = { since: 0, lines: 0, more: 0 };

  /** `record` is called with the time of each put, `changed` when a key has changed. */
  constructor({ record, changed, watch }) {
    this.#record = record;
    this.#changed = changed;
    $("put-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#call("Put", () => this.#put());
    });
    $("get").addEventListener("click", () => this.#call("Get", () => this.#get()));
    $("erase").addEventListener("click", () => this.#call("Erase", () => this.#erase()));
    $("give-up").addEventListener("click", () => {
      this.#calling?.abort();
      $("key").focus();
    });
    let soon;
    const list = () => {
      clearTimeout(soon);
      soon = setTimeout(() => this.#cluster && this.#list(), 250);
    };
    $("prefix").addEventListener("input", list);
    $("bucket").addEventListener("input", list);
    $("keys-body").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      const row = this.#rows.get(button?.closest("tr").dataset.key);
      if (!row) return;
      $("key").value = asTyped(row.state.key);
      if (button.dataset.action === "watch") watch(row.state.key, this.#bucket());
      else $("value").focus();
    });
  }

  attach(cluster, peers, signal) {
    this.#cluster = cluster;
    this.#peers = peers;
    this.#signal = signal;
    signal.addEventListener("abort", () => {
      this.#cluster = null;
      this.#watching.abort();
      this.#calling?.abort();
    });
    this.#list();
  }

  /** Some names of tabs have changed. */
  redraw() {
    for (const row of this.#rows.values()) this.#draw(row);
  }

  #bucket() {
    return $("bucket").value.trim() || undefined;
  }

  async #list() {
    this.#watching.abort();
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    if (this.#signal.aborted) return;
    this.#rows.clear();
    this.#ownerless = [];
    this.#live = 0;
    $("keys-body").replaceChildren();
    this.#count();
    const since = performance.now();
    try {
      const changes = this.#cluster.watchPrefix($("prefix").value, { bucket: this.#bucket() });
      await each(changes, signal, (state) => this.#update(state, performance.now() - since < 400));
    } catch (error) {
      if (!signal.aborted) showError("Keys cannot be shown", error);
    }
  }

  #update(state, old) {
    const id = identity(state.key);
    let row = this.#rows.get(id);
    if (!row) {
      if (state.vacant || this.#rows.size >= ROWS) return;
      row = this.#newRow(id);
    }
    const was = row.state && !row.state.vacant;
    this.#live += Number(!state.vacant) - Number(Boolean(was));
    row.state = state;
    this.#draw(row);
    this.#count();
    if (!state.vacant && !("owner" in state)) this.#fetchOwner(row);
    if (old) return;
    replay(row.element, "fresh");
    this.#changed();
    this.#log(state);
  }

  /** A state may come without its owner. Missing owners are fetched one by one, in the order of the states. */
  async #fetchOwner(row) {
    // Each listing has a queue of its own, since an owner may take long to come.
    const ownerless = this.#ownerless;
    if (ownerless.push(row) > 1) return;
    const { signal } = this.#watching;
    for (; ownerless.length && !signal.aborted; ownerless.shift()) {
      const { state } = ownerless[0];
      if (state.vacant || "owner" in state) continue;
      try {
        state.owner = await this.#cluster.owner(state.key, { bucket: this.#bucket(), signal });
        this.#draw(ownerless[0]);
      } catch {
        // The listing reports the error. The owner stays unknown.
      }
    }
  }

  #newRow(id) {
    const element = el(
      "tr",
      { "data-key": id },
      el(
        "th",
        { scope: "row" },
        el("button", { type: "button", class: "link", "data-action": "use", title: "Use this key in the form" }),
        el("span", { class: "lease-too" }),
      ),
      el("td", { class: "shown" }, el("span")),
      el("td", { class: "number" }),
      el("td", { class: "lease" }),
      el(
        "td",
        { class: "acts" },
        el(
          "button",
          { type: "button", class: "icon quiet", "data-action": "watch", "aria-label": `Watch ${id}`, title: "Watch" },
          eye(),
        ),
      ),
    );
    const row = { element, state: null };
    const after = [...this.#rows.keys()].filter((other) => other > id).sort()[0];
    $("keys-body").insertBefore(element, after === undefined ? null : this.#rows.get(after).element);
    this.#rows.set(id, row);
    return row;
  }

  #draw({ element, state }) {
    const [key, value, generation, lease] = element.children;
    element.dataset.vacant = String(Boolean(state.vacant));
    element.dataset.generation = state.generation;
    setText(key.firstElementChild, show(state.key, 80));
    const shown = state.vacant ? "vacant" : show(state.value);
    setText(value.firstElementChild, shown);
    value.title = shown;
    setText(generation, String(state.generation));
    lease.replaceChildren(...this.#lease(state));
    key.lastElementChild.replaceChildren(...this.#lease(state));
  }

  #lease(state) {
    if (state.vacant) return ["may be put again"];
    const { until, erasable, known } = this.#madeHere.get(this.#name(state)) ?? {};
    const parts = [];
    if (state.owner) parts.push("with ", this.#owner(state.owner), " ");
    if (until) parts.push(`until ${until.toLocaleTimeString([], { hour12: false })} `);
    if (erasable) parts.push("until erased");
    if (parts.length) return parts;
    if (!("owner" in state)) return ["…"];
    return [known ? "for ever" : "with no tab"];
  }

  /** Names one generation of a key of the bucket that is shown. */
  #name({ key, generation }) {
    return `${this.#bucket() ?? ""}/${identity(key)}/${generation}`;
  }

  #owner(session) {
    const name = this.#peers.bySession(session);
    const mine = session === this.#peers.session?.id;
    const chip = el(
      "span",
      { class: "chip", title: `session ${session}`, "data-owner": name ?? session },
      mine ? "this tab" : (name ?? `${session.slice(0, 6)}…`),
    );
    if (name) chip.style.setProperty("--hue", hue(name));
    return chip;
  }

  #count() {
    const bucket = this.#bucket();
    const where = bucket ? ` in the bucket ${bucket}` : "";
    const full = this.#rows.size >= ROWS ? ", more are not shown" : "";
    setText($("keys-count"), `${this.#live || "No"} ${this.#live === 1 ? "key" : "keys"}${where}${full}`);
  }

  /** Logs a change. A burst becomes a few lines and a number. */
  #log(state) {
    const burst = this.#burst;
    const now = performance.now();
    if (now - burst.since > 1000) Object.assign(burst, { since: now, lines: 0, more: 0 });
    if (burst.lines >= LINES) {
      if (burst.more === 0) {
        setTimeout(() => log("key", `… and ${burst.more} more changes of keys`), 1000);
      }
      burst.more += 1;
      return;
    }
    burst.lines += 1;
    const key = code(show(state.key, 60));
    if (state.vacant) return log("key", key, " is vacant, next generation ", strong(String(state.generation)));
    const whose = state.owner ? [", bound to ", this.#owner(state.owner)] : [];
    return log(
      "key",
      key,
      " is ",
      code(show(state.value, 60)),
      ", generation ",
      strong(String(state.generation)),
      ...whose,
    );
  }

  /** One call at a time, which can be given up: without a quorum it waits for as long as it takes. */
  async #call(doing, run) {
    const buttons = [$("put"), $("get"), $("erase")];
    if (!isUsable(buttons[0])) return;
    if (!this.#cluster) {
      this.#outcome("wrong", "This tab is not in the cluster.");
      return;
    }
    if ($("key").value === "") {
      this.#outcome("wrong", "A key is needed: any text, or JSON.");
      $("key").focus();
      return;
    }
    this.#calling = new AbortController();
    const waiting = setTimeout(() => {
      this.#outcome("waiting", `${doing} waits for a quorum …`);
      $("give-up").hidden = false;
    }, 300);
    for (const button of buttons) setUsable(button, false);
    try {
      this.#outcome(...(await run()));
    } catch (error) {
      if (this.#calling.signal.aborted) {
        this.#outcome("none", "Given up. It may still take effect.");
      } else {
        this.#outcome("wrong", error?.message ?? String(error));
        showError(`${doing} ${$("key").value}`, error);
      }
    } finally {
      clearTimeout(waiting);
      for (const button of buttons) setUsable(button, true);
      $("give-up").hidden = true;
    }
  }

  #outcome(outcome, ...parts) {
    const result = $("result");
    result.dataset.outcome = outcome;
    result.replaceChildren(...parts);
  }

  async #put() {
    const key = parse($("key").value).value;
    const { value, kind } = parse($("value").value);
    const seconds = Number($("until").value);
    const options = { bucket: this.#bucket(), erasable: $("erasable").checked, signal: this.#calling.signal };
    if (seconds) options.until = new Date(Date.now() + seconds * 1000);
    if ($("bound").checked) options.session = this.#cluster.session;
    const began = performance.now();
    const chosen = await this.#cluster.put(key, value, options);
    const took = performance.now() - began;
    this.#record(took);
    const now = [code(show(chosen.value, 80)), `, generation ${chosen.generation}, ${duration(took)}`];
    if (chosen.won) this.#remember({ key, generation: chosen.generation }, options);
    if (chosen.won) return ["won", "Won: ", ...now, ` (read as ${kind})`];
    log("call", "Put ", code(show(key, 60)), " came too late: ", code(show(chosen.value, 60)), " was chosen before");
    return ["lost", "Too late: it is ", ...now];
  }

  #remember(state, { until, erasable }) {
    this.#madeHere.set(this.#name(state), { until, erasable, known: true });
    if (this.#madeHere.size > ROWS) this.#madeHere.delete(this.#madeHere.keys().next().value);
    const row = this.#rows.get(identity(state.key));
    if (row) this.#draw(row);
  }

  async #get() {
    const key = parse($("key").value).value;
    const began = performance.now();
    const found = await this.#cluster.get(key, { bucket: this.#bucket(), signal: this.#calling.signal });
    const took = duration(performance.now() - began);
    if (!found) return ["absent", "There is no value for ", code(show(key, 60)), `, ${took}`];
    return ["found", "It is ", code(show(found.value, 80)), `, generation ${found.generation}, ${took}`];
  }

  async #erase() {
    const key = parse($("key").value).value;
    const erased = await this.#cluster.erase(key, { bucket: this.#bucket(), signal: this.#calling.signal });
    if (!erased) return ["absent", "There was nothing to erase for ", code(show(key, 60))];
    return ["erased", code(show(key, 60)), " is erased, and may be put again"];
  }
}

function eye() {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("path", { d: "M2 12s3.600-6.500 10-6.500S22 12 22 12s-3.600 6.500-10 6.500S2 12 2 12Z" }),
    svg("circle", { cx: 12, cy: 12, r: 3 }),
  );
}

/** The text that names this key when it is typed. */
function asTyped(key) {
  return typeof key === "string" && parse(key).kind === "text" ? key : show(key, Infinity);
}
