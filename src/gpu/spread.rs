//! Spreading on the device: the shader for a layout of workgroups, and the dispatches of the jobs of a set of points.

use std::ops::Range;
use std::sync::Arc;

use crate::backend::gridding::Design;
use crate::error::Result;
use crate::gpu::device::Context;
use crate::gpu::grid::Fine;
use crate::gpu::jobs::{Shape, shape};
use crate::gpu::kernel::Kernel;
use crate::gpu::pipeline::{Slot, Source, folded, generate, horner, unrolled};
use crate::gpu::points::Points;
use crate::nufft::timings::Stage;
use crate::real::Real;

pub(super) fn source<T: Real>(shape: &Shape, padded: usize, degree: usize) -> Source {
    let Shape { axes, width, column, lanes: [columns, second, third], team, batch } = *shape;
    let name = format!(
        "spread {axes}d w{width} degree {degree} of {padded} boxes {}x{second}x{third} columns {column} team {team} \
         batch {batch}",
        columns * column
    );
    let cells = |line: &dyn Fn(usize) -> String| unrolled(0..column, line);
    let add = if axes == 1 {
        cells(&|r| format!("c{r} += charge * plain[at + {r}u];"))
    } else {
        let read = unrolled(0..column / 4, |q| format!("let k{q} = quads[quad + {q}u];"));
        let add = cells(&|r| format!("c{r} += charge * k{}.{};", r / 4, ["x", "y", "z", "w"][r % 4]));
        format!("{read}\n    {add}")
    };
    let weigh = match axes {
        1 => {
            "let charge = charges[point];\n    \
             let at = point * PLAIN + u32(i32(first) - starts[point] + i32(COLUMN) - 1);"
        }
        2 => "let charge = charges[point] * rows[point * SECOND + second];\n    let quad = point * QUADS + first / 4u;",
        _ => {
            "let charge = charges[point] * (rows[point * SECOND + second] * lines[point * THIRD + third]);\n    \
             let quad = point * QUADS + first / 4u;"
        }
    };
    // Several loads are written before the stores, so that they run together: compilers move no load across a store.
    let back = unrolled(0..column.div_ceil(4), |quad| {
        let of = |line: &dyn Fn(usize) -> String| unrolled(4 * quad..column.min(4 * quad + 4), line);
        let place = of(&|r| {
            let cell = format!("min(first + {r}u, job.extent.x - 1u)");
            format!(
                "let on{r} = first + {r}u < job.extent.x && any(c{r} != Complex()); \
                 let at{r} = here + wrapped(job.origin.x + {cell}, n.x) * n.y * n.z; \
                 if (on{r}) {{ c{r} += grid[at{r}]; }}"
            )
        });
        format!("{place}\n    {}", of(&|r| format!("if (on{r}) {{ grid[at{r}] = c{r}; }}")))
    });
    let [teams, team_cells] = shape.teams();
    let values = [
        ("AXES", axes.to_string()),
        ("WIDTH", width.to_string()),
        ("COLUMN", column.to_string()),
        ("COLUMNS", columns.to_string()),
        ("SECOND", second.to_string()),
        ("THIRD", third.to_string()),
        ("KEY", shape.key().to_string()),
        ("TEAMS", teams.to_string()),
        ("TEAM", team_cells.to_string()),
        ("BATCH", batch.to_string()),
        ("SEARCHED", (batch + 1).next_power_of_two().div_ceil(2).to_string()),
        ("QUADS", shape.quads().to_string()),
        ("PLAIN", shape.plain().to_string()),
        ("LANES", (columns * second * third).to_string()),
        ("DECLARE", cells(&|r| format!("var c{r} = Complex();"))),
        ("WEIGH", weigh.into()),
        ("ADD", add),
        ("PUT_ASIDE", cells(&|r| format!("scratch[box + {r}u * LANES] = c{r};"))),
        ("JOIN", cells(&|r| format!("c{r} += scratch[box + {r}u * LANES];"))),
        ("RETURN", back),
        ("KERNEL", horner(padded, degree)),
    ];
    generate::<T>(name, include_str!("../../shaders/spread.wgsl"), &values)
}

/// What spreading needs besides the points.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) shape: Shape,
    kernel: Arc<Kernel>,
    /// The buffer that is bound where no scratch memory is needed.
    unused: wgpu::Buffer,
}

impl Prepared {
    pub(super) fn new<T: Real>(context: &Context, design: &Design<'_, T>) -> Result<Self> {
        let table = &design.kernels[0];
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
            Slot::Write,
        ];
        let kernel = context.kernel(&source::<T>(&shape, table.padded, table.degree), "main", &slots)?;
        Ok(Self { shape, kernel, unused: context.storage("no scratch memory", 16)? })
    }
}

/// Records adding some items' spread strengths to their grids.
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
    // Scratch memory has room for one item.
    let together = if jobs.scratch.is_some() { 1 } else { items.len() };
    for item in (0..items.len()).step_by(together) {
        let some = items.start + item..items.end.min(items.start + item + together);
        let count = some.len() as u32;
        let (window, base) = context.window::<T>("strengths", strengths, some, points.len)?;
        let params = points.params(context, [base, item as u32])?;
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
            jobs.scratch.as_ref().unwrap_or(&prepared.unused).as_entire_binding(),
        ];
        let group = context.bind(what, kernel, resources)?;
        fine.queue.pass(context, Stage::Spread, what, |pass| {
            pass.set_pipeline(&kernel.pipeline);
            for (index, &jobs_there) in jobs.counts.iter().enumerate() {
                let (x, y) = folded(jobs_there);
                pass.set_bind_group(0, &group, &[index as u32 * jobs.stride]);
                pass.dispatch_workgroups(x, y, count);
            }
        })?;
    }
    Ok(())
}
