// The log of events, newest first, and the errors, each with what to do about it.

import { $, code, el, setText } from "./dom.js";

const EVENTS = 200;
const ERRORS = 20;

const time = () =>
  new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** One line of the timeline. Its kind is one of: cluster, key, call, lock, lead, wrong. */
export function log(kind, ...parts) {
  const list = $("timeline");
  const at = time();
  list.prepend(
    el("li", { "data-kind": kind }, el("time", { datetime: new Date().toISOString() }, at), el("span", {}, ...parts)),
  );
  while (list.childElementCount > EVENTS) list.lastElementChild.remove();
  setText(
    $("timeline-count"),
    `${list.childElementCount}${list.childElementCount === EVENTS ? ", older ones are dropped" : ""}`,
  );
}

const ADVICE = {
  NoQuorum: "More than half of the seats must be up. Open this page in another tab, then ask again: that is safe.",
  Timeout: "It may or may not have happened. Ask again: a key is written once, so that is safe.",
  LeaseEnded: "The session or key that it was to be bound to has ended. Try again: it is bound to a new session of this tab.",
  TooLarge: "Keys can have 4 KiB and values 1 MiB. Put the large thing elsewhere, and its address here.",
  Closed: "This tab has left the cluster. Reload the page to join again.",
  Storage: "This seat does not vote until its store opens again. Free some space for this site, then reload the page.",
  Refused:
    "The reason says what does not fit: most often the cluster’s name, size or secret, or a page that is neither on https nor on localhost.",
  InvalidArgument: "Nothing was done. Change the arguments, and try again.",
  Overloaded: "Too much is under way at once. Try again when some of it is done.",
  Package: "Build the package with “cargo xtask web”, and serve the folder “web” so that “pkg” lies beside “www”.",
};

/** Shows an error. A call that was aborted on purpose is no error. */
export function showError(doing, error) {
  if (error?.name === "AbortError") return;
  const name = error?.code ?? error?.name ?? "Error";
  const message = error?.message ?? String(error);
  const list = $("problems");
  $("no-problems").hidden = true;
  list.prepend(
    el(
      "li",
      { "data-code": name },
      el("p", { class: "what" }, code(name), " ", el("span", {}, doing), el("time", {}, time())),
      el("p", { class: "why" }, message),
      el(
        "p",
        { class: "do" },
        ADVICE[name] ?? "Reload the page. If it happens again, the console of the browser may say more.",
      ),
    ),
  );
  while (list.childElementCount > ERRORS) list.lastElementChild.remove();
  log("wrong", doing, ": ", code(name), " ", message);
}
