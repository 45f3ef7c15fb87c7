//! What a seed makes of a run: each run has some kinds of faults and not others, so that rare combinations come up.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Random decisions, all of one seed.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice that fall the same way each time.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `n`, or 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n.max(1)
    }

    /// A number from `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(of.len() as u64)).ok()?;
        of.get(at).copied()
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// Seeds from here on are runs of a kind of their own: see [`Plan::new`].
pub const LATE_ANSWERS: u64 = 1 << 40;

/// And from here on, of yet another kind.
pub const TAKE_OVERS: u64 = 1 << 41;

/// And from here on, runs in which keys are bound to sessions.
pub const LEASES: u64 = 1 << 42;

/// And from here on, runs in which clients wait for a lock.
pub const LOCKS: u64 = 1 << 43;

/// A run's shape. Times are in microseconds, chances in thousandths.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All else follows from it.
    pub seed: u64,
    /// Seats of the cluster.
    pub seats: u8,
    /// Nodes without a seat.
    pub observers: usize,
    /// Whether seat 1 is given to two stores.
    pub double_seat: bool,
    /// Clients, each with one operation at a time.
    pub clients: usize,
    /// Keys they share.
    pub keys: u64,
    /// Operations in all.
    pub operations: usize,
    /// Of a hundred operations, so many are gets, and so many erases.
    pub gets: u64,
    /// See `gets`.
    pub erases: u64,
    /// A client's longest pause between operations.
    pub pause: u64,
    /// How long faults go on.
    pub faulty: u64,
    /// Between two faults, on average.
    pub fault_every: u64,
    /// Frames lost.
    pub loss: u64,
    /// Frames repeated.
    pub repeat: u64,
    /// The usual delay of a frame, at most.
    pub delay: u64,
    /// Frames that take much longer.
    pub late: u64,
    /// The usual time of a write, at most.
    pub write: u64,
    /// Writes that take much longer.
    pub slow_write: u64,
    /// How long a seat leaves what it has not learned before it finishes it, in milliseconds.
    pub finish_after: u64,
    /// How often each kind of fault comes up, as weights.
    pub crash: u64,
    /// Links that break in one direction or both.
    pub partition: u64,
    /// Processes that stand still.
    pub freeze: u64,
    /// Stores opened by a second process while the first stands still.
    pub take_over: u64,
    /// Seats started with another disk.
    pub swap_disk: u64,
    /// Clocks that jump ahead.
    pub jump: u64,
    /// All seats crash at once.
    pub blackout: u64,
    /// Two seats that restart at the same time, in no time.
    pub restart: u64,
    /// How often a client that has none opens a session.
    pub sessions: u64,
    /// Whether half of the clients want a lock.
    pub lockers: bool,
    /// Whether transports know for certain that a process has died.
    pub attested: bool,
}

impl Plan {
    /// The run of a seed.
    #[allow(
        clippy::too_many_lines,
        reason = "one draw for each setting, and seeds depend on the order of the draws"
    )]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let mut often = |per_mille, weight| if dice.chance(per_mille) { weight } else { 0 };
        let (crash, partition, freeze) = (often(600, 4), often(600, 6), often(250, 2));
        let (take_over, swap_disk, jump, blackout) =
            (often(200, 3), often(150, 2), often(250, 1), often(150, 1));
        let plan = Self {
            seed,
            seats: dice.pick(&[3, 3, 3, 3, 3, 3, 3, 5, 5, 2]).unwrap_or(3),
            observers: dice.pick(&[0, 0, 1, 2]).unwrap_or(0),
            double_seat: dice.chance(80),
            clients: dice.pick(&[2, 3, 4, 6]).unwrap_or(3),
            keys: dice.pick(&[1, 1, 2, 3]).unwrap_or(1),
            operations: dice.pick(&[12, 25, 40, 60]).unwrap_or(25),
            gets: dice.pick(&[20, 40, 60]).unwrap_or(40),
            erases: dice.pick(&[0, 15, 30, 40]).unwrap_or(15),
            pause: dice.pick(&[2_000, 20_000, 200_000]).unwrap_or(20_000),
            faulty: dice.pick(&[2_000_000, 5_000_000, 9_000_000]).unwrap_or(5_000_000),
            fault_every: dice.pick(&[30_000, 150_000, 500_000]).unwrap_or(150_000),
            loss: dice.pick(&[0, 0, 0, 20, 150, 400]).unwrap_or(0),
            repeat: dice.pick(&[0, 0, 50, 200]).unwrap_or(0),
            delay: dice.pick(&[500, 3_000, 30_000]).unwrap_or(3_000),
            late: dice.pick(&[0, 30, 200]).unwrap_or(30),
            write: dice.pick(&[300, 3_000, 20_000]).unwrap_or(3_000),
            finish_after: dice.pick(&[400, 400, 5_000]).unwrap_or(400),
            slow_write: dice.pick(&[0, 50, 300]).unwrap_or(50),
            crash,
            partition,
            freeze,
            take_over,
            swap_disk,
            jump,
            blackout,
            sessions: dice.pick(&[0, 0, 200]).unwrap_or(0),
            lockers: false,
            attested: seed.is_multiple_of(5),
            restart: 0,
        };
        let calm = Self {
            crash: 0,
            partition: 0,
            freeze: 0,
            take_over: 0,
            swap_disk: 0,
            jump: 0,
            blackout: 0,
            ..plan.clone()
        };
        let one_key = Self {
            keys: 1,
            clients: 6,
            operations: 60,
            pause: 2_000,
            double_seat: false,
            loss: 0,
            sessions: 0,
            ..calm
        };
        let leased = Self {
            sessions: 400,
            keys: 2,
            clients: 4,
            observers: 1,
            operations: 40,
            double_seat: false,
            swap_disk: 0,
            take_over: 0,
            jump: 0,
            ..plan.clone()
        };
        match seed {
            LOCKS.. => {
                let one_of =
                    |of: &[u64], by: u64| of[usize::try_from(seed / by % of.len() as u64).unwrap_or(0)];
                Self {
                    lockers: true,
                    sessions: 50,
                    operations: 50,
                    // The lock is held for so long at most: long enough to be lost.
                    pause: 1_200_000,
                    gets: 80,
                    clients: 6,
                    faulty: 9_000_000,
                    fault_every: one_of(&[300_000, 700_000, 1_500_000], 1),
                    late: one_of(&[0, 200, 400], 3),
                    loss: one_of(&[0, 400], 9),
                    delay: plan.delay.min(3_000),
                    partition: 4,
                    crash: one_of(&[4, 0], 18),
                    freeze: one_of(&[0, 6, 0, 0], 1),
                    restart: one_of(&[0, 0, 8, 0], 1),
                    slow_write: 0,
                    observers: plan.observers.max(1),
                    ..leased
                }
            }
            // Few keys change owners often; many are put for the first time often.
            LEASES.. => match seed % 4 {
                0 => leased,
                1 => Self { keys: 12, pause: 2_000, late: 300, clients: 6, gets: 50, ..leased },
                // One session for a lock and for other keys, which change owners often.
                _ => Self { lockers: true, sessions: 50, operations: 60, pause: 50_000, ..leased },
            },
            // Readers ask a process whose store was taken over while it stood still.
            TAKE_OVERS.. => {
                Self { take_over: 4, partition: 2, gets: 60, fault_every: 150_000, delay: 500, ..one_key }
            }
            // What is late and repeated between observers and seats, while one key changes owners.
            LATE_ANSWERS.. => Self { observers: 2, erases: 40, repeat: 500, late: 300, ..one_key },
            _ => plan,
        }
    }
}
