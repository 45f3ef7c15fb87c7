// The seats, as a drawing of a parliament and as a list, and advice on what to do next.

import { $, el, replay, setText, svg } from "./dom.js";
import { hue } from "./peers_panel.js";

const CENTRE = { x: 160, y: 152 };
const RADIUS = 116;
/** How many names of tabs without a seat are shown. */
const GALLERY = 6;
const STATES = { self: "this tab", connected: "connected", lost: "suspected", empty: "free" };

/** Draws the seats of a status. `nameOf` gives the name of the tab in a seat; `without` are the names of tabs without one. */
export function drawSeats(status, nameOf, without) {
  drawParliament(status, nameOf);
  drawList(status, nameOf);
  drawGallery(without);
}

/** Shows that something was agreed on. */
export function pulse() {
  replay($("parliament"), "pulse");
}

export function isUp({ state }) {
  return state === "self" || state === "connected";
}

const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

function drawParliament({ seats, quorum, clusterSize }, nameOf) {
  const places = arc(seats.length);
  const radius = Math.min(27, (RADIUS * Math.PI * 0.4) / Math.max(seats.length - 1, 1));
  const up = seats.filter(isUp).length;
  const spokes = seats.map((seat, at) => {
    const { x, y } = places[at];
    return svg("line", { x1: CENTRE.x, y1: CENTRE.y, x2: x, y2: y, class: `spoke ${seat.state}` });
  });
  const chairs = seats.map((seat, at) => {
    const { x, y } = places[at];
    const name = isUp(seat) ? nameOf(seat.seat) : undefined;
    const chair = svg("g", { class: `chair ${seat.state}${name ? " named" : ""}`, transform: `translate(${x} ${y})` });
    if (name) chair.style.setProperty("--hue", hue(name));
    if (seat.state === "self") chair.append(svg("circle", { class: "ring", r: radius + 4.5 }));
    chair.append(svg("circle", { class: "seat", r: radius }));
    if (radius >= 9)
      chair.append(
        svg("text", { class: "number", "font-size": Math.max(radius * 0.72, 9), dy: "0.36em" }, String(seat.seat)),
      );
    if (seats.length <= 5)
      chair.append(
        svg(
          "text",
          { class: "name", y: radius + 17 },
          name ?? (seat.state === "connected" ? "a node" : STATES[seat.state]),
        ),
      );
    return chair;
  });
  const rostrum = svg(
    "g",
    { class: `rostrum ${quorum ? "yes" : "no"}`, transform: `translate(${CENTRE.x} ${CENTRE.y})` },
    svg("circle", { r: 40 }),
    svg("text", { class: "up", dy: "0.1em" }, `${up}/${clusterSize}`),
    svg("text", { class: "word", dy: "1.75em" }, quorum ? "quorum" : "no quorum"),
  );
  $("parliament").replaceChildren(...spokes, ...chairs, rostrum);
}

/** The places of the chairs, in a half circle around the rostrum. */
function arc(size) {
  const spread = size <= 3 ? 128 : 180;
  return Array.from({ length: size }, (_, at) => {
    const share = size === 1 ? 0.5 : at / (size - 1);
    const angle = ((90 + spread / 2 - share * spread) * Math.PI) / 180;
    return { x: CENTRE.x + RADIUS * Math.cos(angle) * 1.06, y: CENTRE.y - RADIUS * Math.sin(angle) };
  });
}

function drawList({ seats }, nameOf) {
  const list = $("seats");
  const many = seats.length > 5;
  list.toggleAttribute("data-many", many);
  if (seats.length > 8) list.tabIndex = 0; // it scrolls
  while (list.childElementCount > seats.length) list.lastElementChild.remove();
  seats.forEach((seat, at) => {
    let item = list.children[at];
    if (!item) {
      item = el("li", {}, el("span", { class: "badge" }), el("span", { class: "name" }), el("span", { class: "how" }));
      list.append(item);
    }
    const name = isUp(seat) ? nameOf(seat.seat) : undefined;
    item.dataset.seat = seat.seat;
    item.dataset.state = seat.state;
    item.dataset.name = name ?? "";
    if (name) item.style.setProperty("--hue", hue(name));
    const [badge, label, how] = item.children;
    setText(badge, String(seat.seat));
    setText(label, name ?? (seat.state === "self" ? "no name yet" : isUp(seat) ? "a node" : "nobody"));
    setText(how, STATES[seat.state]);
  });
}

function drawGallery(without) {
  const chips = without.slice(0, GALLERY).map((name) => {
    const chip = el("span", { class: "chip", "data-name": name }, name);
    chip.style.setProperty("--hue", hue(name));
    return chip;
  });
  const more = without.length > GALLERY ? `and ${without.length - GALLERY} more` : "";
  const spaced = chips.flatMap((chip) => [chip, " "]);
  $("gallery").replaceChildren(without.length ? "Without a seat: " : "", ...spaced, more);
}

/** Advice where all seats are for tabs. */
export function adviceForTabs({ seats, quorum, clusterSize }) {
  const up = seats.filter(isUp).length;
  const needed = Math.floor(clusterSize / 2) + 1;
  if (!quorum) {
    const missing = Math.max(needed - up, 1);
    return `Open this page in ${count(missing, "more tab")}: ${needed} of ${clusterSize} decide. Until then a put waits.`;
  }
  if (up < clusterSize)
    return `Any ${needed} of ${clusterSize} decide, so it goes on. ${count(clusterSize - up, "seat is", "seats are")} free for ${clusterSize - up === 1 ? "the next tab" : "more tabs"}.`;
  if (clusterSize - needed === 0) return "All seats are taken. Put something, and look at it from another tab.";
  return `All seats are taken. Close ${clusterSize - needed === 1 ? "any one tab" : `any ${clusterSize - needed} of them`}: the others go on, and nothing is forgotten.`;
}

/** Advice where nodes are dialled. */
export function adviceForNodes({ seats, quorum, clusterSize }, addresses) {
  const up = seats.filter(isUp).length;
  const needed = Math.floor(clusterSize / 2) + 1;
  if (quorum) return `${up} of ${clusterSize} seats are up. What is put here is on the nodes, and the other way round.`;
  const missing = up ? `${up} of ${clusterSize} seats are up` : `No answer yet from ${addresses.join(", ")}`;
  return `${missing}: a put waits until ${needed} are.`;
}
