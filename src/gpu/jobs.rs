//! Jobs of spreading: the layout of a workgroup, tiles and boxes that fit it, and the order of dispatches.

use std::ops::Range;

use crate::error::Result;
use crate::gpu::buffer::complex_bytes;
use crate::gpu::device::Context;
use crate::nufft::bins::{AxisTiles, Bins, Tiling};
use crate::real::Real;

/// The widest kernel there are shaders for.
pub(super) const WIDEST: usize = 16;
/// Lanes of a workgroup: every device has as many.
const LANES: usize = 256;
/// Bytes of memory of a workgroup: every device has as many, and several workgroups then share a processor.
const MEMORY: u32 = 16 << 10;
/// Bytes of it that the ranges of points and the gaps between arrays take.
const RANGES: usize = 1 << 10;
/// The most points between barriers, for each number of axes. With fewer, more workgroups share a processor and its
/// cache of coefficients; with more, fewer lanes of a large workgroup wait.
const BATCHES: [usize; 3] = [32, 32, 64];
/// The most points of one workgroup: tiles that have more are shared by several.
const SHARE: usize = 1024;
/// The most bytes of scratch memory for the sums of crowded tiles; more sums take several rounds.
const SCRATCH: u64 = 64 << 20;

/// How a workgroup is laid out: a function of the device's limits, the precision, the axes and the width alone, so that
/// results on one device depend on nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) axes: usize,
    pub(super) width: usize,
    /// Cells of a lane, along the first axis.
    pub(super) column: usize,
    /// Lanes of a box on each axis, missing ones last.
    pub(super) lanes: [usize; 3],
    /// Rows of lanes on the second axis that take the same points.
    pub(super) team: usize,
    /// Points between barriers.
    pub(super) batch: usize,
}

impl Shape {
    /// The layout for a device; `None` if the device is too small for the width.
    pub(super) fn new<T: Real>(limits: &wgpu::Limits, axes: usize, width: usize) -> Option<Self> {
        let invocations = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        if !(2..=WIDEST).contains(&width) || (invocations as usize) < LANES {
            return None;
        }
        // The last axis is not cut where a tile with its halo fits: neighbouring lanes then return neighbouring cells.
        let third = if width <= 11 { 16 } else { 32 };
        // Long columns take registers, short ones more lanes or a larger halo. All were measured on an H200
        // (benches/record) except f64 in three axes, where columns of 12 take the fewest operations by count.
        let (column, lanes) = match (axes, size_of::<T>()) {
            (1, _) => (4, [64, 1, 1]),
            (2, _) => (8, [if width <= 8 { 2 } else { 4 }, 32, 1]),
            (_, 8) => (12, [1, LANES / third, third]),
            _ => (if width <= 7 { 12 } else { 16 }, [1, LANES / third, third]),
        };
        let team = if axes == 2 { 1 } else { 2 };
        let mut shape = Self { axes, width, column, lanes, team, batch: 1 };
        let room = limits.max_compute_workgroup_storage_size.min(MEMORY) as usize - RANGES;
        shape.batch = (room / shape.point_bytes::<T>()).min(BATCHES[axes - 1]);
        (shape.batch > 0).then_some(shape)
    }

    /// Kernel values of a point along the first axis, as a number of vectors of four.
    pub(super) fn quads(&self) -> usize {
        if self.axes == 1 { 0 } else { self.lanes[0] * self.column / 4 }
    }

    /// Kernel values of a point along the only axis, with zeros on either side.
    pub(super) fn plain(&self) -> usize {
        if self.axes == 1 { self.width + 2 * (self.column - 1) } else { 0 }
    }

    /// The number of teams, whose lanes take the same points, and the cells of a team along the key axis.
    pub(super) fn teams(&self) -> [usize; 2] {
        if self.axes == 1 { [self.lanes[0], self.column] } else { [self.lanes[1] / self.team, self.team] }
    }

    /// The key axis, along which the points of a batch are in order.
    pub(super) fn key(&self) -> usize {
        (self.axes - 1).min(1)
    }

    /// Bytes of workgroup memory for a point: where its stencil begins, its strength, its kernel values.
    fn point_bytes<T: Real>(&self) -> usize {
        let [_, second, third] = self.lanes;
        let rows = [0, second, second + third][self.axes - 1];
        4 + complex_bytes::<T>() as usize + (4 * self.quads() + self.plain() + rows) * size_of::<T>()
    }

    /// Cells of a box on each axis, missing axes last.
    fn extent(&self) -> [usize; 3] {
        [self.lanes[0] * self.column, self.lanes[1], self.lanes[2]]
    }

    /// Cells of a box in all.
    fn cells(&self) -> usize {
        self.extent().iter().product()
    }

    /// How many colours the tiles of an axis need so that boxes of one colour never overlap, and the most cells of a
    /// tile.
    fn colours(&self, axis: usize) -> (usize, usize) {
        let halo = self.width - 1;
        let room = self.extent()[axis].saturating_sub(halo);
        match room {
            _ if room >= halo => (2, room.max(1)),
            // Tiles are narrow: boxes still reach the next tile but one.
            _ if 2 * room >= halo => (3, room),
            // Tiles are as large as a halo, and their boxes are cut.
            _ => (2, halo),
        }
    }

    /// The tiles of an axis: the fewest whose boxes fit, but none so small that tiles of one colour overlap.
    fn tiles(&self, cells: usize, axis: usize) -> AxisTiles {
        let halo = self.width - 1;
        let (colours, most) = self.colours(axis);
        let even = |count| {
            let tiles = AxisTiles::even(cells, count);
            let sizes = (0..count).map(|tile| tiles.start(tile + 1) - tiles.start(tile));
            let (smallest, largest) = sizes.fold((cells, 0), |(low, high), size| (low.min(size), high.max(size)));
            (tiles, smallest * (colours - 1) >= halo, largest)
        };
        // Sizes differ by a cell or two, so the first guess may be just too large.
        let mut count = cells.div_ceil(most).next_multiple_of(colours).min(cells / colours * colours);
        while count + colours <= cells && even(count).2 > most && even(count + colours).1 {
            count += colours;
        }
        // Tiles that would be too small are made larger than a box, and later cut into several.
        loop {
            let (tiles, apart, _) = even(count);
            if count == colours || apart {
                return tiles;
            }
            count -= colours;
        }
    }

    pub(super) fn tiling(&self, grid: &[usize]) -> Tiling {
        Tiling { axes: grid.iter().enumerate().map(|(axis, &cells)| self.tiles(cells, axis)).collect() }
    }
}

/// The layout for a device, or why there is none.
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

/// A box of the grid and the points that one workgroup spreads into it, as the shader lays them out.
#[derive(Debug, Clone, Copy, Default, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C)]
struct Job {
    origin: [u32; 3],
    first: u32,
    extent: [u32; 3],
    count: u32,
    /// The first of the boxes in scratch memory that this job adds to its own, and how many there are.
    others: u32,
    joined: u32,
    pad: [u32; 2],
}

/// The jobs of a set of points in the order of their dispatches, on the device.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) jobs: wgpu::Buffer,
    /// Parameters of each dispatch: its first job, its number of jobs and whether these write to scratch memory. They
    /// lie at the stride to which uniforms are aligned.
    pub(super) calls: wgpu::Buffer,
    pub(super) stride: u32,
    /// Jobs of each dispatch.
    pub(super) counts: Vec<usize>,
    /// Scratch memory for the sums of crowded tiles, if there are any.
    pub(super) scratch: Option<wgpu::Buffer>,
}

/// Dispatches that follow one another: first that of the jobs that leave their sums in scratch memory, then one for
/// each colour, whose jobs touch no common cell.
struct Round {
    aside: Vec<Job>,
    colours: Vec<Vec<Job>>,
}

impl Jobs {
    pub(super) fn new<T: Real>(context: &Context, shape: &Shape, bins: &Bins<T>) -> Result<Self> {
        let box_bytes = shape.cells() as u64 * complex_bytes::<T>();
        let room = (SCRATCH.min(context.limits.max_storage_buffer_binding_size) / box_bytes) as usize;
        let rounds = rounds(shape, &bins.tiling, &bins.starts, room);
        let aside = rounds.iter().map(|round| round.aside.len()).max().unwrap_or(0);
        let mut dispatches: Vec<(u32, Vec<Job>)> = Vec::new();
        for Round { aside, colours } in rounds {
            dispatches.push((1, aside));
            dispatches.extend(colours.into_iter().map(|jobs| (0, jobs)));
        }
        dispatches.retain(|(_, jobs)| !jobs.is_empty());

        let stride = context.limits.min_uniform_buffer_offset_alignment.max(16);
        let mut calls = vec![0u32; dispatches.len() * stride as usize / 4];
        let mut first = 0;
        for (call, (apart, jobs)) in calls.chunks_exact_mut(stride as usize / 4).zip(&dispatches) {
            call[..3].copy_from_slice(&[first, jobs.len() as u32, *apart]);
            first += jobs.len() as u32;
        }
        let all: Vec<Job> = dispatches.iter().flat_map(|(_, jobs)| jobs).copied().collect();
        let scratch = |boxes: usize| context.storage("sums of crowded tiles", boxes as u64 * box_bytes);
        Ok(Self {
            jobs: context.table("spreading jobs", &all)?,
            calls: context.uniform(&calls)?,
            stride,
            counts: dispatches.iter().map(|(_, jobs)| jobs.len()).collect(),
            scratch: (aside > 0).then(|| scratch(aside)).transpose()?,
        })
    }
}

/// The jobs of all tiles, of which at most `room` in a round leave their sums in scratch memory. `starts` are the first
/// points of the tiles, and the end of the last one.
fn rounds(shape: &Shape, tiling: &Tiling, starts: &[u32], room: usize) -> Vec<Round> {
    let colours: usize = (0..shape.axes).map(|axis| shape.colours(axis).0).product();
    let empty = || Round { aside: Vec::new(), colours: vec![Vec::new(); colours] };
    let mut rounds = vec![empty()];
    for (tile, points) in starts.windows(2).enumerate().filter(|(_, points)| points[0] < points[1]) {
        let (colour, boxes) = boxes(tiling, tile, shape);
        let shares: Vec<Range<u32>> = parts((points[1] - points[0]) as usize, SHARE)
            .map(|(first, count)| points[0] + first as u32..points[0] + (first + count) as u32)
            .collect();
        let mut left = &shares[..];
        while !left.is_empty() {
            let round = rounds.last_mut().expect("there is one");
            let others = ((room - round.aside.len()) / boxes.len()).min(left.len() - 1);
            if others + 1 < left.len() && !round.aside.is_empty() {
                rounds.push(empty());
                continue;
            }
            // The last share adds the sums of the others to its own; for each box they lie one after another.
            let (now, later) = left.split_at(others + 1);
            let (last, aside) = now.split_last().expect("at least one");
            for part in &boxes {
                let job = |points: &Range<u32>| Job { first: points.start, count: points.len() as u32, ..*part };
                let others = round.aside.len() as u32;
                round.aside.extend(aside.iter().map(job));
                round.colours[colour].push(Job { others, joined: aside.len() as u32, ..job(last) });
            }
            left = later;
            if !left.is_empty() {
                rounds.push(empty());
            }
        }
    }
    rounds
}

/// A tile's colour and the boxes its padded cells are cut into.
fn boxes(tiling: &Tiling, tile: usize, shape: &Shape) -> (usize, Vec<Job>) {
    let place = tiling.place(tile);
    let mut colour = 0;
    let (mut origin, mut extent) = ([0; 3], [1; 3]);
    for (axis, tiles) in tiling.axes.iter().enumerate() {
        let (colours, _) = shape.colours(axis);
        colour = colours * colour + place[axis] % colours;
        origin[axis] = tiles.start(place[axis]);
        extent[axis] = tiles.start(place[axis] + 1) - origin[axis] + shape.width - 1;
    }
    let most = shape.extent();
    let cut = |axis: usize| parts(extent[axis], most[axis]);
    let mut boxes = Vec::new();
    for (a, deep) in cut(0) {
        for (b, high) in cut(1) {
            for (c, wide) in cut(2) {
                boxes.push(Job {
                    origin: [origin[0] + a, origin[1] + b, origin[2] + c].map(|cell| cell as u32),
                    extent: [deep, high, wide].map(|cells| cells as u32),
                    ..Job::default()
                });
            }
        }
    }
    (colour, boxes)
}

/// The batches of a tile's `count` points from `start` on, in the order in which workgroups take them.
pub(super) fn batches(shape: &Shape, start: usize, count: usize) -> Vec<Range<usize>> {
    let share = |(first, points): (usize, usize)| {
        let end = start + first + points;
        (start + first..end).step_by(shape.batch).map(move |first| first..end.min(first + shape.batch))
    };
    parts(count, SHARE).flat_map(share).collect()
}

/// `whole` cut into the fewest parts of at most `most`, as even as may be: where each begins and its length.
fn parts(whole: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = whole.div_ceil(most);
    (0..count).map(move |part| {
        let begin = part * whole / count;
        (begin, (part + 1) * whole / count - begin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every box of every tile takes each point once, scratch memory stays within its bound, and the sums in it are
    /// added in the same round, by the box they belong to.
    #[test]
    fn crowded_tiles_are_shared_and_nothing_is_lost() {
        let limits = wgpu::Limits::default();
        // At width 16 tiles are cut into several boxes.
        for (axes, width) in [(1, 4), (2, 6), (2, 16), (3, 7), (3, 16)] {
            let shape = Shape::new::<f64>(&limits, axes, width).unwrap();
            let tiling = shape.tiling(&[90, 100, 110][..axes]);
            let counts = [0, 1, 3 * SHARE, SHARE, 7, 5 * SHARE + 1, 0, SHARE + 1];
            let mut starts = vec![0];
            for tile in 0..tiling.count() {
                starts.push(starts[tile] + counts[tile % counts.len()] as u32);
            }
            for room in [0, 1, 7, 40, usize::MAX] {
                let rounds = rounds(&shape, &tiling, &starts, room);
                let mut taken = std::collections::HashMap::new();
                for Round { aside, colours } in &rounds {
                    assert!(aside.len() <= room, "{} boxes in room for {room}", aside.len());
                    let mut returned = vec![false; aside.len()];
                    for (colour, job) in
                        (0..).zip(colours).flat_map(|(colour, jobs)| jobs.iter().map(move |job| (colour, job)))
                    {
                        let others = job.others as usize..(job.others + job.joined) as usize;
                        // Boxes of neighbouring tiles may have common cells, but not if they have the same colour.
                        let box_of = |job: &Job| (colour, job.origin, job.extent);
                        let shares = others.clone().map(|other| &aside[other]).chain([job]);
                        for share in shares {
                            assert_eq!(box_of(share), box_of(job));
                            assert!((1..=SHARE as u32).contains(&share.count));
                            taken.entry(box_of(job)).or_insert_with(Vec::new).push((share.first, share.count));
                        }
                        others.for_each(|other| assert!(!std::mem::replace(&mut returned[other], true)));
                    }
                    assert!(returned.iter().all(|&returned| returned));
                }
                let mut expected = std::collections::HashMap::new();
                for tile in (0..tiling.count()).filter(|&tile| starts[tile] < starts[tile + 1]) {
                    let (colour, boxes) = boxes(&tiling, tile, &shape);
                    for part in boxes {
                        expected.insert((colour, part.origin, part.extent), (starts[tile], starts[tile + 1]));
                    }
                }
                assert_eq!(taken.len(), expected.len());
                for (part, mut shares) in taken {
                    shares.sort_unstable();
                    let (first, end) = expected[&part];
                    let last = shares.iter().fold(first, |at, &(first, count)| {
                        assert_eq!(at, first, "points of {part:?}");
                        first + count
                    });
                    assert_eq!(last, end, "points of {part:?}");
                }
            }
        }
    }
}
