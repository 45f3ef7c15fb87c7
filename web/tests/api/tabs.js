// Four nodes in one page, each as if in a tab of its own.
const name = `tabs ${Math.random()}`;
const first = await join(name);
const chosen = first.put("leader", { at: new Date(0), big: 5n });
const second = await join(name);
equal([first.seat, second.seat, (await chosen).won], [1, 2, true]);
const third = await join(name, { transport: "tabs", clusterSize: 3 });
const fourth = await join(name);
equal([third.seat, fourth.seat], [3, undefined]);
for (const cluster of [second, third, fourth]) {
  equal(await cluster.get("leader"), { value: { at: new Date(0), big: 5n }, generation: 0 });
}

// An observer takes part in everything.
await fourth.put("there", 4, { session: fourth.session });
equal(await first.owner("there"), (await fourth.session).id);

// A lock passes on, with a higher token, when its holder leaves; and its seat does.
let holds;
const held = new Promise((resolve) => (holds = resolve));
const losing = fails(third.lock("l", (held) => {
  holds(held);
  return new Promise((resolve) => held.signal.addEventListener("abort", resolve));
}));
const { fencingToken } = await held;
const passed = fourth.lock("l", (held) => held.fencingToken);
await third.leave();
equal([(await losing).code, (await passed) > fencingToken], ["LeaseEnded", true]);
for await (const { seats } of fourth.statuses()) {
  if (fourth.seat === 3 && seats.filter(({ state }) => state === "connected").length === 2) break;
}
equal((await fourth.status()).seats[2], { seat: 3, state: "self" });
equal(await first.owner("there"), (await fourth.session).id);

// Keys that are bound to a tab that leaves become vacant.
const left = fourth.leave();
for await (const { vacant } of first.watch("there")) if (vacant) break;
await left;

// All leave, and the keys are there for tabs that join later.
await Promise.all([first.leave(), second.leave()]);
const [again, another] = await Promise.all([join(name), join(name)]);
equal((await again.get("leader")).value.big, 5n);
equal(await again.get("there"), undefined);

// A cluster of another size is another cluster. The free seat's store belongs to this one, and a tab without a store is refused.
equal((await fails(join(name, { clusterSize: 5 }))).code, "Storage");
const outsider = await join(name, { clusterSize: 5, seat: 5 });
equal((await outsider.closed).code, "Refused");
equal((await fails(outsider.get("leader"))).code, "Refused");

// Joining that is aborted, or has wrong options.
equal(await fails(join(name, { signal: AbortSignal.abort("no") })), "no");
for (const [options, code] of [
  [{ seat: 4 }, "InvalidArgument"],
  [{ clusterSize: 0 }, "InvalidArgument"],
  [{ transport: "smoke" }, "InvalidArgument"],
  [{ transport: "ws" }, "InvalidArgument"],
  [{ ws: "http://example.org" }, "InvalidArgument"],
  [{ secret: "" }, "InvalidArgument"],
  [{ sessionGrace: 100, suspendAfter: 200 }, "InvalidArgument"],
]) {
  equal([options, (await fails(join(name, options))).code], [options, code]);
}
await Promise.all([again, another].map((cluster) => cluster.leave()));

// A seat whose store is damaged is left out: the others make the quorum.
const spoilt = `spoilt ${Math.random()}`;
const whole = [await join(spoilt), await join(spoilt), await join(spoilt)];
await whole[0].put("kept", 1);
for (const cluster of whole) await cluster.get("kept");
await Promise.all(whole.map((cluster) => cluster.leave()));
const database = await new Promise((resolve, reject) => {
  const request = indexedDB.open(`paxoskv/${spoilt}/1`);
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
await new Promise((resolve) => {
  const transaction = database.transaction("meta", "readwrite");
  transaction.objectStore("meta").delete("opening");
  transaction.oncomplete = resolve;
});
database.close();
const rest = [await join(spoilt), await join(spoilt), await join(spoilt)];
equal(rest.map(({ seat }) => seat), [2, 3, undefined]);
equal((await rest[2].get("kept")).value, 1);
equal((await fails(join(spoilt, { seat: 1 }))).code, "Storage");
// A tab that waits for a seat does not wait for that one.
await rest[0].leave();
for await (const { quorum } of rest[2].statuses()) if (quorum && rest[2].seat === 2) break;
await Promise.all(rest.map((cluster) => cluster.leave()));
