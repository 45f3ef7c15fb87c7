// Where things are and what the address of the page asks for.

/**
 * The package. The same path holds where this folder is served beside `pkg`, and where it is served as the root, for
 * there is nothing above the root.
 */
export const PACKAGE = new URL("../pkg/paxoskv.js", import.meta.url).href;

/** The bucket in which the tabs tell one another who they are. */
export const TABS_BUCKET = "page.tabs";

/** The bucket of the puts that are only there to be timed. */
export const LATENCY_BUCKET = "page.latency";

const SIZE = { least: 1, most: 31, usual: 3 };

/** A secret has no place in an address, so it is kept with the tab. */
const SECRET = "paxoskv-secret";

/**
 * `?cluster=demo&size=3&ws=ws://127.0.0.1:7401&seat=3`; `ws` and `seat` may be there several times, or name several. A
 * tab with addresses looks on, unless there are seats for tabs.
 */
export function settings(search = location.search) {
  const asked = new URLSearchParams(search);
  const size = Number(asked.get("size") || SIZE.usual);
  const list = (name) =>
    asked
      .getAll(name)
      .flatMap((some) => some.split(/[\s,]+/))
      .filter(Boolean);
  return {
    name: asked.get("cluster")?.trim() || "demo",
    size: Number.isInteger(size) && size >= SIZE.least && size <= SIZE.most ? size : SIZE.usual,
    ws: list("ws").map((address) => (/^wss?:/i.test(address) ? address : `ws://${address}`)),
    seats: list("seat").map(Number),
    secret: sessionStorage.getItem(SECRET) || undefined,
  };
}

export function keepSecret(secret) {
  if (secret) sessionStorage.setItem(SECRET, secret);
  else sessionStorage.removeItem(SECRET);
}

/** The options of `join` for these settings. Whether to keep the data is asked by a button, not in passing. */
export function options({ size, ws, seats, secret }) {
  const transport = [...(ws.length === 0 || seats.length ? ["tabs"] : []), ...(ws.length ? ["ws"] : [])];
  return {
    clusterSize: size,
    transport,
    ws: ws.length ? ws : undefined,
    seat: seats.length ? seats : undefined,
    secret,
    persist: false,
  };
}
