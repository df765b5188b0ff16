//! The CPU's fine grids, and what it prepares for a plan: each grid's layout, stencil, transform and modes.

use std::sync::OnceLock;

use num_complex::Complex;

use crate::cpu::fft::Transform;
use crate::cpu::modes::Places;
use crate::loops::layout::Layout;
use crate::loops::stencil::Stencil;
use crate::machine::pages::Pages;
use crate::nufft::recipe::ModeOrder;
use crate::nufft::table::{KernelTable, ModeAxis};
use crate::real::{Number, Real};

/// What the CPU prepares for a plan.
#[derive(Debug)]
pub(crate) struct Prepared<T: Real> {
    pub(super) grid: Vec<usize>,
    pub(super) kernels: Vec<KernelTable<T>>,
    pub(super) modes: Vec<ModeAxis<T>>,
    pub(super) mode_count: usize,
    pub(super) order: ModeOrder,
    pub(super) complex: Field<T>,
    /// Made when real data first arrive.
    pub(super) real: OnceLock<Box<Field<T>>>,
}

/// All that depends on whether cells are complex or real: the grid's layout, its stencil, transform and modes.
#[derive(Debug)]
pub(crate) struct Field<T: Real> {
    pub(crate) layout: Layout,
    pub(crate) stencil: Stencil<T>,
    pub(crate) transform: Transform<T>,
    pub(crate) axes: Vec<ModeAxis<T>>,
    pub(crate) places: Places,
}

impl<T: Real> Field<T> {
    /// The field for cells of type `V`.
    pub(super) fn new<V: Number<Real = T>>(
        grid: &[usize],
        kernels: &[KernelTable<T>],
        modes: &[ModeAxis<T>],
        order: ModeOrder,
    ) -> Self {
        let stencil = Stencil::new::<V>(kernels);
        let layout = Layout::new::<V>(grid, &stencil);
        let strides = &layout.strides[layout.slowest()..];
        let kept: Vec<usize> = modes.iter().map(ModeAxis::count).collect();
        let real = V::PARTS == 1;
        let (transform, axes) = if real {
            (Transform::real(grid, strides, &kept), modes.iter().map(ModeAxis::symmetric).collect())
        } else {
            (Transform::new(grid, strides, &kept, order), modes.to_vec())
        };
        Self { layout, stencil, transform, axes, places: Places::new(modes, order, real) }
    }

    /// Complex numbers that fill the memory of a grid of `V`.
    pub(super) fn complex_len<V: Number>(&self) -> usize {
        self.layout.len() * V::PARTS / 2
    }
}

impl<T: Real> Prepared<T> {
    /// The field for cells of type `V`.
    pub(super) fn field<V: Number<Real = T>>(&self) -> &Field<T> {
        let Self { grid, kernels, modes, order, complex, real, .. } = self;
        if V::PARTS == 2 {
            complex
        } else {
            real.get_or_init(|| Box::new(Field::new::<V>(grid, kernels, modes, *order)))
        }
    }
}

/// Fine grids of transforms executed together, one after another. Real cells take half of the memory.
#[derive(Debug)]
pub(crate) struct Fine<T: Real> {
    pub(super) cells: Pages<Complex<T>>,
    pub(super) holds: Holds,
}

impl<T: Real> Fine<T> {
    /// Zeroes the cells if they are stale.
    pub(super) fn zeroed(&mut self) {
        if self.holds == Holds::Stale {
            self.cells.fill(Complex::default());
        }
    }

    /// The cells of the first `grids` grids.
    pub(super) fn cells<V: Number<Real = T>>(&mut self, field: &Field<T>, grids: usize) -> &mut [V] {
        &mut bytemuck::cast_slice_mut(&mut self.cells)[..grids * field.layout.len()]
    }
}

/// What cells hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Zeros.
    Nothing,
    /// Spread strengths, to which more may be added.
    Sums,
    /// Leftovers, to be zeroed before anything is added.
    Stale,
}
