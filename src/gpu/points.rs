//! A set of points on the device, sorted by tile, with the jobs of spreading them.

use std::marker::PhantomData;

use crate::error::Result;
use crate::gpu::device::Context;
use crate::gpu::spread;
use crate::nufft::Bins;
use crate::real::Real;

/// Points in device memory.
#[derive(Debug)]
pub struct Points<T> {
    pub(super) len: usize,
    /// First stencil cells, axis-major.
    pub(super) cells: wgpu::Buffer,
    /// Arguments of the kernel's polynomials, 2z - 1 for a fraction z, axis-major.
    pub(super) arguments: wgpu::Buffer,
    /// The caller's index of each point.
    pub(super) order: wgpu::Buffer,
    pub(super) jobs: spread::Jobs,
    kind: PhantomData<T>,
}

impl<T: Real> Points<T> {
    pub(super) fn new(context: &Context, prepared: &spread::Prepared, bins: Bins<T>) -> Result<Self> {
        let jobs = spread::Jobs::new(context, prepared, &bins)?;
        let Bins { len, cells, mut fractions, order, .. } = bins;
        for z in fractions.iter_mut() {
            *z = *z + *z - T::one();
        }
        Ok(Self {
            len,
            cells: context.table("the cells of points", &cells)?,
            arguments: context.table("the fractions of points", &fractions)?,
            order: context.table("the order of points", &order)?,
            jobs,
            kind: PhantomData,
        })
    }

    /// The parameters of spreading and interpolating, as the shaders lay them out.
    pub(super) fn params(&self, extents: &[u32; 3], base: u32) -> [u32; 8] {
        let [z, y, x] = *extents;
        [z, y, x, self.len as u32, base, 0, 0, 0]
    }
}
