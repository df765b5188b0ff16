//! The interface of backends that reduce arrays.

use crate::element::Element;
use crate::error::Result;
use crate::reduce::op::Op;
use crate::reduce::partials::Partials;
use crate::reduce::request::{Answered, Reduced, Reduction};

/// A device that can reduce arrays.
pub(crate) trait Reduce {
    /// Computes the partials of every result, which hold what is needed about the result's elements. `finish` is called
    /// with the partials of some results, and its values are returned in the order of results. The places of elements
    /// count in C order over the reduced axes.
    fn reduce<E: Element, R: Send>(
        &self,
        asked: &Reduction<'_, E>,
        finish: impl Fn(Partials<E::Scalar>) -> R + Send + Sync,
    ) -> Result<Reduced<R>>;

    /// Computes the results of operations without partials; `None` if the device needs them for this request.
    fn plain<E: Element>(&self, _: &Reduction<'_, E>, _: &[Op]) -> Option<Answered<E::Scalar>> {
        None
    }
}
