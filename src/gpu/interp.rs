//! Interpolation on the device: the unrolled shader and its dispatch.

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

/// Lanes of a workgroup.
const LANES: usize = 64;

/// Kernel values on the middle one of three axes, in workgroup memory.
const HEIGHTS: &str = include_str!("../../shaders/interp/heights.wgsl");
/// How a lane writes its own.
const FILL_HEIGHTS: &str = include_str!("../../shaders/interp/fill_heights.wgsl");

pub(super) fn source<T: Real>(axes: usize, width: usize, padded: usize, degree: usize) -> Source {
    let first = 3 - axes;
    // Axes that are missing have one cell, and a stencil of one cell with the weight 1.
    let corners = unrolled(0..3, |at| {
        let name = ["z", "y", "x"][at];
        match at.checked_sub(first) {
            None => format!("let corner_{name} = 0u;"),
            Some(axis) => [("corner", "cells"), ("argument", "arguments")]
                .map(|(what, array)| format!("let {what}_{name} = {array}[{axis}u * params.points + i];"))
                .join("\n    "),
        }
    });
    let last = unrolled(0..width, |j| {
        format!("let k{j} = kernel(argument_x, {j}u);\n    let x{j} = wrapped(corner_x + {j}u, params.cells.z);")
    });
    let row_sum = unrolled(1..width, |j| format!("        sum += grid[row + x{j}] * k{j};"));
    let (heights, fill_heights) = if axes == 3 { (HEIGHTS, FILL_HEIGHTS) } else { ("", "") };
    let (add_row, add_plane) = match axes {
        1 => ("plane += sum;", "total += plane;"),
        2 => ("plane += sum * kernel(argument_y, y);", "total += plane;"),
        _ => ("plane += sum * heights[y * LANES + lane];", "total += plane * kernel(argument_z, z);"),
    };
    let values = [
        ("WIDTH", width.to_string()),
        ("LANES", LANES.to_string()),
        ("DEPTH", if axes == 3 { width } else { 1 }.to_string()),
        ("HEIGHT", if axes >= 2 { width } else { 1 }.to_string()),
        ("HEIGHTS", heights.into()),
        ("CORNERS", corners),
        ("FILL_HEIGHTS", fill_heights.into()),
        ("LAST", last),
        ("ROW_SUM", row_sum),
        ("ADD_ROW", add_row.into()),
        ("ADD_PLANE", add_plane.into()),
        ("KERNEL", horner(padded, degree)),
    ];
    let name = format!("interp {axes}d w{width} degree {degree} of {padded}");
    generate::<T>(name, include_str!("../../shaders/interp.wgsl"), &values)
}

/// What interpolation needs besides the points.
#[derive(Debug)]
pub(super) struct Prepared {
    kernel: Arc<Kernel>,
}

impl Prepared {
    pub(super) fn new<T: Real>(context: &Context, design: &Design<'_, T>) -> Result<Self> {
        let table = design.kernel;
        let source = source::<T>(design.grid.len(), table.width, table.padded, table.degree);
        let slots = [Slot::Uniform, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Read, Slot::Write];
        Ok(Self { kernel: context.kernel(&source, "main", &slots)? })
    }
}

/// Writes the values of some items.
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
        let (x, y) = folded(points.len.div_ceil(LANES));
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(x, y, count);
    })
}
