//! Spreading on the device: the shader for a layout of workgroups, and the dispatches of the jobs of a set of points.

use std::ops::Range;
use std::sync::Arc;

use crate::backend::gridding::Design;
use crate::error::Result;
use crate::gpu::device::Context;
use crate::gpu::grid::Fine;
use crate::gpu::jobs::{Shape, shape};
use crate::gpu::kernel::Kernel;
use crate::gpu::pipeline::{Slot, Source, folded, generate, horner};
use crate::gpu::points::Points;
use crate::nufft::timings::Stage;
use crate::real::Real;

pub(super) fn source<T: Real>(shape: &Shape, padded: usize, degree: usize) -> Source {
    let Shape { axes, width, split, team, teams, batch, cells } = *shape;
    let name = format!(
        "spread {axes}d w{width} degree {degree} of {padded} boxes {cells}x{teams} batch {batch} split {split}"
    );
    let values = [
        ("AXES", axes.to_string()),
        ("WIDTH", width.to_string()),
        ("SPLIT", split.to_string()),
        ("TEAM", team.to_string()),
        ("TEAMS", teams.to_string()),
        ("BATCH", batch.to_string()),
        ("CELLS", cells.to_string()),
        ("LANES", (team * teams).to_string()),
        ("KERNEL", horner(padded, degree)),
    ];
    generate::<T>(name, include_str!("../../shaders/spread.wgsl"), &values)
}

/// What spreading needs besides the points.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) shape: Shape,
    kernel: Arc<Kernel>,
}

impl Prepared {
    pub(super) fn new<T: Real>(context: &Context, design: &Design<'_, T>) -> Result<Self> {
        let table = design.kernel;
        let shape = shape::<T>(context, design.grid.len(), table.width)?;
        let slots = [
            Slot::Uniform,
            Slot::Call,
            Slot::Read,
            Slot::Read,
            Slot::Read,
            Slot::Read,
            Slot::Read,
            Slot::Read,
            Slot::Write,
        ];
        let kernel = context.kernel(&source::<T>(&shape, table.padded, table.degree), "main", &slots)?;
        Ok(Self { shape, kernel })
    }
}

/// Adds the spread strengths of some items to their grids.
pub(super) fn run<T: Real>(
    context: &Context,
    (prepared, coefficients): (&Prepared, &wgpu::Buffer),
    points: &Points<T>,
    strengths: &wgpu::Buffer,
    items: Range<usize>,
    fine: &mut Fine<T>,
) -> Result<()> {
    let what = "spread";
    let jobs = &points.jobs;
    if points.len == 0 {
        return Ok(());
    }
    let count = items.len() as u32;
    let (window, base) = context.window::<T>("strengths", strengths, items, points.len)?;
    let params = points.params(context, base)?;
    let call = wgpu::BufferBinding { buffer: &jobs.calls, offset: 0, size: wgpu::BufferSize::new(16) };
    let kernel = &prepared.kernel;
    let resources = vec![
        params.as_entire_binding(),
        wgpu::BindingResource::Buffer(call),
        jobs.jobs.as_entire_binding(),
        points.cells.as_entire_binding(),
        points.arguments.as_entire_binding(),
        points.order.as_entire_binding(),
        coefficients.as_entire_binding(),
        window,
        fine.buffer.as_entire_binding(),
    ];
    let group = context.bind(what, kernel, resources)?;
    fine.queue.pass(context, Stage::Spread, what, |pass| {
        pass.set_pipeline(&kernel.pipeline);
        for (index, &jobs_there) in jobs.counts.iter().enumerate() {
            let (x, y) = folded(jobs_there.div_ceil(prepared.shape.teams));
            pass.set_bind_group(0, &group, &[index as u32 * jobs.stride]);
            pass.dispatch_workgroups(x, y, count);
        }
    })
}
