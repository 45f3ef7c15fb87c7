//! What a small world is: what its clients ask for, and how far it is explored.

/// What is decided in a world: keys, and the end of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum On {
    /// A key, by its number.
    Key(u8),
    /// The end of the lease.
    End,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    /// To put into this key the entry of this number, without leases.
    Put(u8, u8),
    /// To put into this key the entry of this number, which is bound to the lease.
    PutLeased(u8, u8),
    /// To know what this key has.
    Get(u8),
    /// To end the lease.
    End,
}

impl Goal {
    /// What has to be decided for it.
    pub(super) fn on(self) -> On {
        match self {
            Self::Put(key, _) | Self::PutLeased(key, _) | Self::Get(key) => On::Key(key),
            Self::End => On::End,
        }
    }
}

/// A step of what has happened before a world is explored.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// The client of a seat calls its next operation.
    Call(u8),
    /// It does, and messages between its seat and another one are delivered until there are none.
    Ask(u8, u8),
    /// All that is on its way from one seat to another arrives.
    Pass(u8, u8),
    /// An attempt of a seat has waited long enough.
    Late(u8),
    /// The batch of a seat is durable.
    Written(u8),
    /// All that is on its way is lost.
    Lose,
    /// The links of a seat are down, for good.
    CutOff(u8),
}

/// A small world.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What it is about.
    pub name: &'static str,
    /// How many keys there are.
    pub keys: u8,
    /// What the client of each seat asks for, one thing after the other.
    pub clients: [&'static [Goal]; 3],
    /// An operation comes after others: its seat, its place there, and whose operations how many of which are over.
    pub after: &'static [(u8, u8, u8, u8)],
    /// What has happened already, step by step as the seats do it: so the world starts where it gets interesting, and in
    /// a state that can come about.
    pub before: &'static [Before],
    /// The home of the keys. It takes the fast path where its own client puts.
    pub home: u8,
    /// The home of the end register.
    pub home_of_end: u8,
    /// Whether the other seats forward puts to the home seat, and wait until they are late; else the home seat is late at
    /// once.
    pub forwards: bool,
    /// How often the attempts of each seat may be late, or outbid, and are tried again.
    pub tries: [u8; 3],
    /// Messages of ballots above this round are lost.
    pub rounds: u64,
    /// Whether votes reach every seat; else they reach only the seats that wait for them, as if the others were lost.
    pub votes_to_all: bool,
    /// Whether the lease is a session of a node which may say goodbye at any time; else a latch.
    pub session: bool,
    /// How often each seat may crash and be started anew. A seat that may crash has a slow disk.
    pub crashes: [u8; 3],
    /// Clients that may lose interest.
    pub give_up: &'static [u8],
    /// No generation above this is explored.
    pub generations: u64,
    /// Whether it is small enough to be explored to its last state.
    pub whole: bool,
}
