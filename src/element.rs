//! The element types of reductions, each with the inner loops that are compiled for it.

use crate::loops::folds::Compiled;
use crate::loops::ordered::Ordered;
use crate::loops::plain::CompiledPlain;
use crate::reduce::element::Reducible;

/// An element type: f32, f64, i8 to i64, u8 to u64, and complex numbers of f32 and f64. Sealed.
#[expect(private_bounds, reason = "nobody outside can name the loops")]
pub trait Element: Reducible<Scalar: Compiled + CompiledPlain> + Ordered {}
impl<E: Reducible<Scalar: Compiled + CompiledPlain> + Ordered> Element for E {}
