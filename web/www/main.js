// The page: joins the cluster that its address names, and hands it to the panels.

import { keepSecret, options, PACKAGE, settings } from "./config.js";
import { $, each, setText, strong } from "./dom.js";
import { offerToPersist, showStorage, showVotes } from "./durable.js";
import { Hands } from "./hands.js";
import { Keys } from "./keys.js";
import { Latency } from "./latency.js";
import { hue, People } from "./people.js";
import { adviceForNodes, adviceForTabs, drawSeats, isUp, pulse } from "./seats.js";
import { problem, say } from "./timeline.js";
import { Watch } from "./watch.js";

const asked = settings();
const latency = new Latency();
const watch = new Watch();
const hands = new Hands();
const keys = new Keys({
  took: (ms) => latency.took(ms),
  changed: pulse,
  watch: (key, bucket) => watch.of(key, bucket),
});

let stay = new AbortController();
let status = nobody();
let people = null;
let cluster = null;

fillForm();
draw();
showVotes(null);
showStorage().catch((error) => problem("Look at the storage", error));
offerToPersist();
start();

// A tab that comes back from the back/forward cache had left its cluster, so it joins anew.
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  say("cluster", "This tab is back, and joins anew");
  start();
});
addEventListener("pagehide", () => stay.abort());
document.addEventListener("freeze", () => say("cluster", "The browser froze this tab"));
document.addEventListener("resume", () => say("cluster", "The browser woke this tab"));

async function start() {
  stay.abort();
  stay = new AbortController();
  const { signal } = stay;
  const before = cluster;
  people = null;
  cluster = null;
  status = nobody();
  document.body.dataset.state = "joining";
  draw();
  try {
    const { join } = await load();
    await before?.leave();
    const joined = await join(asked.name, options(asked));
    if (signal.aborted) return void joined.leave();
    cluster = joined;
    document.body.dataset.state = "joined";
    cluster.closed.then((reason) => signal.aborted || over("Stay in the cluster", reason));
    say("cluster", "This tab joined ", strong(asked.name));
    people = new People(cluster, signal, () => {
      draw();
      keys.redraw();
    });
    latency.attach(cluster, signal);
    watch.attach(cluster, signal);
    hands.attach(cluster, people, signal);
    keys.attach(cluster, people, signal);
    quietly(signal, "Tell the others who this is", people.run());
    quietly(
      signal,
      "Learn the cluster’s state",
      each(cluster.statuses(), signal, (now) => learn(now)),
    );
  } catch (error) {
    if (!signal.aborted) over("Join", error);
  }
}

/** This tab has no part in the cluster, or no more. */
function over(doing, reason) {
  stay.abort();
  status = nobody();
  people = null;
  document.body.dataset.state = "failed";
  draw();
  problem(doing, reason);
}

async function load() {
  try {
    return await import(PACKAGE);
  } catch (error) {
    throw Object.assign(new Error(error.message), { code: "Package" });
  }
}

function quietly(signal, doing, promise) {
  promise.catch((error) => signal.aborted || problem(doing, error));
}

function nobody() {
  const seats = Array.from({ length: asked.size }, (_, at) => ({ seat: at + 1, state: "empty" }));
  return { clusterSize: asked.size, quorum: false, seats, observers: 0 };
}

function learn(now) {
  const before = status;
  status = now;
  const own = now.seats.find(({ state }) => state === "self")?.seat ?? null;
  const wasOwn = before.seats.find(({ state }) => state === "self")?.seat ?? null;
  if (own !== wasOwn) {
    if (own !== null) say("cluster", "This tab sits in seat ", strong(String(own)));
    showVotes(own);
    showStorage().catch(() => {});
  }
  for (const seat of now.seats) {
    const was = before.seats.find((other) => other.seat === seat.seat);
    if (seat.state === "self" || !was || isUp(was) === isUp(seat)) continue;
    say("cluster", "Seat ", strong(String(seat.seat)), isUp(seat) ? " is taken" : " is free");
  }
  if (before.quorum !== now.quorum) {
    say(
      "cluster",
      now.quorum ? "There is a quorum" : "There is no quorum",
      `: ${now.seats.filter(isUp).length} of ${now.clusterSize} seats`,
    );
  }
  people?.sits(own);
  draw();
}

function draw() {
  drawSeats(
    status,
    (seat) => people?.bySeat(seat) ?? (isOwn(seat) ? people?.me : undefined),
    people?.withoutSeat() ?? [],
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
        ? "This tab is not in the cluster. “What went wrong” says why, and what to do."
        : "Joining …",
  );
  const own = status.seats.find(({ state }) => state === "self")?.seat;
  const me = people?.me;
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
  const door = $("settings");
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !door.open) return;
    door.open = false;
    door.querySelector("summary").focus();
  });
  addEventListener("click", ({ target }) => {
    if (!door.contains(target)) door.open = false;
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
