//! The quantities that results are made of: the one list of them, and the set that a pass over the data must find.

/// A quantity of the elements of a result, which blocks of them come to and which merge.
///
/// Whoever does something for each quantity visits [`Quantity::EVERY`] and matches, so that the compiler names the
/// places a new one must be added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// How many elements count. It is always known, and found one by one only where NaNs may be skipped.
    Count,
    /// `Σ x`
    Total,
    /// `Σ (x - shift)` and `Σ |x - shift|²`
    Moments,
    /// The least element.
    Least,
    /// The greatest element; of complex numbers the greatest `|x|`.
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
    /// How many elements are not 0.
    Truths,
    /// `Σ w x` and `Σ w`
    Weighted,
}

impl Quantity {
    /// In the order of their bits in written states, where their columns follow one another too: new ones come last.
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

/// What a pass over the data must find: a set of quantities, which several operations share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs(u16);

impl Needs {
    /// All quantities of these.
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

    /// Its quantities, in the order of the list.
    #[inline(always)]
    pub(crate) fn each(self) -> impl Iterator<Item = Quantity> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let next = Quantity::EVERY.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(*next)
        })
    }

    /// Whether complex numbers are needed by their absolute values.
    pub(crate) fn of_magnitudes(self) -> bool {
        use Quantity::{Absolute, Count, Greatest, Product, Truths};
        [Absolute, Greatest, Product, Count, Truths].into_iter().any(|quantity| self.has(quantity))
    }

    /// Whether a result depends on where elements are.
    pub(crate) fn places(self) -> bool {
        self.has(Quantity::FirstLeast) || self.has(Quantity::FirstGreatest)
    }

    /// As bits, for states that are written.
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
