// The places of things, and the settings in the page's address.

/**
 * The package. The path is right where this folder is served beside `pkg`, and also where it is served as the root, since
 * nothing is above the root.
 */
export const PACKAGE = new URL("../pkg/paxoskv.js", import.meta.url).href;

/** The bucket of the tabs' names. */
export const TABS_BUCKET = "page.tabs";

/** The bucket of the puts that are only timed. */
export const LATENCY_BUCKET = "page.latency";

const SIZE = { least: 1, most: 31, usual: 3 };

/** A secret must not be in an address, so it is kept in the tab's session storage. */
const SECRET = "paxoskv-secret";

/**
 * `?cluster=demo&size=3&ws=ws://127.0.0.1:7401&seat=3`. `ws` and `seat` can be repeated, and can name several. A tab with
 * addresses is an observer, unless there are seats for tabs.
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

/** The options of `join` for these settings. A button asks the browser to keep the data; `join` does not. */
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
