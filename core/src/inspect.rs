//! A store's records and registers, as tests look at them from outside. Needs the feature `testing`.

use crate::codec::decode;
use crate::paxos::Acceptor;
use crate::replica::stored_acceptor;
use crate::storage::Record;
use crate::types::{Bootstrap, KeyId, Lease, Value};

/// What a record says of a key, if it is about one.
pub fn acceptor(record: &Record) -> Option<(KeyId, Acceptor)> {
    Some((decode(&record.key).ok()?, stored_acceptor(&record.value)?))
}

/// The bootstrap that a value of the register `$founding` names.
pub fn bootstrap(value: &Value) -> Option<Bootstrap> {
    decode(value.cbor()).ok()
}

/// The key of a lease's end register.
pub fn end(lease: &Lease) -> KeyId {
    lease.end()
}
