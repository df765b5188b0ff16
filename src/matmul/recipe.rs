//! What a plan of a matrix product chose, as a value that can be printed and tested.

use std::fmt;

use crate::shape;

/// How a plan computes its products.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MatmulRecipe {
    /// m, k and n.
    pub shape: [usize; 3],
    /// Products in a batch.
    pub batch: usize,
    /// Rows and columns of C that one thread keeps in registers.
    pub tile: [usize; 2],
    /// Rows, steps along k and columns of a block: what caches, or a workgroup's memory, hold.
    pub block: [usize; 3],
    /// Parts of k that are summed separately, then added in order.
    pub splits: usize,
    /// Rows, steps along k and columns of the pieces that are in device memory at a time.
    pub pieces: [usize; 3],
    /// Products of a batch that are in device memory at a time.
    pub together: usize,
    /// Bytes of workspace: on a CPU each thread's packed blocks, on a GPU all device memory; both with the sums of the
    /// parts of k.
    pub workspace: usize,
}

impl MatmulRecipe {
    /// Multiplications and additions of elements: 2·m·k·n for each product of the batch.
    #[must_use]
    pub fn operations(&self) -> f64 {
        let [m, k, n] = self.shape.map(|extent| extent as f64);
        2.0 * m * k * n * self.batch as f64
    }
}

impl fmt::Display for MatmulRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [m, k, n] = self.shape;
        if self.batch != 1 {
            write!(f, "{} products of ", self.batch)?;
        }
        write!(f, "{m} x {k} by {k} x {n}: tiles of {}", shape::written(&self.tile))?;
        let [rows, steps, columns] = self.block;
        write!(f, ", blocks of {rows} rows and {columns} columns, {steps} steps along k")?;
        if self.splits > 1 {
            write!(f, ", k in {} parts", self.splits)?;
        }
        if self.pieces != self.shape {
            write!(f, ", pieces of {}", shape::written(&self.pieces))?;
        }
        if self.together != self.batch {
            write!(f, ", {} products at a time", self.together)?;
        }
        write!(f, "; {} KiB of workspace", self.workspace.div_ceil(1024))
    }
}
