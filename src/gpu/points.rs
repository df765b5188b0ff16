//! A set of points on the device, sorted by tile, with the jobs of spreading them.

use std::borrow::Cow;
use std::marker::PhantomData;

use crate::error::Result;
use crate::gpu::device::Context;
use crate::gpu::jobs::{Jobs, Shape, batches};
use crate::machine::parallel::{self, Disjoint};
use crate::nufft::bins::{BLOCK, Bins, Unpacked};
use crate::real::Real;

/// Points in device memory.
#[derive(Debug)]
pub(crate) struct Points<T> {
    pub(super) len: usize,
    /// First stencil cells, axis-major.
    pub(super) cells: wgpu::Buffer,
    /// Arguments of the kernel's polynomials, 2z - 1 for a fraction z, axis-major.
    pub(super) arguments: wgpu::Buffer,
    /// The caller's index of each point.
    pub(super) order: wgpu::Buffer,
    pub(super) jobs: Jobs,
    extents: [u32; 3],
    params: wgpu::Buffer,
    kind: PhantomData<T>,
}

impl<T: Real> Points<T> {
    pub(super) fn new(context: &Context, shape: &Shape, extents: [u32; 3], bins: Bins<T>) -> Result<Self> {
        let (len, axes) = (bins.len, bins.tiling.axes.len());
        let (mut cells, mut arguments) = (vec![0u32; axes * len], vec![T::zero(); axes * len]);
        let mut order = vec![0u32; len];
        let shared = (Disjoint::new(&mut cells), Disjoint::new(&mut arguments), Disjoint::new(&mut order));
        let tiles = bins.tiling.count();
        parallel::each(tiles.div_ceil(TILES), len, |task| {
            let (mut block, mut places, mut taken) = (Unpacked::new(), Vec::new(), Vec::new());
            for tile in task * TILES..tiles.min((task + 1) * TILES) {
                arrange(shape, &bins, tile, &mut block, &mut places, &mut taken, shared);
            }
        });
        Ok(Self {
            len,
            cells: context.table("the cells of points", &cells)?,
            arguments: context.table("the fractions of points", &arguments)?,
            order: context.table("the order of points", &order)?,
            jobs: Jobs::new(context, shape, &bins)?,
            extents,
            params: params(context, &extents, len, [0, 0])?,
            kind: PhantomData,
        })
    }

    /// The parameters of spreading and interpolation. The items' first number has the index `base` in its binding, and
    /// the first item is number `item` among the grids.
    pub(super) fn params(&self, context: &Context, [base, item]: [u32; 2]) -> Result<Cow<'_, wgpu::Buffer>> {
        if [base, item] == [0, 0] {
            Ok(Cow::Borrowed(&self.params))
        } else {
            params(context, &self.extents, self.len, [base, item]).map(Cow::Owned)
        }
    }
}

/// Tiles that one task arranges.
const TILES: usize = 64;

/// Writes the points of a tile in the order in which the shaders take them. They are ordered by the cell they begin in
/// along the key axis and dealt out to the tile's batches in turn, so that each batch has points of the whole tile, in
/// order.
fn arrange<T: Real>(
    shape: &Shape,
    bins: &Bins<T>,
    tile: usize,
    block: &mut Unpacked<T>,
    places: &mut Vec<u32>,
    next: &mut Vec<u32>,
    (cells, arguments, order): (Disjoint<'_, u32>, Disjoint<'_, T>, Disjoint<'_, u32>),
) {
    let (points, place) = (bins.points(tile), bins.tiling.place(tile));
    let starts: Vec<usize> = bins.tiling.axes.iter().zip(place).map(|(tiles, place)| tiles.start(place)).collect();
    let key = shape.key();
    let blocks = || points.clone().step_by(BLOCK).map(|first| first..points.end.min(first + BLOCK));

    next.clear();
    next.resize(bins.tiling.axes[key].start(place[key] + 1) - starts[key], 0);
    for part in blocks() {
        bins.unpack(part.clone(), block);
        block.cells[key][..part.len()].iter().for_each(|&cell| next[cell as usize] += 1);
    }
    let mut before = 0;
    for next in next.iter_mut() {
        before += std::mem::replace(next, before);
    }
    let batches = batches(shape, points.start, points.len());
    places.clear();
    for row in 0..shape.batch {
        places.extend(batches.iter().filter(|batch| row < batch.len()).map(|batch| (batch.start + row) as u32));
    }
    for part in blocks() {
        bins.unpack(part.clone(), block);
        for i in 0..part.len() {
            let rank = &mut next[block.cells[key][i] as usize];
            let to = places[*rank as usize] as usize;
            *rank += 1;
            for (axis, &start) in starts.iter().enumerate() {
                // SAFETY: ranks differ, so `places` gives each point its own place among those of its tile.
                unsafe {
                    cells.write(axis * bins.len + to, start as u32 + block.cells[axis][i]);
                    arguments.write(axis * bins.len + to, block.arguments[axis][i]);
                }
            }
            // SAFETY: as above.
            unsafe { order.write(to, block.indices[i]) };
        }
    }
}

/// The parameters as the shaders lay them out.
fn params(context: &Context, extents: &[u32; 3], len: usize, [base, item]: [u32; 2]) -> Result<wgpu::Buffer> {
    let [z, y, x] = *extents;
    context.uniform(&[z, y, x, len as u32, base, item, 0, 0])
}
