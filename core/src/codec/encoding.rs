//! Types that have one encoding: what nodes say to each other and keep on disk.

use super::{Head, Malformed, Reader, Writer};

/// A type with one encoding.
pub(crate) trait Wire: Sized {
    fn write(&self, w: &mut Writer);
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// Encodes one item.
pub(crate) fn encode<T: Wire>(item: &T) -> Vec<u8> {
    let mut w = Writer::new();
    item.write(&mut w);
    w.finish()
}

/// Decodes exactly one item: bytes left over are an error.
pub(crate) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut r = Reader::new(bytes);
    let item = T::read(&mut r)?;
    r.end()?;
    Ok(item)
}

impl Wire for u64 {
    fn write(&self, w: &mut Writer) {
        w.uint(*self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.uint()
    }
}

impl Wire for u32 {
    fn write(&self, w: &mut Writer) {
        w.uint(u64::from(*self));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::try_from(r.uint()?).map_err(|_| r.malformed("an integer below 2^32"))
    }
}

impl Wire for bool {
    fn write(&self, w: &mut Writer) {
        w.head(Head::boolean(*self));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        match r.head()? {
            Head::FALSE => Ok(false),
            Head::TRUE => Ok(true),
            _ => Err(r.malformed("true or false")),
        }
    }
}

impl Wire for String {
    fn write(&self, w: &mut Writer) {
        w.text(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.text().map(str::to_owned)
    }
}

impl Wire for [u8; 16] {
    fn write(&self, w: &mut Writer) {
        w.bytes(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.bytes()?.try_into().map_err(|_| r.malformed("16 bytes"))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, w: &mut Writer) {
        match self {
            Some(item) => item.write(w),
            None => w.head(Head::NULL),
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        if r.null()? { Ok(None) } else { T::read(r).map(Some) }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, w: &mut Writer) {
        w.array(self.len());
        for item in self {
            item.write(w);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let len = r.array()?;
        // Grown as members arrive: an announced length allocates nothing.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(T::read(r)?);
        }
        Ok(items)
    }
}

/// A struct is an array of its fields, in the order given here.
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::codec::Wire for $name {
            fn write(&self, w: &mut $crate::codec::Writer) {
                w.array([$(stringify!($field)),*].len());
                $($crate::codec::Wire::write(&self.$field, w);)*
            }
            fn read(r: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::Malformed> {
                r.array_of([$(stringify!($field)),*].len())?;
                Ok(Self { $($field: $crate::codec::Wire::read(r)?),* })
            }
        }
    };
}

/// An enum is an array of a number, given here for ever, and the fields of that variant.
macro_rules! wire_enum {
    ($name:ident, $what:literal { $($tag:literal => $variant:ident { $($field:ident),* $(,)? }),* $(,)? }) => {
        impl $crate::codec::Wire for $name {
            fn write(&self, w: &mut $crate::codec::Writer) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        w.array(1 + fields.len());
                        w.uint($tag);
                        $($crate::codec::Wire::write($field, w);)*
                    })*
                }
            }
            fn read(r: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::codec::Malformed> {
                let len = r.array()?;
                match r.uint()? {
                    $($tag => {
                        let fields: &[&str] = &[$(stringify!($field)),*];
                        if len != 1 + fields.len() {
                            return Err(r.malformed(concat!("all fields of ", stringify!($variant))));
                        }
                        Ok(Self::$variant { $($field: $crate::codec::Wire::read(r)?),* })
                    })*
                    _ => Err(r.malformed($what)),
                }
            }
        }
    };
}

pub(crate) use {wire_enum, wire_struct};
