//! Interpolation (type 2): values of the fine grid at the points, in tile order, returned to the caller's order.

use crate::cpu::grid::Field;
use crate::cpu::spread::work;
use crate::loops::interp::Interp;
use crate::loops::layout::Layout;
use crate::machine::parallel::{self, Disjoint};
use crate::nufft::bins::Bins;
use crate::real::Number;

/// Points a task takes.
const TASK: usize = 4096;

/// `values[j] = Σ_l grid[l] φ(l - u_j)` for each of some grids in a row; their halos must be filled.
pub(crate) fn interp<V: Number>(field: &Field<V::Real>, bins: &Bins<V::Real>, grids: &[V], values: &mut [V]) {
    let Field { layout, stencil, .. } = field;
    let values = Disjoint::new(values);
    parallel::each(bins.len.div_ceil(TASK), work::<V>(layout, stencil, bins.len), |task| {
        let points = task * TASK..bins.len.min((task + 1) * TASK);
        V::interp(Interp { layout, stencil, bins, grids, values, points });
    });
}

/// Copies the first cells of each axis behind its last, fastest axis first.
pub(crate) fn fill_halo<V: Number>(layout: &Layout, width: usize, grid: &mut [V]) {
    let [_, rows, row] = layout.padded;
    let [planes, lines, cells] = layout.cells;
    parallel::chunks(&mut grid[..planes * rows * row], rows * row, 1, |_, plane| {
        parallel::chunks(&mut plane[..lines * row], row, 1, |_, row| {
            let (inside, halo) = row.split_at_mut(cells);
            // Beyond one period only weights of zero reach, which what is there must not turn into NaN.
            let (near, far) = halo.split_at_mut(halo.len().min(inside.len()));
            near.copy_from_slice(&inside[..near.len()]);
            far.fill(V::default());
        });
        if layout.dimensions > 1 {
            let (inside, halo) = plane.split_at_mut(lines * row);
            halo.copy_from_slice(&inside[..(width - 1) * row]);
        }
    });
    if layout.dimensions > 2 {
        let (inside, halo) = grid.split_at_mut(planes * rows * row);
        halo.copy_from_slice(&inside[..halo.len()]);
    }
}
