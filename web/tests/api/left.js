// A page that is left in the middle of joining, and comes back, does not use a seat that it has released.
const name = `left ${Math.random()}`;
const { request } = LockManager.prototype;
let go;
const gate = new Promise((resolve) => (go = resolve));
// The seat is granted, and the node has to wait.
LockManager.prototype.request = function (lock, ...rest) {
  const ask = () => request.call(this, lock, ...rest);
  return lock.includes("/seat/") ? ask() : gate.then(ask);
};
const joining = join(name);
const holdsSeat = async () => (await navigator.locks.query()).held.some((held) => held.name === `paxoskv/${name}/seat/1`);
while (!(await holdsSeat()));
dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
while (await holdsSeat());
LockManager.prototype.request = request;
go();
equal((await fails(joining)).code, "Closed");
const again = await join(name);
equal(again.seat, 1);
await again.leave();

// The same where an observer was about to take a seat.
const alone = { clusterSize: 1 };
const sits = await join(`${name} too`, alone);
const waits = await join(`${name} too`, alone);
equal([sits.seat, waits.seat], [1, undefined]);
let goOn;
const second = new Promise((resolve) => (goOn = resolve));
LockManager.prototype.request = function (lock, ...rest) {
  const ask = () => request.call(this, lock, ...rest);
  return lock.includes("/seat/") ? ask() : second.then(ask);
};
const locked = async () => (await navigator.locks.query()).held.some((held) => held.name === `paxoskv/${name} too/seat/1`);
await sits.leave();
while (!(await locked()));
dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
while (await locked());
LockManager.prototype.request = request;
const rightful = await join(`${name} too`, alone);
equal([rightful.seat, (await rightful.put("k", 1)).won], [1, true]);
goOn();
equal((await waits.closed).code, "Closed");
// If the other tab had opened the store meanwhile, this one would have lost it.
for (let n = 0; n < 20; n += 1) equal((await rightful.put(n, n)).won, true);
await rightful.leave();
