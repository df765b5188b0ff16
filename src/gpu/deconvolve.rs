//! Deconvolution on the device: the tables of bins and correction factors, and the kernels that apply them.
//!
//! A mode is a bin of the spectrum times a correction factor. The kernels are used where the host transforms grids;
//! where the device does, the pass of `gpu/fft.rs` next to the modes applies the tables.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::gridding::Design;
use crate::error::{Error, Result};
use crate::gpu::device::Context;
use crate::gpu::grid::Fine;
use crate::gpu::kernel::Kernel;
use crate::gpu::pipeline::{Slot, Source, folded, generate};
use crate::gpu::queue::Queue;
use crate::nufft::timings::Stage;
use crate::real::Real;

/// Lanes of a workgroup.
const LANES: usize = 64;

pub(super) fn source<T: Real>() -> Source {
    let values = [("LANES", LANES.to_string())];
    generate::<T>("deconvolve".into(), include_str!("../../shaders/deconvolve.wgsl"), &values)
}

/// Marks cells without a mode in the tables.
const NONE: u32 = u32::MAX;

/// The tables of a plan's modes on the device: where they are in the spectrum, and their correction factors.
#[derive(Debug)]
pub(super) struct Modes<T> {
    /// One axis after another: the cell of each mode, or the mode of each cell.
    pub(super) places: wgpu::Buffer,
    /// Factors in the same order.
    pub(super) factors: wgpu::Buffer,
    /// The shaders' parameters, for items whose first mode is the first number of their binding.
    numbers: [u32; 8],
    params: wgpu::Buffer,
    count: usize,
    kind: PhantomData<T>,
}

/// The modes of some items of a batch, as kernels bind them.
#[derive(Debug)]
pub(super) struct ItemModes<'a, T> {
    pub(super) modes: &'a Modes<T>,
    pub(super) numbers: wgpu::BindingResource<'a>,
    pub(super) params: Cow<'a, wgpu::Buffer>,
    pub(super) items: usize,
}

impl<T: Real> Modes<T> {
    /// Makes the tables with an entry for each cell if `by_cell`, as a pass that deconvolves needs them, else with one
    /// for each mode. `placed` gives the cell in which the transform leaves a bin of an axis.
    pub(super) fn new(
        context: &Context,
        design: &Design<'_, T>,
        by_cell: bool,
        placed: impl Fn(usize, usize) -> usize,
    ) -> Result<Self> {
        let count = design.mode_count();
        if count >= NONE as usize {
            return Err(Error::TooLarge {
                what: "the modes of one transform",
                needed: format!("{count} modes"),
                limit: "an index on the device has 32 bits; use the CPU".into(),
            });
        }
        let (mut counts, mut cells) = ([1; 3], [1; 3]);
        let (mut places, mut factors) = (Vec::new(), Vec::new());
        for (at, (axis, &extent)) in design.modes.iter().zip(design.grid).enumerate() {
            (counts[at], cells[at]) = (axis.count() as u32, extent as u32);
            let first = places.len();
            let len = if by_cell { extent } else { axis.count() };
            places.resize(first + len, NONE);
            factors.resize(first + len, T::zero());
            for mode in 0..axis.count() {
                let cell = placed(at, axis.bin(mode));
                let (index, place) = if by_cell { (cell, mode) } else { (mode, cell) };
                (places[first + index], factors[first + index]) = (place as u32, axis.factor(mode));
            }
        }
        // Missing axes have one mode, in their only cell.
        let missing = 3 - design.modes.len();
        places.resize(places.len() + missing, 0);
        factors.resize(factors.len() + missing, T::one());
        let ([a, b, c], [z, y, x]) = (counts, cells);
        let numbers = [a, b, c, count as u32, z, y, x, 0];
        Ok(Self {
            places: context.table("the places of modes", &places)?,
            factors: context.table("the factors of modes", &factors)?,
            numbers,
            params: context.uniform(&numbers)?,
            count,
            kind: PhantomData,
        })
    }

    /// The modes of some items.
    pub(super) fn of<'a>(
        &'a self,
        context: &Context,
        numbers: &'a wgpu::Buffer,
        items: Range<usize>,
    ) -> Result<ItemModes<'a, T>> {
        let count = items.len();
        let (numbers, base) = context.window::<T>("modes", numbers, items, self.count)?;
        let params = match base {
            0 => Cow::Borrowed(&self.params),
            _ => Cow::Owned(context.uniform(&[&self.numbers[..7], &[base]].concat())?),
        };
        Ok(ItemModes { modes: self, numbers, params, items: count })
    }
}

/// The kernels that deconvolve where no pass of the transform does.
#[derive(Debug)]
pub(super) struct Kernels {
    forward: Arc<Kernel>,
    back: Arc<Kernel>,
}

impl Kernels {
    pub(super) fn new<T: Real>(context: &Context) -> Result<Self> {
        let source = source::<T>();
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Read, Slot::Write];
        let kernel = |entry| context.kernel(&source, entry, &slots);
        Ok(Self { forward: kernel("forward")?, back: kernel("back")? })
    }

    /// Records writing the modes.
    pub(super) fn forward<T: Real>(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        modes: &ItemModes<'_, T>,
    ) -> Result<()> {
        let Fine { buffer, queue, .. } = fine;
        let arrays = [buffer.as_entire_binding(), modes.numbers.clone()];
        dispatch(context, &self.forward, "deconvolve", queue, modes, arrays)
    }

    /// Records overwriting grids with the modes, and with zeros where there is no mode.
    pub(super) fn back<T: Real>(&self, context: &Context, modes: &ItemModes<'_, T>, fine: &mut Fine<T>) -> Result<()> {
        let what = "deconvolve_back";
        let Fine { buffer, queue, .. } = fine;
        queue.record(context, what, |encoder| encoder.clear_buffer(buffer, 0, None))?;
        let arrays = [modes.numbers.clone(), buffer.as_entire_binding()];
        dispatch(context, &self.back, what, queue, modes, arrays)
    }
}

fn dispatch<T: Real>(
    context: &Context,
    kernel: &Kernel,
    what: &'static str,
    queue: &mut Queue,
    modes: &ItemModes<'_, T>,
    arrays: [wgpu::BindingResource<'_>; 2],
) -> Result<()> {
    let Modes { places, factors, count, .. } = modes.modes;
    if *count == 0 {
        return context.alive();
    }
    let tables = [&*modes.params, places, factors].map(wgpu::Buffer::as_entire_binding);
    let group = context.bind(what, kernel, tables.into_iter().chain(arrays).collect())?;
    queue.pass(context, Stage::Deconvolve, what, |pass| {
        let (x, y) = folded(count.div_ceil(LANES));
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(x, y, modes.items as u32);
    })
}
