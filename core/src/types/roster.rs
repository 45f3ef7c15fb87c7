//! Which store sits in which seat, and which seat is a key's home.

use sha2::{Digest, Sha256};

use crate::codec::{encode, wire_struct};
use crate::types::{Bucket, ClusterId, Epoch, Key, KeyId, Seat, StoreId, quorum};

/// A store in a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// The seat.
    pub seat: Seat,
    /// Who holds it.
    pub store: StoreId,
}

wire_struct!(Seated { seat, store });

/// What the register `$founding` decides: who was there when the cluster began (`DESIGN.md`, "Founding").
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

impl Bootstrap {
    /// The key of the register that decides the founding.
    pub(crate) fn register() -> KeyId {
        KeyId { bucket: Bucket::system("$founding"), key: Key::from_canonical(vec![0xf6]) }
    }

    /// The key of the register that fills a seat which the founding left empty.
    pub(crate) fn seat_register(seat: Seat) -> KeyId {
        KeyId { bucket: Bucket::system("$seat"), key: Key::from_canonical(encode(&seat)) }
    }

    /// The first 16 bytes of SHA-256 over the encoding of this founding.
    pub fn id(&self) -> ClusterId {
        let hash = Sha256::digest(encode(self));
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        ClusterId(id)
    }

    /// Whether this can found a cluster: a store for a quorum of its seats, one a seat, in order.
    pub(crate) fn is_sound(&self) -> bool {
        (1..=u32::from(Seat::MAX)).contains(&self.cluster_size)
            && self.seats.len() > self.cluster_size as usize / 2
            && self.seats.windows(2).all(|two| two[0].seat < two[1].seat)
            && self.seats.iter().all(|seated| u32::from(seated.seat.get()) <= self.cluster_size)
    }
}

/// The seats of an epoch and who holds them, as far as this node knows.
#[derive(Clone, Debug)]
pub struct Roster {
    /// The roster's number; the founding is 0.
    pub epoch: Epoch,
    /// How many seats there are.
    pub cluster_size: u8,
    /// The cluster's identity, once it is founded.
    pub cluster_id: Option<ClusterId>,
    holders: Vec<Option<StoreId>>,
}

impl Roster {
    /// Nobody is seated yet.
    pub fn empty(cluster_size: u8) -> Self {
        let holders = vec![None; usize::from(cluster_size)];
        Self { epoch: Epoch(0), cluster_size, cluster_id: None, holders }
    }

    /// Seats those who founded the cluster.
    pub(crate) fn found(&mut self, founding: &Bootstrap) {
        self.cluster_id = Some(founding.id());
        for seated in &founding.seats {
            self.fill(seated.seat, seated.store);
        }
    }

    /// Seats a store where nobody sat.
    pub(crate) fn fill(&mut self, seat: Seat, store: StoreId) {
        if let Some(place) = self.holders.get_mut(usize::from(seat.get()) - 1) {
            place.get_or_insert(store);
        }
    }

    /// Who holds a seat, if that is decided and known here.
    pub fn holder(&self, seat: Seat) -> Option<StoreId> {
        self.holders.get(usize::from(seat.get()) - 1).copied().flatten()
    }

    /// More than half of the cluster's size.
    pub fn quorum(&self) -> usize {
        quorum(self.cluster_size)
    }

    /// The one seat that may skip the first phase for a key: highest rendezvous hash of bucket, key and seat.
    ///
    /// FNV-1a over the bucket's name, a zero byte and the key's encoding, then for each seat the finalizer of
    /// splitmix64 over that hash plus the seat's number. Every seat must compute the same, so it is part of the
    /// protocol.
    pub fn home(&self, id: &KeyId) -> Seat {
        let hash = fnv(id.bucket.name().as_bytes(), 0xcbf2_9ce4_8422_2325);
        let hash = fnv(id.key.cbor(), fnv(&[0], hash));
        let score = |seat: &Seat| mix(hash.wrapping_add(u64::from(seat.get())));
        let first = Seat::all(1).next();
        match Seat::all(self.cluster_size).max_by_key(score).or(first) {
            Some(seat) => seat,
            None => unreachable!("a cluster has a seat"),
        }
    }
}

fn fnv(bytes: &[u8], hash: u64) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
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
            let id = KeyId { bucket: Bucket::default(), key: Key::new(&n).unwrap() };
            keys[usize::from(roster.home(&id).get())] += 1;
        }
        assert!(keys[1..].iter().all(|n| (900..1100).contains(n)), "{keys:?}");
    }

    #[test]
    fn a_home_is_the_same_for_ever() {
        let roster = Roster::empty(5);
        let homes = ["leader", "config", "a", ""]
            .map(|key| roster.home(&KeyId { bucket: Bucket::default(), key: Key::new(key).unwrap() }).get());
        assert_eq!(homes, [2, 1, 4, 5]);
    }
}
