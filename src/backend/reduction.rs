//! The kernels of reductions.

use crate::element::Element;
use crate::error::Result;
use crate::reduce::partials::Partials;
use crate::reduce::request::{Reduced, Reduction};

/// A device that can reduce arrays.
pub(crate) trait Reduce {
    /// Finds out what is needed of the elements that each result is made of. `finish` is called with what is known of
    /// some results, and what it gives comes in the order of results. The places of elements count in C order over the
    /// reduced axes.
    fn reduce<E: Element, R: Send>(
        &self,
        asked: &Reduction<'_, E>,
        finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>>;
}
