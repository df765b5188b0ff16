//! Phases of type 3 on the device: a table of factors, scratch memory for the products with them, and the dispatch.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use num_complex::Complex;

use crate::error::Result;
use crate::gpu::buffer::{Input, Lease, Output, complex_bytes};
use crate::gpu::device::Context;
use crate::gpu::grid::Fine;
use crate::gpu::kernel::Kernel;
use crate::gpu::pipeline::{Slot, Source, folded, generate};
use crate::nufft::timings::Stage;
use crate::numeric::sign::Sign;
use crate::real::Real;

/// Lanes of a workgroup.
const LANES: usize = 64;

pub(super) fn source<T: Real>() -> Source {
    generate::<T>("phase".into(), include_str!("../../shaders/phase.wgsl"), &[("LANES", LANES.to_string())])
}

/// A factor for each point, and scratch memory for the numbers of the items that are executed together.
#[derive(Debug)]
pub(crate) struct Phases<T> {
    kernel: Arc<Kernel>,
    table: wgpu::Buffer,
    scratch: wgpu::Buffer,
    count: usize,
    kind: PhantomData<T>,
}

impl<T: Real> Phases<T> {
    /// Takes phases to the device, to be used for at most `together` items at a time.
    pub(super) fn new(context: &Context, phases: &[Complex<T>], together: usize) -> Result<Self> {
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Write];
        let bytes = (together * phases.len()) as u64 * complex_bytes::<T>();
        context.bindable("strengths or values", bytes)?;
        Ok(Self {
            kernel: context.kernel(&source::<T>(), "main", &slots)?,
            table: context.table("the phases of points", phases)?,
            scratch: context.storage("strengths or values", bytes)?,
            count: phases.len(),
            kind: PhantomData,
        })
    }

    /// The scratch memory, for interpolation to write.
    pub(super) fn scratch(&self) -> Output<'static, Complex<T>> {
        Output { buffer: Lease::foreign(self.scratch.clone()), host: None }
    }

    /// Multiplies the strengths of some items by their phases, before they are spread.
    pub(super) fn before_spreading(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        sign: Sign,
        strengths: &Input<Complex<T>>,
        items: Range<usize>,
    ) -> Result<Input<Complex<T>>> {
        let to = (&self.scratch, 0..items.len());
        self.run(context, (fine, Stage::Spread, sign), (&strengths.buffer, items), to)?;
        Ok(Input { buffer: Lease::foreign(self.scratch.clone()), kind: PhantomData })
    }

    /// Multiplies the values of some items, which were interpolated into the scratch memory, by their phases.
    pub(super) fn after_interpolation(
        &self,
        context: &Context,
        fine: &mut Fine<T>,
        sign: Sign,
        values: &Output<'_, Complex<T>>,
        items: Range<usize>,
    ) -> Result<()> {
        let from = (&self.scratch, 0..items.len());
        self.run(context, (fine, Stage::Interpolate, sign), from, (&values.buffer, items))
    }

    /// Records the multiplication of some items by the phases, or by the conjugates for sign -, into items of another
    /// array.
    fn run(
        &self,
        context: &Context,
        (fine, stage, sign): (&mut Fine<T>, Stage, Sign),
        (input, from): (&wgpu::Buffer, Range<usize>),
        (output, to): (&wgpu::Buffer, Range<usize>),
    ) -> Result<()> {
        let (what, items) = ("phase", from.len() as u32);
        let (input, first) = context.window::<T>("strengths or values", input, from, self.count)?;
        let (output, begin) = context.window::<T>("strengths or values", output, to, self.count)?;
        let params = context.uniform(&[self.count as u32, u32::from(sign == Sign::Minus), first, begin])?;
        let resources = vec![params.as_entire_binding(), self.table.as_entire_binding(), input, output];
        let group = context.bind(what, &self.kernel, resources)?;
        fine.queue.pass(context, stage, what, |pass| {
            let (x, y) = folded(self.count.div_ceil(LANES));
            pass.set_pipeline(&self.kernel.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, items);
        })
    }
}
