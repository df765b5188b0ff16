//! Where modes lie in the caller's array: centred or in FFT order, and mirrored where the data are real.

use std::ops::Range;

use num_complex::Complex;

use crate::loops::transpose::copy_row;
use crate::machine::parallel::Disjoint;
use crate::nufft::recipe::ModeOrder;
use crate::nufft::table::ModeAxis;
use crate::real::Real;

/// Where modes lie in the caller's array.
#[derive(Debug)]
pub(crate) struct Places {
    /// Modes on three axes; missing axes come first, with one mode.
    counts: [usize; 3],
    order: ModeOrder,
    mirrored: bool,
}

impl Places {
    /// Without `mirrored` the transform counts modes as the caller does. With it, its modes go from minus half their
    /// number to plus half of it on each axis; on the last axis it has only those from 0 on, and the others are their
    /// mirror image.
    pub(crate) fn new<T: Real>(axes: &[ModeAxis<T>], order: ModeOrder, mirrored: bool) -> Self {
        let mut counts = [1; 3];
        let first = counts.len() - axes.len();
        counts[first..].iter_mut().zip(axes).for_each(|(count, axis)| *count = axis.count());
        Self { counts, order, mirrored }
    }

    /// The place in the caller's array of the mode k on an axis, if the caller has it; `mode` is k + half the axis'
    /// modes.
    pub(super) fn place(&self, axis: usize, mode: usize) -> Option<usize> {
        let (count, half) = (self.counts[axis], self.counts[axis] / 2);
        match self.order {
            ModeOrder::Centred => (mode < count).then_some(mode),
            ModeOrder::Fft if mode < half => Some(mode + count - half),
            ModeOrder::Fft => (mode < count).then(|| mode - half),
        }
    }

    /// The first element of the row at these places on the slower axes.
    pub(super) fn row(&self, [z, y]: [Option<usize>; 2]) -> Option<usize> {
        Some((z? * self.counts[1] + y?) * self.counts[2])
    }

    /// In a mirrored spectrum, the place of the first of `count` modes in a row from `x` on, and how many of them
    /// exist.
    pub(super) fn direct(&self, [z, y, x]: [usize; 3], count: usize) -> Option<(usize, usize)> {
        let there = self.counts[2].saturating_sub(x).min(count);
        let row = self.row([self.place(0, z), self.place(1, y)])?;
        Some((row + self.place(2, x)?, there))
    }

    /// The first element of the row that is the mirror image of this one.
    pub(super) fn opposite(&self, z: usize, y: usize) -> Option<usize> {
        let opposite = |axis: usize, mode: usize| self.place(axis, 2 * (self.counts[axis] / 2) - mode);
        self.row([opposite(0, z), opposite(1, y)])
    }

    /// For `count` modes in a row from `x` on: the place of the last one's mirror image, and the range of modes that
    /// have one. Zero is its own mirror image.
    pub(super) fn mirrored(&self, [z, y, x]: [usize; 3], count: usize) -> Option<(usize, Range<usize>)> {
        let half = self.counts[2] / 2;
        let first = x - half;
        let within = usize::from(first == 0)..count.min(half + 1 - first);
        let last = first + within.end.checked_sub(1)?;
        Some((self.opposite(z, y)? + self.place(2, half - last)?, within))
    }

    /// Writes consecutive modes on the fastest axis, and their mirror images.
    #[inline(always)]
    pub(super) fn put<T: Real>(&self, modes: &Disjoint<'_, Complex<T>>, at: [usize; 3], row: &[Complex<T>]) {
        if !self.mirrored {
            let [z, y, x] = at;
            let first = (z * self.counts[1] + y) * self.counts[2] + x;
            // SAFETY: each panel has columns of modes of its own.
            return copy_row(unsafe { modes.part(first, row.len()) }, row);
        }
        if let Some((first, count)) = self.direct(at, row.len()) {
            // SAFETY: as above.
            unsafe { modes.part(first, count) }.copy_from_slice(&row[..count]);
        }
        if let Some((first, within)) = self.mirrored(at, row.len()) {
            // SAFETY: each mode below zero on the fastest axis is the mirror image of one panel's mode only.
            let modes = unsafe { modes.part(first, within.len()) };
            modes.iter_mut().zip(row[within].iter().rev()).for_each(|(to, from)| *to = from.conj());
        }
    }

    /// Reads consecutive modes on the fastest axis; if they are mirrored, the mean of each and its conjugate mirror
    /// image.
    #[inline(always)]
    pub(super) fn get<T: Real>(&self, modes: &[Complex<T>], at: [usize; 3], row: &mut [Complex<T>]) {
        if !self.mirrored {
            let [z, y, x] = at;
            let first = (z * self.counts[1] + y) * self.counts[2] + x;
            return copy_row(row, &modes[first..first + row.len()]);
        }
        let half = T::nearest(0.5);
        row.fill(Complex::default());
        if let Some((first, count)) = self.direct(at, row.len()) {
            row.iter_mut().zip(&modes[first..first + count]).for_each(|(to, from)| *to = from * half);
        }
        if let Some(opposite) = self.opposite(at[0], at[1]).filter(|_| at[2] == self.counts[2] / 2) {
            row[0] = row[0] + modes[opposite + self.place(2, at[2]).unwrap_or(0)].conj() * half;
        }
        if let Some((first, within)) = self.mirrored(at, row.len()) {
            let modes = modes[first..first + within.len()].iter().rev();
            row[within].iter_mut().zip(modes).for_each(|(to, from)| *to = *to + from.conj() * half);
        }
    }
}
