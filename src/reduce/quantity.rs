//! The quantities from which results are computed: their one list, and the set that a pass over the data must compute.

/// A quantity of the elements of a result. It is computed for blocks of elements and merged over blocks.
///
/// Code that does something for each quantity goes through [`Quantity::EVERY`] with a `match`, so that the compiler
/// names all places where a new quantity must be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// The number of elements that are not skipped. Elements are counted one by one only if NaNs may be skipped.
    Count,
    /// `Σ x`
    Total,
    /// `Σ (x - shift)` and `Σ |x - shift|²`
    Moments,
    /// The least element.
    Least,
    /// The greatest element; for complex numbers, the greatest `|x|`.
    Greatest,
    /// The least element and its first place.
    FirstLeast,
    /// The greatest element and its first place.
    FirstGreatest,
    /// `Π x`
    Product,
    /// `Σ |x|`
    Absolute,
    /// `Σ |x|²`
    Squares,
    /// The number of elements that are not 0.
    Truths,
    /// `Σ w x` and `Σ w`
    Weighted,
}

impl Quantity {
    /// All quantities in the order of their bits and of their columns in written states: a new one must come last.
    pub(crate) const EVERY: [Self; 12] = [
        Self::Count,
        Self::Total,
        Self::Moments,
        Self::Least,
        Self::Greatest,
        Self::FirstLeast,
        Self::FirstGreatest,
        Self::Product,
        Self::Absolute,
        Self::Squares,
        Self::Truths,
        Self::Weighted,
    ];
}

/// The set of quantities that a pass over the data must compute, for all operations together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs(u16);

impl Needs {
    /// The set of these quantities.
    pub(crate) fn all(quantities: impl Iterator<Item = Quantity>) -> Self {
        quantities.fold(Self::default(), |needs, quantity| Self(needs.0 | Self::only(quantity).0))
    }

    /// One quantity alone.
    pub(crate) fn only(quantity: Quantity) -> Self {
        Self(1 << quantity as u16)
    }

    #[inline(always)]
    pub(crate) fn has(self, quantity: Quantity) -> bool {
        self.0 >> quantity as u16 & 1 != 0
    }

    /// The quantities of the set, in the order of [`Quantity::EVERY`].
    #[inline(always)]
    pub(crate) fn each(self) -> impl Iterator<Item = Quantity> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let next = Quantity::EVERY.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(*next)
        })
    }

    /// Whether absolute values of complex numbers are needed, or another quantity that is not computed part by part.
    pub(crate) fn of_magnitudes(self) -> bool {
        use Quantity::{Absolute, Count, Greatest, Product, Truths};
        [Absolute, Greatest, Product, Count, Truths].into_iter().any(|quantity| self.has(quantity))
    }

    /// Whether a result depends on the places of elements.
    pub(crate) fn places(self) -> bool {
        self.has(Quantity::FirstLeast) || self.has(Quantity::FirstGreatest)
    }

    /// The set as bits, one for each quantity, for written states.
    pub(crate) fn bits(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_bits() {
        for (at, quantity) in Quantity::EVERY.into_iter().enumerate() {
            assert_eq!((quantity as usize, Needs::only(quantity).bits()), (at, 1 << at), "{quantity:?}");
        }
        let all = Needs::all(Quantity::EVERY.into_iter());
        assert!(all.each().eq(Quantity::EVERY));
    }
}
