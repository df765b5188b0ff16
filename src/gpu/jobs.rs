//! How points are cut into jobs of spreading: the layout of a workgroup, tiles of its size, boxes of tiles, and their
//! dispatches.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::gpu::buffer::complex_bytes;
use crate::gpu::device::Context;
use crate::nufft::bins::{AxisTiles, Bins, Tiling};
use crate::real::Real;

/// The widest kernel: a lane owns a stencil cell on each of two axes, and 256 lanes are what every device has.
pub(super) const WIDEST: usize = 16;
/// Points one workgroup takes in one dispatch at most: a crowded tile has several rounds, so that no dispatch runs into
/// a watchdog.
const ROUND: usize = 4096;
/// Loop iterations of one lane in one dispatch, about: Mesa's llvmpipe ends a shader's loops after 65,535 in all.
const ITERATIONS: usize = 1 << 15;
/// Lanes a workgroup should have at least: a wide subgroup.
const LANES: usize = 64;

/// How a workgroup is laid out: a function of the device's limits, the precision, the axes and the width alone, so that
/// results on one device depend on nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) axes: usize,
    pub(super) width: usize,
    /// Lanes that share the first of three axes.
    pub(super) split: usize,
    /// Lanes of one box.
    pub(super) team: usize,
    /// Boxes of one workgroup.
    pub(super) teams: usize,
    /// Points between barriers.
    pub(super) batch: usize,
    /// Cells of the largest box.
    pub(super) cells: usize,
}

impl Shape {
    /// `None` if the device is too small for the width.
    pub(super) fn new<T: Real>(limits: &wgpu::Limits, axes: usize, width: usize) -> Option<Self> {
        let invocations =
            limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x).min(256) as usize;
        let plane = width.pow(axes.min(2) as u32);
        if !(2..=WIDEST).contains(&width) || plane > invocations {
            return None;
        }
        let split = match axes {
            3 => width.div_ceil(width.div_ceil((invocations / plane).min(width))),
            _ => 1,
        };
        let team = plane * split;
        let teams = (LANES / team).clamp(1, invocations / team);
        // More memory for a workgroup means fewer of them at a time; only in 3-D are large boxes worth it, the more so
        // in f64, where a tile of a wide kernel is cut and its points are gone through for each part.
        let most = match (axes, size_of::<T>()) {
            (3, 8) => 48 << 10,
            (3, _) => 32 << 10,
            _ => 16 << 10,
        };
        let room = (limits.max_compute_workgroup_storage_size.min(most) as usize - 64) / teams;
        let (real, complex) = (size_of::<T>(), complex_bytes::<T>() as usize);
        let point = axes * width * real + complex + 4 * axes;
        let batch = (room / 5 / point).clamp(2, 32);
        let cells = room.checked_sub(batch * point)? / complex;
        // The last axis of a tile is never cut: a tile may have three widths less three cells, and a halo of one width.
        (cells >= 4 * width).then_some(Self { axes, width, split, team, teams, batch, cells })
    }

    /// The largest tile, along one axis, that fits one box with its halo.
    fn side(&self) -> usize {
        let padded = (1..).take_while(|side: &usize| side.pow(self.axes as u32) <= self.cells).last().unwrap_or(1);
        (padded + 1).saturating_sub(self.width).max(self.width)
    }

    /// Points one team takes in one dispatch.
    fn round(&self) -> usize {
        let additions = if self.axes == 3 { self.width.div_ceil(self.split) } else { 1 };
        let evaluations = (self.axes * self.width).div_ceil(self.team);
        ROUND.min(ITERATIONS / (2 + additions + evaluations))
    }

    /// An even number of tiles on an axis: the fewest that fit a box, and none smaller than a halo, so that tiles of
    /// one parity stay apart.
    fn tiles(&self, cells: usize) -> AxisTiles {
        let (halo, most) = (self.width - 1, self.side());
        let even = |count| {
            let tiles = AxisTiles::even(cells, count);
            let sizes = (0..count).map(|tile| tiles.start(tile + 1) - tiles.start(tile));
            let (smallest, largest) = sizes.fold((cells, 0), |(low, high), size| (low.min(size), high.max(size)));
            (tiles, smallest, largest)
        };
        // Sizes differ by a cell or two, so the first guess may be just too large.
        let mut count = cells.div_ceil(most).next_multiple_of(2);
        while 2 * halo * count < cells && even(count).2 > most {
            count += 2;
        }
        // Where tiles would be smaller than halos they are made larger than a box, and cut into several.
        loop {
            let (tiles, smallest, _) = even(count);
            if count == 2 || smallest >= halo {
                return tiles;
            }
            count -= 2;
        }
    }

    pub(super) fn tiling(&self, grid: &[usize]) -> Tiling {
        Tiling { axes: grid.iter().map(|&cells| self.tiles(cells)).collect() }
    }
}

/// The shape for a device, or why there is none.
pub(super) fn shape<T: Real>(context: &Context, axes: usize, width: usize) -> Result<Shape> {
    Shape::new::<T>(&context.limits, axes, width).ok_or_else(|| {
        let limits = &context.limits;
        context.error(format!(
            "cannot spread with a kernel {width} cells wide ({} bytes of workgroup memory, {} invocations; {WIDEST} \
             cells at most): use another kernel shape or a larger tolerance, or the CPU",
            limits.max_compute_workgroup_storage_size, limits.max_compute_invocations_per_workgroup
        ))
    })
}

/// A box of the grid and the points one team spreads into it; the layout is the shader's.
#[derive(Debug, Clone, Copy, Default, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C)]
struct Job {
    origin: [u32; 3],
    first: u32,
    extent: [u32; 3],
    count: u32,
}

/// The jobs of a set of points in the order of their dispatches, on the device.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) jobs: wgpu::Buffer,
    /// One dispatch's first job and number of jobs each, at the stride uniforms are aligned to.
    pub(super) calls: wgpu::Buffer,
    pub(super) stride: u32,
    /// Jobs of each dispatch.
    pub(super) counts: Vec<usize>,
}

impl Jobs {
    /// Rounds come after one another, and in a round the colours: jobs of one dispatch touch no common cell. `cells`
    /// are the first ones of stencils, axis-major.
    pub(super) fn new<T: Real>(context: &Context, shape: &Shape, bins: &Bins<T>, cells: &[u32]) -> Result<Self> {
        let colours = 1 << shape.axes;
        let mut dispatches: Vec<Vec<Job>> = Vec::new();
        for (tile, points) in bins.starts.windows(2).enumerate() {
            let (first, end) = (points[0] as usize, points[1] as usize);
            if first == end {
                continue;
            }
            let (colour, boxes) = boxes(&bins.tiling, tile, cells, first..end, shape)?;
            for (round, begin) in (first..end).step_by(shape.round()).enumerate() {
                let dispatch = round * colours + colour;
                if dispatches.len() <= dispatch {
                    dispatches.resize_with(dispatch + 1, Vec::new);
                }
                let count = (end - begin).min(shape.round()) as u32;
                dispatches[dispatch].extend(boxes.iter().map(|part| Job { first: begin as u32, count, ..*part }));
            }
        }
        dispatches.retain(|jobs| !jobs.is_empty());

        let stride = context.limits.min_uniform_buffer_offset_alignment.max(16);
        let mut calls = vec![0u32; dispatches.len() * stride as usize / 4];
        let mut first = 0;
        for (call, jobs) in calls.chunks_exact_mut(stride as usize / 4).zip(&dispatches) {
            call[..2].copy_from_slice(&[first, jobs.len() as u32]);
            first += jobs.len() as u32;
        }
        Ok(Self {
            jobs: context.table("spreading jobs", &dispatches.concat())?,
            calls: context.uniform(&calls)?,
            stride,
            counts: dispatches.iter().map(Vec::len).collect(),
        })
    }
}

/// A tile's colour and the boxes its padded cells are cut into: along the first axis, and where one plane is still too
/// much along the second. Where points are few only the cells between their outermost stencils are cleared and returned
/// to the grid: when all their stencils together have fewer cells than the tile.
fn boxes(
    tiling: &Tiling,
    tile: usize,
    cells: &[u32],
    points: Range<usize>,
    shape: &Shape,
) -> Result<(usize, Vec<Job>)> {
    let place = tiling.place(tile);
    let mut colour = 0;
    let mut origin = [0; 3];
    let mut extent = [1; 3];
    for (axis, tiles) in tiling.axes.iter().enumerate() {
        let at = 3 - tiling.axes.len() + axis;
        colour = 2 * colour + place[axis] % 2;
        origin[at] = tiles.start(place[axis]);
        extent[at] = tiles.start(place[axis] + 1) - origin[at] + shape.width - 1;
    }
    let axes = tiling.axes.len();
    if points.len() * shape.width.pow(axes as u32) < extent.iter().product() {
        let len = cells.len() / axes;
        for axis in 0..axes {
            let first = |point: usize| cells[axis * len + point] as usize;
            let (low, high) = points.clone().map(first).fold((usize::MAX, 0), |(a, b), x| (a.min(x), b.max(x)));
            (origin[3 - axes + axis], extent[3 - axes + axis]) = (low, high - low + shape.width);
        }
    }
    let planes = shape.cells / (extent[1] * extent[2]);
    let rows = shape.cells / extent[2];
    if rows == 0 {
        return Err(Error::TooLarge {
            what: "a row of a spreading tile",
            needed: format!("{} cells of workgroup memory", extent[2]),
            limit: format!("there is room for {}; use a larger grid or the CPU", shape.cells),
        });
    }
    let mut boxes = Vec::new();
    for (z, deep) in parts(extent[0], planes.max(1)) {
        for (y, high) in parts(extent[1], if planes == 0 { rows } else { extent[1] }) {
            boxes.push(Job {
                origin: [origin[0] + z, origin[1] + y, origin[2]].map(|cell| cell as u32),
                extent: [deep, high, extent[2]].map(|cells| cells as u32),
                ..Job::default()
            });
        }
    }
    Ok((colour, boxes))
}

/// `whole` cut into the fewest parts of at most `most`, as even as may be: where each begins and its length.
fn parts(whole: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = whole.div_ceil(most);
    (0..count).map(move |part| {
        let begin = part * whole / count;
        (begin, (part + 1) * whole / count - begin)
    })
}
