//! The algorithm: one register, decided by Basic Paxos.
//!
//! Three roles, as in Lamport, *Paxos Made Simple* (2001), §2, and one that the paper leaves to the reader:
//!
//! * an [`Acceptor`] votes (§2.2, phases 1b and 2b),
//! * a [`Proposer`] drives a proposal through both phases (1a and 2a),
//! * a [`Learner`] counts votes (§2.3),
//! * a [`Reader`] asks a quorum what it has accepted, and says when that is enough to know.
//!
//! All four are plain state: messages go in, answers come out, and nothing here knows of links, disks or clocks. The
//! replica above makes what an acceptor did durable before it lets an answer out.
//!
//! Where this differs from the paper: a key's **home** seat owns round 0 and starts it at phase 2, which is the
//! paper's phase 1 done in advance for all registers at once (§3 does it for a leader); and an acceptor keeps only a
//! key's newest **generation** (`docs/protocol.md`, "Generations").

mod acceptor;
mod learner;
mod proposer;
mod reader;
mod state;

pub use acceptor::{Acceptor, Answer};
pub use learner::{Learner, Tally};
pub use proposer::{Proposer, Step};
pub use reader::{LeaseCheck, Reader, Verdict};
pub use state::{AcceptorState, QueryId};
