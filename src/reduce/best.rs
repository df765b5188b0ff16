//! The partial of extremes: the greatest or the least element of a set, and the place where it is first found.

use crate::reduce::partial::{Bytes, Join, Partial};
use crate::reduce::scalar::Scalar;

/// The greatest or the least element of a set, and the place where it is first found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best<S, const GREATEST: bool> {
    pub(crate) value: S,
    pub(crate) place: u64,
    /// Whether NaNs are skipped.
    pub(crate) skip: bool,
}

/// Whether `x` replaces `best`, which came first.
#[inline(always)]
pub(crate) fn better<S: Scalar>(x: S, best: S, greatest: bool, skip: bool) -> bool {
    let beyond = if greatest { x > best } else { x < best };
    // Among NaNs the first stays.
    beyond | if skip { best.is_nan() & !x.is_nan() } else { x.is_nan() & !best.is_nan() }
}

impl<S: Scalar, const GREATEST: bool> Join for Best<S, GREATEST> {
    /// The sets may come in any order: of equal elements the one with the lower place is taken, and of the zeros of
    /// extremes without places the one without a minus sign.
    #[inline(always)]
    fn join(self, other: Self) -> Self {
        let (before, after) = if self.place <= other.place { (self, other) } else { (other, self) };
        let zeros = before.value.is_minus_zero() && after.value == S::default() && before.place == after.place;
        if zeros || better(after.value, before.value, GREATEST, self.skip) { after } else { before }
    }
}

impl<S: Scalar, const GREATEST: bool> Partial for Option<Best<S, GREATEST>> {
    fn merge(&mut self, other: &Self) {
        if let Some(other) = other {
            improve(self, *other);
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        let Best { value, place, skip } = self.unwrap_or(Best { value: S::default(), place: u64::MAX, skip: false });
        to.extend(bytemuck::bytes_of(&value));
        to.extend(place.to_le_bytes());
        to.push(u8::from(self.is_some()) + 2 * u8::from(skip));
    }

    fn read(from: &mut Bytes<'_>) -> Option<Self> {
        let value = bytemuck::pod_read_unaligned(from.some(size_of::<S>())?);
        let (place, [kind]) = (from.take().map(u64::from_le_bytes)?, from.take()?);
        (kind < 4).then(|| (kind & 1 != 0).then_some(Best { value, place, skip: kind & 2 != 0 }))
    }
}

/// Removes the minus sign of a zero if there is a zero without one among the elements of the block that was added last.
/// The loops keep the zero they meet first; so the result is that of any order of elements and blocks.
#[inline(always)]
pub(crate) fn settle<S: Scalar, const GREATEST: bool>(
    best: &mut Option<Best<S, GREATEST>>,
    plain_zero: impl FnOnce() -> bool,
) {
    if let Some(best) = best
        && best.value.is_minus_zero()
        && plain_zero()
    {
        best.value = S::default();
    }
}

/// Whether an element is the zero without a minus sign.
pub(crate) fn is_plain_zero<S: Scalar>(x: S) -> bool {
    x == S::default() && !x.is_minus_zero()
}

/// Updates an extreme with that of one more block.
pub(crate) fn improve<S: Scalar, const GREATEST: bool>(best: &mut Option<Best<S, GREATEST>>, block: Best<S, GREATEST>) {
    *best = Some(best.map_or(block, |best| best.join(block)));
}
