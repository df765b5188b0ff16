//! The numbers that reductions compute with: f32, f64, and integers of 32 and 64 bits. Facts only, no loops.

use std::fmt::Debug;

#[cfg(feature = "gpu")]
use crate::reduce::partial::Pair;
use crate::reduce::tally::{FloatTally, Tally};

/// A number that reductions compute with.
pub(crate) trait Scalar: bytemuck::Pod + PartialOrd + Debug + Default + Send + Sync {
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
