// The module "paxoskv": the bindings, with a `join` that loads the WebAssembly by itself, once.

import init, { initSync, PaxosError, join as joinLoaded } from "./glue.js";

export { init as default, initSync, PaxosError };

let loading;

export async function join(name, options) {
  // A ticket has the name.
  if (typeof name === "object" && name !== null) [name, options] = ["", name];
  // A load that failed, as without a network, may be tried again.
  loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  });
  await unlessAborted(loading, options?.signal);
  return joinLoaded(name, options);
}

// The bindings, once they are loaded, check signals of other types.
function unlessAborted(work, signal) {
  if (!(signal instanceof AbortSignal)) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function load() {
  let url = new URL("paxoskv_bg.wasm", import.meta.url);
  if (url.pathname.includes("/.vite/deps/")) {
    // The dev server of Vite before version 8 moves this module, but not the files beside it.
    const folder = import.meta.url.includes("paxoskv_libp2p") ? "paxoskv/libp2p" : "paxoskv";
    url = new URL(`../../${folder}/paxoskv_bg.wasm`, url);
  }
  if (url.protocol === "file:") {
    // Node's fetch reads no files.
    const { readFile } = process.getBuiltinModule("node:fs/promises");
    return init({ module_or_path: await readFile(url) });
  }
  return init({ module_or_path: url });
}
