//! The kernels of matrix products.

use crate::error::Result;
use crate::matmul::product::Product;
use crate::matmul::recipe::MatmulRecipe;
use crate::real::Number;

/// A device that can multiply matrices.
pub(crate) trait Multiply {
    /// How products of m x k by k x n matrices, `batch` of them, are computed within so many bytes of device memory.
    fn matmul_recipe<V: Number>(&self, shape: [usize; 3], batch: usize, memory: Option<usize>) -> Result<MatmulRecipe>;

    /// `C = alpha·A·B + beta·C`, each element's sum in an order of the recipe's, whatever the threads.
    fn matmul<V: Number>(&self, recipe: &MatmulRecipe, product: Product<'_, V>) -> Result<()>;
}
