//! How a fine grid lies in memory.

use std::ops::Range;

use crate::loops::stencil::Stencil;
use crate::numeric::float::Numeric;

/// The fine grid in memory: three axes, the missing ones first with one cell, each followed by halo cells into which
/// stencils run over the edge. The halo also keeps rows off strides near powers of two.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Axes in use.
    pub(crate) dimensions: usize,
    /// Cells without halo.
    pub(crate) cells: [usize; 3],
    /// Cells with halo.
    pub(crate) padded: [usize; 3],
    /// Elements from one cell to the next.
    pub(crate) strides: [usize; 3],
}

impl Layout {
    /// Of cells of type `V`.
    pub(crate) fn new<V: Numeric>(grid: &[usize], stencil: &Stencil<V::Real>) -> Self {
        let dimensions = grid.len();
        let first = 3 - dimensions;
        let (mut cells, mut padded) = ([1; 3], [1; 3]);
        for (axis, &count) in grid.iter().enumerate() {
            cells[first + axis] = count;
            padded[first + axis] = count + stencil.width - 1;
        }
        // Rows begin where vectors do.
        padded[2] = (cells[2] + stencil.row).next_multiple_of(8 / V::PARTS);
        Self { dimensions, cells, padded, strides: [padded[1] * padded[2], padded[2], 1] }
    }

    pub(crate) fn len(&self) -> usize {
        self.padded.iter().product()
    }

    /// The axis that is cut into slabs: the slowest one in use.
    pub(crate) fn slowest(&self) -> usize {
        3 - self.dimensions
    }

    /// The place in the padded arrays of the i-th row of C-ordered arrays without padding.
    pub(crate) fn row(&self, index: usize) -> Range<usize> {
        let [planes, lines, cells] = self.cells;
        let (plane, line) = (index / lines, index % lines);
        let start = plane / planes * self.len() + plane % planes * self.strides[0] + line * self.strides[1];
        start..start + cells
    }
}
