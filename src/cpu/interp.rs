//! Interpolation (type 2) on the CPU: values at the points, computed in tile order, stored in the caller's.

use crate::cpu::grid::Field;
use crate::cpu::spread::work;
use crate::loops::interp::Interp;
use crate::loops::layout::Layout;
use crate::machine::parallel::{self, Disjoint};
use crate::nufft::bins::Bins;
use crate::real::Number;

/// Points of one task.
const TASK: usize = 4096;

/// `values[j] = Σ_l grid[l] φ(l - u_j)` for each grid, one after another; their halos must be filled.
pub(crate) fn interp<V: Number>(field: &Field<V::Real>, bins: &Bins<V::Real>, grids: &[V], values: &mut [V]) {
    let Field { layout, stencil, .. } = field;
    let values = Disjoint::new(values);
    parallel::each(bins.len.div_ceil(TASK), work::<V>(layout, stencil, bins.len), |task| {
        let points = task * TASK..bins.len.min((task + 1) * TASK);
        V::interp(Interp { layout, stencil, bins, grids, values, points });
    });
}

/// Copies the first cells of each axis to the halo behind its last, fastest axis first.
pub(crate) fn fill_halo<V: Number>(layout: &Layout, grid: &mut [V]) {
    let [_, rows, row] = layout.padded;
    let [planes, lines, cells] = layout.cells;
    parallel::chunks(&mut grid[..planes * rows * row], rows * row, 1, |_, plane| {
        parallel::chunks(&mut plane[..lines * row], row, 1, |_, row| {
            let (inside, halo) = row.split_at_mut(cells);
            // Beyond one period stencils have only weights of zero; cells there are zeroed so that they cannot make
            // NaN.
            let (near, far) = halo.split_at_mut(halo.len().min(inside.len()));
            near.copy_from_slice(&inside[..near.len()]);
            far.fill(V::default());
        });
        if layout.dimensions > 1 {
            let (inside, halo) = plane.split_at_mut(lines * row);
            halo.copy_from_slice(&inside[..halo.len()]);
        }
    });
    if layout.dimensions > 2 {
        let (inside, halo) = grid.split_at_mut(planes * rows * row);
        halo.copy_from_slice(&inside[..halo.len()]);
    }
}
