// A cluster of one, on memory: what each call comes to.
const cluster = await join("alone", { clusterSize: 1, transport: [], memory: true });
equal([cluster.name, cluster.seat], ["alone", 1]);

// Puts and gets.
equal(await cluster.put("leader", { name: "anna" }), { value: { name: "anna" }, generation: 0, won: true });
equal(await cluster.put("leader", { name: "bert" }), { value: { name: "anna" }, generation: 0, won: false });
equal(await cluster.get("leader"), { value: { name: "anna" }, generation: 0 });
equal(await cluster.get("nobody"), undefined);
equal(await cluster.get({ b: 1, a: 5n }), undefined);
await cluster.put({ b: 1, a: 5n }, null);
equal(await cluster.get({ a: 5, b: 1 }), { value: null, generation: 0 });
equal(await cluster.get("leader", { local: true }), { value: { name: "anna" }, generation: 0 });

// Arguments are read at once.
const changing = { n: 1 };
const put = cluster.put("changing", changing);
changing.n = 2;
equal((await put).value, { n: 1 });

// Erasable keys, and generations.
equal((await cluster.put("brief", 1, { erasable: true })).generation, 0);
equal([await cluster.erase("brief"), await cluster.erase("brief")], [true, false]);
equal((await cluster.put("brief", 2)).generation, 1);
equal((await fails(cluster.erase("brief"))).code, "InvalidArgument");

// Errors.
const error = await fails(cluster.put("f", { user: [() => 1] }));
equal([error.name, error.code, error.message], ["PaxosError", "InvalidArgument", "value.user[0]: a function cannot be put"]);
equal([error instanceof Error, Object.prototype.toString.call(error), typeof error.stack], [true, "[object Error]", "string"]);
equal((await fails(cluster.get("k", { timeout: -1 }))).message, "options.timeout: expected a number of milliseconds that is not negative");
equal((await fails(cluster.get("k", { signal: {} }))).message, "options.signal: expected an AbortSignal");
equal((await fails(cluster.get("k", 5))).message, "options: expected an object");
equal((await fails(cluster.put("k".repeat(5000), 1))).code, "TooLarge");
equal((await fails(cluster.put("k", "v".repeat(2 << 20)))).code, "TooLarge");
equal((await fails(cluster.put("k", 1, { bucket: "$lock" }))).code, "InvalidArgument");
equal((await fails(cluster.put("k", 1, { boundTo: "nothing" }))).code, "LeaseEnded");
equal((await fails(cluster.monitor("nobody"))).code, "InvalidArgument");

// A name that is no string. (Numbers once made bindings write where they should not.)
for (const wrong of [1, undefined, null, {}, ["a"], 1n]) {
  for (const call of [
    () => join(wrong, { memory: true, signal: AbortSignal.timeout(1000) }),
    () => cluster.lock(wrong, () => {}),
    () => cluster.register(wrong, 1),
    () => cluster.whereis(wrong),
    () => cluster.barrier(wrong, 1),
    () => cluster.createBucket(wrong),
    () => cluster.dropBucket(wrong),
    async () => cluster.election(wrong),
  ]) {
    equal([String(call), (await fails(call())).code], [String(call), "InvalidArgument"]);
  }
}
for (const call of [() => cluster.keys(1), () => cluster.watchPrefix({}), () => cluster.barrier("b", "two")]) {
  equal([String(call), (await fails((async () => call())())).code], [String(call), "InvalidArgument"]);
}

// An aborted call is rejected with the signal's reason.
const controller = new AbortController();
const waiting = cluster.get("later", { wait: true, signal: controller.signal });
const watching = cluster.watch("later", { signal: controller.signal });
equal(await watching.next(), { done: false, value: { generation: 0, vacant: true } });
const next = watching.next();
controller.abort("enough");
equal([await fails(waiting), await fails(next), await watching.next()], ["enough", "enough", { done: true, value: undefined }]);
equal(await fails(cluster.get("later", { signal: AbortSignal.abort("never") })), "never");

// Watching: a loop that is left, and one that is left while it waits.
const seen = [];
for await (const state of cluster.watch("watched")) {
  seen.push(state);
  if (seen.length === 1) await cluster.put("watched", 1, { erasable: true });
  if (seen.length === 2) await cluster.erase("watched");
  if (seen.length === 3) break;
}
equal(seen, [
  { generation: 0, vacant: true },
  { generation: 0, vacant: false, value: 1 },
  { generation: 1, vacant: true },
]);
const left = cluster.watch("watched", { from: 1 });
equal((await left.next()).value.generation, 1);
const pending = left.next();
equal(await left.return("bye"), { done: true, value: "bye" });
equal(await pending, { done: true, value: undefined });

// Keys.
for (const n of [1, 2, 3]) await cluster.put(`user/${n}`, n, { bucket: "people" });
const listed = [];
for await (const entry of cluster.keys("user/", { bucket: "people" })) listed.push(entry);
equal(listed[1], { key: "user/2", generation: 0, value: 2, owner: undefined });
equal(listed.length, 3);
const prefixed = cluster.watchPrefix("user/", { bucket: "people" });
equal((await prefixed.next()).value, { key: "user/1", generation: 0, vacant: false, value: 1 });
await prefixed.return();

// Buckets.
equal(await cluster.createBucket("b", { droppable: true }), "droppable");
await cluster.put(1, 2, { bucket: "b" });
equal([await cluster.dropBucket("b"), await cluster.get(1, { bucket: "b" }), await cluster.dropBucket("b")], [true, undefined, false]);

// Deadlines and bonds.
await cluster.put("parent", 1, { until: new Date(Date.now() + 50) });
await cluster.put("child", 1, { boundTo: "parent" });
for await (const { vacant } of cluster.watch("child")) if (vacant) break;
equal(await cluster.get("parent"), undefined);

// Sessions.
const session = await cluster.openSession();
await cluster.put("here", true, { session });
equal([await cluster.owner("here"), session.state, `${session}`], [session.id, "active", session.id]);
const over = cluster.monitor(session);
await session.close();
await over;
await session.ended;
equal([session.state, await cluster.get("here"), await cluster.owner("here")], ["ended", undefined, undefined]);
const states = [];
for await (const state of session.states()) states.push(state);
equal(states, ["ended"]);
await cluster.put("mine", true, { session: cluster.session });
equal((await cluster.session).id, await cluster.owner("mine"));
// However often it is asked for, there is one promise for its end.
equal((await cluster.session).ended === (await cluster.session).ended, true);

// Locks.
equal(await cluster.lock("l", async (held) => [held.fencingToken, held.signal.aborted]), [0, false]);
equal(await cluster.lock("l", {}, (held) => held.fencingToken), 1);
await cluster.lock("l", async () => {
  equal(await cluster.lock("l", { ifAvailable: true }, (held) => held), null);
  const impatient = new AbortController();
  const waits = cluster.lock("l", { signal: impatient.signal }, () => { throw "not to be called"; });
  impatient.abort("enough");
  equal(await fails(waits), "enough");
});
equal(await fails(cluster.lock("l", () => { throw "thrown"; })), "thrown");
equal((await fails(cluster.lock("l", {}))).code, "InvalidArgument");

// Elections.
const election = cluster.election("boss");
equal(await election.leader(), undefined);
const office = await election.campaign({ at: "here" });
equal(await election.leader(), { value: { at: "here" }, generation: office.fencingToken });
const reigns = [];
for await (const state of election.observe()) {
  reigns.push(state.vacant);
  if (state.vacant) break;
  await election.resign();
}
equal(reigns, [false, true]);

// Barriers and names.
equal(await cluster.barrier("start", 1), 0);
equal((await fails(cluster.barrier("start", 0))).code, "InvalidArgument");
const name = await cluster.register("anna", { at: 1 });
equal([await cluster.register("anna", 2), (await cluster.whereis("anna")).value], [undefined, { at: 1 }]);
await name.release();
equal(await cluster.whereis("anna"), undefined);

// Status.
equal(await cluster.status(), {
  cluster: "alone", clusterSize: 1, quorum: true, epoch: 0, seats: [{ seat: 1, state: "self" }], observers: 0,
});

// Leaving, with a lock in hand.
const lost = await fails(cluster.lock("l", async (held) => {
  cluster.leave();
  await new Promise((resolve) => held.signal.addEventListener("abort", resolve));
  return "done all the same";
}));
equal(lost.code, "LeaseEnded");
equal((await cluster.closed).code, "Closed");
await cluster.leave();
equal([(await fails(cluster.get("k"))).code, cluster.seat], ["Closed", undefined]);

// The time that a session takes to open is the put's time.
const lonely = await join("lonely", { transport: [], memory: true });
equal((await fails(lonely.put("k", 1, { session: lonely.session, timeout: 50 }))).code, "NoQuorum");
// And it is taken from the put's time: both together have no more.
const began = performance.now();
const late = new Promise((resolve) => setTimeout(() => resolve(session.id), 400));
equal((await fails(lonely.put("k", 1, { session: late, timeout: 500 }))).code, "NoQuorum");
const took = performance.now() - began;
if (took > 800) throw new Error(`the put took ${took} ms`);
await lonely.leave();

// A lock that was lost while the thread was busy was lost, though nobody could say so meanwhile.
const busy = await join("busy", { clusterSize: 1, transport: [], memory: true, suspendAfter: 200 });
const overrun = busy.lock("l", async (held) => {
  await new Promise((resolve) => setTimeout(resolve, 10));
  for (const end = performance.now() + 500; performance.now() < end; );
  return held.signal.aborted;
});
equal((await fails(overrun)).code, "LeaseEnded");
await busy.leave();
