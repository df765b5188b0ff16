//! Boxes of an array's indices, and copies between the memory of two boxes.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::shape;

/// A box of indices: on each axis those from `start` to `start + shape`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    /// The first index on each axis.
    pub start: Vec<usize>,
    /// The number of indices on each axis.
    pub shape: Vec<usize>,
}

impl Region {
    /// The box of all indices of an array.
    #[must_use]
    pub fn whole(shape: &[usize]) -> Self {
        Self { start: vec![0; shape.len()], shape: shape.to_vec() }
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The indices along one axis.
    #[must_use]
    pub fn range(&self, axis: usize) -> Range<usize> {
        self.start[axis]..self.start[axis] + self.shape[axis]
    }

    /// The elements that both boxes have, if there are any.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let (mut start, mut shape) = (Vec::new(), Vec::new());
        for axis in 0..self.start.len() {
            let (a, b) = (self.range(axis), other.range(axis));
            let (low, high) = (a.start.max(b.start), a.end.min(b.end));
            if low >= high {
                return None;
            }
            start.push(low);
            shape.push(high - low);
        }
        Some(Self { start, shape })
    }

    /// The same box with indices counted from another place.
    #[must_use]
    pub fn relative_to(&self, origin: &[usize]) -> Self {
        let start = self.start.iter().zip(origin).map(|(start, origin)| start - origin).collect();
        Self { start, shape: self.shape.clone() }
    }

    /// Checks that the box lies in an array of this shape and that `bytes` bytes are what its elements need.
    pub(crate) fn check(&self, shape: &[usize], size: usize, bytes: usize) -> Result<()> {
        let inside = self.start.len() == shape.len()
            && self.shape.len() == shape.len()
            && (0..shape.len())
                .all(|axis| self.start[axis] <= shape[axis] && self.shape[axis] <= shape[axis] - self.start[axis]);
        if !inside {
            let got = format!("{} at {:?}", shape::written(&self.shape), self.start);
            return Err(Error::shape("block", format!("inside {}", shape::written(shape)), got));
        }
        let wanted = shape::product("block", &self.shape)?.saturating_mul(size);
        if wanted != bytes {
            return Err(Error::shape("memory for a block", format!("{wanted} bytes"), bytes));
        }
        Ok(())
    }
}

/// The strides, in elements, of an array in C order.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Elements in memory, `size` bytes each: the byte of the first one, and the strides in elements.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) strides: Vec<usize>,
}

impl Place {
    /// The place of a box within the memory of a box in C order around it.
    pub(crate) fn of(inner: &Region, outer_shape: &[usize], size: usize) -> Self {
        let strides = strides(outer_shape);
        let first: usize = inner.start.iter().zip(&strides).map(|(start, stride)| start * stride).sum();
        Self { offset: first * size, strides }
    }
}

/// Copies a box of elements of `size` bytes between two places.
pub(crate) fn copy(shape: &[usize], size: usize, from: (&[u8], &Place), to: (&mut [u8], &Place)) {
    let ((source, from), (target, to)) = (from, to);
    if shape.contains(&0) {
        return;
    }
    // Inner axes that are contiguous on both sides are copied as one run.
    let (mut run, mut axes) = (1, shape.len());
    while axes > 0 && (shape[axes - 1] == 1 || (from.strides[axes - 1] == run && to.strides[axes - 1] == run)) {
        axes -= 1;
        run *= shape[axes];
    }
    let bytes = run * size;
    let outer = &shape[..axes];
    let mut index = vec![0; axes];
    loop {
        let at = |place: &Place| {
            let steps: usize = index.iter().zip(&place.strides).map(|(index, stride)| index * stride).sum();
            place.offset + steps * size
        };
        let (read, write) = (at(from), at(to));
        target[write..write + bytes].copy_from_slice(&source[read..read + bytes]);
        let Some(axis) = (0..axes).rev().find(|&axis| index[axis] + 1 < outer[axis]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_meet_or_do_not() {
        let a = Region { start: vec![2, 0], shape: vec![3, 4] };
        let b = Region { start: vec![4, 3], shape: vec![5, 5] };
        assert_eq!(a.overlap(&b), Some(Region { start: vec![4, 3], shape: vec![1, 1] }));
        assert_eq!(a.overlap(&Region { start: vec![5, 0], shape: vec![1, 1] }), None);
        assert!(a.check(&[5, 4], 8, 96).is_ok());
        assert!(a.check(&[4, 4], 8, 96).unwrap_err().to_string().contains("inside 4 x 4"));
        assert!(a.check(&[5, 4], 8, 95).unwrap_err().to_string().contains("96 bytes"));
    }

    #[test]
    fn boxes_are_copied_between_any_strides() {
        // Columns 1 and 2 of a matrix in Fortran order, to the middle of one in C order.
        let source: Vec<u8> = (0..12).collect();
        let mut target = vec![99; 20];
        let from = Place { offset: 3, strides: vec![1, 3] };
        let to = Place::of(&Region { start: vec![1, 2], shape: vec![3, 2] }, &[5, 4], 1);
        copy(&[3, 2], 1, (&source, &from), (&mut target, &to));
        let mut wanted = vec![99; 20];
        for (row, column) in (0..3).flat_map(|row| (0..2).map(move |column| (row, column))) {
            wanted[(row + 1) * 4 + column + 2] = source[(column + 1) * 3 + row];
        }
        assert_eq!(target, wanted);
        copy(&[3, 0], 1, (&source, &from), (&mut target, &to));
        assert_eq!(target, wanted);
    }
}
