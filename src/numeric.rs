//! Facts about numbers, which know no array and no device.

pub(crate) mod float;
pub(crate) mod least_squares;
pub(crate) mod normal;
pub(crate) mod random;
pub(crate) mod scaled;
pub(crate) mod sign;
pub(crate) mod sums;
pub(crate) mod superaccumulator;
pub(crate) mod turns;
pub(crate) mod twiddles;
