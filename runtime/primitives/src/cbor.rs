//! Canonical CBOR (consensus.md §1): definite lengths, shortest integers, no floats, no tags.
//!
//! Canonicity is enforced by one rule: what was decoded is encoded again and must give the same bytes. Readers also
//! bound every length before anything is allocated, so a hostile message costs at most its own size.

use crate::error::Malformed;
use alloc::{string::String, vec::Vec};
use minicbor::{Decoder, Encoder, data::Type};

/// Why bytes are not a value of the expected type.
pub type DecodeError = Malformed;

/// Writes canonical CBOR to memory; cannot fail.
#[derive(Debug)]
pub struct Writer(Encoder<Vec<u8>>);

impl Default for Writer {
    fn default() -> Self {
        // Most values fit, and growing byte by byte is what encoding them would cost.
        Self(Encoder::new(Vec::with_capacity(128)))
    }
}

const MEMORY: &str = "writing to memory cannot fail";

impl Writer {
    /// Array header.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.0.array(len as u64).expect(MEMORY);
        self
    }
    /// Unsigned integer, shortest form.
    pub fn uint(&mut self, x: u64) -> &mut Self {
        self.0.u64(x).expect(MEMORY);
        self
    }
    /// Byte string.
    pub fn bytes(&mut self, x: &[u8]) -> &mut Self {
        self.0.bytes(x).expect(MEMORY);
        self
    }
    /// Text string.
    pub fn text(&mut self, x: &str) -> &mut Self {
        self.0.str(x).expect(MEMORY);
        self
    }
    /// `nil`.
    pub fn null(&mut self) -> &mut Self {
        self.0.null().expect(MEMORY);
        self
    }
    /// `true` or `false`.
    pub fn bool(&mut self, x: bool) -> &mut Self {
        self.0.bool(x).expect(MEMORY);
        self
    }
    /// Any value of ours.
    pub fn put<T: Cbor>(&mut self, x: &T) -> &mut Self {
        x.write(self);
        self
    }
    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }
}

/// Reads within limits.
#[derive(Debug)]
pub struct Reader<'b>(Decoder<'b>);

impl<'b> Reader<'b> {
    /// Over `bytes`.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(Decoder::new(bytes))
    }
    /// Array header with exactly `len` items.
    pub fn array(&mut self, len: usize) -> Result<(), Malformed> {
        let got = self.array_max(usize::MAX)?;
        if got == len { Ok(()) } else { Err(Malformed::Shape { at: self.position() }) }
    }
    /// Array header with at most `max` items.
    pub fn array_max(&mut self, max: usize) -> Result<usize, Malformed> {
        let at = self.position();
        let got = self.0.array().ok().flatten().ok_or(Malformed::Shape { at })?;
        let got = usize::try_from(got).map_err(|_| Malformed::Shape { at })?;
        if got > max { Err(Malformed::TooMany { count: got as u64, permitted: max as u64 }) } else { Ok(got) }
    }
    /// Unsigned integer.
    pub fn uint(&mut self) -> Result<u64, Malformed> {
        let at = self.position();
        self.0.u64().map_err(|_| Malformed::Shape { at })
    }
    /// Byte string of at most `max` bytes.
    pub fn bytes(&mut self, max: usize) -> Result<&'b [u8], Malformed> {
        let at = self.position();
        let got = self.0.bytes().map_err(|_| Malformed::Shape { at })?;
        if got.len() > max {
            return Err(Malformed::TooLong { length: got.len() as u64, permitted: max as u64 });
        }
        Ok(got)
    }
    /// Text of at most `max` bytes.
    pub fn text(&mut self, max: usize) -> Result<&'b str, Malformed> {
        let at = self.position();
        let got = self.0.str().map_err(|_| Malformed::Shape { at })?;
        if got.len() > max {
            return Err(Malformed::TooLong { length: got.len() as u64, permitted: max as u64 });
        }
        Ok(got)
    }
    /// `true` or `false`.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        let at = self.position();
        self.0.bool().map_err(|_| Malformed::Shape { at })
    }
    /// Consumes `nil` if it stands here.
    pub fn null(&mut self) -> Result<bool, Malformed> {
        let at = self.position();
        match self.0.datatype() {
            Ok(Type::Null) => self.0.null().map(|()| true).map_err(|_| Malformed::Shape { at }),
            Ok(_) => Ok(false),
            Err(_) => Err(Malformed::Shape { at }),
        }
    }
    /// Any value of ours.
    pub fn get<T: Cbor>(&mut self) -> Result<T, Malformed> {
        T::read(self)
    }
    /// A list of at most `max` values.
    pub fn list<T: Cbor>(&mut self, max: usize) -> Result<Vec<T>, Malformed> {
        let len = self.array_max(max)?;
        // Capacity grows with bytes actually read: an array header alone must not allocate.
        let mut out = Vec::new();
        for _ in 0..len {
            out.push(T::read(self)?);
        }
        Ok(out)
    }
    /// Offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.0.position()
    }
    /// Ends reading: nothing may be left.
    pub fn finish(&self) -> Result<(), Malformed> {
        let (at, len) = (self.0.position(), self.0.input().len());
        if at == len { Ok(()) } else { Err(Malformed::TrailingBytes { at }) }
    }
}

/// A value with one canonical encoding.
pub trait Cbor {
    /// Appends the canonical encoding.
    fn write(&self, w: &mut Writer);

    /// Reads one value, leaving the reader after it.
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed>
    where
        Self: Sized;

    /// The canonical encoding.
    fn to_cbor(&self) -> Vec<u8> {
        let mut w = Writer::default();
        self.write(&mut w);
        w.finish()
    }

    /// Decodes exactly one canonical value of at most `max` bytes.
    fn from_cbor(bytes: &[u8], max: usize) -> Result<Self, Malformed>
    where
        Self: Sized,
    {
        if bytes.len() > max {
            return Err(Malformed::TooLong { length: bytes.len() as u64, permitted: max as u64 });
        }
        let mut r = Reader::new(bytes);
        let value = Self::read(&mut r)?;
        r.finish()?;
        if value.to_cbor() == bytes { Ok(value) } else { Err(Malformed::NotCanonical) }
    }
}

macro_rules! cbor_uint {
    ($($t:ty),*) => {$(
        impl Cbor for $t {
            fn write(&self, w: &mut Writer) {
                w.uint(u64::from(*self));
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                let at = r.position();
                <$t>::try_from(r.uint()?).map_err(|_| Malformed::Shape { at })
            }
        }
    )*};
}
cbor_uint!(u8, u16, u32, u64);

impl Cbor for u128 {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.to_be_bytes());
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.get::<[u8; 16]>().map(Self::from_be_bytes)
    }
}

impl Cbor for bool {
    fn write(&self, w: &mut Writer) {
        w.bool(*self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.bool()
    }
}

impl<const N: usize> Cbor for [u8; N] {
    fn write(&self, w: &mut Writer) {
        w.bytes(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        r.bytes(N)?.try_into().map_err(|_| Malformed::Shape { at })
    }
}

impl<T: Cbor> Cbor for Option<T> {
    fn write(&self, w: &mut Writer) {
        match self {
            Some(x) => x.write(w),
            None => {
                w.null();
            }
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        if r.null()? { Ok(None) } else { T::read(r).map(Some) }
    }
}

/// Items in any list that carries no tighter limit of its own; every message is bounded by its bytes first.
pub const LIST_MAX: usize = 65_536;

impl<T: Cbor> Cbor for Vec<T> {
    fn write(&self, w: &mut Writer) {
        w.array(self.len());
        for x in self {
            x.write(w);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.list(LIST_MAX)
    }
}

impl<A: Cbor, B: Cbor> Cbor for (A, B) {
    fn write(&self, w: &mut Writer) {
        w.array(2).put(&self.0).put(&self.1);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(2)?;
        Ok((r.get()?, r.get()?))
    }
}

impl<A: Cbor, B: Cbor, C: Cbor> Cbor for (A, B, C) {
    fn write(&self, w: &mut Writer) {
        w.array(3).put(&self.0).put(&self.1).put(&self.2);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(3)?;
        Ok((r.get()?, r.get()?, r.get()?))
    }
}

impl Cbor for String {
    fn write(&self, w: &mut Writer) {
        w.text(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.text(1_024).map(Self::from)
    }
}

/// Byte strings up to `MAX` bytes: `Bytes<64>` is the spec's `b<=64`.
#[derive(Clone, PartialEq, Eq, Debug, Default, PartialOrd, Ord)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// `None` when longer than `MAX`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX).then_some(Self(bytes))
    }
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Cbor for Bytes<MAX> {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.bytes(MAX).map(|b| Self(b.to_vec()))
    }
}

/// Declares a record whose encoding is the CBOR array of its fields, in order.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$fmeta:meta])* $fvis:vis $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        $vis struct $name { $($(#[$fmeta])* $fvis $field: $ty),* }
        impl $crate::cbor::Cbor for $name {
            fn write(&self, w: &mut $crate::cbor::Writer) {
                w.array([$(stringify!($field)),*].len());
                $(w.put(&self.$field);)*
            }
            fn read(r: &mut $crate::cbor::Reader<'_>) -> Result<Self, $crate::error::Malformed> {
                r.array([$(stringify!($field)),*].len())?;
                Ok(Self { $($field: r.get()?),* })
            }
        }
    };
}

/// Declares a field-less enum encoded as its number; unknown numbers are refused.
#[macro_export]
macro_rules! code_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $n:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
        $vis enum $name { $($(#[$vmeta])* $variant),* }
        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The number that stands in encodings.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $n),* }
            }
            /// The variant's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }
        impl $crate::cbor::Cbor for $name {
            fn write(&self, w: &mut $crate::cbor::Writer) {
                w.uint(u64::from(self.code()));
            }
            fn read(r: &mut $crate::cbor::Reader<'_>) -> Result<Self, $crate::error::Malformed> {
                let at = r.position();
                match r.uint()? {
                    $($n => Ok(Self::$variant),)*
                    _ => Err($crate::error::Malformed::Shape { at }),
                }
            }
        }
    };
}
