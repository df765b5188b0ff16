//! How an array is cut for a pass: tiles of results, and slabs of chunks that are read at once.

use crate::source::description::Description;
use crate::source::region::Region;
use crate::stream::view::View;

/// Bytes of a slab: few calls and few merges, and still a small part of memory.
const SLAB: usize = 16 << 20;

/// Bytes of a piece that is read at once, at least, where a source can be read in any pieces.
const PIECE: usize = 1 << 17;

/// The cuts of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tiling {
    pub(crate) shape: Vec<usize>,
    /// The extents of a tile: whole axes where anything is reduced.
    pub(crate) tile: Vec<usize>,
    /// The extents of a slab.
    pub(crate) slab: Vec<usize>,
}

impl Tiling {
    /// Cuts an array into slabs of about `most` bytes, or of [`SLAB`] if that is less: of whole chunks, unless parts of
    /// them cost no more to read.
    pub(crate) fn new(about: &Description, views: &[View], most: usize) -> Self {
        let (shape, chunks, size) = (&about.shape[..], &about.chunks, about.element.size());
        let axes = shape.len();
        let reduced: Vec<bool> = (0..axes).map(|axis| views.iter().any(|view| view.over[axis])).collect();
        let mut slab: Vec<usize> = chunks.iter().zip(shape).map(|(&chunk, &len)| chunk.clamp(1, len.max(1))).collect();
        let target = most.min(SLAB);
        while about.divisible && slab.iter().fold(size, |bytes, &extent| bytes.saturating_mul(extent)) > target {
            let Some(extent) = slab.iter_mut().find(|extent| **extent > 1) else { break };
            *extent = extent.div_ceil(2);
        }
        // Narrow tiles, of which a slab holds more along the reduced axes, need fewer merges: a mean over time of files
        // of four steps took a third of the time.
        let extent = |slab: &[usize], axis: usize| if reduced[axis] { shape[axis] } else { slab[axis] };
        let column = |slab: &[usize]| (0..axes).fold(size, |bytes, axis| bytes.saturating_mul(extent(slab, axis)));
        let piece = |slab: &[usize]| slab.iter().fold(size, |bytes, &extent| bytes.saturating_mul(extent));
        while about.divisible && column(&slab) > target && piece(&slab) > PIECE {
            let Some(axis) = (0..axes).find(|&axis| !reduced[axis] && slab[axis] > 1) else { break };
            slab[axis] = slab[axis].div_ceil(2);
        }
        // First along reduced axes, where a longer slab means fewer merges; then along the others.
        let (inner, outer): (Vec<_>, Vec<_>) = (0..axes).rev().partition(|&axis| reduced[axis]);
        for axis in inner.into_iter().chain(outer) {
            // Where every request skips whole chunks, a longer slab would read them.
            if views.iter().all(|view| view.steps[axis].step >= 2 * slab[axis]) {
                continue;
            }
            let bytes = slab.iter().fold(size, |bytes, &extent| bytes.saturating_mul(extent));
            let times = (target / bytes.max(1)).clamp(1, shape[axis].div_ceil(slab[axis]).max(1));
            slab[axis] = (slab[axis] * times).min(shape[axis].max(1));
            if slab[axis] < shape[axis] {
                break;
            }
        }
        let tile = (0..axes).map(|axis| if reduced[axis] { shape[axis] } else { slab[axis] }).collect();
        Self { shape: shape.to_vec(), tile, slab }
    }

    /// Bytes of a slab of elements of `size` bytes.
    pub(crate) fn slab_bytes(&self, size: usize) -> usize {
        self.slab.iter().fold(size, |bytes, &extent| bytes.saturating_mul(extent))
    }

    /// The number of tiles; one for an array without elements, which has results too.
    pub(crate) fn tiles(&self) -> usize {
        self.shape.iter().zip(&self.tile).map(|(&len, &tile)| len.div_ceil(tile.max(1)).max(1)).product()
    }

    /// The number of slabs of a tile; none where there are no elements.
    pub(crate) fn slabs(&self, tile: &Region) -> usize {
        tile.shape.iter().zip(&self.slab).map(|(&len, &slab)| len.div_ceil(slab)).product()
    }

    pub(crate) fn tile(&self, index: usize) -> Region {
        cut(&Region::whole(&self.shape), &self.tile, index)
    }

    pub(crate) fn slab(&self, tile: &Region, index: usize) -> Region {
        cut(tile, &self.slab, index)
    }
}

/// The piece of this number, in C order, of a region that is cut into pieces of these extents.
fn cut(region: &Region, piece: &[usize], mut index: usize) -> Region {
    let mut found = region.clone();
    for axis in (0..piece.len()).rev() {
        let extent = piece[axis].max(1);
        let count = region.shape[axis].div_ceil(extent).max(1);
        let at = index % count * extent;
        index /= count;
        found.start[axis] += at;
        found.shape[axis] = extent.min(region.shape[axis] - at);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::op::Op;
    use crate::source::element::ElementType;
    use crate::stream::view::{Request, Slice};

    fn about(shape: &[usize], chunks: &[usize]) -> Description {
        let mut about = Description::new("x", shape, ElementType::Float32);
        about.chunks = chunks.to_vec();
        about.divisible = false;
        about
    }

    fn views(about: &Description, requests: &[Request]) -> Vec<View> {
        requests.iter().map(|request| request.on(about).unwrap()).collect()
    }

    #[test]
    fn slabs_grow_along_what_is_reduced() {
        let shape = [1464, 721, 1440];
        let mut about = about(&shape, &[4, 200, 200]);
        let mean = || Request::new([Op::Mean]);
        let cut = |requests: &[Request], most| Tiling::new(&about, &views(&about, requests), most);
        let over_time = cut(&[mean().axes(&[0])], usize::MAX);
        assert_eq!((&over_time.tile[..], &over_time.slab[..]), (&[1464, 200, 200][..], &[104, 200, 200][..]));
        assert_eq!((over_time.tiles(), over_time.slabs(&over_time.tile(0))), (32, 15));
        // The last tile is cut off, as the grid of chunks is.
        assert_eq!(over_time.tile(31), Region { start: vec![0, 600, 1400], shape: vec![1464, 121, 40] });
        let all = cut(&[mean()], usize::MAX);
        assert_eq!((&all.tile[..], &all.slab[..]), (&shape[..], &[4, 600, 1440][..]));
        let both = cut(&[mean().axes(&[0]), mean().axes(&[1, 2])], 1 << 20);
        assert_eq!((&both.tile[..], &both.slab[..]), (&shape[..], &[4, 200, 200][..]));
        // Every tenth step needs one chunk of three.
        let some = cut(&[mean().axes(&[0]).slice(0, Slice::step(0, 10))], usize::MAX);
        assert_eq!(some.slab[0], 4);
        // Chunks of compressed files are not divided, others are.
        assert_eq!(cut(&[mean().axes(&[0])], 1000).slab, [4, 200, 200]);
        about.divisible = true;
        let small = Tiling::new(&about, &views(&about, &[mean().axes(&[0])]), 1000);
        assert_eq!((&small.slab[..], &small.tile[..]), (&[1, 1, 200][..], &[1464, 1, 200][..]));
    }

    #[test]
    fn every_element_is_in_one_slab() {
        for (shape, chunks) in [(vec![7, 5, 3], vec![2, 3, 2]), (vec![0, 4], vec![1, 3]), (vec![], vec![])] {
            let about = about(&shape, &chunks);
            let views = views(&about, &[Request::new([Op::Sum])]);
            for most in [8, 64, 1 << 20] {
                let tiling = Tiling::new(&about, &views, most);
                let mut found = 0;
                for tile in (0..tiling.tiles()).map(|tile| tiling.tile(tile)) {
                    for slab in (0..tiling.slabs(&tile)).map(|slab| tiling.slab(&tile, slab)) {
                        assert!(slab.check(&shape, 1, slab.len()).is_ok() && !slab.is_empty());
                        found += slab.len();
                    }
                }
                assert_eq!(found, shape.iter().product::<usize>());
            }
        }
    }
}
