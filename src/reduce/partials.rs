//! The partial results of a set of outputs: a column of partials for each quantity. Merging, writing and reading visit
//! the columns in the order of [`Quantity::EVERY`].

use std::ops::{Deref, DerefMut};

use crate::error::Result;
use crate::machine::pages;
use crate::numeric::scaled::ScaledProduct;
use crate::reduce::best::Best;
use crate::reduce::partial::{Bytes, Count, Partial};
use crate::reduce::quantity::{Needs, Quantity};
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::FloatTally;
use crate::reduce::variance::Variance;

/// What to change if results do not fit in memory.
pub(crate) const FEWER: &str = "reduce more axes, or a part of the array at a time";

/// One quantity of all outputs: `parts` partials for each output, one output after another. Empty for a quantity that
/// is not needed.
#[derive(Debug, Clone)]
pub(crate) struct Column<P> {
    all: Vec<P>,
    parts: usize,
}

impl<P: Partial> Column<P> {
    fn new((needed, outputs, parts): (bool, usize, usize)) -> Self {
        Self { all: vec![P::default(); if needed { outputs * parts } else { 0 }], parts }
    }

    /// The partials of one output.
    fn of(&self, output: usize) -> &[P] {
        self.all.get(output * self.parts..(output + 1) * self.parts).unwrap_or_default()
    }

    fn of_mut(&mut self, output: usize) -> &mut [P] {
        self.all.get_mut(output * self.parts..(output + 1) * self.parts).unwrap_or_default()
    }
}

impl<P> Deref for Column<P> {
    type Target = [P];
    #[inline(always)]
    fn deref(&self) -> &[P] {
        &self.all
    }
}

impl<P> DerefMut for Column<P> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [P] {
        &mut self.all
    }
}

/// The partial results of some outputs. Complex numbers have one sum for each part, next to each other; their extremes
/// are extremes of their absolute values.
#[derive(Debug, Clone)]
pub(crate) struct Partials<S: Scalar> {
    pub(crate) needs: Needs,
    pub(crate) outputs: usize,
    /// Scalars of an element.
    pub(crate) parts: usize,
    pub(crate) counts: Column<Count>,
    pub(crate) totals: Column<S::Tally>,
    pub(crate) moments: Column<Variance>,
    pub(crate) least: Column<Option<Best<S, false>>>,
    pub(crate) greatest: Column<Option<Best<S, true>>>,
    pub(crate) first_least: Column<Option<Best<S, false>>>,
    pub(crate) first_greatest: Column<Option<Best<S, true>>>,
    pub(crate) products: Column<ScaledProduct>,
    pub(crate) absolutes: Column<FloatTally>,
    pub(crate) squares: Column<FloatTally>,
    pub(crate) weighted: Column<FloatTally>,
    pub(crate) weights: Column<FloatTally>,
}

/// Does something with each quantity's column and the same column of other partials.
trait Visitor {
    fn visit<P: Partial>(&mut self, column: &mut Column<P>, other: &Column<P>) -> Option<()>;
}

impl<S: Scalar> Partials<S> {
    /// The partials of no elements.
    pub(crate) fn identity(needs: Needs, outputs: usize, parts: usize) -> Self {
        let all = |quantity: Quantity, parts: usize| (needs.has(quantity), outputs, parts);
        Self {
            needs,
            outputs,
            parts,
            counts: Column::new((true, outputs, 1)),
            totals: Column::new(all(Quantity::Total, parts)),
            moments: Column::new(all(Quantity::Moments, parts)),
            least: Column::new(all(Quantity::Least, 1)),
            greatest: Column::new(all(Quantity::Greatest, 1)),
            first_least: Column::new(all(Quantity::FirstLeast, 1)),
            first_greatest: Column::new(all(Quantity::FirstGreatest, 1)),
            products: Column::new(all(Quantity::Product, 1)),
            absolutes: Column::new(all(Quantity::Absolute, 1)),
            squares: Column::new(all(Quantity::Squares, 1)),
            weighted: Column::new(all(Quantity::Weighted, parts)),
            weights: Column::new(all(Quantity::Weighted, 1)),
        }
    }

    /// Bytes for each output, after blocks were merged.
    pub(crate) fn bytes(needs: Needs, parts: usize) -> usize {
        struct Bytes(usize);
        impl Visitor for Bytes {
            fn visit<P: Partial>(&mut self, column: &mut Column<P>, _: &Column<P>) -> Option<()> {
                self.0 += column.len() * (size_of::<P>() + P::BOXED);
                Some(())
            }
        }
        let (mut one, mut bytes) = (Self::identity(needs, 1, parts), Bytes(0));
        let _always = one.visit(&Self::identity(needs, 0, parts), &mut bytes);
        bytes.0
    }

    /// The partials of no elements for all results of an array at once; an error if there is no memory for them.
    pub(crate) fn of_all(needs: Needs, outputs: usize, parts: usize) -> Result<Self> {
        pages::room("the state of a reduction", &[outputs], Self::bytes(needs, parts), FEWER)?;
        Ok(Self::identity(needs, outputs, parts))
    }

    /// Visits the columns of every quantity, in the order in which states are written.
    #[inline]
    fn visit(&mut self, other: &Self, visitor: &mut impl Visitor) -> Option<()> {
        Quantity::EVERY.into_iter().try_for_each(|quantity| match quantity {
            Quantity::Count => visitor.visit(&mut self.counts, &other.counts),
            Quantity::Total => visitor.visit(&mut self.totals, &other.totals),
            Quantity::Moments => visitor.visit(&mut self.moments, &other.moments),
            Quantity::Least => visitor.visit(&mut self.least, &other.least),
            Quantity::Greatest => visitor.visit(&mut self.greatest, &other.greatest),
            Quantity::FirstLeast => visitor.visit(&mut self.first_least, &other.first_least),
            Quantity::FirstGreatest => visitor.visit(&mut self.first_greatest, &other.first_greatest),
            Quantity::Product => visitor.visit(&mut self.products, &other.products),
            Quantity::Absolute => visitor.visit(&mut self.absolutes, &other.absolutes),
            Quantity::Squares => visitor.visit(&mut self.squares, &other.squares),
            // Truths are part of the counts.
            Quantity::Truths => Some(()),
            Quantity::Weighted => {
                visitor.visit(&mut self.weighted, &other.weighted)?;
                visitor.visit(&mut self.weights, &other.weights)
            }
        })
    }

    /// Merges the partials of other elements of the same outputs.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.merge_at(other, &mut (0..self.outputs));
    }

    /// Merges the outputs of other partials, in order, into the outputs of these numbers.
    pub(crate) fn merge_at(&mut self, other: &Self, to: &mut impl Iterator<Item = usize>) {
        struct Merge<'a>(&'a [usize]);
        impl Visitor for Merge<'_> {
            fn visit<P: Partial>(&mut self, column: &mut Column<P>, other: &Column<P>) -> Option<()> {
                if other.is_empty() {
                    return Some(());
                }
                for (from, &to) in self.0.iter().enumerate() {
                    let pairs = column.of_mut(to).iter_mut().zip(other.of(from));
                    pairs.for_each(|(to, from)| to.merge(from));
                }
                Some(())
            }
        }
        let numbers: Vec<usize> = to.take(other.outputs).collect();
        let _always = self.visit(other, &mut Merge(&numbers));
    }

    /// Maps the places of extremes.
    pub(crate) fn move_places(&mut self, to: impl Fn(u64) -> u64) {
        self.first_least.iter_mut().flatten().for_each(|best| best.place = to(best.place));
        self.first_greatest.iter_mut().flatten().for_each(|best| best.place = to(best.place));
    }

    /// Whether these can be partials of outputs with so many elements each: no more are counted, and no place is beyond
    /// them.
    pub(crate) fn fit(&self, elements: u64, skip: bool) -> bool {
        // Integers are never skipped.
        let skip = skip && S::FLOAT;
        let inside = |place: u64, with: bool| place < elements && with == skip;
        self.counts.iter().all(|count| count.valid <= elements)
            && self.first_least.iter().flatten().all(|best| inside(best.place, best.skip))
            && self.first_greatest.iter().flatten().all(|best| inside(best.place, best.skip))
            && self.least.iter().flatten().all(|best| best.skip == skip)
            && self.greatest.iter().flatten().all(|best| best.skip == skip)
    }

    /// Appends all partials as little-endian bytes, whose number depends only on the type, the needs and the outputs.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        struct Write<'a>(&'a mut Vec<u8>);
        impl Visitor for Write<'_> {
            fn visit<P: Partial>(&mut self, _: &mut Column<P>, column: &Column<P>) -> Option<()> {
                column.iter().for_each(|partial| partial.write(self.0));
                Some(())
            }
        }
        let _always = Self::identity(self.needs, 0, self.parts).visit(self, &mut Write(to));
    }

    /// Reads what [`Partials::write`] wrote; `None` if there are too few bytes or if they cannot be partials of
    /// elements.
    pub(crate) fn read(needs: Needs, outputs: usize, parts: usize, from: &mut Bytes<'_>) -> Option<Self> {
        struct Read<'a, 'b>(&'a mut Bytes<'b>);
        impl Visitor for Read<'_, '_> {
            fn visit<P: Partial>(&mut self, column: &mut Column<P>, _: &Column<P>) -> Option<()> {
                column.iter_mut().try_for_each(|partial| {
                    *partial = P::read(self.0)?;
                    Some(())
                })
            }
        }
        let mut partials = Self::identity(needs, outputs, parts);
        partials.visit(&Self::identity(needs, 0, parts), &mut Read(from))?;
        Some(partials)
    }
}

#[cfg(test)]
mod tests {
    use super::Partials;
    use crate::reduce::op::Op;
    use crate::reduce::quantity::Needs;

    #[test]
    fn states_that_memory_cannot_hold_are_refused() {
        let needs = Needs::of(&[Op::Sum, Op::Var { ddof: 0.0 }], false);
        assert!(Partials::<f32>::of_all(needs, 1000, 2).is_ok());
        let error = Partials::<f32>::of_all(needs, 1 << 40, 2).unwrap_err().to_string();
        assert!(error.contains("reduce more axes") && error.contains("bytes"), "{error}");
    }
}
