//! Interpolation on the device: its shader, with unrolled code, and the dispatch.

use std::ops::Range;
use std::sync::Arc;

use crate::backend::gridding::Design;
use crate::error::Result;
use crate::gpu::device::Context;
use crate::gpu::grid::Fine;
use crate::gpu::kernel::Kernel;
use crate::gpu::pipeline::{Slot, Source, folded, generate, horner, unrolled};
use crate::gpu::points::Points;
use crate::nufft::timings::Stage;
use crate::real::Real;

/// The approximate number of lanes of a workgroup.
const LANES: usize = 128;

/// The sum over the rows of a stencil, in which each lane has one cell of every row.
const ROWS: &str = include_str!("../../shaders/interp/rows.wgsl");

/// Lanes of a point, and points of a workgroup.
fn spans(axes: usize, width: usize) -> [usize; 2] {
    let span = if axes == 1 { 1 } else { width };
    [span, LANES / span]
}

pub(super) fn source<T: Real>(axes: usize, width: usize, padded: usize, degree: usize) -> Source {
    let first = 3 - axes;
    // Missing axes have one cell.
    let corners = unrolled(0..3, |at| {
        let name = ["z", "y", "x"][at];
        match at.checked_sub(first) {
            None => format!("let corner_{name} = 0u;"),
            Some(axis) => [("corner", "cells"), ("argument", "arguments")]
                .map(|(what, array)| format!("let {what}_{name} = {array}[{axis}u * params.points + i];"))
                .join("\n    "),
        }
    });
    let others = ["y", "z"].into_iter().take(axes - 1);
    let share = others.map(|axis| format!("weights_{axis}[lane] = kernel(argument_{axis}, cell);"));
    let barrier = (axes > 1).then(|| "workgroupBarrier();".to_owned());
    let cell = |x: usize| {
        format!("total += grid[grids + wrapped(corner_x + {x}u, params.cells.z)] * kernel(argument_x, {x}u);")
    };
    let row = |y: usize| {
        format!(
            "let row{y} = wrapped(corner_y + {y}u, params.cells.y) * params.cells.z; \
             let k{y} = weights_y[point * WIDTH + {y}u];"
        )
    };
    let sum = |y: usize| format!("    sum += grid[plane + row{y}] * k{y};");
    let [span, points] = spans(axes, width);
    let values = [
        ("WIDTH", width.to_string()),
        ("SPAN", span.to_string()),
        ("POINTS", points.to_string()),
        ("LANES", (points * span).to_string()),
        ("DEPTH", if axes == 3 { width } else { 1 }.to_string()),
        ("CORNERS", corners),
        ("SHARE", share.chain(barrier).collect::<Vec<_>>().join("\n    ")),
        ("TOTAL", if axes == 1 { unrolled(0..width, cell) } else { ROWS.into() }),
        ("ROWS", unrolled(0..width, row)),
        ("SUM", unrolled(0..width, sum)),
        ("PLANE", if axes == 3 { "sum * weights_z[point * WIDTH + z]" } else { "sum" }.into()),
        ("KERNEL", horner(padded, degree)),
    ];
    let name = format!("interp {axes}d w{width} degree {degree} of {padded} points {points}");
    generate::<T>(name, include_str!("../../shaders/interp.wgsl"), &values)
}

/// What interpolation needs besides the points.
#[derive(Debug)]
pub(super) struct Prepared {
    kernel: Arc<Kernel>,
    /// Points of a workgroup.
    points: usize,
}

impl Prepared {
    pub(super) fn new<T: Real>(context: &Context, design: &Design<'_, T>) -> Result<Self> {
        let table = &design.kernels[0];
        let source = source::<T>(design.grid.len(), table.width, table.padded, table.degree);
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Write];
        Ok(Self { kernel: context.kernel(&source, "main", &slots)?, points: spans(design.grid.len(), table.width)[1] })
    }
}

/// Records the interpolation of some items' values.
pub(super) fn run<T: Real>(
    context: &Context,
    (prepared, coefficients): (&Prepared, &wgpu::Buffer),
    points: &Points<T>,
    fine: &mut Fine<T>,
    values: &wgpu::Buffer,
    items: Range<usize>,
) -> Result<()> {
    let what = "interp";
    if points.len == 0 {
        return context.alive();
    }
    let count = items.len() as u32;
    let (window, base) = context.window::<T>("values", values, items, points.len)?;
    let params = points.params(context, [base, 0])?;
    let kernel = &prepared.kernel;
    let resources = vec![
        params.as_entire_binding(),
        points.cells.as_entire_binding(),
        points.arguments.as_entire_binding(),
        points.order.as_entire_binding(),
        coefficients.as_entire_binding(),
        fine.buffer.as_entire_binding(),
        window,
    ];
    let group = context.bind(what, kernel, resources)?;
    fine.queue.pass(context, Stage::Interpolate, what, |pass| {
        let (x, y) = folded(points.len.div_ceil(prepared.points));
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(x, y, count);
    })
}
