//! For tests that look at a store, or at registers, from outside.

use crate::codec::decode;
use crate::key::KeyId;
use crate::lease::Lease;
use crate::node::stored_acceptor;
use crate::paxos::Acceptor;
use crate::roster::Founding;
use crate::storage::Record;
use crate::value::Value;

/// What a record says of a key, if it is about one.
pub fn acceptor(record: &Record) -> Option<(KeyId, Acceptor)> {
    Some((decode(&record.key).ok()?, stored_acceptor(&record.value)?))
}

/// The founding that a value of the register `$founding` names.
pub fn founding(value: &Value) -> Option<Founding> {
    decode(value.cbor()).ok()
}

/// The key of a lease's end register.
pub fn end(lease: &Lease) -> KeyId {
    lease.end()
}
