//! How a fine grid lies in memory: its extents, halo and strides.

use std::ops::Range;

use crate::loops::stencil::Stencil;
use crate::numeric::float::Numeric;

/// The layout of a fine grid: three axes, of which missing ones come first and have one cell. Each axis ends with halo
/// cells, for stencils that reach past the grid's edge. The halo also keeps rows off strides near powers of two.
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
    /// The layout for cells of type `V`.
    pub(crate) fn new<V: Numeric>(grid: &[usize], stencil: &Stencil<V::Real>) -> Self {
        let dimensions = grid.len();
        let first = 3 - dimensions;
        let (mut cells, mut padded) = ([1; 3], [1; 3]);
        for (axis, &count) in grid.iter().enumerate() {
            cells[first + axis] = count;
            padded[first + axis] = count + stencil.widths[axis] - 1;
        }
        // Every row begins on a vector boundary.
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

    /// Where row `index` of unpadded grids in C order lies in the padded grids.
    pub(crate) fn row(&self, index: usize) -> Range<usize> {
        let [planes, lines, cells] = self.cells;
        let (plane, line) = (index / lines, index % lines);
        let start = plane / planes * self.len() + plane % planes * self.strides[0] + line * self.strides[1];
        start..start + cells
    }
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::*;
    use crate::nufft::kernel::Shape;
    use crate::nufft::table::KernelTable;

    fn check<V: Numeric>(grid: &[usize], width: usize) {
        let kernel = KernelTable::<V::Real>::fit(&*Shape::Gaussian.build(width, 2.0), width, 1e-2);
        let kernels = vec![kernel; grid.len()];
        let layout = Layout::new::<V>(grid, &Stencil::new::<V>(&kernels));
        let mut cells = vec![0u32; 2 * layout.len()];
        // In two grids, one after another, every row is inside and no two rows share a cell.
        let rows = 2 * grid[..grid.len() - 1].iter().product::<usize>();
        for index in 0..rows {
            cells[layout.row(index)].iter_mut().for_each(|cell| *cell += 1);
        }
        assert!(cells.iter().all(|&cell| cell <= 1), "{grid:?}");
        assert_eq!(cells.iter().sum::<u32>() as usize, 2 * grid.iter().product::<usize>(), "{grid:?}");
        // The last stencil's last row ends inside.
        let stencil = Stencil::new::<V>(&kernels);
        let corner = |axis: usize| if axis < layout.slowest() { 0 } else { layout.cells[axis] - 1 + width - 1 };
        let last = corner(0) * layout.strides[0] + corner(1) * layout.strides[1] + layout.cells[2] - 1 + stencil.row;
        assert!(last <= layout.len(), "{grid:?}, width {width}: {last} of {}", layout.len());
    }

    #[test]
    fn rows_and_stencils_are_inside() {
        for grid in [&[9][..], &[6, 5], &[4, 3, 7], &[1, 1, 1]] {
            for width in [2, 3] {
                check::<f64>(grid, width);
                check::<Complex<f32>>(grid, width);
            }
        }
    }
}
