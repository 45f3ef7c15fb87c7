// A tour of the whole API. `tsc` checks it in strict mode; src/wrong.ts holds what must not pass.

import init, {
  type Chosen,
  type Cluster,
  type ErrorCode,
  type Found,
  type Held,
  type JoinOptions,
  type Session,
  type State,
  type Status,
  PaxosError,
  join,
} from "paxoskv";
import { join as joinWithLibp2p } from "paxoskv/libp2p";

interface Leader {
  name: string;
  since: Date;
}

/** Tabs of this origin, native nodes, or both. */
export async function joining(signal: AbortSignal): Promise<Cluster> {
  const tabs: Cluster = await join("demo", { clusterSize: 3, transport: "tabs" });
  await tabs.leave();
  const alone = await join("trial", { transport: [], clusterSize: 1, memory: true });
  await alone.leave();
  const byTicket = await joinWithLibp2p({ ticket: "PAXOSKV:…", signal });
  await byTicket.leave();
  const byLibp2p = await joinWithLibp2p("demo", { libp2p: "/ip4/127.0.0.1/tcp/7421/ws", secret: "…" });
  await byLibp2p.leave();
  const options: JoinOptions = {
    transport: ["tabs", "ws"],
    ws: ["ws://127.0.0.1:7401", "wss://example.org"],
    seat: [3],
    secret: new Uint8Array(32),
    persist: false,
    timeout: 10_000,
    signal,
    sessionGrace: 2_000,
    suspendAfter: 1_000,
    peerTimeout: 3_000,
    heartbeat: 500,
    maxKey: 4 << 10,
    maxValue: 1 << 20,
  };
  return join("demo", options);
}

/** Write-once values. */
export async function values(cluster: Cluster): Promise<void> {
  const me: Leader = { name: "anna", since: new Date() };
  const chosen: Chosen<Leader> = await cluster.put("leader", me);
  const { value, generation, won } = chosen;
  console.log(value.name, value.since.getTime(), generation + 1, won ? "won" : "lost");

  const found: Found<Leader> | undefined = await cluster.get<Leader>("leader", { timeout: 1_000 });
  console.log(found?.value.name ?? "nobody");
  const anything = await cluster.get(["compound", 1, 2n], { local: true, bucket: "people" });
  if (typeof anything?.value === "string") console.log(anything.value.length);
  await cluster.get("later", { wait: true, signal: AbortSignal.timeout(1_000) });

  await cluster.put(undefined, new Map([[1, new Set([2n])]]), { erasable: true, until: Date.now() + 30_000 });
  await cluster.put("child", Float64Array.of(1, 2), { boundTo: "leader", boundToBucket: "", until: new Date() });
  const erased: boolean = await cluster.erase(undefined);
  const owner: string | undefined = await cluster.owner("leader");
  console.log(erased, owner);

  for await (const { key, value, generation, owner } of cluster.keys<number>("count/", { bucket: "b" })) {
    console.log(key, value * 2, generation, owner?.length);
  }
  const kind: "plain" | "droppable" = await cluster.createBucket("b", { droppable: true });
  const dropped: boolean = await cluster.dropBucket("b");
  console.log(kind, dropped);
}

/** Watching. */
export async function watching(cluster: Cluster, signal: AbortSignal): Promise<Leader | undefined> {
  for await (const state of cluster.watch<Leader>("leader", { signal, from: 1 })) {
    if (state.vacant) console.log("vacant, next is", state.generation);
    else return state.value;
  }
  const watch = cluster.watchPrefix("user/");
  const first = await watch.next();
  if (!first.done) console.log(first.value.key, first.value.generation);
  await watch.return();
  const last: State<Leader> = { generation: 0, vacant: true };
  return last.value;
}

/** Sessions. */
export async function sessions(cluster: Cluster): Promise<void> {
  const session: Session = await cluster.openSession({ timeout: 5_000 });
  await cluster.put("here", true, { session });
  await cluster.put("there", true, { session: cluster.session });
  await cluster.put("by name", true, { session: session.id });
  void cluster.monitor(session).then(() => console.log("over"));
  for await (const state of session.states()) if (state === "suspended") break;
  console.log(`${session}`, session.state, JSON.stringify(session));
  await session.close();
  await session.ended;
}

/** Locks, elections, barriers, names. */
export async function recipes(cluster: Cluster, signal: AbortSignal): Promise<number> {
  const answer: number = await cluster.lock("backup", { signal, timeout: 1_000 }, async (held: Held) => {
    await fetch("/backup", { headers: { token: String(held.fencingToken) }, signal: held.signal });
    return 42;
  });
  const text: string = await cluster.lock("backup", () => "done");
  const perhaps = await cluster.lock("backup", { ifAvailable: true }, (held) => held?.fencingToken);
  console.log(text, perhaps?.toFixed());

  const election = cluster.election<Leader>("boss");
  const office = await election.campaign({ name: "anna", since: new Date() }, { signal });
  office.signal.addEventListener("abort", () => console.log(office.signal.reason));
  for await (const state of election.observe()) if (!state.vacant) console.log(state.value.since);
  console.log((await election.leader())?.value.name);
  await election.resign();

  const token: number = await cluster.barrier("start", 3, { signal });
  const registered = await cluster.register("anna", { at: 1 });
  console.log(registered?.session, (await cluster.whereis<{ at: number }>("anna"))?.value.at);
  await registered?.release();
  return answer + token;
}

/** The cluster itself, and errors. */
export async function state(cluster: Cluster): Promise<ErrorCode> {
  const status: Status = await cluster.status();
  console.log(status.clusterSize, status.quorum, status.seats.map(({ seat, state }) => `${seat}: ${state}`));
  for await (const { observers } of cluster.statuses()) console.log(observers);
  console.log(cluster.name, cluster.seat ?? "observer");
  try {
    await cluster.put("f", () => undefined);
  } catch (error) {
    if (error instanceof PaxosError && error.code === "InvalidArgument") console.log(error.message);
  }
  void init;
  const reason: PaxosError = await cluster.closed;
  return reason.code;
}
