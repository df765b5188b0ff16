//! Results that are computed without partials, since all elements of each are in one block.

use crate::machine::pages;
use crate::reduce::op::Op;
use crate::reduce::scalar::Scalar;

/// The place of an element where all are skipped.
pub(crate) const NONE: u64 = u64::MAX;

/// The results of one operation, in the types that the inner loops write.
#[derive(Debug)]
pub(crate) enum Found<S: Scalar> {
    /// Sums and products.
    Whole(Vec<S::Whole>),
    /// Means, variances and norms.
    Real(Vec<S::Real>),
    /// Extremes.
    Element(Vec<S>),
    /// Places and counts.
    Index(Vec<u64>),
    Truth(Vec<bool>),
}

/// Some of the results, to be written.
#[derive(Debug)]
pub(crate) enum Piece<'a, S: Scalar> {
    Whole(&'a mut [S::Whole]),
    Real(&'a mut [S::Real]),
    Element(&'a mut [S]),
    Index(&'a mut [u64]),
    Truth(&'a mut [bool]),
}

impl<S: Scalar> Found<S> {
    /// Room for the results of an operation; `None` if it has none without partials.
    pub(crate) fn room(op: Op, results: usize) -> Option<Self> {
        fn zeros<T: Clone + Default>(results: usize) -> Vec<T> {
            let mut zeros = vec![T::default(); results];
            pages::advise(&mut zeros);
            zeros
        }
        Some(match op {
            Op::Sum | Op::Prod => Self::Whole(zeros(results)),
            Op::Mean | Op::Var { .. } | Op::Std { .. } | Op::Norm1 | Op::Norm2 | Op::NormInf => {
                Self::Real(zeros(results))
            }
            Op::Min | Op::Max => Self::Element(zeros(results)),
            Op::ArgMin | Op::ArgMax | Op::Count => Self::Index(zeros(results)),
            Op::Any | Op::All => Self::Truth(zeros(results)),
            Op::WeightedSum | Op::Average => return None,
        })
    }

    /// All results.
    pub(crate) fn whole(&mut self) -> Piece<'_, S> {
        match self {
            Self::Whole(all) => Piece::Whole(all),
            Self::Real(all) => Piece::Real(all),
            Self::Element(all) => Piece::Element(all),
            Self::Index(all) => Piece::Index(all),
            Self::Truth(all) => Piece::Truth(all),
        }
    }

    /// The results in pieces of these lengths.
    pub(crate) fn pieces(&mut self, lengths: &[usize]) -> Vec<Piece<'_, S>> {
        fn cut<'a, T, P>(mut all: &'a mut [T], lengths: &[usize], piece: impl Fn(&'a mut [T]) -> P) -> Vec<P> {
            let next =
                |&length: &usize| piece(all.split_off_mut(..length).expect("as many results as lengths add up to"));
            lengths.iter().map(next).collect()
        }
        match self {
            Self::Whole(all) => cut(all, lengths, Piece::Whole),
            Self::Real(all) => cut(all, lengths, Piece::Real),
            Self::Element(all) => cut(all, lengths, Piece::Element),
            Self::Index(all) => cut(all, lengths, Piece::Index),
            Self::Truth(all) => cut(all, lengths, Piece::Truth),
        }
    }
}

impl<S: Scalar> Piece<'_, S> {
    /// The number of results.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(all) => all.len(),
            Self::Real(all) => all.len(),
            Self::Element(all) => all.len(),
            Self::Index(all) => all.len(),
            Self::Truth(all) => all.len(),
        }
    }

    /// A part of the piece.
    pub(crate) fn part(&mut self, start: usize, len: usize) -> Piece<'_, S> {
        let range = start..start + len;
        match self {
            Self::Whole(all) => Piece::Whole(&mut all[range]),
            Self::Real(all) => Piece::Real(&mut all[range]),
            Self::Element(all) => Piece::Element(&mut all[range]),
            Self::Index(all) => Piece::Index(&mut all[range]),
            Self::Truth(all) => Piece::Truth(&mut all[range]),
        }
    }
}
