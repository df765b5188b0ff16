//! The passes of a GPU's uniform transform: how axes are cut into lines that fit a workgroup's memory.
//!
//! A plan also says which numbers of a line are zero or not wanted, and where bins lie afterwards. It knows no device;
//! the tests perform the passes on the host as they are planned.
//!
//! An axis of n = f₁f₂..f_p cells takes p passes (Bailey's four steps, repeated): lines of f₁ over the largest stride,
//! twiddles `exp(2πi k₁r/n)` for the place r in what is left, and the same for the n/f₁ cells that are left. Bin k then
//! lies where its digits, the lowest first, put it. The way back is the transpose: the passes in reverse, with twiddles
//! before lines.

use crate::error::{Error, Result};

/// An axis of a grid, and its kept bins: those from `head` to `tail` are zero, or not wanted.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) cells: usize,
    pub(crate) stride: usize,
    /// Lengths of the passes, the first over the largest stride.
    pub(crate) factors: Vec<usize>,
    pub(crate) head: usize,
    pub(crate) tail: usize,
}

impl Axis {
    /// The product of the factors after that of a pass: the stride of the pass's lines within the axis.
    fn rest(&self, pass: usize) -> usize {
        self.factors[pass + 1..].iter().product()
    }

    /// Where the passes leave a bin: the digits of its number are in reverse order, the lowest one first.
    pub(crate) fn placed(&self, bin: usize) -> usize {
        let mut left = bin;
        (0..self.factors.len()).fold(0, |place, pass| {
            let digit = left % self.factors[pass];
            left /= self.factors[pass];
            place + digit * self.rest(pass)
        })
    }

    /// The range of numbers `head..tail` in the last pass's lines that hold no wanted bins.
    fn hole(&self) -> (usize, usize) {
        let last = self.factors.last().copied().unwrap_or(1);
        let below = self.cells / last;
        let (head, tail) = (self.head.div_ceil(below), self.tail / below);
        if head < tail { (head, tail) } else { (last, last) }
    }

    /// The lines over this axis along which another axis is transformed: all of them before this axis' own transform,
    /// and those that hold wanted bins after it.
    fn lines(&self, transformed: bool) -> Vec<Lines> {
        if !transformed {
            return vec![Lines::all(self.cells, self.stride)];
        }
        let last = self.factors.last().copied().unwrap_or(1);
        let (head, tail) = self.hole();
        vec![
            Lines { count: head + last - tail, head, skip: tail - head, strides: [self.stride; 2], rest: false },
            Lines::all(self.cells / last, self.stride * last),
        ]
    }
}

/// Parallel lines: the first `head` of `count` are neighbours, the others lie `skip` lines further on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) count: usize,
    pub(crate) head: usize,
    pub(crate) skip: usize,
    /// From one line to the next, where they are read and where they are written.
    pub(crate) strides: [usize; 2],
    /// Whether a line's index is its place within what later passes of the same axis transform, which sets its
    /// twiddles.
    pub(crate) rest: bool,
}

impl Lines {
    fn all(count: usize, stride: usize) -> Self {
        Self { count, head: count, skip: 0, strides: [stride; 2], rest: false }
    }

    /// Both as one, if the next lines begin where these end.
    fn with(&self, next: &Self) -> Option<Self> {
        let whole = |lines: &Self| lines.skip == 0 && !lines.rest;
        let follows = (0..2).all(|side| next.strides[side] == self.strides[side] * self.count);
        let count = self.count * next.count;
        (whole(self) && whole(next) && follows).then_some(Self { count, head: count, ..*self })
    }
}

/// When a pass multiplies by twiddles for the passes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    None,
    /// After the line's transform: the twiddle's exponent is the number's index times the line's.
    After,
    Before,
}

/// Which memory a pass reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    InPlace,
    ToScratch,
    InScratch,
    FromScratch,
}

/// A pass: the transforms of many lines of one length.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) length: usize,
    /// The lines, by increasing stride where they are read.
    pub(crate) lines: Vec<Lines>,
    /// From one number of a line to the next, where lines are read and where they are written.
    pub(crate) strides: [usize; 2],
    /// The ranges of a line's numbers that are zero where it is read, and that are not written.
    pub(crate) holes: [(usize, usize); 2],
    pub(crate) between: Between,
    /// The length of the longer line that this pass and the later ones of its axis transform.
    pub(crate) modulus: usize,
    pub(crate) memory: Memory,
}

impl Pass {
    pub(crate) fn count(&self) -> usize {
        self.lines.iter().map(|lines| lines.count).product()
    }

    /// The transposed pass. A transform's passes in reverse order, each transposed, are the transform from bins back to
    /// cells.
    pub(crate) fn transposed(&self) -> Self {
        let between = if self.between == Between::None { Between::None } else { Between::Before };
        Self { holes: [self.holes[1], self.holes[0]], between, ..self.clone() }
    }
}

/// The capacity of a device's workgroups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) numbers: usize,
    /// Bytes of a number.
    pub(crate) bytes: usize,
    pub(crate) lanes: usize,
    /// The largest radix.
    pub(crate) radix: usize,
}

impl Room {
    /// The longest line of a pass. Where lines are strided there is room for two, so that neighbours share a sector.
    fn longest(&self, stride: usize) -> usize {
        if stride == 1 { self.numbers } else { self.numbers / 2 }
    }

    /// The lengths of the passes over an axis, as equal as they can be.
    fn factors(&self, cells: usize, stride: usize) -> Option<Vec<usize>> {
        if cells <= self.longest(stride) {
            return Some(vec![cells]);
        }
        // The lines of all passes but the last are strided, whatever the axis.
        let (first, last) = (self.longest(2), self.longest(stride));
        let passes = 1 + (1..).find(|&passes| first.saturating_pow(passes).saturating_mul(last) >= cells)?;
        for passes in passes as usize..8 {
            let mut factors = Vec::new();
            let mut left = cells;
            for pass in 0..passes - 1 {
                let even = (left as f64).powf(1.0 / (passes - pass) as f64);
                let off = |factor: usize| ((factor as f64).ln() - even.ln()).abs();
                let divisors = (1..=first.min(left)).filter(|factor| left.is_multiple_of(*factor));
                let factor = divisors.min_by(|&a, &b| off(a).total_cmp(&off(b)))?;
                factors.push(factor);
                left /= factor;
            }
            factors.push(left);
            if left <= last {
                factors.retain(|&factor| factor > 1);
                return Some(factors);
            }
        }
        None
    }
}

/// The passes over a grid in C order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) axes: Vec<Axis>,
    pub(crate) passes: Vec<Pass>,
}

impl Plan {
    /// The passes from cells to the wanted bins; `wanted` has for each axis the number of those from 0 on and of those
    /// below 0. `natural` puts bins where cells were, which takes scratch memory if an axis takes several passes;
    /// otherwise they are where [`Axis::placed`] says.
    pub(crate) fn new(room: &Room, grid: &[usize], wanted: &[[usize; 2]], batch: usize, natural: bool) -> Result<Self> {
        let mut axes = Vec::new();
        for (at, (&cells, [low, high])) in grid.iter().zip(wanted).enumerate() {
            let stride = grid[at + 1..].iter().product();
            let refused = || Error::parameter("the length of an axis", "a product of powers of 2, 3 and 5", cells);
            // 5 is the largest prime among the radices.
            if radices(cells, 5).is_none() {
                return Err(refused());
            }
            let factors = room.factors(cells, stride).ok_or_else(refused)?;
            axes.push(Axis { cells, stride, factors, head: *low, tail: cells - high });
        }
        let whole = grid.iter().product::<usize>();
        let mut passes = Vec::new();
        for at in (0..axes.len()).rev() {
            for pass in 0..axes[at].factors.len() {
                passes.push(Self::pass(&axes, at, pass, [whole, batch], natural));
            }
        }
        passes.retain(|pass| pass.length > 1);
        Ok(Self { axes, passes })
    }

    fn pass(axes: &[Axis], at: usize, pass: usize, [whole, batch]: [usize; 2], natural: bool) -> Pass {
        let axis = &axes[at];
        let (length, rest, last) = (axis.factors[pass], axis.rest(pass), axis.factors.len() - 1);
        let others = axes.iter().enumerate().filter(|(other, _)| *other != at);
        let mut lines: Vec<Lines> = others.flat_map(|(other, axis)| axis.lines(other > at)).collect();
        lines.push(Lines::all(batch, whole));
        lines.push(Lines { rest: rest > 1, ..Lines::all(rest, axis.stride) });
        // The last pass of an axis puts each bin where a cell was.
        let moves = natural && last > 0 && pass == last;
        for earlier in 0..pass {
            let natural: usize = axis.factors[..earlier].iter().product();
            let stride = axis.stride * axis.rest(earlier);
            let written = if moves { axis.stride * natural } else { stride };
            lines.push(Lines { strides: [stride, written], ..Lines::all(axis.factors[earlier], stride) });
        }
        lines.retain(|lines| lines.count != 1 || lines.skip > 0 && lines.head == 0);
        lines.sort_by_key(|lines| lines.strides[0]);
        let mut merged: Vec<Lines> = Vec::new();
        for lines in lines {
            match merged.last().and_then(|before| before.with(&lines)) {
                Some(both) => *merged.last_mut().expect("there is one") = both,
                None => merged.push(lines),
            }
        }
        let stride = axis.stride * rest;
        let written = if moves { axis.stride * (axis.cells / length) } else { stride };
        let hole = if pass == last { axis.hole() } else { (length, length) };
        Pass {
            length,
            lines: merged,
            strides: [stride, written],
            holes: [(length, length), hole],
            between: if rest > 1 { Between::After } else { Between::None },
            modulus: length * rest,
            memory: match (natural && last > 0, pass) {
                (false, _) => Memory::InPlace,
                (true, 0) => Memory::ToScratch,
                (true, pass) if pass == last => Memory::FromScratch,
                _ => Memory::InScratch,
            },
        }
    }
}

/// The radices of a line's stages, the largest first and none above `most`: the fewest stages, and among those the
/// smallest largest radix. `None` for lengths with factors other than 2, 3 and 5.
pub(crate) fn radices(length: usize, most: usize) -> Option<Vec<usize>> {
    fn of(length: usize, most: usize) -> Option<Vec<usize>> {
        if length == 1 {
            return Some(Vec::new());
        }
        let mut best: Option<Vec<usize>> = None;
        // Radices do not increase along the list, so each set of them is tried once.
        for radix in RADICES.into_iter().filter(|&radix| radix <= most && length.is_multiple_of(radix)) {
            let Some(rest) = of(length / radix, radix) else { continue };
            let found: Vec<usize> = [radix].into_iter().chain(rest).collect();
            if best.as_ref().is_none_or(|best| (found.len(), &found) < (best.len(), best)) {
                best = Some(found);
            }
        }
        best
    }
    if length == 0 { None } else { of(length, most) }
}

/// The radices that the shader has.
const RADICES: [usize; 11] = [16, 15, 12, 10, 9, 8, 6, 5, 4, 3, 2];

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::*;

    type Numbers = Vec<Complex<f64>>;

    fn root(m: usize, n: usize) -> Complex<f64> {
        Complex::from_polar(1.0, std::f64::consts::TAU * (m % n) as f64 / n as f64)
    }

    /// Performs a pass on the host, as it is planned; `from` and `to` may be the same numbers.
    fn perform(pass: &Pass, from: &Numbers, to: &mut Numbers) {
        for line in 0..pass.count() {
            let (mut left, mut at, mut rest) = (line, [0, 0], 0);
            for lines in &pass.lines {
                let i = left % lines.count;
                left /= lines.count;
                if lines.rest {
                    rest = i;
                }
                let cell = if i < lines.head { i } else { i + lines.skip };
                at = [0, 1].map(|side| at[side] + cell * lines.strides[side]);
            }
            let within = |hole: (usize, usize), i: usize| (hole.0..hole.1).contains(&i);
            let n = pass.length;
            let numbers: Numbers = (0..n)
                .map(|i| match (within(pass.holes[0], i), pass.between) {
                    (true, _) => Complex::default(),
                    (false, Between::Before) => from[at[0] + i * pass.strides[0]] * root(rest * i, pass.modulus),
                    (false, _) => from[at[0] + i * pass.strides[0]],
                })
                .collect();
            for k in (0..n).filter(|&k| !within(pass.holes[1], k)) {
                let sum: Complex<f64> = numbers.iter().enumerate().map(|(l, x)| x * root(k * l, n)).sum();
                let turn = if pass.between == Between::After { root(rest * k, pass.modulus) } else { 1.0.into() };
                to[at[1] + k * pass.strides[1]] = sum * turn;
            }
        }
    }

    fn all(passes: &[Pass], numbers: &mut Numbers) {
        let mut scratch = numbers.clone();
        for pass in passes {
            let from =
                if matches!(pass.memory, Memory::InPlace | Memory::ToScratch) { &*numbers } else { &scratch }.clone();
            let to =
                if matches!(pass.memory, Memory::InPlace | Memory::FromScratch) { &mut *numbers } else { &mut scratch };
            perform(pass, &from, to);
        }
    }

    fn number(i: usize) -> Complex<f64> {
        Complex::new((0.7 * i as f64).sin(), (1.3 * i as f64).cos())
    }

    /// Small capacities, for which small axes take several passes.
    fn rooms() -> [Room; 3] {
        [10, 16, 64].map(|numbers| Room { numbers, bytes: 8, lanes: 64, radix: 8 })
    }

    const GRIDS: [&[usize]; 6] = [&[1], &[30], &[48, 6], &[5, 60], &[120], &[4, 9, 10]];

    fn place(mut index: usize, grid: &[usize]) -> Vec<usize> {
        let mut at: Vec<usize> = grid
            .iter()
            .rev()
            .map(|n| {
                let digit = index % n;
                index /= n;
                digit
            })
            .collect();
        at.reverse();
        at
    }

    fn sum(grid: &[usize], numbers: &Numbers, k: &[usize]) -> Complex<f64> {
        let term = |(index, x): (usize, &Complex<f64>)| {
            place(index, grid).iter().zip(k).zip(grid).fold(*x, |x, ((&l, &k), &n)| x * root(k * l, n))
        };
        numbers.iter().enumerate().map(term).sum()
    }

    #[test]
    fn passes_with_bins_in_the_place_of_cells_are_the_transform() {
        for (room, grid) in rooms().iter().flat_map(|room| GRIDS.map(|grid| (room, grid))) {
            let count: usize = grid.iter().product();
            let wanted: Vec<[usize; 2]> = grid.iter().map(|&n| [n, 0]).collect();
            let plan = Plan::new(room, grid, &wanted, 2, true).unwrap();
            let mut numbers: Numbers = (0..2 * count).map(number).collect();
            let input = numbers.clone();
            all(&plan.passes, &mut numbers);
            for item in 0..2 {
                let input = input[item * count..][..count].to_vec();
                for k in 0..count {
                    let off = (numbers[item * count + k] - sum(grid, &input, &place(k, grid))).norm();
                    assert!(off < 1e-10, "{room:?} {grid:?}: bin {k} is off by {off}");
                }
            }
        }
    }

    /// Type 1 must compute all wanted bins and type 2 may read only those: everything else is poisoned.
    #[test]
    fn pruned_passes_are_the_transform_of_what_is_wanted() {
        for (room, grid) in rooms().iter().flat_map(|room| GRIDS.map(|grid| (room, grid))) {
            let count: usize = grid.iter().product();
            let wanted: Vec<[usize; 2]> = grid.iter().map(|&n| [n.div_ceil(4), n / 5]).collect();
            let plan = Plan::new(room, grid, &wanted, 1, false).unwrap();
            let is_wanted =
                |k: &[usize]| k.iter().zip(grid).zip(&wanted).all(|((&k, n), [low, high])| k < *low || k >= n - high);
            let stride = |axis: usize| grid[axis + 1..].iter().product::<usize>();
            let placed = |k: &[usize]| -> usize {
                k.iter().enumerate().map(|(axis, &bin)| plan.axes[axis].placed(bin) * stride(axis)).sum()
            };
            let mut numbers: Numbers = (0..count).map(number).collect();
            let input = numbers.clone();
            all(&plan.passes, &mut numbers);
            let mut spectrum = vec![Complex::new(f64::NAN, 0.0); count];
            let split = plan.axes.iter().any(|axis| axis.factors.len() > 1);
            if split {
                // A line of several passes reads more bins than are wanted: the others are zero.
                spectrum.fill(Complex::default());
            }
            let mut bins = Vec::new();
            for k in (0..count).map(|k| place(k, grid)).filter(|k| is_wanted(k)) {
                let off = (numbers[placed(&k)] - sum(grid, &input, &k)).norm();
                assert!(off < 1e-10, "{room:?} {grid:?}: bin {k:?} is off by {off}");
                spectrum[placed(&k)] = number(bins.len());
                bins.push(k);
            }
            let back: Vec<Pass> = plan.passes.iter().rev().map(Pass::transposed).collect();
            all(&back, &mut spectrum);
            for (l, found) in spectrum.iter().enumerate() {
                let at = place(l, grid);
                let term = |(i, k): (usize, &Vec<usize>)| {
                    at.iter().zip(k).zip(grid).fold(number(i), |x, ((&l, &k), &n)| x * root(k * l, n))
                };
                let exact: Complex<f64> = bins.iter().enumerate().map(term).sum();
                assert!((found - exact).norm() < 1e-10, "{room:?} {grid:?}: cell {l}");
            }
        }
    }

    #[test]
    fn lines_fit_their_room() {
        let room = Room { numbers: 2048, bytes: 8, lanes: 256, radix: 16 };
        for (cells, stride, passes) in
            [(2048, 1, 1), (4096, 1, 2), (1024, 7, 1), (2048, 7, 2), (1 << 22, 1, 3), (46_656, 1, 2)]
        {
            let factors = room.factors(cells, stride).unwrap();
            assert_eq!((factors.iter().product::<usize>(), factors.len()), (cells, passes), "{factors:?}");
            assert!(factors.iter().all(|&factor| factor <= 2048), "{factors:?}");
        }
        assert!(radices(14, 8).is_none() && radices(0, 8).is_none());
    }
}
