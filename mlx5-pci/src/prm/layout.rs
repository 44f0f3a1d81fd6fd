//! `prm!`: device structures written down the way the manual prints them; `codes!`: numbers that firmware may extend.
//!
//! A row reads `offset [hi:lo] name: type`: the byte offset of the big-endian dword and the bits in it, bit 31 being the
//! most significant. `[63:0]` is a qword. `[..]` embeds another structure or an array of bytes. Whatever can be wrong
//! about a row (alignment, range, overlap, width) fails to compile.

use core::fmt;
use core::marker::PhantomData;

/// Any structure of `prm!`, for code that carries them without looking inside.
pub trait Layout: Default {
    /// Bytes of the structure.
    const SIZE: usize;
    /// A copy of the start of `bytes`; what is missing is zero.
    fn copy_from(bytes: &[u8]) -> Self;
    /// As the device has it.
    fn bytes(&self) -> &[u8];
}

/// Setters by name for the layout `L`: of a new structure (`L::build()…done()`) or of one in place (`x.set()…`).
pub struct Build<L, T>(T, PhantomData<L>);

impl<L, T> Build<L, T> {
    /// Opens `structure` for its setters.
    pub fn new(structure: T) -> Build<L, T> {
        Build(structure, PhantomData)
    }

    /// The finished structure.
    pub fn done(self) -> T {
        self.0
    }

    /// The structure that is filled.
    pub fn structure(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A value that fits a bit field.
pub trait Field: Copy {
    /// How many bits it has at most.
    const BITS: u32;
    /// From the bits of the field, right-aligned.
    fn from_bits(bits: u64) -> Self;
    /// To the bits of the field, right-aligned.
    fn into_bits(self) -> u64;
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl Field for $t {
            const BITS: u32 = <$t>::BITS;
            #[inline]
            fn from_bits(bits: u64) -> Self {
                bits as $t
            }
            #[inline]
            fn into_bits(self) -> u64 {
                self as u64
            }
        }
    )* };
}
integers!(u8, u16, u32, u64);

impl Field for bool {
    const BITS: u32 = 1;
    #[inline]
    fn from_bits(bits: u64) -> Self {
        bits != 0
    }
    #[inline]
    fn into_bits(self) -> u64 {
        self.into()
    }
}

/// One row of a structure, for messages and for tools that name fields.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Its name.
    pub name: &'static str,
    /// Byte offset of its dword, or of its first byte.
    pub offset: usize,
    /// What stands there.
    pub shape: Shape,
}

impl FieldInfo {
    /// Whether the field is not zero in `bytes`, the structure that it is a row of.
    fn is_set(&self, bytes: &[u8]) -> bool {
        match self.shape {
            Shape::Bits { hi, lo } => get(bytes, self.offset, hi, lo) != 0,
            Shape::Bytes(length) => bytes[self.offset..self.offset + length].iter().any(|byte| *byte != 0),
            Shape::Structure(inner) => inner.iter().any(|field| field.is_set(&bytes[self.offset..])),
        }
    }
}

/// What a row holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Bits `hi:lo` of the dword; `63:0` of the qword.
    Bits {
        /// The most significant bit.
        hi: u32,
        /// The least significant bit.
        lo: u32,
    },
    /// So many bytes.
    Bytes(usize),
    /// Another structure.
    Structure(&'static [FieldInfo]),
}

/// Stops the compiler at `row` unless `rule` holds.
const fn require(rule: bool, row: &str) {
    if !rule {
        panic!("{}", row);
    }
}

/// Takes bits `hi:lo` of the dword at `offset`; stops the compiler when that row cannot be.
pub const fn claim<const DWORDS: usize>(
    mut map: [u32; DWORDS],
    row: &str,
    offset: usize,
    hi: u32,
    lo: u32,
) -> [u32; DWORDS] {
    let aligned = offset.is_multiple_of(4);
    require(aligned, row);
    let one_dword_or_a_whole_qword = (lo <= hi && hi < 32) || (hi == 63 && lo == 0);
    require(one_dword_or_a_whole_qword, row);
    let dwords = if hi == 63 { 2 } else { 1 };
    let inside = offset / 4 + dwords <= DWORDS;
    require(inside, row);
    let mut at = 0;
    while at < dwords {
        let mask = if hi == 63 { u32::MAX } else { (u32::MAX >> (31 - hi)) & (u32::MAX << lo) };
        let free = map[offset / 4 + at] & mask == 0;
        require(free, row);
        map[offset / 4 + at] |= mask;
        at += 1;
    }
    map
}

/// Takes `length` bytes at `offset`.
pub const fn claim_bytes<const DWORDS: usize>(
    mut map: [u32; DWORDS],
    row: &str,
    offset: usize,
    length: usize,
) -> [u32; DWORDS] {
    let mut at = offset;
    while at < offset + length {
        let lo = 24 - 8 * (at % 4) as u32;
        map = claim(map, row, at - at % 4, lo + 7, lo);
        at += 1;
    }
    map
}

/// Takes what an embedded structure takes, and leaves reserved what is reserved in it.
pub const fn claim_structure<const DWORDS: usize>(
    mut map: [u32; DWORDS],
    row: &str,
    offset: usize,
    inner: &[u32],
) -> [u32; DWORDS] {
    let aligned = offset.is_multiple_of(4);
    require(aligned, row);
    let inside = offset / 4 + inner.len() <= DWORDS;
    require(inside, row);
    let mut at = 0;
    while at < inner.len() {
        let free = map[offset / 4 + at] & inner[at] == 0;
        require(free, row);
        map[offset / 4 + at] |= inner[at];
        at += 1;
    }
    map
}

/// Takes nothing: `bits` of a field go into its type.
pub const fn claim_type(row: &str, bits: u32, type_bits: u32) {
    let fits_its_type = bits <= type_bits;
    require(fits_its_type, row);
}

/// The byte offset of the first dword of `bytes` with a bit that `claims` does not take.
pub fn reserved_bit(bytes: &[u8], claims: &[u32]) -> Option<usize> {
    let dwords =
        bytes.chunks_exact(4).map(|dword| u32::from_be_bytes([dword[0], dword[1], dword[2], dword[3]]));
    dwords.zip(claims).position(|(dword, claimed)| dword & !claimed != 0).map(|dword| 4 * dword)
}

/// Reads a bit field.
#[inline]
pub fn get(bytes: &[u8], offset: usize, hi: u32, lo: u32) -> u64 {
    let dword = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if hi == 63 {
        return u64::from(dword(offset)) << 32 | u64::from(dword(offset + 4));
    }
    u64::from((dword(offset) >> lo) & (u32::MAX >> (31 - (hi - lo))))
}

/// Writes a bit field.
///
/// # Panics
/// When `value` does not fit.
#[inline]
pub fn set(bytes: &mut [u8], offset: usize, hi: u32, lo: u32, value: u64) {
    if hi == 63 {
        bytes[offset..offset + 8].copy_from_slice(&value.to_be_bytes());
        return;
    }
    let mask = u32::MAX >> (31 - (hi - lo));
    assert!(value <= u64::from(mask), "value does not fit its field");
    let old = get(bytes, offset, 31, 0) as u32;
    let new = (old & !(mask << lo)) | ((value as u32) << lo);
    bytes[offset..offset + 4].copy_from_slice(&new.to_be_bytes());
}

/// Prints the fields that are not zero.
///
/// # Errors
/// When the formatter fails.
pub fn debug(f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8], fields: &[FieldInfo]) -> fmt::Result {
    struct Inner<'a>(&'a [u8], &'a [FieldInfo]);
    impl fmt::Debug for Inner<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            debug(f, "", self.0, self.1)
        }
    }
    let mut out = f.debug_struct(name);
    for field in fields.iter().filter(|field| field.is_set(bytes)) {
        let rest = &bytes[field.offset..];
        match field.shape {
            Shape::Bits { hi, lo } => {
                out.field(field.name, &format_args!("{:#x}", get(bytes, field.offset, hi, lo)))
            }
            Shape::Bytes(length) => out.field(field.name, &format_args!("{:02x?}", &rest[..length])),
            Shape::Structure(inner) => out.field(field.name, &Inner(rest, inner)),
        };
    }
    out.finish()
}

/// Declares device structures; see the module's documentation.
#[macro_export]
macro_rules! prm {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident [$size:literal] {
        $($(#[$field_meta:meta])* $offset:literal $bits:tt $field:ident : $kind:tt),* $(,)?
    })*) => { $(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        #[repr(transparent)]
        $vis struct $name([u8; $size]);

        // A field may be called `len`.
        #[allow(clippy::len_without_is_empty)]
        impl $name {
            /// Bytes of the structure.
            pub const SIZE: usize = $size;
            /// The bits of each dword that are defined; all others are reserved.
            pub const CLAIMS: [u32; $size / 4] = {
                let map = [0u32; $size / 4];
                $(let map = $crate::prm_row!(claim map, $name, $field, $offset, $bits, $kind);)*
                map
            };
            /// Its rows.
            pub const FIELDS: &'static [$crate::prm::FieldInfo] = &[
                $($crate::prm::FieldInfo {
                    name: stringify!($field),
                    offset: $offset,
                    shape: $crate::prm_row!(shape $bits, $kind),
                }),*
            ];

            /// All zero, to be filled by name.
            pub fn build() -> $crate::prm::Build<Self, Self> {
                $crate::prm::Build::new(Self::default())
            }

            /// Changes fields in place, by name.
            pub fn set(&mut self) -> $crate::prm::Build<Self, &mut Self> {
                $crate::prm::Build::new(self)
            }

            /// A copy of the start of `bytes`; what is missing is zero.
            pub fn copy_from(bytes: &[u8]) -> Self {
                let mut new = Self::default();
                let length = bytes.len().min($size);
                new.0[..length].copy_from_slice(&bytes[..length]);
                new
            }

            /// As the device has it.
            pub fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }

            /// As the device has it.
            pub fn as_bytes_mut(&mut self) -> &mut [u8; $size] {
                &mut self.0
            }

            $($crate::prm_row! { access $(#[$field_meta])* $offset, $bits, $field, $kind })*
        }

        impl $crate::prm::Layout for $name {
            const SIZE: usize = $size;
            fn copy_from(bytes: &[u8]) -> Self {
                $name::copy_from(bytes)
            }
            fn bytes(&self) -> &[u8] {
                &self.0
            }
        }

        // An associated constant that nobody names is never evaluated, and then nothing would be checked.
        const _: [u32; $size / 4] = $name::CLAIMS;

        impl Default for $name {
            fn default() -> Self {
                Self([0; $size])
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $crate::prm::layout::debug(f, stringify!($name), &self.0, Self::FIELDS)
            }
        }

        impl<T: core::borrow::BorrowMut<$name>> $crate::prm::Build<$name, T> {
            $($crate::prm_row! { build $(#[$field_meta])* $offset, $bits, $field, $kind })*
        }
    )* };
}

/// One row of `prm!`.
#[doc(hidden)]
#[macro_export]
macro_rules! prm_row {
    (claim $map:ident, $name:ident, $field:ident, $offset:literal, [$hi:literal : $lo:literal], $kind:tt) => {{
        const ROW: &str = concat!(
            stringify!($name), ".", stringify!($field), " at ", stringify!($offset), " [", stringify!($hi), ":",
            stringify!($lo), "] cannot be"
        );
        let map = $crate::prm::layout::claim($map, ROW, $offset, $hi, $lo);
        $crate::prm::layout::claim_type(ROW, $hi - $lo + 1, <$kind as $crate::prm::Field>::BITS);
        map
    }};
    (claim $map:ident, $name:ident, $field:ident, $offset:literal, [..], [u8; $length:literal]) => {
        $crate::prm::layout::claim_bytes(
            $map,
            concat!(stringify!($name), ".", stringify!($field), " at ", stringify!($offset), " cannot be"),
            $offset,
            $length,
        )
    };
    (claim $map:ident, $name:ident, $field:ident, $offset:literal, [..], $kind:ident) => {
        $crate::prm::layout::claim_structure(
            $map,
            concat!(stringify!($name), ".", stringify!($field), " at ", stringify!($offset), " cannot be"),
            $offset,
            &$kind::CLAIMS,
        )
    };
    (shape [$hi:literal : $lo:literal], $kind:tt) => {
        $crate::prm::Shape::Bits { hi: $hi, lo: $lo }
    };
    (shape [..], [u8; $length:literal]) => {
        $crate::prm::Shape::Bytes($length)
    };
    (shape [..], $kind:ident) => {
        $crate::prm::Shape::Structure($kind::FIELDS)
    };
    (access $(#[$meta:meta])* $offset:literal, [$hi:literal : $lo:literal], $field:ident, $kind:tt) => {
        $(#[$meta])*
        #[doc = concat!("`", stringify!($offset), " [", stringify!($hi), ":", stringify!($lo), "]`")]
        #[inline]
        pub fn $field(&self) -> $kind {
            $crate::prm::Field::from_bits($crate::prm::layout::get(&self.0, $offset, $hi, $lo))
        }
    };
    (access $(#[$meta:meta])* $offset:literal, [..], $field:ident, [u8; $length:literal]) => {
        $(#[$meta])*
        #[doc = concat!("`", stringify!($offset), "`, ", stringify!($length), " bytes")]
        #[inline]
        pub fn $field(&self) -> &[u8; $length] {
            self.0[$offset..].first_chunk().unwrap_or(&[0; $length])
        }
    };
    (access $(#[$meta:meta])* $offset:literal, [..], $field:ident, $kind:ident) => {
        $(#[$meta])*
        #[doc = concat!("`", stringify!($offset), "`")]
        #[inline]
        pub fn $field(&self) -> $kind {
            $kind::copy_from(&self.0[$offset..])
        }
    };
    (build $(#[$meta:meta])* $offset:literal, [$hi:literal : $lo:literal], $field:ident, $kind:tt) => {
        $(#[$meta])*
        #[doc = concat!("Sets `", stringify!($offset), " [", stringify!($hi), ":", stringify!($lo), "]`")]
        #[inline]
        pub fn $field(mut self, value: $kind) -> Self {
            let bytes = &mut self.structure().borrow_mut().0;
            $crate::prm::layout::set(bytes, $offset, $hi, $lo, $crate::prm::Field::into_bits(value));
            self
        }
    };
    (build $(#[$meta:meta])* $offset:literal, [..], $field:ident, [u8; $length:literal]) => {
        $(#[$meta])*
        #[doc = concat!("Sets ", stringify!($length), " bytes at `", stringify!($offset), "`")]
        #[inline]
        pub fn $field(mut self, value: &[u8; $length]) -> Self {
            self.structure().borrow_mut().0[$offset..$offset + $length].copy_from_slice(value);
            self
        }
    };
    (build $(#[$meta:meta])* $offset:literal, [..], $field:ident, $kind:ident) => {
        $(#[$meta])*
        #[doc = concat!("Sets the structure at `", stringify!($offset), "`")]
        #[inline]
        pub fn $field(mut self, value: &$kind) -> Self {
            self.structure().borrow_mut().0[$offset..$offset + $kind::SIZE].copy_from_slice(value.as_bytes());
            self
        }
    };
}

/// Declares numbers that firmware may extend: a newtype with named values; unknown ones print as numbers.
#[macro_export]
macro_rules! codes {
    ($(#[$meta:meta])* $vis:vis enum $name:ident: $kind:ty { $($(#[$code_meta:meta])* $code:ident = $value:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(pub $kind);

        #[allow(missing_docs)]
        impl $name {
            $($(#[$code_meta])* pub const $code: $name = $name($value);)*

            /// Every value with a name.
            pub const ALL: &'static [$name] = &[$($name($value)),*];

            /// Its name, if it has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($code)),)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "unknown({:#x})", self.0),
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }

        impl $crate::prm::Field for $name {
            const BITS: u32 = <$kind>::BITS;
            #[inline]
            fn from_bits(bits: u64) -> Self {
                $name(bits as $kind)
            }
            #[inline]
            fn into_bits(self) -> u64 {
                self.0.into()
            }
        }
    };
}

#[cfg(test)]
mod tests;
