// The tabs of the cluster, by name. Each tab takes a name that no other tab has, and puts its name for its seat. Both keys
// are bound to its session, so when the tab leaves, its name is free again. Only the cluster itself keeps them.

import { TABS_BUCKET } from "./config.js";
import { each } from "./dom.js";

const NAMES = [
  "Anna",
  "Bert",
  "Carla",
  "Dora",
  "Emil",
  "Flora",
  "Greta",
  "Hugo",
  "Ida",
  "Jonas",
  "Klara",
  "Leo",
  "Mona",
  "Nils",
  "Olga",
  "Paul",
  "Quinn",
  "Rosa",
  "Sven",
  "Thea",
  "Uli",
  "Vera",
  "Willy",
  "Xenia",
  "Yuri",
  "Zoe",
];

/** A reloaded tab tries the name that it had. */
const REMEMBERED = "paxoskv-name";

/** The colour of a name, as a hue; neighbours in the alphabet are far apart. */
export function hue(name) {
  const at = NAMES.indexOf(name.split(" ")[0]);
  return Math.round((252 + Math.max(at, 0) * 137.5) % 360);
}

export class Peers {
  me = null;
  session = null;
  #seat = null;
  #seated = false;
  #names = new Map();
  #seats = new Map();
  #changed;
  #cluster;
  #signal;

  constructor(cluster, signal, changed) {
    this.#cluster = cluster;
    this.#signal = signal;
    this.#changed = changed;
  }

  /** The name of a session's tab; undefined where the session is not a tab's. */
  bySession(id) {
    return this.#names.get(id);
  }

  /** The name of the tab in a seat; undefined where no tab has put its name, as for native nodes. */
  bySeat(seat) {
    return this.#seats.get(seat);
  }

  /** The names of the tabs without a seat. */
  withoutSeat() {
    const seated = new Set(this.#seats.values());
    return [...this.#names.values()].filter((name) => !seated.has(name)).sort();
  }

  /** Learns the names of the others, and keeps this tab's own, until the signal is aborted. */
  async run() {
    const others = each(this.#cluster.watchPrefix("", { bucket: TABS_BUCKET }), this.#signal, (state) =>
      this.#learn(state),
    );
    const self = this.#keepName();
    await Promise.all([others, self]);
  }

  /** This tab has that seat now; none where it is null. */
  setSeat(seat) {
    if (this.#seat === seat) return;
    this.#seat = seat;
    this.#seated = false;
    this.#claimSeat();
  }

  async #keepName() {
    while (!this.#signal.aborted) {
      this.session = await this.#cluster.session;
      this.me = await this.#takeName();
      this.#seated = false;
      this.#changed();
      this.#claimSeat();
      await this.#cluster.monitor(this.session.id, { signal: this.#signal });
    }
  }

  async #takeName() {
    const remembered = sessionStorage.getItem(REMEMBERED);
    const from = Math.floor(Math.random() * NAMES.length);
    for (let round = 1; ; round += 1) {
      const names = NAMES.map((_, at) => NAMES[(from + at) % NAMES.length]).map((name) =>
        round === 1 ? name : `${name} ${round}`,
      );
      if (round === 1 && remembered) names.unshift(remembered);
      for (const name of names) {
        if (await this.#hold(`name/${name}`, { session: this.session.id })) {
          sessionStorage.setItem(REMEMBERED, name);
          return name;
        }
      }
    }
  }

  /** Puts this tab's name for its seat. The key may still be bound to the session of the tab before; then this is done again. */
  async #claimSeat() {
    const seat = this.#seat;
    if (seat === null || this.#seated || !this.me) return;
    try {
      this.#seated = await this.#hold(`seat/${seat}`, { name: this.me, session: this.session.id });
    } catch {
      // Either the session has ended, and a new one will open; or the tab has left.
    }
  }

  async #hold(key, value) {
    const options = { bucket: TABS_BUCKET, session: this.session, signal: this.#signal };
    const chosen = await this.#cluster.put(key, value, options);
    return chosen.won || chosen.value?.session === this.session.id;
  }

  #learn({ key, value, vacant }) {
    if (typeof key !== "string") return;
    const [what, which] = [key.slice(0, 5), key.slice(5)];
    // Any node can put any value there.
    if (what === "name/") {
      for (const [session, name] of this.#names) if (name === which) this.#names.delete(session);
      if (!vacant && typeof value?.session === "string") this.#names.set(value.session, which);
    } else if (what === "seat/") {
      if (vacant) this.#seats.delete(Number(which));
      else if (typeof value?.name === "string") this.#seats.set(Number(which), value.name);
      if (vacant && Number(which) === this.#seat) this.#claimSeat();
    }
    this.#changed();
  }
}
