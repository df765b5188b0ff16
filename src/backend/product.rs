//! The interface of backends that multiply matrices.

use crate::error::Result;
use crate::matmul::product::Product;
use crate::matmul::recipe::MatmulRecipe;
use crate::real::Number;

/// A device that can multiply matrices.
pub(crate) trait Multiply {
    /// How products of m x k by k x n matrices, `batch` of them, are computed within `memory` bytes of device memory.
    fn matmul_recipe<V: Number>(&self, shape: [usize; 3], batch: usize, memory: Option<usize>) -> Result<MatmulRecipe>;

    /// `C = alpha·A·B + beta·C`. The recipe decides the order in which each element is summed, whatever the threads.
    fn matmul<V: Number>(&self, recipe: &MatmulRecipe, product: &mut Product<'_, V>) -> Result<()>;
}
