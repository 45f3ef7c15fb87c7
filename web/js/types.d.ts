/** A key: any value that can be put; most are strings. */
export type Key = unknown;

/** Milliseconds. `Infinity` is the same as leaving it out. */
export type Milliseconds = number;

/** A session, or the `id` of one, of any node. */
export type SessionLike = Session | string;

/** The code of an error. The error's `message` says what happened and what to do. */
export type ErrorCode =
  /** The time ran out while fewer than a quorum of seats were up. A put may still take effect. */
  | "NoQuorum"
  /** The time ran out though a quorum was up. A put may or may not have happened; trying again is safe. */
  | "Timeout"
  /** A lease of the entry has ended, so it is not in force; or a lock, office or name was lost. */
  | "LeaseEnded"
  /** A key, value or name is over its limit. */
  | "TooLarge"
  /** The node has left the cluster. */
  | "Closed"
  /** The store failed, or another tab has taken it over. */
  | "Storage"
  /** The cluster, or this browser, refuses this node; for instance the page is no secure context. */
  | "Refused"
  /** The call makes no sense as it stands. */
  | "InvalidArgument"
  /** More requests are in flight than the node takes. */
  | "Overloaded";

/**
 * The reason of this package's rejected promises, with two exceptions: an aborted call is rejected with its signal's reason,
 * and `lock` with an error that its task threw.
 */
export class PaxosError extends Error {
  private constructor();
  readonly name: "PaxosError";
  /** The kind of the error, for programs. */
  readonly code: ErrorCode;
}

/** For calls that take time. */
export interface CallOptions {
  /**
   * Cancels the call: the promise is rejected with the signal's `reason`, and the node stops trying. A put may have happened
   * all the same.
   */
  signal?: AbortSignal | undefined;
}

/** For calls that wait for a quorum. Without a timeout they wait as long as it takes. */
export interface TimedOptions extends CallOptions {
  /** The time for the whole call, with all its steps. When it is over, the call is rejected with `NoQuorum` or `Timeout`. */
  timeout?: Milliseconds | undefined;
}

/** For calls about a key. */
export interface KeyOptions extends TimedOptions {
  /** The name space of the key; up to 255 bytes, not beginning with `$`. The one without a name unless set. */
  bucket?: string | undefined;
}

/**
 * For `put`. Without these options a value stays for ever. An entry can have several leases; the first one that ends makes the
 * key vacant.
 */
export interface PutOptions extends KeyOptions {
  /** The key is vacant once this session has ended; `cluster.session` may be passed as it is. */
  session?: SessionLike | Promise<SessionLike> | undefined;
  /**
   * The key is vacant once the clocks of a quorum of seats are past that moment: a `Date`, or milliseconds since 1970,
   * as in `Date.now() + 30_000`.
   */
  until?: Date | Milliseconds | undefined;
  /** Anyone may `erase` the entry. */
  erasable?: boolean | undefined;
  /** The key is vacant once the entry that this key has now is over. Rejected with `LeaseEnded` where it has none. */
  boundTo?: Key;
  /** The bucket of the key in `boundTo`, if it is not the one without a name. */
  boundToBucket?: string | undefined;
}

/** For `get`. */
export interface GetOptions extends KeyOptions {
  /** Only what one seat has learned, without asking others. An absent key may have a value all the same. */
  local?: boolean | undefined;
  /** Where the key has no value, wait until it has one. */
  wait?: boolean | undefined;
}

/** For `watch`. */
export interface WatchOptions extends CallOptions {
  /** The bucket of the key. */
  bucket?: string | undefined;
  /** Only states of that generation and later ones. */
  from?: number | undefined;
}

/** For `keys` and `watchPrefix`. */
export interface PrefixOptions extends CallOptions {
  /** The bucket of the keys. */
  bucket?: string | undefined;
}

/** The value of a key. */
export interface Found<T = unknown> {
  value: T;
  /** The fencing token: higher for each new owner of the key. */
  generation: number;
}

/** The result of a put: the value that the key has, of this put or of another one. */
export interface Chosen<T = unknown> extends Found<T> {
  /** Whether the value is this put's own. */
  won: boolean;
}

/** A key's state, as a watch reports it. `generation` is that of the value, or of the next one. */
export type State<T = unknown> =
  | { generation: number; vacant: false; value: T }
  | { generation: number; vacant: true; value?: undefined };

/** The state of one of several keys. */
export type KeyState<T = unknown> = State<T> & { key: Key };

/** A key in a listing. */
export interface Listed<T = unknown> extends Found<T> {
  key: Key;
  /** The `id` of the session that it is bound to, if any. */
  owner: string | undefined;
}

/**
 * The state of a seat, as one node knows it: `self` is the node itself, `connected` is linked to it, `lost` has a holder that is
 * not linked, `empty` was never taken.
 */
export type SeatState = "self" | "connected" | "lost" | "empty";

/** The state of the cluster, as one node knows it. */
export interface Status {
  cluster: string;
  /** How many seats it has. */
  clusterSize: number;
  /** Whether more than half of the seats are up. */
  quorum: boolean;
  /** Which roster of seats is in force. */
  epoch: number;
  /** Each seat, from 1 on. */
  seats: { seat: number; state: SeatState }[];
  /** Nodes without a seat that are linked to this one. */
  observers: number;
}

/**
 * An iterable for `for await`, which can be iterated over once. Leaving the loop ends it; so does `return()`, also while
 * `next()` waits.
 */
export interface Iteration<T> extends AsyncIterableIterator<T, undefined, unknown> {
  next(): Promise<IteratorResult<T, undefined>>;
  return(value?: unknown): Promise<IteratorReturnResult<undefined>>;
  [Symbol.asyncIterator](): Iteration<T>;
}

/**
 * A session of this node. Keys that are bound to it become vacant, all in one instant, when it ends: it is closed, its node
 * leaves, or a quorum of seats has suspected the node for as long as `sessionGrace`.
 */
export interface Session {
  /** Its id, with which any node can bind keys to it and `monitor` it. */
  readonly id: string;
  /** Its state, as far as this node knows. `suspended`: no quorum has answered for `suspendAfter`; it may become active again. */
  readonly state: "active" | "suspended" | "ended";
  /** Its state, now and whenever that changes. Ends after `ended`. */
  states(options?: CallOptions): Iteration<"active" | "suspended" | "ended">;
  /** Resolves when it has ended, for ever. */
  readonly ended: Promise<void>;
  /** Ends it; resolves when that is decided. */
  close(): Promise<void>;
  /** Its `id`. */
  toString(): string;
  /** Its `id`. */
  toJSON(): string;
}

/** A lock, an office or a name, until it is released or lost. */
export interface Held {
  /** Higher for each holder. A resource should refuse lower tokens than it has seen. */
  readonly fencingToken: number;
  /** Aborted when it is lost, with a `PaxosError` of code `LeaseEnded`, before another node can be granted the same. */
  readonly signal: AbortSignal;
  /** The `id` of the session that it is bound to. */
  readonly session: string;
  /** Releases it; resolves when that is decided. */
  release(): Promise<void>;
}

/** For `lock`. */
export interface LockOptions extends TimedOptions {
  /** Do not wait: where another has the lock, the task is called with `null`. */
  ifAvailable?: boolean | undefined;
}

/** One leader at a time, whose value all can see. */
export interface Election<T = unknown> {
  /** Campaigns, and waits until elected. `signal` ends the waiting, not the office. */
  campaign(value: T, options?: TimedOptions): Promise<Held>;
  /** The leader's value, with its fencing token as the generation. */
  leader(options?: TimedOptions): Promise<Found<T> | undefined>;
  /** The leader's value, now and as it changes. */
  observe(options?: CallOptions): Iteration<State<T>>;
  /** Resigns from the office that this object has won; resolves when that is decided. */
  resign(): Promise<void>;
}

/**
 * This tab's handle of the cluster. Calls wait for a quorum as long as it takes, unless they have a `timeout` or a `signal`.
 */
export interface Cluster {
  /** Its name. */
  readonly name: string;
  /** The seat that this tab holds now; `undefined` for an observer, which may get one later. */
  readonly seat: number | undefined;
  /**
   * Resolves, and is never rejected, when this tab is no part of the cluster any more, with the reason: `Closed` where it
   * has left, `Refused` where the others refused it, `Storage` where its store failed.
   */
  readonly closed: Promise<PaxosError>;

  /**
   * Associates a key with a value, once: a later put gets the value that was chosen.
   *
   * Keys and values are `undefined`, `null`, booleans, numbers, BigInts, strings, `Date`, `Uint8Array` and the other
   * typed arrays, and arrays, plain objects, `Map` and `Set` of such. Anything else is an `InvalidArgument`.
   */
  put<T>(key: Key, value: T, options?: PutOptions): Promise<Chosen<T>>;
  /** The value that was chosen for a key, if any. */
  get<T = unknown>(key: Key, options?: GetOptions): Promise<Found<T> | undefined>;
  /**
   * Ends the entry that a key has, if it was put as `erasable`; false where it has none. The key may be put again then,
   * with a higher generation. Where the entry is not erasable, `InvalidArgument`.
   */
  erase(key: Key, options?: KeyOptions): Promise<boolean>;
  /** The `id` of the session that a key is bound to, if any. */
  owner(key: Key, options?: KeyOptions): Promise<string | undefined>;
  /** The text keys that begin with `prefix`, or all keys, as far as one seat has learned them. */
  keys<T = unknown>(prefix?: string, options?: PrefixOptions & TimedOptions): Iteration<Listed<T>>;
  /**
   * The states of a key, now and as they change, each later than the one before. A slow reader skips states, but never the
   * last.
   */
  watch<T = unknown>(key: Key, options?: WatchOptions): Iteration<State<T>>;
  /** The states of all text keys that begin with `prefix`, or of all keys: what is there, then changes. */
  watchPrefix<T = unknown>(prefix?: string, options?: PrefixOptions): Iteration<KeyState<T>>;

  /** Decides what a bucket is, before the first put into it does. Resolves to what it is, also where it was decided before. */
  createBucket(name: string, options?: TimedOptions & { droppable?: boolean }): Promise<"plain" | "droppable">;
  /** Drops a droppable bucket: all its keys are vacant in one instant. False where there is no such bucket. */
  dropBucket(name: string, options?: TimedOptions): Promise<boolean>;

  /**
   * Calls `task` while this tab holds the lock of that name, one at a time in the whole cluster, and resolves to what that
   * resolves to. Rejected with `LeaseEnded` where the lock was lost before the task was done: a task should heed
   * `held.signal`. `signal` and `timeout` end the waiting only.
   */
  lock<R>(name: string, task: (held: Held) => R | PromiseLike<R>): Promise<R>;
  lock<R>(
    name: string,
    options: LockOptions & { ifAvailable: true },
    task: (held: Held | null) => R | PromiseLike<R>,
  ): Promise<R>;
  lock<R>(name: string, options: LockOptions | undefined, task: (held: Held) => R | PromiseLike<R>): Promise<R>;
  /** The election of that name. */
  election<T = unknown>(name: string): Election<T>;
  /**
   * Waits until `parties` wait at the barrier of that name at one time, 1 to 4096; all must name the same number. It opens
   * once, for ever. Resolves to the fencing token of the place that was taken, 0 where there was none to take.
   */
  barrier(name: string, parties: number, options?: TimedOptions): Promise<number>;
  /** Registers a name, with a value that says where its holder is found; `undefined` where another node has the name. */
  register<T>(name: string, value: T, options?: TimedOptions): Promise<Held | undefined>;
  /** The value that a name was registered with. */
  whereis<T = unknown>(name: string, options?: TimedOptions): Promise<Found<T> | undefined>;

  /** This tab's own session, which all its calls can share. It is opened when it is first read, and again after it has ended. */
  readonly session: Promise<Session>;
  /** Opens a session, to bind keys to; resolves once a quorum of seats has answered this tab. */
  openSession(options?: TimedOptions): Promise<Session>;
  /** Resolves when a session, of any node, has ended. */
  monitor(session: SessionLike, options?: TimedOptions): Promise<void>;

  /** The state of the cluster, as this tab's seat knows it, or for an observer as another seat knows it. */
  status(options?: TimedOptions): Promise<Status>;
  /** The state of the cluster as this tab knows it, now and as it changes. Ends when the tab has left. */
  statuses(options?: CallOptions): Iteration<Status>;
  /** Leaves: sessions end, locks and the seat are released. A page that is left does this by itself. */
  leave(): Promise<void>;
}

/** For `join`. */
export interface JoinOptions extends CallOptions {
  /** How many seats the cluster has, 1 to 31; the same for all its members. 3 unless set. */
  clusterSize?: number | undefined;
  /**
   * The links of this tab: `"tabs"` to the tabs of this origin, `"ws"` to the addresses in `ws`, `"libp2p"` to those in `libp2p`;
   * several can be used at once. Unless set: `"ws"` and `"libp2p"` where there are such addresses, else `"tabs"`. With `[]` the
   * node has no links.
   */
  transport?: Transport | Transport[] | undefined;
  /**
   * Addresses of native nodes, `ws://host:port` or `wss://host`; one that answers is enough. Such a tab is an observer
   * unless it also links to tabs, or has a `seat`.
   */
  ws?: string | string[] | undefined;
  /**
   * Multiaddrs of native nodes, `/ip4/…/tcp/…/ws` or `/dns/…/tcp/443/wss`, perhaps with `/p2p/…` at the end. Only where the
   * package is imported as `"paxoskv/libp2p"`. The nodes carry traffic between tabs, which they cannot read.
   */
  libp2p?: string | string[] | undefined;
  /**
   * The seats that tabs of this origin may take, 1 to `clusterSize`; any unless set. The tab takes the lowest one that is free;
   * if none is, it is an observer until one becomes free.
   */
  seat?: number | number[] | undefined;
  /** The secret of the cluster, which links to native nodes need if that has one: the contents of its secret file. */
  secret?: string | Uint8Array | undefined;
  /**
   * Keeps a seat's store in memory, not in IndexedDB. When the tab is closed, its vote is lost for good, and the seat with
   * it: right for trials and tests.
   */
  memory?: boolean | undefined;
  /** Whether to ask the browser not to clear the data when disk space is low. True unless set. */
  persist?: boolean | undefined;
  /** The time for `join` itself, which does not wait for a quorum. When it is over, `join` is rejected with `Timeout`. */
  timeout?: Milliseconds | undefined;
  /**
   * The sessions of a tab end when a quorum of seats has suspected it for this long. The same for all members.
   * 10 s between tabs, where a closed or crashed tab is noticed at once anyway; with `ws` 1 s, as in native nodes.
   */
  sessionGrace?: Milliseconds | undefined;
  /** A session, and all that is bound to it, is suspended after so long without a quorum. 8 s between tabs, else half of the grace. */
  suspendAfter?: Milliseconds | undefined;
  /** A link to a native node that is silent for this long is closed. At least 10 ms. 3 s unless set. */
  peerTimeout?: Milliseconds | undefined;
  /** The time between heartbeats on such links. At least 10 ms. 500 ms unless set. */
  heartbeat?: Milliseconds | undefined;
  /** The longest key, in bytes of its CBOR. 4 KiB unless set; the same for all members. */
  maxKey?: number | undefined;
  /** The longest value, in bytes of its CBOR. 1 MiB unless set; the same for all members. */
  maxValue?: number | undefined;
}

/** A way to reach others. */
export type Transport = "tabs" | "ws" | "libp2p";

/**
 * Joins the cluster of that name; resolves as soon as this tab is a part of it, before there is a quorum.
 *
 * Rejected with `Refused` where the browser has no Web Locks, as in a page that is no secure context (https, or
 * localhost); with `Storage` where it has no IndexedDB, or the store cannot be opened (a seat whose store is damaged is left
 * out with a warning in the console, where there are others to take); with `Closed` where the page is left meanwhile; with
 * `InvalidArgument`.
 */
export function join(name: string, options?: JoinOptions): Promise<Cluster>;

/**
 * Joins the cluster that a ticket is for: one line, which `paxoskv ticket` prints, with the cluster's name and size, its
 * addresses and its secret. Only where the package is imported as `"paxoskv/libp2p"`; a node has to listen on an address that
 * browsers can dial. A broken ticket is an `InvalidArgument`.
 */
export function join(options: JoinOptions & { ticket: string }): Promise<Cluster>;
