// Helpers that the panels share.

export const $ = (id) => document.getElementById(id);

/** An element: attributes by name, listeners as `onclick`, the rest its children. Text is never read as HTML. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An element of SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  element.append(...children);
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
}

export const code = (text) => el("code", {}, text);
export const strong = (text) => el("strong", {}, text);

/** Writes only what changed, so that nothing is announced or laid out again without need. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Plays an animation of the style sheet once more. */
export function replay(element, name) {
  element.classList.remove(name);
  // Reading a size makes the browser forget the animation that has run before.
  void element.getBoundingClientRect();
  element.classList.add(name);
  element.onanimationend = () => element.classList.remove(name);
}

/** Calls `take` with each item of an asynchronous stream, until it ends or the signal is aborted. */
export async function each(stream, signal, take) {
  const items = stream[Symbol.asyncIterator]();
  const stop = () => Promise.resolve(items.return?.()).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    while (!signal.aborted) {
      const { done, value } = await items.next();
      if (done || signal.aborted) return;
      take(value);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Marks a button as usable or not. It is not disabled, since it has to keep the focus. */
export function setUsable(button, usable) {
  button.setAttribute("aria-disabled", String(!usable));
}

export const isUsable = (button) => button.getAttribute("aria-disabled") !== "true";

export function duration(ms) {
  if (ms >= 9_950) return `${Math.round(ms / 1000)} s`;
  if (ms >= 995) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 9.95 ? Math.round(ms) : ms.toFixed(1)} ms`;
}
