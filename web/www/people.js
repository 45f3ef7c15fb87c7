// Who is who. Each tab takes a name that no other tab has, and says where it sits. Both are keys that live with its
// session: where the tab goes, its name is free again. The cluster itself is the only place where this is kept.

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

export class People {
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

  /** Whose session that is; undefined where it is not a tab's. */
  bySession(id) {
    return this.#names.get(id);
  }

  /** Who sits there; undefined where nobody said so, as native nodes do not. */
  bySeat(seat) {
    return this.#seats.get(seat);
  }

  /** Who has no seat, by name. */
  withoutSeat() {
    const seated = new Set(this.#seats.values());
    return [...this.#names.values()].filter((name) => !seated.has(name)).sort();
  }

  /** Learns of the others, and keeps this tab known, until the signal says to stop. */
  async run() {
    const others = each(this.#cluster.watchPrefix("", { bucket: TABS_BUCKET }), this.#signal, (state) =>
      this.#learn(state),
    );
    const self = this.#beKnown();
    await Promise.all([others, self]);
  }

  /** This tab sits there now, or nowhere where that is null. */
  sits(seat) {
    if (this.#seat === seat) return;
    this.#seat = seat;
    this.#seated = false;
    this.#claim();
  }

  async #beKnown() {
    while (!this.#signal.aborted) {
      this.session = await this.#cluster.session;
      this.me = await this.#takeName();
      this.#seated = false;
      this.#changed();
      this.#claim();
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

  /** A seat's key may still hang on who sat there before; then this is done again when that is over. */
  async #claim() {
    const seat = this.#seat;
    if (seat === null || this.#seated || !this.me) return;
    try {
      this.#seated = await this.#hold(`seat/${seat}`, { name: this.me, session: this.session.id });
    } catch {
      // The session is over, and a new one is on its way; or the tab has left.
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
    // Anybody can put anything there.
    if (what === "name/") {
      for (const [session, name] of this.#names) if (name === which) this.#names.delete(session);
      if (!vacant && typeof value?.session === "string") this.#names.set(value.session, which);
    } else if (what === "seat/") {
      if (vacant) this.#seats.delete(Number(which));
      else if (typeof value?.name === "string") this.#seats.set(Number(which), value.name);
      if (vacant && Number(which) === this.#seat) this.#claim();
    }
    this.#changed();
  }
}
