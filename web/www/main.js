// The page. It joins the cluster that its address names, and attaches the panels to it.

import { keepSecret, options, PACKAGE, settings } from "./config.js";
import { $, each, setText, strong } from "./dom.js";
import { offerToPersist, showStorage, showVotes } from "./durable.js";
import { Keys } from "./keys.js";
import { Latency } from "./latency.js";
import { LocksPanel } from "./locks_panel.js";
import { hue, Peers } from "./peers_panel.js";
import { adviceForNodes, adviceForTabs, drawSeats, isUp, pulse } from "./seats.js";
import { log, showError } from "./timeline.js";
import { Watch } from "./watch.js";

const asked = settings();
const latency = new Latency();
const watch = new Watch();
const locks = new LocksPanel();
const keys = new Keys({
  record: (ms) => latency.record(ms),
  changed: pulse,
  watch: (key, bucket) => watch.of(key, bucket),
});

let membership = new AbortController();
let status = emptyStatus();
let peers = null;
let cluster = null;

fillForm();
draw();
showVotes(null);
showStorage().catch((error) => showError("Look at the storage", error));
offerToPersist();
start();

// A tab that comes back from the back/forward cache had left its cluster, so it joins again.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  log("cluster", "This tab is back, and joins again");
  start();
});
addEventListener("pagehide", () => membership.abort());
document.addEventListener("freeze", () => log("cluster", "The browser froze this tab"));
document.addEventListener("resume", () => log("cluster", "The browser woke this tab"));

async function start() {
  membership.abort();
  membership = new AbortController();
  const { signal } = membership;
  const before = cluster;
  peers = null;
  cluster = null;
  status = emptyStatus();
  document.body.dataset.state = "joining";
  draw();
  try {
    const { join } = await load();
    await before?.leave();
    const joined = await join(asked.name, options(asked));
    if (signal.aborted) return void joined.leave();
    cluster = joined;
    document.body.dataset.state = "joined";
    cluster.closed.then((reason) => signal.aborted || fail("Stay in the cluster", reason));
    log("cluster", "This tab joined ", strong(asked.name));
    peers = new Peers(cluster, signal, () => {
      draw();
      keys.redraw();
    });
    latency.attach(cluster, signal);
    watch.attach(cluster, signal);
    locks.attach(cluster, peers, signal);
    keys.attach(cluster, peers, signal);
    reportFailure(signal, "Put this tab’s name", peers.run());
    reportFailure(
      signal,
      "Learn the cluster’s state",
      each(cluster.statuses(), signal, (now) => showStatus(now)),
    );
  } catch (error) {
    if (!signal.aborted) fail("Join", error);
  }
}

/** This tab is not in the cluster, or not any more. */
function fail(doing, reason) {
  membership.abort();
  status = emptyStatus();
  peers = null;
  document.body.dataset.state = "failed";
  draw();
  showError(doing, reason);
}

async function load() {
  try {
    return await import(PACKAGE);
  } catch (error) {
    throw Object.assign(new Error(error.message), { code: "Package" });
  }
}

function reportFailure(signal, doing, promise) {
  promise.catch((error) => signal.aborted || showError(doing, error));
}

function emptyStatus() {
  const seats = Array.from({ length: asked.size }, (_, at) => ({ seat: at + 1, state: "empty" }));
  return { clusterSize: asked.size, quorum: false, seats, observers: 0 };
}

function showStatus(now) {
  const before = status;
  status = now;
  const own = now.seats.find(({ state }) => state === "self")?.seat ?? null;
  const wasOwn = before.seats.find(({ state }) => state === "self")?.seat ?? null;
  if (own !== wasOwn) {
    if (own !== null) log("cluster", "This tab sits in seat ", strong(String(own)));
    showVotes(own);
    showStorage().catch(() => {});
  }
  for (const seat of now.seats) {
    const was = before.seats.find((other) => other.seat === seat.seat);
    if (seat.state === "self" || !was || isUp(was) === isUp(seat)) continue;
    log("cluster", "Seat ", strong(String(seat.seat)), isUp(seat) ? " is taken" : " is free");
  }
  if (before.quorum !== now.quorum) {
    log(
      "cluster",
      now.quorum ? "There is a quorum" : "There is no quorum",
      `: ${now.seats.filter(isUp).length} of ${now.clusterSize} seats`,
    );
  }
  peers?.setSeat(own);
  draw();
}

function draw() {
  drawSeats(
    status,
    (seat) => peers?.bySeat(seat) ?? (isOwn(seat) ? peers?.me : undefined),
    peers?.withoutSeat() ?? [],
  );
  const up = status.seats.filter(isUp).length;
  const joined = document.body.dataset.state === "joined";
  $("quorum").dataset.quorum = joined ? (status.quorum ? "yes" : "no") : "unknown";
  const failed = document.body.dataset.state === "failed";
  const outside = failed ? "not in the cluster" : "joining …";
  setText(
    $("quorum-text"),
    joined ? `${status.quorum ? "quorum" : "no quorum"}: ${up} of ${status.clusterSize}` : outside,
  );
  setText(
    $("advice"),
    joined
      ? advice()
      : failed
        ? "This tab is not in the cluster. “Errors” says why, and what to do."
        : "Joining …",
  );
  const own = status.seats.find(({ state }) => state === "self")?.seat;
  const me = peers?.me;
  document.body.dataset.seat = own ?? "";
  $("me-is").hidden = !me;
  if (me) {
    setText($("me"), me);
    $("me").style.setProperty("--hue", hue(me));
    if (!$("election-value").value) $("election-value").value = me;
  }
  document.title = [me, own && `seat ${own}`, asked.name].filter(Boolean).join(" · ") + " – PaxosKV";
}

function advice() {
  return asked.ws.length ? adviceForNodes(status, asked.ws) : adviceForTabs(status);
}

function isOwn(seat) {
  return status.seats.some((other) => other.seat === seat && other.state === "self");
}

function fillForm() {
  const menu = $("settings");
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  addEventListener("click", ({ target }) => {
    if (!menu.contains(target)) menu.open = false;
  });

  setText($("cluster-name"), asked.name);
  $("join-name").value = asked.name;
  $("join-size").value = asked.size;
  $("join-ws").value = asked.ws.join(" ");
  $("join-seats").value = asked.seats.join(" ");
  $("join-secret").value = asked.secret ?? "";
  $("join-form").addEventListener("submit", () => keepSecret($("join-secret").value));
  $("open-tab").href = location.href;
}
