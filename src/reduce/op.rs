//! The reduction operations, and the quantities from which each is computed.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::reduce::quantity::{Needs, Quantity};

/// An operation over the reduced axes. Its n elements x are all elements, or those that are not NaN if NaNs are
/// skipped.
///
/// The semantics are NumPy's: a NaN makes the result NaN unless NaNs are skipped; of equal elements the first in C
/// order counts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// `Σ x`; 0 without elements. Integers give `i64` or `u64` and wrap.
    Sum,
    /// `Σ x / n`; NaN without elements.
    Mean,
    /// `Σ |x - mean|² / (n - ddof)`. If n is not above ddof it is NaN or infinite, and always NaN if NaNs are skipped.
    /// It is infinite or NaN if deviations or their squares overflow f64.
    Var {
        /// Delta degrees of freedom: 0 for a population, 1 for a sample.
        ddof: f64,
    },
    /// The square root of [`Op::Var`].
    Std {
        /// Delta degrees of freedom: 0 for a population, 1 for a sample.
        ddof: f64,
    },
    /// The least element; an error without elements. Not for complex numbers. If it is 0, it has a minus sign where all
    /// zeros have.
    Min,
    /// The greatest element; an error without elements. Not for complex numbers. If it is 0, it has a minus sign where
    /// all zeros have.
    Max,
    /// The index of the first least element, in C order over the reduced axes.
    ArgMin,
    /// The index of the first greatest element, in C order over the reduced axes.
    ArgMax,
    /// `Π x`; 1 without elements. No intermediate product overflows: only a result can, and only where the exact
    /// product is beyond the range.
    ///
    /// Complex numbers are multiplied by `(a + ib)(c + id) = (ac - bd) + i(ad + bc)`, and by 1 at last, as NumPy's are
    /// by all factors: where a part of the result is infinite or NaN, the other part is NaN. So a NaN in any factor
    /// makes both parts NaN.
    Prod,
    /// `Σ |x|`.
    Norm1,
    /// `√(Σ |x|²)`.
    Norm2,
    /// The greatest `|x|`; 0 without elements.
    NormInf,
    /// The number of elements, n.
    Count,
    /// Whether any element is not 0; NaN is not 0.
    Any,
    /// Whether no element is 0; true without elements.
    All,
    /// `Σ w x`, with the weights of the plan. Integers give f64.
    WeightedSum,
    /// `Σ w x / Σ w`, with the weights of the plan.
    Average,
}

impl Op {
    /// Every operation, with a ddof of 0.
    pub const EVERY: [Self; 17] = [
        Self::Sum,
        Self::Mean,
        Self::Var { ddof: 0.0 },
        Self::Std { ddof: 0.0 },
        Self::Min,
        Self::Max,
        Self::ArgMin,
        Self::ArgMax,
        Self::Prod,
        Self::Norm1,
        Self::Norm2,
        Self::NormInf,
        Self::Count,
        Self::Any,
        Self::All,
        Self::WeightedSum,
        Self::Average,
    ];

    /// The operation's name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Var { .. } => "var",
            Self::Std { .. } => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::ArgMin => "argmin",
            Self::ArgMax => "argmax",
            Self::Prod => "prod",
            Self::Norm1 => "norm1",
            Self::Norm2 => "norm2",
            Self::NormInf => "norminf",
            Self::Count => "count",
            Self::Any => "any",
            Self::All => "all",
            Self::WeightedSum => "wsum",
            Self::Average => "average",
        }
    }

    /// The operation with another ddof, if it has one.
    #[must_use]
    pub fn with_ddof(self, ddof: f64) -> Self {
        match self {
            Self::Var { .. } => Self::Var { ddof },
            Self::Std { .. } => Self::Std { ddof },
            other => other,
        }
    }

    /// The quantities from which the result is computed.
    pub(crate) fn quantities(self) -> &'static [Quantity] {
        match self {
            Self::Sum => &[Quantity::Total],
            Self::Mean => &[Quantity::Total, Quantity::Count],
            Self::Var { .. } | Self::Std { .. } => &[Quantity::Moments, Quantity::Count],
            Self::Min => &[Quantity::Least],
            Self::Max => &[Quantity::Greatest],
            Self::ArgMin => &[Quantity::FirstLeast],
            Self::ArgMax => &[Quantity::FirstGreatest],
            Self::Prod => &[Quantity::Product],
            Self::Norm1 => &[Quantity::Absolute],
            Self::Norm2 => &[Quantity::Squares],
            Self::NormInf => &[Quantity::Least, Quantity::Greatest],
            Self::Count => &[Quantity::Count],
            Self::Any => &[Quantity::Truths],
            Self::All => &[Quantity::Truths, Quantity::Count],
            Self::WeightedSum | Self::Average => &[Quantity::Weighted],
        }
    }

    /// Whether it compares elements, and so needs at least one.
    pub(crate) fn orders(self) -> bool {
        matches!(self, Self::Min | Self::Max | Self::ArgMin | Self::ArgMax)
    }

    /// Whether it needs weights.
    pub(crate) fn weighs(self) -> bool {
        matches!(self, Self::WeightedSum | Self::Average)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Var { ddof } | Self::Std { ddof } => write!(f, "(ddof {ddof})"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Op {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::EVERY.into_iter().find(|op| op.name() == name).ok_or_else(|| {
            let names = Self::EVERY.map(Self::name).join(", ");
            Error::parameter("operation", format!("one of {names}"), name)
        })
    }
}

impl Needs {
    /// What these operations need. Elements are counted one by one only if some may be skipped.
    pub(crate) fn of(ops: &[Op], skip_nan: bool) -> Self {
        let needed = ops.iter().flat_map(|op| op.quantities()).copied();
        Self::all(needed.filter(|&quantity| skip_nan || quantity != Quantity::Count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quantity_is_needed_by_some_operation() {
        assert!(Needs::of(&Op::EVERY, true).each().eq(Quantity::EVERY));
        assert!(!Needs::of(&Op::EVERY, false).has(Quantity::Count));
    }
}
