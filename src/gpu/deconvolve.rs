//! Deconvolution on the device, from spectrum to modes and back.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::Design;
use crate::error::{Error, Result};
use crate::gpu::device::Context;
use crate::gpu::pipeline::{Kernel, Slot, Source, folded, generate};
use crate::gpu::uniform::Fine;
use crate::nufft::Stage;
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
    /// As the shader lays them out, for items from the first number of their binding on.
    numbers: [u32; 8],
    params: wgpu::Buffer,
    count: usize,
    kind: PhantomData<T>,
}

impl<T: Real> Prepared<T> {
    /// For grids of so many cells; `placed` says where the transform leaves a bin of an axis.
    pub(super) fn new(
        context: &Context,
        design: &Design<'_, T>,
        [z, y, x]: [u32; 3],
        placed: impl Fn(usize, usize) -> usize,
    ) -> Result<Self> {
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
        for (at, (axis, length)) in design.modes.iter().zip(&mut modes[missing..]).enumerate() {
            *length = axis.count() as u32;
            bins.extend((0..axis.count()).map(|mode| placed(at, axis.bin(mode)) as u32));
            factors.extend((0..axis.count()).map(|mode| axis.factor(mode)));
        }
        let [a, b, c] = modes;
        let numbers = [a, b, c, count as u32, z, y, x, 0];
        let source = source::<T>();
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Read, Slot::Write];
        Ok(Self {
            forward: context.kernel(&source, "forward", &slots)?,
            back: context.kernel(&source, "back", &slots)?,
            bins: context.table("the bins of modes", &bins)?,
            factors: context.table("the factors of modes", &factors)?,
            numbers,
            params: context.uniform(&numbers)?,
            count,
            kind: PhantomData,
        })
    }

    /// Writes the modes of some items.
    pub(super) fn forward(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        modes: &wgpu::Buffer,
        items: Range<usize>,
    ) -> Result<()> {
        self.dispatch(context, &self.forward, "deconvolve", fine, modes, items)
    }

    /// Overwrites grids with the modes of some items: all cells, or `sparse`ly those where modes lie.
    pub(super) fn back(
        &self,
        context: &Context,
        sparse: bool,
        modes: &wgpu::Buffer,
        items: Range<usize>,
        fine: &mut Fine<T>,
    ) -> Result<()> {
        let what = "deconvolve_back";
        if !sparse {
            let Fine { buffer, queue, .. } = fine;
            queue.record(context, what, |encoder| encoder.clear_buffer(buffer, 0, None))?;
        }
        self.dispatch(context, &self.back, what, fine, modes, items)
    }

    fn dispatch(
        &self,
        context: &Context,
        kernel: &Kernel,
        what: &'static str,
        fine: &mut Fine<T>,
        modes: &wgpu::Buffer,
        items: Range<usize>,
    ) -> Result<()> {
        if self.count == 0 {
            return context.alive();
        }
        let count = items.len() as u32;
        let (modes, base) = context.window::<T>("modes", modes, items, self.count)?;
        let params = match base {
            0 => &self.params,
            _ => &context.uniform(&[&self.numbers[..7], &[base]].concat())?,
        };
        let grid = fine.buffer.as_entire_binding();
        let arrays = if std::ptr::eq(kernel, &*self.forward) { [grid, modes] } else { [modes, grid] };
        let tables = [params, &self.bins, &self.factors].map(|buffer| buffer.as_entire_binding());
        let group = context.bind(what, kernel, tables.into_iter().chain(arrays).collect())?;
        fine.queue.pass(context, Stage::Deconvolve, what, |pass| {
            let (x, y) = folded(self.count.div_ceil(LANES));
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, count);
        })
    }
}
