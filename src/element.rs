//! What can be reduced: floating-point numbers, integers, complex numbers, and what each operation on them gives.

use std::fmt::Debug;

use num_complex::Complex;

use crate::loops::folds::Compiled;
#[cfg(feature = "gpu")]
use crate::loops::lanes::Pair;
use crate::loops::lanes::{Fold, Paired, Split, Wide};
use crate::numeric::float::Float;
use crate::real::Real;
use crate::reduce::cells::{FloatTally, Tally};

mod sealed {
    pub trait Sealed {}
}

/// An element type: f32, f64, i8 to i64, u8 to u64, and complex numbers of f32 and f64. Sealed.
#[expect(private_interfaces, reason = "nobody outside can call what takes them")]
#[expect(private_bounds, reason = "scalars are how the inner loops see elements")]
pub trait Element: sealed::Sealed + bytemuck::Pod + Debug + Default + PartialEq + Send + Sync {
    /// What the inner loops compute with.
    #[doc(hidden)]
    type Scalar: Scalar;
    /// How many of them an element is.
    #[doc(hidden)]
    const PARTS: usize;
    /// Its name as NumPy writes it.
    const NAME: &'static str;
    /// What [`super::Op::Sum`] and [`super::Op::Prod`] give: the type itself, and for integers `i64` or `u64`, where they wrap.
    type Sum: bytemuck::Pod + Debug + Default + PartialEq + Send + Sync;
    /// What [`super::Op::Mean`] gives: the type itself, and f64 for integers.
    type Mean: bytemuck::Pod + Debug + Default + PartialEq + Send + Sync;
    /// What [`super::Op::Var`], [`super::Op::Std`] and the norms give: the real type, and f64 for integers.
    type Float: Real;
    /// The elements as scalars, where they lie in memory as such.
    #[doc(hidden)]
    fn scalars(slice: &[Self]) -> Option<&[Self::Scalar]>;
    /// An element as scalars.
    #[doc(hidden)]
    fn widen(self) -> [Self::Scalar; 2];
    /// The element of these scalars.
    #[doc(hidden)]
    fn narrow(parts: [Self::Scalar; 2]) -> Self;
    /// From the sums of the parts.
    #[doc(hidden)]
    fn sum(parts: &[<Self::Scalar as Scalar>::Tally]) -> Self::Sum;
    /// From f64, each part rounded once.
    #[doc(hidden)]
    fn mean(parts: [f64; 2]) -> Self::Mean;
    /// From the product of all, where that is not an integer.
    #[doc(hidden)]
    fn product(whole: i64, parts: [f64; 2]) -> Self::Sum;
}

/// What the inner loops compute with.
pub(crate) trait Scalar: Compiled + bytemuck::Pod + PartialOrd + Debug + Default + Send + Sync {
    /// Accumulators of sums, side by side.
    type Sums<const SKIP: bool, const W: usize>: Fold<Self, SKIP, W, Block = <Self::Tally as Tally>::Block> + Debug;
    /// Counts rows of a block, as wide as the scalar.
    type Index: Copy + Debug + Default + Into<u64>;
    /// An exact sum over all blocks.
    type Tally: Tally;
    /// Whether it can be NaN.
    const FLOAT: bool;
    /// Whether it has no sign.
    const UNSIGNED: bool = false;
    /// Not greater than any other.
    const LOWEST: Self;
    /// Not less than any other.
    const HIGHEST: Self;
    /// The next row.
    fn next(index: Self::Index) -> Self::Index;
    /// As f64, the nearest one.
    fn lift(self) -> f64;
    /// As an integer, wrapped; for integers.
    fn whole(self) -> i64;
    fn is_nan(self) -> bool;
    /// A block's sum from the two numbers a device has for it, for integers both whole and below 2^53.
    #[cfg(feature = "gpu")]
    fn block_of(sum: Pair) -> <Self::Tally as Tally>::Block;
    /// NaN, where there is one.
    fn nan() -> Self;
    /// The absolute value of a complex number; NaN if either part is.
    fn magnitude(re: Self, im: Self) -> Self;
}

impl Scalar for f32 {
    type Sums<const SKIP: bool, const W: usize> = Wide<W>;
    type Index = u32;
    type Tally = FloatTally;
    const FLOAT: bool = true;
    const LOWEST: Self = Self::NEG_INFINITY;
    const HIGHEST: Self = Self::INFINITY;
    #[inline(always)]
    fn next(index: u32) -> u32 {
        index + 1
    }
    #[inline(always)]
    fn lift(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn whole(self) -> i64 {
        0
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.is_nan()
    }
    #[cfg(feature = "gpu")]
    fn block_of(sum: Pair) -> Pair {
        sum
    }
    #[inline(always)]
    fn nan() -> Self {
        Self::NAN
    }
    #[inline(always)]
    fn magnitude(re: Self, im: Self) -> Self {
        let (re, im) = (f64::from(re), f64::from(im));
        if re.is_nan() || im.is_nan() { Self::NAN } else { f64::hypot(re, im) as Self }
    }
}

impl Scalar for f64 {
    type Sums<const SKIP: bool, const W: usize> = Paired<W>;
    type Index = u64;
    type Tally = FloatTally;
    const FLOAT: bool = true;
    const LOWEST: Self = Self::NEG_INFINITY;
    const HIGHEST: Self = Self::INFINITY;
    #[inline(always)]
    fn next(index: u64) -> u64 {
        index + 1
    }
    #[inline(always)]
    fn lift(self) -> f64 {
        self
    }
    #[inline(always)]
    fn whole(self) -> i64 {
        0
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.is_nan()
    }
    #[cfg(feature = "gpu")]
    fn block_of(sum: Pair) -> Pair {
        sum
    }
    #[inline(always)]
    fn nan() -> Self {
        Self::NAN
    }
    #[inline(always)]
    fn magnitude(re: Self, im: Self) -> Self {
        if re.is_nan() || im.is_nan() { Self::NAN } else { re.hypot(im) }
    }
}

/// The integers the inner loops know; the others are widened to them.
macro_rules! integer_scalar {
    ($($type:ty, $index:ty);*) => {$(
        impl Scalar for $type {
            type Sums<const SKIP: bool, const W: usize> = Split<W>;
            type Index = $index;
            type Tally = i128;
            const FLOAT: bool = false;
            const LOWEST: Self = Self::MIN;
            const HIGHEST: Self = Self::MAX;
            const UNSIGNED: bool = <$type>::MIN == 0;
            #[inline(always)]
            fn next(index: $index) -> $index {
                index + 1
            }
            #[inline(always)]
            fn lift(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn whole(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
            #[cfg(feature = "gpu")]
            fn block_of(sum: Pair) -> i128 {
                sum.high as i128 + sum.low as i128
            }
            #[inline(always)]
            fn nan() -> Self {
                0
            }
            #[inline(always)]
            fn magnitude(re: Self, _: Self) -> Self {
                re
            }
        }
    )*};
}
integer_scalar!(i32, u32; i64, u64; u64, u64);

impl sealed::Sealed for f32 {}
impl sealed::Sealed for f64 {}
impl<T: Real> sealed::Sealed for Complex<T> {}

#[expect(private_interfaces, reason = "see the trait")]
impl<T: Real + Scalar<Tally = FloatTally> + sealed::Sealed> Element for T {
    type Scalar = T;
    const PARTS: usize = 1;
    const NAME: &'static str = <T as Float>::NAME;
    type Sum = T;
    type Mean = T;
    type Float = T;
    fn scalars(slice: &[T]) -> Option<&[T]> {
        Some(slice)
    }
    #[inline(always)]
    fn widen(self) -> [T; 2] {
        [self, T::default()]
    }
    fn narrow(parts: [T; 2]) -> T {
        parts[0]
    }
    fn sum(parts: &[FloatTally]) -> T {
        T::nearest(parts[0].value())
    }
    fn mean(parts: [f64; 2]) -> T {
        T::nearest(parts[0])
    }
    fn product(_: i64, parts: [f64; 2]) -> T {
        T::nearest(parts[0])
    }
}

#[expect(private_interfaces, reason = "see the trait")]
impl<T: Real + Scalar<Tally = FloatTally>> Element for Complex<T>
where
    Self: bytemuck::Pod,
{
    type Scalar = T;
    const PARTS: usize = 2;
    const NAME: &'static str = if size_of::<T>() == 4 { "c64" } else { "c128" };
    type Sum = Self;
    type Mean = Self;
    type Float = T;
    fn scalars(slice: &[Self]) -> Option<&[T]> {
        Some(bytemuck::cast_slice(slice))
    }
    #[inline(always)]
    fn widen(self) -> [T; 2] {
        [self.re, self.im]
    }
    fn narrow([re, im]: [T; 2]) -> Self {
        Self::new(re, im)
    }
    fn sum(parts: &[FloatTally]) -> Self {
        Self::new(T::nearest(parts[0].value()), T::nearest(parts[1].value()))
    }
    fn mean([re, im]: [f64; 2]) -> Self {
        Self::new(T::nearest(re), T::nearest(im))
    }
    fn product(_: i64, [re, im]: [f64; 2]) -> Self {
        Self::new(T::nearest(re), T::nearest(im))
    }
}

/// Integers: what they are widened to, and what their sums are.
macro_rules! integer_element {
    ($($type:ty, $name:literal, $scalar:ty, $sum:ty);*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            type Scalar = $scalar;
            const PARTS: usize = 1;
            const NAME: &'static str = $name;
            type Sum = $sum;
            type Mean = f64;
            type Float = f64;
            fn scalars(slice: &[Self]) -> Option<&[$scalar]> {
                (size_of::<Self>() == size_of::<$scalar>()).then(|| bytemuck::cast_slice(slice))
            }
            #[inline(always)]
            fn widen(self) -> [$scalar; 2] {
                [self.into(), 0]
            }
            fn narrow(parts: [$scalar; 2]) -> Self {
                parts[0] as Self
            }
            fn sum(parts: &[i128]) -> $sum {
                parts[0] as $sum
            }
            fn mean(parts: [f64; 2]) -> f64 {
                parts[0]
            }
            fn product(whole: i64, _: [f64; 2]) -> $sum {
                whole as $sum
            }
        }
    )*};
}
integer_element!(
    i8, "i8", i32, i64; i16, "i16", i32, i64; i32, "i32", i32, i64; i64, "i64", i64, i64;
    u8, "u8", i32, u64; u16, "u16", i32, u64; u32, "u32", i64, u64; u64, "u64", u64, u64
);
