// A page that is left in the middle of joining, and comes back, does not sit in a seat that it let go.
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
