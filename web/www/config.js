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

/** `?cluster=demo&size=3&ws=ws://127.0.0.1:7401`; `ws` may be there several times, or name several addresses. */
export function settings(search = location.search) {
  const asked = new URLSearchParams(search);
  const size = Number(asked.get("size") || SIZE.usual);
  const ws = asked.getAll("ws").flatMap((list) => list.split(/[\s,]+/)).filter(Boolean);
  return {
    name: asked.get("cluster")?.trim() || "demo",
    size: Number.isInteger(size) && size >= SIZE.least && size <= SIZE.most ? size : SIZE.usual,
    ws: ws.map((address) => (/^wss?:/i.test(address) ? address : `ws://${address}`)),
  };
}
