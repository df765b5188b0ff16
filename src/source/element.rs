//! Element types of stored arrays, by NumPy's names, and the Rust types that have the same representation in memory.

use std::fmt;

use bytemuck::Pod;
use num_complex::Complex;

/// An element type, by NumPy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementType {
    /// 0 or 1, in one byte.
    Bool,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    Uint8,
    /// Unsigned, 16 bits.
    Uint16,
    /// Unsigned, 32 bits.
    Uint32,
    /// Unsigned, 64 bits.
    Uint64,
    /// Half precision; sources deliver it as [`ElementType::Float32`], which is exact.
    Float16,
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
    /// Two numbers of single precision.
    Complex64,
    /// Two numbers of double precision.
    Complex128,
}

impl ElementType {
    /// All of them.
    pub const EVERY: [Self; 14] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
    ];

    /// The type code of headers, the size in bytes, the number of parts of an element (2 for complex numbers), and the
    /// name.
    const fn facts(self) -> (&'static str, usize, usize, &'static str) {
        match self {
            Self::Bool => ("b1", 1, 1, "bool"),
            Self::Int8 => ("i1", 1, 1, "int8"),
            Self::Int16 => ("i2", 2, 1, "int16"),
            Self::Int32 => ("i4", 4, 1, "int32"),
            Self::Int64 => ("i8", 8, 1, "int64"),
            Self::Uint8 => ("u1", 1, 1, "uint8"),
            Self::Uint16 => ("u2", 2, 1, "uint16"),
            Self::Uint32 => ("u4", 4, 1, "uint32"),
            Self::Uint64 => ("u8", 8, 1, "uint64"),
            Self::Float16 => ("f2", 2, 1, "float16"),
            Self::Float32 => ("f4", 4, 1, "float32"),
            Self::Float64 => ("f8", 8, 1, "float64"),
            Self::Complex64 => ("c8", 8, 2, "complex64"),
            Self::Complex128 => ("c16", 16, 2, "complex128"),
        }
    }

    /// NumPy's type code without the byte order, as `f4`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.facts().0
    }

    /// The element type of NumPy's type code, if it is one of these.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|element| element.code() == code)
    }

    /// Bytes of an element.
    #[must_use]
    pub const fn size(self) -> usize {
        self.facts().1
    }

    /// Numbers of an element: 2 for complex ones.
    #[must_use]
    pub const fn parts(self) -> usize {
        self.facts().2
    }

    /// The type to which NumPy converts both elements before it multiplies them (`result_type`), with float32 in place
    /// of float16.
    #[must_use]
    pub fn promoted(self, other: Self) -> Self {
        let half = |element: Self| if element == Self::Float16 { Self::Float32 } else { element };
        let (a, b) = (half(self), half(other));
        let whole = |element: Self| element.facts().0.starts_with(['i', 'u']);
        let unsigned = |element: Self| element.facts().0.starts_with('u');
        let is_complex = |element: Self| element.facts().2 == 2;
        match (a, b) {
            _ if a == b => a,
            (Self::Bool, other) | (other, Self::Bool) => other,
            _ if whole(a) && whole(b) => {
                let (large, small) = if a.size() >= b.size() { (a, b) } else { (b, a) };
                if unsigned(a) == unsigned(b) || (!unsigned(large) && large.size() > small.size()) {
                    return large;
                }
                // An unsigned type as wide as the other needs the next wider signed one.
                match large.size() {
                    1 => Self::Int16,
                    2 => Self::Int32,
                    4 => Self::Int64,
                    _ => Self::Float64,
                }
            }
            // Single precision holds integers of 16 bits.
            _ => {
                let narrow = |element: Self| match element {
                    Self::Float32 | Self::Complex64 => true,
                    other => whole(other) && other.size() <= 2,
                };
                match (is_complex(a) || is_complex(b), narrow(a) && narrow(b)) {
                    (true, true) => Self::Complex64,
                    (true, false) => Self::Complex128,
                    (false, true) => Self::Float32,
                    (false, false) => Self::Float64,
                }
            }
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().3)
    }
}

/// An element type that has the same representation in a file and in memory.
pub trait Stored: Pod + Default + fmt::Debug + Send + Sync {
    /// The type in a file.
    const TYPE: ElementType;
}

macro_rules! stored {
    ($($element:ty, $type:ident);*) => {$(
        impl Stored for $element {
            const TYPE: ElementType = ElementType::$type;
        }
    )*};
}
stored!(
    i8, Int8; i16, Int16; i32, Int32; i64, Int64; u8, Uint8; u16, Uint16; u32, Uint32; u64, Uint64;
    f32, Float32; f64, Float64; Complex<f32>, Complex64; Complex<f64>, Complex128
);
