// How durable this tab's data is.

import { $, setText } from "./dom.js";
import { log, showError } from "./timeline.js";

export function showVotes(seat) {
  setText(
    $("durable-votes"),
    seat === null
      ? "This tab has no seat, so it does not vote and stores nothing."
      : "IndexedDB, strict: on disk before they count. Close all tabs, and they are still there.",
  );
}

export async function showStorage() {
  const { storage } = navigator;
  if (!storage?.persisted) {
    setText($("durable-kept"), "This browser does not say.");
    setText($("durable-space"), "This browser does not say.");
    return;
  }
  const [persisted, { usage = 0, quota = 0 }] = await Promise.all([storage.persisted(), storage.estimate()]);
  setText(
    $("durable-kept"),
    persisted
      ? "Until this site’s data is deleted."
      : "Until this site’s data is deleted, or the browser runs short of space.",
  );
  setText($("durable-space"), `${size(usage)} used of ${size(quota)}`);
  $("persist").hidden = persisted || !storage.persist;
}

export function offerToPersist() {
  $("persist").addEventListener("click", async () => {
    try {
      const kept = await navigator.storage.persist();
      log(
        "cluster",
        kept
          ? "The browser will keep what this site stores"
          : "The browser did not promise to keep what this site stores",
      );
      await showStorage();
    } catch (error) {
      showError("Ask the browser to keep it", error);
    }
  });
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const number = bytes / 1000 ** power;
  return `${number < 10 && power ? number.toFixed(1) : Math.round(number)} ${units[power]}`;
}
