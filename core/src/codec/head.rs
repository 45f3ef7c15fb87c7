//! The head of a data item.

use ciborium_ll::Header;

/// The head of a data item (RFC 8949 §3): what it is, and for numbers all of it. Lengths are in bytes for strings, in
/// members for arrays, in pairs for maps; where there is none, a [`Head::Break`] ends the item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Head {
    /// The integer n.
    Positive(u64),
    /// The integer -1 - n.
    Negative(u64),
    /// A byte string.
    Bytes(Option<usize>),
    /// A text string.
    Text(Option<usize>),
    /// An array.
    Array(Option<usize>),
    /// A map.
    Map(Option<usize>),
    /// A tag; the item that it is about follows.
    Tag(u64),
    /// `false`, `true`, `null`, `undefined` and the like.
    Simple(u8),
    /// A number with a point; written as short as it is exact.
    Float(f64),
    /// The end of an item without a length.
    Break,
}

impl Head {
    /// `false`
    pub const FALSE: Self = Self::Simple(20);
    /// `true`
    pub const TRUE: Self = Self::Simple(21);
    /// `null`
    pub const NULL: Self = Self::Simple(22);
    /// `undefined`
    pub const UNDEFINED: Self = Self::Simple(23);

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(yes: bool) -> Self {
        if yes { Self::TRUE } else { Self::FALSE }
    }
}

impl From<Header> for Head {
    fn from(header: Header) -> Self {
        match header {
            Header::Positive(n) => Self::Positive(n),
            Header::Negative(n) => Self::Negative(n),
            Header::Bytes(len) => Self::Bytes(len),
            Header::Text(len) => Self::Text(len),
            Header::Array(len) => Self::Array(len),
            Header::Map(len) => Self::Map(len),
            Header::Tag(tag) => Self::Tag(tag),
            Header::Simple(n) => Self::Simple(n),
            Header::Float(x) => Self::Float(x),
            Header::Break => Self::Break,
        }
    }
}

impl From<Head> for Header {
    fn from(head: Head) -> Self {
        match head {
            Head::Positive(n) => Self::Positive(n),
            Head::Negative(n) => Self::Negative(n),
            Head::Bytes(len) => Self::Bytes(len),
            Head::Text(len) => Self::Text(len),
            Head::Array(len) => Self::Array(len),
            Head::Map(len) => Self::Map(len),
            Head::Tag(tag) => Self::Tag(tag),
            Head::Simple(n) => Self::Simple(n),
            Head::Float(x) => Self::Float(x),
            Head::Break => Self::Break,
        }
    }
}
