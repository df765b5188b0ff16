//! The operations, and the quantities each is made of.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::reduce::quantity::{Needs, Quantity};

/// What to compute over the reduced axes, of the elements x (all of them, or those that are not NaN), n in number.
///
/// NumPy's semantics: a NaN makes the result NaN unless NaNs are skipped; of equal elements the first in C order
/// counts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// `Σ x`; 0 where there is none. Integers give `i64` or `u64` and wrap.
    Sum,
    /// `Σ x / n`; NaN where there is none.
    Mean,
    /// `Σ |x - mean|² / (n - ddof)`; NaN or infinite where n is not above ddof, and NaN there if NaNs are skipped.
    /// Infinite or NaN where deviations or their squares overflow f64.
    Var {
        /// Delta degrees of freedom: 0 for a population, 1 for a sample.
        ddof: f64,
    },
    /// The square root of [`Op::Var`].
    Std {
        /// Delta degrees of freedom: 0 for a population, 1 for a sample.
        ddof: f64,
    },
    /// The least element. Not for complex numbers; an error where there is none.
    Min,
    /// The greatest element. Not for complex numbers; an error where there is none.
    Max,
    /// Where the least element is first found: its index in C order among the reduced axes.
    ArgMin,
    /// Where the greatest element is first found: its index in C order among the reduced axes.
    ArgMax,
    /// `Π x`; 1 where there is none. No intermediate product overflows.
    Prod,
    /// `Σ |x|`.
    Norm1,
    /// `√(Σ |x|²)`.
    Norm2,
    /// The greatest `|x|`; 0 where there is none.
    NormInf,
    /// n.
    Count,
    /// Whether any element is not 0; NaN is not 0.
    Any,
    /// Whether no element is 0; true where there is none.
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

    /// Its name on the command line.
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

    /// The same with another ddof, where it has one.
    #[must_use]
    pub fn with_ddof(self, ddof: f64) -> Self {
        match self {
            Self::Var { .. } => Self::Var { ddof },
            Self::Std { .. } => Self::Std { ddof },
            other => other,
        }
    }

    /// The quantities its result is made of.
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

    /// Whether it orders elements, and so needs one.
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
    /// Of these operations; elements are counted one by one only where some may be skipped.
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
