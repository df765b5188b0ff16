//! Deconvolution on the device, from spectrum to modes and back.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::backend::Design;
use crate::error::{Error, Result};
use crate::gpu::device::Context;
use crate::gpu::pipeline::{Kernel, Slot, Source, folded, generate};
use crate::real::Real;

/// Lanes of a workgroup.
const LANES: usize = 64;

pub(super) fn source<T: Real>() -> Source {
    let values = [("LANES", LANES.to_string())];
    generate::<T>("deconvolve".into(), include_str!("../../shaders/deconvolve.wgsl"), &values)
}

/// The modes of a plan on the device.
#[derive(Debug)]
pub(super) struct Prepared<T> {
    forward: Arc<Kernel>,
    back: Arc<Kernel>,
    /// Bins of all axes, one after another; an axis that is missing has one mode in bin 0.
    bins: wgpu::Buffer,
    /// Factors in the same order; 1 for an axis that is missing.
    factors: wgpu::Buffer,
    /// Modes on each axis.
    modes: [u32; 3],
    count: usize,
    kind: PhantomData<T>,
}

impl<T: Real> Prepared<T> {
    /// `placed` says where the transform leaves a bin.
    pub(super) fn new(context: &Context, design: &Design<'_, T>, placed: impl Fn(usize) -> usize) -> Result<Self> {
        let count = design.mode_count();
        if u32::try_from(count).is_err() {
            return Err(Error::TooLarge {
                what: "the modes of one transform",
                needed: format!("{count} modes"),
                limit: "an index on the device has 32 bits; use the CPU".into(),
            });
        }
        let missing = 3 - design.modes.len();
        let mut modes = [1; 3];
        let (mut bins, mut factors) = (vec![0; missing], vec![T::one(); missing]);
        for (axis, length) in design.modes.iter().zip(&mut modes[missing..]) {
            *length = axis.count() as u32;
            bins.extend((0..axis.count()).map(|mode| placed(axis.bin(mode)) as u32));
            factors.extend((0..axis.count()).map(|mode| axis.factor(mode)));
        }
        let source = source::<T>();
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Read, Slot::Write];
        Ok(Self {
            forward: context.kernel(&source, "forward", &slots)?,
            back: context.kernel(&source, "back", &slots)?,
            bins: context.table("the bins of modes", &bins)?,
            factors: context.table("the factors of modes", &factors)?,
            modes,
            count,
            kind: PhantomData,
        })
    }

    /// Both directions; `clear` names the grid if modes are scattered into it.
    #[expect(clippy::too_many_arguments, reason = "the two directions differ in each of them")]
    fn dispatch(
        &self,
        context: &Context,
        what: &str,
        kernel: &Kernel,
        extents: &[u32; 3],
        base: u32,
        arrays: [wgpu::BindingResource<'_>; 2],
        clear: Option<&wgpu::Buffer>,
    ) -> Result<()> {
        let ([a, b, c], [z, y, x]) = (self.modes, *extents);
        let params = context.uniform(&[a, b, c, self.count as u32, z, y, x, base])?;
        let [from, to] = arrays;
        let tables = [&params, &self.bins, &self.factors].map(|buffer| buffer.as_entire_binding());
        let group = context.bind(what, kernel, tables.into_iter().chain([from, to]).collect())?;
        context.run(what, |encoder| {
            if let Some(grid) = clear {
                encoder.clear_buffer(grid, 0, None);
            }
            let mut pass =
                encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(what), timestamp_writes: None });
            let (x, y) = folded(self.count.div_ceil(LANES));
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, 1);
        })
    }

    /// Writes the modes of one item.
    pub(super) fn forward(
        &self,
        context: &Context,
        extents: &[u32; 3],
        grid: &wgpu::Buffer,
        modes: &wgpu::Buffer,
        item: usize,
    ) -> Result<()> {
        if self.count == 0 {
            return context.alive();
        }
        let (window, base) = context.window::<T>("modes", modes, item, self.count)?;
        let arrays = [grid.as_entire_binding(), window];
        self.dispatch(context, "deconvolve", &self.forward, extents, base, arrays, None)
    }

    /// Overwrites the grid with the modes of one item.
    pub(super) fn back(
        &self,
        context: &Context,
        extents: &[u32; 3],
        modes: &wgpu::Buffer,
        item: usize,
        grid: &wgpu::Buffer,
    ) -> Result<()> {
        let what = "deconvolve_back";
        if self.count == 0 {
            return context.run(what, |encoder| encoder.clear_buffer(grid, 0, None));
        }
        let (window, base) = context.window::<T>("modes", modes, item, self.count)?;
        let arrays = [window, grid.as_entire_binding()];
        self.dispatch(context, what, &self.back, extents, base, arrays, Some(grid))
    }
}
