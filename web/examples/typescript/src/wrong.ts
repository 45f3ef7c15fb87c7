// Calls that the types must refuse; `tsc` reports each one that passes.

import { type Cluster, PaxosError, join } from "paxoskv";

export async function wrong(cluster: Cluster): Promise<void> {
  // @ts-expect-error no such transport
  await join("demo", { transport: "smoke" });
  // @ts-expect-error a name is a string
  await join(1);
  // @ts-expect-error neither a name nor a ticket
  await join({ clusterSize: 3 });
  // @ts-expect-error no such option
  await cluster.put("k", 1, { forever: true });
  // @ts-expect-error a deadline is a moment
  await cluster.put("k", 1, { until: "30s" });
  // @ts-expect-error a key may be absent
  (await cluster.get<number>("k")).value;
  // @ts-expect-error a value that any node may have put is of unknown type
  (await cluster.get("k"))?.value.length;
  // @ts-expect-error a vacant key has no value
  for await (const state of cluster.watch<number>("k")) state.value.toFixed();
  // @ts-expect-error where it is not waited for, there may be no lock
  await cluster.lock("l", { ifAvailable: true }, (held) => held.fencingToken);
  // @ts-expect-error the seat is not to be set
  cluster.seat = 1;
  // @ts-expect-error errors are not made by callers
  new PaxosError("mine");
}
