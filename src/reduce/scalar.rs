//! The numbers that reductions compute with: f32, f64, and integers of 32 and 64 bits. No loops are here.

use std::fmt::Debug;

use crate::numeric::float::Float;
use crate::numeric::scaled::ScaledProduct;
use crate::reduce::partial::Pair;
use crate::reduce::tally::{FloatTally, Tally, value_of};

/// A number that reductions compute with.
pub(crate) trait Scalar: bytemuck::Pod + PartialOrd + Debug + Default + Send + Sync {
    /// An unsigned integer as wide as the scalar, which counts the rows of a block.
    type Index: Copy + Debug + Default + Into<u64>;
    /// The type of exact sums over all blocks.
    type Tally: Tally;
    /// The type of results that are sums or products.
    type Whole: bytemuck::Pod + Debug + Default + Send + Sync;
    /// The type of results that are means, variances or norms.
    type Real: Float;
    /// Whether it can be NaN.
    const FLOAT: bool;
    /// Whether it has no sign.
    const UNSIGNED: bool = false;
    /// The lowest value: -∞ for floating-point numbers.
    const LOWEST: Self;
    /// The highest value: ∞ for floating-point numbers.
    const HIGHEST: Self;
    /// The next index.
    fn next(index: Self::Index) -> Self::Index;
    /// The nearest f64.
    fn lift(self) -> f64;
    /// An integer as `i64`, wrapped; 0 for floating-point numbers.
    fn whole(self) -> i64;
    fn is_nan(self) -> bool;
    /// Whether it is the zero with a minus sign.
    fn is_minus_zero(self) -> bool;
    /// The result that is the sum of one block.
    fn sum(block: <Self::Tally as Tally>::Block) -> Self::Whole;
    /// The result that is the product of one block.
    fn product(block: ScaledProduct) -> Self::Whole;
    /// A block's sum from the two numbers that a device computes for it; for integers, both are whole and below 2^53.
    #[cfg(feature = "gpu")]
    fn block_of(sum: Pair) -> <Self::Tally as Tally>::Block;
    /// NaN; 0 for integers.
    fn nan() -> Self;
    /// The absolute value of a complex number; NaN if either part is NaN.
    fn magnitude(re: Self, im: Self) -> Self;
}

impl Scalar for f32 {
    type Index = u32;
    type Tally = FloatTally;
    type Whole = Self;
    type Real = Self;
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
    #[inline(always)]
    fn is_minus_zero(self) -> bool {
        self.to_bits() == (-0.0f32).to_bits()
    }
    #[inline(always)]
    fn sum(block: Pair) -> Self {
        Self::nearest(value_of(block))
    }
    #[inline(always)]
    fn product(block: ScaledProduct) -> Self {
        Self::nearest(block.numbers()[0])
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
    type Index = u64;
    type Tally = FloatTally;
    type Whole = Self;
    type Real = Self;
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
    #[inline(always)]
    fn is_minus_zero(self) -> bool {
        self.to_bits() == (-0.0f64).to_bits()
    }
    #[inline(always)]
    fn sum(block: Pair) -> Self {
        Self::nearest(value_of(block))
    }
    #[inline(always)]
    fn product(block: ScaledProduct) -> Self {
        Self::nearest(block.numbers()[0])
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

/// Implements [`Scalar`] for the integers that the inner loops compute with; other integers are widened to them.
macro_rules! integer_scalar {
    ($($type:ty, $index:ty);*) => {$(
        impl Scalar for $type {
            type Index = $index;
            type Tally = i128;
            type Whole = i64;
            type Real = f64;
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
            #[inline(always)]
            fn is_minus_zero(self) -> bool {
                false
            }
            #[inline(always)]
            fn sum(block: i128) -> i64 {
                block as i64
            }
            #[inline(always)]
            fn product(block: ScaledProduct) -> i64 {
                block.whole
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
