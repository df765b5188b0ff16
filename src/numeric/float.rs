//! The floating-point types of all computations, and the real and complex numbers made of them.

use std::fmt;
use std::ops::{Add, Mul};

use num_complex::Complex;

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl<T: super::Float> Sealed for num_complex::Complex<T> {}
}

/// A floating-point type: `f32` or `f64`. Sealed.
pub trait Float:
    sealed::Sealed
    + bytemuck::Pod
    + num_traits::Signed
    + num_traits::FromPrimitive
    + Default
    + PartialOrd
    + fmt::Debug
    + fmt::Display
    + fmt::LowerExp
    + Into<f64>
    + Send
    + Sync
{
    /// The unit roundoff, 2⁻²⁴ or 2⁻⁵³.
    const ROUNDOFF: f64;
    /// The smallest tolerance a transform in this type promises.
    const SMALLEST_TOLERANCE: f64;
    /// Its name as NumPy and WGSL write it, `f32` or `f64`.
    const NAME: &'static str;
    /// The relative l2 error that the accuracy law allows at any tolerance.
    const FLOOR: f64;
    /// The nearest value.
    fn nearest(x: f64) -> Self;
    /// `self * a + b`, rounded once; slow where the processor has no such instruction.
    fn fused(self, a: Self, b: Self) -> Self;
}

impl Float for f32 {
    const ROUNDOFF: f64 = 1.0 / (1u64 << 24) as f64;
    const SMALLEST_TOLERANCE: f64 = 1e-6;
    const NAME: &'static str = "f32";
    const FLOOR: f64 = 1e-6;
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked")]
    fn nearest(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
}

impl Float for f64 {
    const ROUNDOFF: f64 = 1.0 / (1u64 << 53) as f64;
    const SMALLEST_TOLERANCE: f64 = 1e-14;
    const NAME: &'static str = "f64";
    const FLOOR: f64 = 3e-14;
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn fused(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
}

/// A real or a complex number. Sealed.
pub trait Numeric:
    sealed::Sealed
    + bytemuck::Pod
    + Default
    + PartialEq
    + fmt::Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Mul<Output = Self>
{
    /// The type of its real and imaginary parts.
    type Real: Float;
    /// The number of its parts: 1 or 2.
    const PARTS: usize;
    /// Its name for messages, such as `f32` or `complex f32`.
    #[must_use]
    fn name() -> String {
        format!("{}{}", if Self::PARTS == 2 { "complex " } else { "" }, Self::Real::NAME)
    }
    /// The number 1.
    #[must_use]
    fn unit() -> Self {
        Self::part_of(Complex::new(Self::Real::nearest(1.0), Self::Real::default()))
    }
    /// The same number as a complex one.
    fn complex(self) -> Complex<Self::Real>;
    /// The number of this type that z becomes: z itself, or its real part.
    fn part_of(z: Complex<Self::Real>) -> Self;
    /// A vector of its parts, repeated in turn.
    #[doc(hidden)]
    fn lanes<const L: usize>(self) -> [Self::Real; L];
    /// The sum of a vector whose lanes are parts in turn.
    #[doc(hidden)]
    fn sum<const L: usize>(lanes: [Self::Real; L]) -> Self;
}

impl<T: Float> Numeric for T {
    type Real = T;
    const PARTS: usize = 1;
    #[inline(always)]
    fn complex(self) -> Complex<T> {
        Complex::new(self, T::zero())
    }
    #[inline(always)]
    fn part_of(z: Complex<T>) -> T {
        z.re
    }
    #[inline(always)]
    fn lanes<const L: usize>(self) -> [T; L] {
        [self; L]
    }
    #[inline(always)]
    fn sum<const L: usize>(lanes: [T; L]) -> T {
        lanes[1..].iter().fold(lanes[0], |sum, &lane| sum + lane)
    }
}

impl<T: Float> Numeric for Complex<T> {
    type Real = T;
    const PARTS: usize = 2;
    #[inline(always)]
    fn complex(self) -> Self {
        self
    }
    #[inline(always)]
    fn part_of(z: Self) -> Self {
        z
    }
    #[inline(always)]
    fn lanes<const L: usize>(self) -> [T; L] {
        let mut lanes = [self.re; L];
        for pair in 0..L / 2 {
            lanes[2 * pair + 1] = self.im;
        }
        lanes
    }
    #[inline(always)]
    fn sum<const L: usize>(lanes: [T; L]) -> Self {
        let pairs = lanes.as_chunks::<2>().0;
        let first = Complex::new(pairs[0][0], pairs[0][1]);
        pairs[1..].iter().fold(first, |sum, pair| sum + Complex::new(pair[0], pair[1]))
    }
}

/// A coordinate type. Positions are computed in more than f64's precision, whatever that of the data.
pub trait Coordinate: sealed::Sealed + Copy + Send + Sync + Into<f64> + 'static {}
impl Coordinate for f32 {}
impl Coordinate for f64 {}
