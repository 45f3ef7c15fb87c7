//! Which store sits in which seat, and which seat is a key's home.

use sha2::{Digest, Sha256};

use crate::codec::{decode, encode, wire_struct};

use super::{Bucket, ClusterId, Epoch, Key, KeyId, Seat, StoreId, Value, quorum};

/// A store in a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// The seat.
    pub seat: Seat,
    /// The store that holds it.
    pub store: StoreId,
}

wire_struct!(Seated { seat, store });

/// What the register `$founding` decides: which stores were there when the cluster began (`docs/protocol.md`,
/// "Bootstrap").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The cluster's name.
    pub cluster: String,
    /// How many seats it has.
    pub cluster_size: u32,
    /// Stores for at least a quorum of seats, one a seat, in the order of seats.
    pub seats: Vec<Seated>,
}

wire_struct!(Bootstrap { cluster, cluster_size, seats });

/// The buckets of the registers that decide who sits where.
const BOOTSTRAP: &str = "$founding";
const SEAT: &str = "$seat";

impl Bootstrap {
    /// The key of the register that decides the bootstrap.
    pub(crate) fn register() -> KeyId {
        KeyId::new(Bucket::system(BOOTSTRAP), Key::from_canonical(vec![0xf6]))
    }

    /// The key of the register that fills a seat which the bootstrap left empty.
    pub(crate) fn seat_register(seat: Seat) -> KeyId {
        KeyId::new(Bucket::system(SEAT), Key::from_canonical(encode(&seat)))
    }

    /// Whether this is the key of the register that decides the bootstrap.
    pub(crate) fn decides(id: &KeyId) -> bool {
        id.bucket().name() == BOOTSTRAP
    }

    /// Whether a register with this key decides who sits where: the bootstrap, or a seat that it left empty.
    pub(crate) fn decides_seats(id: &KeyId) -> bool {
        matches!(id.bucket().name(), BOOTSTRAP | SEAT)
    }

    /// The first 16 bytes of SHA-256 over the encoding of this bootstrap.
    pub fn id(&self) -> ClusterId {
        let hash = Sha256::digest(encode(self));
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        ClusterId(id)
    }

    /// The bootstrap that a value of the register `$founding` stands for, of whatever cluster.
    pub fn from_value(value: &Value) -> Option<Self> {
        decode(value.cbor()).ok()
    }

    /// The bootstrap of that cluster which a value stands for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(cluster: &str, cluster_size: u8, value: &Value) -> Result<Self, String> {
        let read: Self = decode(value.cbor()).map_err(|e| format!("the bootstrap is damaged: {e}"))?;
        if read.cluster != cluster || read.cluster_size != u32::from(cluster_size) || !read.is_sound() {
            return Err("the bootstrap is of another cluster".into());
        }
        Ok(read)
    }

    /// The seat, and the store in it, that a register and its value stand for.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn read_seat(cluster_size: u8, id: &KeyId, value: &Value) -> Result<(Seat, StoreId), String> {
        let seat = Seat::all(cluster_size)
            .find(|seat| Self::seat_register(*seat) == *id)
            .ok_or("a store was seated in a seat that this cluster does not have")?;
        let store = decode(value.cbor()).map_err(|e| format!("the holder of {seat} is damaged: {e}"))?;
        Ok((seat, store))
    }

    /// Whether an entry makes sense in the register where it is to stand. Any entry does in most registers; those that
    /// decide who sits where would keep a store from ever opening if they held anything else than that.
    pub(crate) fn permits(cluster: &str, cluster_size: u8, id: &KeyId, value: &Value) -> bool {
        match id.bucket().name() {
            BOOTSTRAP => *id == Self::register() && Self::read(cluster, cluster_size, value).is_ok(),
            SEAT => Self::read_seat(cluster_size, id, value).is_ok(),
            _ => true,
        }
    }

    /// Whether a cluster can begin like this: a store for a quorum of its seats, one a seat, in order.
    fn is_sound(&self) -> bool {
        (1..=u32::from(Seat::MAX)).contains(&self.cluster_size)
            && self.seats.len() > self.cluster_size as usize / 2
            && self.seats.windows(2).all(|two| two[0].seat < two[1].seat)
            && self.seats.iter().all(|seated| u32::from(seated.seat.get()) <= self.cluster_size)
    }
}

/// The seats of an epoch and who holds them, as far as this node knows.
#[derive(Clone, Debug)]
pub struct Roster {
    /// The roster's number; that of the bootstrap is 0.
    pub epoch: Epoch,
    /// How many seats there are.
    pub cluster_size: u8,
    /// The cluster's identity, once it is bootstrapped.
    pub cluster_id: Option<ClusterId>,
    holders: Vec<Option<StoreId>>,
}

impl Roster {
    /// A roster without any store.
    pub fn empty(cluster_size: u8) -> Self {
        let holders = vec![None; usize::from(cluster_size)];
        Self { epoch: Epoch(0), cluster_size, cluster_id: None, holders }
    }

    /// Seats the stores that the cluster began with.
    pub(crate) fn bootstrap(&mut self, bootstrap: &Bootstrap) {
        self.cluster_id = Some(bootstrap.id());
        for seated in &bootstrap.seats {
            self.fill(seated.seat, seated.store);
        }
    }

    /// Seats a store in a seat that is empty.
    pub(crate) fn fill(&mut self, seat: Seat, store: StoreId) {
        if let Some(place) = self.holders.get_mut(usize::from(seat.get()) - 1) {
            place.get_or_insert(store);
        }
    }

    /// The store that holds a seat, if that is decided and known here.
    pub fn holder(&self, seat: Seat) -> Option<StoreId> {
        self.holders.get(usize::from(seat.get()) - 1).copied().flatten()
    }

    /// More than half of the cluster's size.
    pub fn quorum(&self) -> usize {
        quorum(self.cluster_size)
    }

    /// The key's home: the one seat that may skip phase 1, by the highest rendezvous hash of bucket, key and seat.
    pub fn home(&self, id: &KeyId) -> Seat {
        home_of(id, self.cluster_size)
    }
}

/// A key's home in a cluster of that many seats: the one seat that may skip phase 1, by the highest rendezvous hash of
/// bucket, key and seat.
///
/// FNV-1a over the bucket's name, a zero byte and the key's encoding, then for each seat the finalizer of splitmix64 over
/// that hash plus the seat's number. Every seat must compute the same, so it is part of the protocol.
pub(crate) fn home_of(id: &KeyId, seats: u8) -> Seat {
    let score = |seat: &Seat| mix(id.fnv().wrapping_add(u64::from(seat.get())));
    let first = Seat::all(1).next();
    match Seat::all(seats).max_by_key(score).or(first) {
        Some(seat) => seat,
        None => unreachable!("a cluster has a seat"),
    }
}

fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_are_spread_over_the_seats() {
        let roster = Roster::empty(3);
        let mut keys = [0; 4];
        for n in 0..3000 {
            let id = KeyId::new(Bucket::default(), Key::new(&n).unwrap());
            keys[usize::from(roster.home(&id).get())] += 1;
        }
        assert!(keys[1..].iter().all(|n| (900..1100).contains(n)), "{keys:?}");
    }

    #[test]
    fn a_home_is_the_same_for_ever() {
        let roster = Roster::empty(5);
        let homes = ["leader", "config", "a", ""]
            .map(|key| roster.home(&KeyId::new(Bucket::default(), Key::new(key).unwrap())).get());
        assert_eq!(homes, [2, 1, 4, 5]);
    }
}
