//! A set of points on the device, sorted by tile, with the jobs of spreading them.

use std::borrow::Cow;
use std::marker::PhantomData;

use crate::error::Result;
use crate::gpu::device::Context;
use crate::gpu::jobs::{Jobs, Shape};
use crate::nufft::bins::{BLOCK, Bins, Unpacked};
use crate::real::Real;

/// Points in device memory.
#[derive(Debug)]
pub(crate) struct Points<T> {
    pub(super) len: usize,
    /// First stencil cells, axis-major.
    pub(super) cells: wgpu::Buffer,
    /// Arguments of the kernel's polynomials, 2z - 1 for a fraction z, axis-major.
    pub(super) arguments: wgpu::Buffer,
    /// The caller's index of each point.
    pub(super) order: wgpu::Buffer,
    pub(super) jobs: Jobs,
    extents: [u32; 3],
    params: wgpu::Buffer,
    kind: PhantomData<T>,
}

impl<T: Real> Points<T> {
    pub(super) fn new(context: &Context, shape: &Shape, extents: [u32; 3], bins: Bins<T>) -> Result<Self> {
        let (len, axes) = (bins.len, bins.tiling.axes.len());
        let (mut cells, mut arguments) = (vec![0u32; axes * len], vec![T::zero(); axes * len]);
        let mut order = vec![0u32; len];
        let mut block = Unpacked::new();
        for tile in 0..bins.tiling.count() {
            let place = bins.tiling.place(tile);
            let points = bins.points(tile);
            for first in points.clone().step_by(BLOCK) {
                let part = first..points.end.min(first + BLOCK);
                bins.unpack(part.clone(), &mut block);
                order[part.clone()].copy_from_slice(&block.indices[..part.len()]);
                for (axis, tiles) in bins.tiling.axes.iter().enumerate() {
                    let (start, span) =
                        (tiles.start(place[axis]) as u32, axis * len + part.start..axis * len + part.end);
                    let within = &block.cells[axis][..part.len()];
                    cells[span.clone()].iter_mut().zip(within).for_each(|(to, cell)| *to = start + cell);
                    arguments[span].copy_from_slice(&block.arguments[axis][..part.len()]);
                }
            }
        }
        Ok(Self {
            len,
            cells: context.table("the cells of points", &cells)?,
            arguments: context.table("the fractions of points", &arguments)?,
            order: context.table("the order of points", &order)?,
            jobs: Jobs::new(context, shape, &bins)?,
            extents,
            params: params(context, &extents, len, [0, 0])?,
            kind: PhantomData,
        })
    }

    /// The parameters of spreading and interpolation, for items whose first number has the index `base` in its binding,
    /// the first one `item` in the grids'.
    pub(super) fn params(&self, context: &Context, [base, item]: [u32; 2]) -> Result<Cow<'_, wgpu::Buffer>> {
        if [base, item] == [0, 0] {
            Ok(Cow::Borrowed(&self.params))
        } else {
            params(context, &self.extents, self.len, [base, item]).map(Cow::Owned)
        }
    }
}

/// As the shaders lay them out.
fn params(context: &Context, extents: &[u32; 3], len: usize, [base, item]: [u32; 2]) -> Result<wgpu::Buffer> {
    let [z, y, x] = *extents;
    context.uniform(&[z, y, x, len as u32, base, item, 0, 0])
}
