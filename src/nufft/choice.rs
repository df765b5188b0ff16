//! The choice of kernel width and grid for given modes and tolerance: the cheapest that keep the tolerance.

use crate::error::{Error, Result};
use crate::nufft::aliasing;
use crate::nufft::kernel::Shape;
use crate::numeric::float::Float;
use crate::shape;

/// A chosen width and grid, with the tolerance they keep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) tolerance: f64,
    pub(crate) width: usize,
    pub(crate) grid: Vec<usize>,
    /// For each axis, whether it is interpolated exactly: its stencil is the whole axis.
    pub(crate) exact: Vec<bool>,
    pub(crate) upsampling: f64,
    pub(crate) predicted_error: f64,
}

impl Choice {
    /// Cells that a stencil covers on each axis.
    pub(crate) fn widths(&self) -> Vec<usize> {
        widths(self.width, &self.grid, &self.exact)
    }
}

fn widths(width: usize, grid: &[usize], exact: &[bool]) -> Vec<usize> {
    grid.iter().zip(exact).map(|(&cells, &exact)| if exact { cells } else { width }).collect()
}

/// What a plan asks for.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) modes: &'a [usize],
    pub(crate) tolerance: f64,
    /// Whether to take the smallest reachable tolerance where the one asked for is out of reach.
    pub(crate) accept: bool,
    pub(crate) shape: Shape,
    /// The upsampling factor asked for; without one it is chosen by cost.
    pub(crate) upsampling: Option<f64>,
    /// The points expected, from which a CPU's costs are computed; without them the upsampling factor is 2 unless one
    /// is asked for.
    pub(crate) points: Option<usize>,
    /// The cells of the largest grid the device takes. If the usual upsampling factor needs more and none is asked for,
    /// a wider kernel on a smaller grid is chosen.
    pub(crate) cells: usize,
}

/// The largest ratio of cells to modes for which a kernel's parameter is computed. Tiny axes have grids many times
/// larger, on which any kernel is exact enough.
pub(crate) const LARGEST_UPSAMPLING: f64 = 4.0;
/// The range in which upsampling factors are tried. Below it, rounding and aliasing are amplified more than is saved;
/// above it, a cube takes more memory than narrow kernels are worth.
const TRIED: std::ops::RangeInclusive<f64> = 1.25..=2.25;

/// The most modes of an axis that counts as short and gets a grid for two modes more: its outermost modes, whose error
/// is the largest, weigh much, and two more cost little.
const SHORT: usize = 64;

/// The most cells of an axis that is interpolated exactly.
const EXACT: usize = 16;

/// The cells of an axis that is interpolated exactly: enough for as many modes below zero as above, and on the fastest
/// axis an even number, which transforms of real data need.
fn exact_cells(modes: usize, fastest: bool) -> usize {
    2 * (modes / 2) + if fastest { 2 } else { 1 }
}

/// The number of axes that are not exact.
fn gridded(exact: &[bool]) -> usize {
    exact.iter().filter(|exact| !**exact).count()
}

/// The sets of axes that may be interpolated exactly: none, the shortest axis, the two shortest, and so on.
fn exact_sets(modes: &[usize]) -> impl Iterator<Item = Vec<bool>> {
    let short = |&axis: &usize| exact_cells(modes[axis], axis + 1 == modes.len()) <= EXACT;
    let mut axes: Vec<usize> = (0..modes.len()).filter(short).collect();
    axes.sort_by_key(|&axis| modes[axis]);
    (0..=axes.len()).map(move |count| (0..modes.len()).map(|axis| axes[..count].contains(&axis)).collect())
}

/// Chooses the width and the grid.
pub(crate) fn choose<T: Float>(request: &Request<'_>) -> Result<Choice> {
    let Request { modes, tolerance: asked, accept, shape, upsampling, points, cells } = *request;
    if modes.is_empty() || modes.len() > 3 || modes.contains(&0) {
        return Err(Error::parameter("modes", "one to three extents, each at least 1", format!("{modes:?}")));
    }
    if !(asked > 0.0 && asked < 1.0) {
        return Err(Error::parameter("tolerance", "0 < tolerance < 1", format!("{asked:e}")));
    }
    let dimensions = modes.len();
    let sigma = upsampling.unwrap_or_else(|| shape.default_upsampling(asked));
    if !(1.2..=LARGEST_UPSAMPLING).contains(&sigma) {
        return Err(Error::parameter("upsampling", format!("1.2 <= upsampling <= {LARGEST_UPSAMPLING}"), sigma));
    }
    // The fit of errors holds for the default kernel at the factors tried here; for a kernel or a factor that the
    // caller fixes, the error is measured.
    let measured = upsampling.is_some() || shape != Shape::Prolate;
    let reach = if measured { 0.0 } else { shape.smallest_tolerance(dimensions, sigma) };
    let smallest = reach.max(T::SMALLEST_TOLERANCE);
    if asked < smallest && !accept {
        return Err(out_of_reach::<T>(request, sigma, smallest));
    }
    let tolerance = asked.max(smallest);
    let width = shape.width(tolerance, dimensions, sigma).unwrap_or(shape.widest());
    let none = vec![false; dimensions];
    let plain = Candidate::new::<T>(modes, &none, shape, width, sigma, smooth_size)?;
    let best = match points {
        Some(points) if upsampling.is_none() && shape != Shape::Gaussian => {
            cheapest::<T>(modes, tolerance, shape, points).unwrap_or(plain)
        }
        _ if upsampling.is_none() && plain.cells() > cells => candidates::<T>(modes, &none, tolerance, shape)
            .find(|candidate| candidate.cells() <= cells)
            .unwrap_or(plain),
        _ => plain,
    };
    let (tolerance, best) =
        if measured { keeping_tolerance::<T>(request, tolerance, best)? } else { (tolerance, best) };
    Ok(best.choice(tolerance))
}

fn out_of_reach<T: Float>(request: &Request<'_>, sigma: f64, smallest: f64) -> Error {
    let why = if smallest > T::SMALLEST_TOLERANCE {
        format!("the widest {} kernel at upsampling {sigma}", request.shape)
    } else {
        format!("rounding in {}", T::NAME)
    };
    Error::Tolerance { tolerance: request.tolerance, smallest, why }
}

/// The narrowest of `first` and wider candidates whose measured error keeps the tolerance, with that tolerance. If none
/// does and the request accepts it, the candidate with the smallest error, with the tolerance that it keeps.
fn keeping_tolerance<T: Float>(request: &Request<'_>, tolerance: f64, first: Candidate) -> Result<(f64, Candidate)> {
    let Request { modes, shape, .. } = *request;
    // As in `candidates`, most of the accuracy law's floor is allowed.
    let law = |error: f64| if error <= 0.7 * T::FLOOR { 0.0 } else { error };
    let sigma = request.upsampling.unwrap_or(first.upsampling);
    let mut best: Option<Candidate> = None;
    let (narrowest, exact) = (first.width + 1, first.exact.clone());
    let wider = shape
        .widths()
        .filter(|&width| width >= narrowest)
        .map(|width| Candidate::new::<T>(modes, &exact, shape, width, sigma, smooth_size));
    for candidate in std::iter::once(Ok(first)).chain(wider) {
        let candidate = candidate?.measured::<T>(modes, shape);
        if law(candidate.predicted_error) <= tolerance {
            return Ok((tolerance, candidate));
        }
        if best.as_ref().is_none_or(|best| candidate.predicted_error < best.predicted_error) {
            best = Some(candidate);
        }
    }
    let best = best.expect("the first candidate was measured");
    let smallest = law(best.predicted_error);
    if request.accept && smallest < 1.0 {
        Ok((smallest, best))
    } else {
        Err(out_of_reach::<T>(request, sigma, smallest))
    }
}

/// A width and a grid that may be chosen.
struct Candidate {
    width: usize,
    grid: Vec<usize>,
    exact: Vec<bool>,
    upsampling: f64,
    predicted_error: f64,
}

impl Candidate {
    fn choice(self, tolerance: f64) -> Choice {
        let Self { width, grid, exact, upsampling, predicted_error } = self;
        Choice { tolerance, width, grid, exact, upsampling, predicted_error }
    }

    fn cells(&self) -> usize {
        self.grid.iter().fold(1, |cells, &axis| cells.saturating_mul(axis))
    }

    /// The candidate with the measured error of its kernel in place of the fitted one.
    fn measured<T: Float>(self, modes: &[usize], shape: Shape) -> Self {
        let clamped = self.upsampling.min(LARGEST_UPSAMPLING);
        let axes = modes.iter().copied().zip(self.grid.iter().copied()).zip(&self.exact);
        let axes = axes.filter(|(_, exact)| !**exact).map(|(axis, _)| axis);
        let aliasing = aliasing::error(&*shape.build(self.width, clamped), self.width, axes);
        Self {
            predicted_error: aliasing.hypot(rounding::<T>(&self.grid, gridded(&self.exact), self.width, clamped)),
            ..self
        }
    }

    /// The candidate whose grid has at least σ cells for each mode, except on `exact` axes; `size` rounds up to a size
    /// that transforms well.
    fn new<T: Float>(
        modes: &[usize],
        exact: &[bool],
        shape: Shape,
        width: usize,
        sigma: f64,
        size: impl Fn(usize) -> usize,
    ) -> Result<Self> {
        let cells = |axis: usize, count: usize| {
            if exact[axis] {
                return Ok(exact_cells(count, axis + 1 == modes.len()));
            }
            let wanted = if count <= SHORT { count + 2 } else { count };
            let cells = (wanted as f64 * sigma).ceil();
            if cells > f64::from(u32::MAX / 4) {
                return Err(Error::TooLarge {
                    what: "the fine grid",
                    needed: format!("{} cells on an axis", shape::significant(cells, 3)),
                    limit: "an axis holds at most 2^30; use fewer modes".into(),
                });
            }
            Ok(size((cells as usize).max(2 * width)))
        };
        let grid = modes.iter().enumerate().map(|(axis, &count)| cells(axis, count)).collect::<Result<Vec<usize>>>()?;
        let gridded = gridded(exact);
        let ratios = grid.iter().zip(modes).zip(exact).filter(|(_, exact)| !**exact || gridded == 0);
        let ratios = ratios.map(|((&n, &count), _)| n as f64 / count as f64);
        let upsampling = ratios.fold(f64::INFINITY, f64::min);
        let clamped = upsampling.min(LARGEST_UPSAMPLING);
        let aliasing = shape.predicted_error(width, gridded, clamped);
        let predicted_error = aliasing.hypot(rounding::<T>(&grid, gridded, width, clamped));
        Ok(Self { width, grid, exact: exact.to_vec(), upsampling, predicted_error })
    }
}

/// The relative l2 error caused by rounding: a unit or two in spreading and a tenth in every stage of the transform,
/// times the factor by which deconvolution amplifies noise on each axis that is not exact.
fn rounding<T: Float>(grid: &[usize], gridded: usize, width: usize, upsampling: f64) -> f64 {
    let stages: f64 = grid.iter().map(|&n| (n as f64).log2()).sum();
    T::ROUNDOFF * (2.0 + 0.1 * stages) * noise_growth(width, upsampling).powi(gridded as i32)
}

/// The factor by which deconvolution amplifies white noise on the grid, relative to the data, on one axis.
///
/// Modes are divided by the kernel's transform: about `exp(-c x²/2)`, where c is the bandwidth and x the fraction of
/// the band. So noise grows by the root mean square of the transform over all bins times that of its inverse over the
/// modes. At σ = 2 this is about 1.5, at 1.25 and width 10 about 8, and f32 loses a digit in 2-D and two in 3-D.
pub(crate) fn noise_growth(width: usize, upsampling: f64) -> f64 {
    const STEPS: u32 = 12;
    let band = std::f64::consts::PI * width as f64 * (1.0 - 0.5 / upsampling);
    let edge = 1.0 / (2.0 * upsampling - 1.0);
    let mean = |reach: f64, sign: f64| {
        let term = |i: u32| (sign * band * (reach * (f64::from(i) + 0.5) / f64::from(STEPS)).powi(2)).exp();
        (0..STEPS).map(term).sum::<f64>() / f64::from(STEPS)
    };
    (mean(edge, 1.0) * mean((upsampling * edge).min(1.0), -1.0)).sqrt().max(1.0)
}

/// The widths that keep the tolerance, each with the smallest upsampling factor at which it does.
fn candidates<T: Float>(
    modes: &[usize],
    exact: &[bool],
    tolerance: f64,
    shape: Shape,
) -> impl Iterator<Item = Candidate> {
    // Rounding may take up what the tolerance leaves, and is always allowed most of the accuracy law's floor.
    let allowed = tolerance.max(0.7 * T::FLOOR);
    (2..=16).filter_map(move |width| {
        let least = match gridded(exact) {
            0 if width == 2 => Some(0.0),
            0 => None,
            gridded => shape.least_upsampling(tolerance, width, gridded),
        };
        let sigma = least?.max(*TRIED.start());
        if sigma > *TRIED.end() {
            return None;
        }
        let candidate = Candidate::new::<T>(modes, exact, shape, width, sigma, |least| quick_size::<T>(least)).ok()?;
        (candidate.predicted_error <= allowed).then_some(candidate)
    })
}

/// The candidate with the lowest expected time.
fn cheapest<T: Float>(modes: &[usize], tolerance: f64, shape: Shape, points: usize) -> Option<Candidate> {
    let cost = |Candidate { width, grid, exact, .. }: &Candidate| {
        nanoseconds::<T>(modes, grid, &widths(*width, grid, exact), points)
    };
    let all = exact_sets(modes).flat_map(|exact| candidates::<T>(modes, &exact, tolerance, shape).collect::<Vec<_>>());
    all.min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

/// Chooses width and upsampling for the outer transform of type 3, which spreads onto a grid whose every cell becomes a
/// mode of an inner type 2 at `targets` points: a larger grid makes the inner transform larger too. `grid` gives the
/// grid for a width and an upsampling factor.
pub(crate) fn choose_outer<T: Float>(
    request: &Request<'_>,
    targets: usize,
    grid: impl Fn(usize, f64) -> Result<Vec<usize>>,
) -> Result<Choice> {
    // No axis of the outer grid may be exact: its cells are no modes of the sources.
    let plain = choose::<T>(&Request { points: None, ..request.clone() })?;
    let Some(points) = request.points else { return Ok(plain) };
    let Request { modes, shape, .. } = *request;
    let cost = |candidate: &Candidate| -> Result<f64> {
        let modes = grid(candidate.width, candidate.upsampling)?;
        let inner =
            Request { modes: &modes, points: Some(targets), tolerance: plain.tolerance, accept: true, ..*request };
        let inner = choose::<T>(&inner)?;
        let spreading = gridding::<T>(&modes, &vec![candidate.width; modes.len()], points);
        Ok(spreading + nanoseconds::<T>(&modes, &inner.grid, &inner.widths(), targets))
    };
    let mut best = (f64::INFINITY, None);
    // Kernels more than about twice as wide as the narrowest cost more than the grid saves, and choosing takes time as
    // well: five are tried.
    for candidate in candidates::<T>(modes, &vec![false; modes.len()], plain.tolerance, shape).take(5) {
        let cost = cost(&candidate)?;
        if cost < best.0 {
            best = (cost, Some(candidate));
        }
    }
    let tolerance = plain.tolerance;
    Ok(best.1.map_or(plain, |candidate| candidate.choice(tolerance)))
}

/// The approximate time of one execution on one core, as the mean of both types. A byte of the grid costs 400 ps: 1 ns
/// when first used, shared by four executions, and 150 ps to go through it for the points.
///
/// This is between stage times on a Zen 3 core and on a Xeon with AVX-512: a point costs some tens of ns and 0.3 to 0.9
/// for each vector of its stencil, a line of the transform what its factors cost, a cell that goes through a panel some
/// more. Other processors differ in scale more than in ratios, and only ratios count.
fn nanoseconds<T: Float>(modes: &[usize], grid: &[usize], widths: &[usize], points: usize) -> f64 {
    let double = size_of::<T>() == 8;
    let moved = if double { 4.0 } else { 2.2 };
    let cells = grid.iter().product::<usize>() as f64;
    let mut transform = 0.0;
    // An axis has as many lines as faster axes have kept bins and slower axes have cells.
    let mut lines = cells;
    for (axis, (&n, &count)) in grid.iter().zip(modes).enumerate().rev() {
        let through_panels = if axis + 1 < grid.len() { moved } else { 0.0 };
        transform += lines * (element::<T>(n) + through_panels);
        lines *= count as f64 / n as f64;
    }
    if let &[n] = grid {
        transform += n as f64 * 2.0 * moved;
    }
    gridding::<T>(grid, widths, points) + transform
}

/// The time of spreading or interpolating and of the grid's first use, in nanoseconds.
fn gridding<T: Float>(grid: &[usize], widths: &[usize], points: usize) -> f64 {
    let double = size_of::<T>() == 8;
    let cells = if double { 2 } else { 4 };
    // A row has as many cells as the widest axis needs.
    let width = widths.iter().copied().max().unwrap_or(1);
    let row = width.div_ceil(cells);
    let vectors = (widths[..widths.len() - 1].iter().product::<usize>() * row) as f64;
    let (each, vector) = match (grid.len(), double) {
        (1, true) => (20.0, 0.9),
        (1, false) => (12.0, 0.6),
        // Rows that fill their vectors cannot always begin on a vector's boundary, and then straddle cache lines.
        (2, true) => (22.0, if width.is_multiple_of(cells) { 0.56 } else { 0.5 }),
        (2, false) => (12.0, 0.8),
        (_, true) => (35.0, 0.6),
        (_, false) => (30.0, 0.35),
    };
    let memory = grid.iter().product::<usize>() as f64 * 2.0 * size_of::<T>() as f64 * 0.4;
    points as f64 * (each + vector * vectors) + memory
}

/// The nanoseconds that rustfft takes for an element of a line, from the line's factors. It is a fit to lines of 96 to
/// 4096 elements, with 20 % noise. A factor of 5 costs as much as four factors of 2 (f64) or seven (f32).
fn element<T: Float>(n: usize) -> f64 {
    let (mut rest, mut powers) = (n, [0.0; 3]);
    for (power, prime) in powers.iter_mut().zip([2, 3, 5]) {
        while rest.is_multiple_of(prime) {
            rest /= prime;
            *power += 1.0;
        }
    }
    let [twos, threes, fives] = powers;
    // Axes that are exact may have a larger prime factor.
    let other = if rest > 1 { 0.25 * rest as f64 } else { 0.0 };
    if size_of::<T>() == 8 {
        f64::max(0.6, 0.31 * twos + 0.58 * threes + 1.2 * fives + other - 0.45)
    } else {
        0.12 * twos + 0.27 * threes + 0.77 * fives + 0.5 * other + 0.03
    }
}

/// Of the even sizes 2^a 3^b 5^c from `least` to an eighth more, the one that is expected to transform fastest.
fn quick_size<T: Float>(least: usize) -> usize {
    // Every stage costs something for each cell, whatever the line's factors.
    let passing = if size_of::<T>() == 8 { 4.0 } else { 2.0 };
    let cost = |n: usize| n as f64 * (element::<T>(n) + passing);
    let mut best = smooth_size(least);
    let mut fives = 1;
    while fives <= 2 * least {
        let mut threes = fives;
        while threes <= 2 * least {
            let n = threes * least.div_ceil(threes).next_power_of_two().max(2);
            if n <= least + least / 8 && cost(n) < cost(best) {
                best = n;
            }
            threes *= 3;
        }
        fives *= 5;
    }
    best
}

/// The least even size of the form 2^a 3^b 5^c that is at least `least`.
pub(crate) fn smooth_size(least: usize) -> usize {
    let mut best = least.next_power_of_two().max(2);
    let mut fives = 1;
    while fives < best {
        let mut threes = fives;
        while threes < best {
            let twos = least.div_ceil(threes).next_power_of_two().max(2);
            best = best.min(threes * twos);
            threes *= 3;
        }
        fives *= 5;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(modes: &[usize], tolerance: f64) -> Request<'_> {
        let points = Some(modes.iter().product());
        Request { modes, tolerance, accept: false, shape: Shape::Prolate, upsampling: None, points, cells: usize::MAX }
    }

    #[test]
    fn sizes_are_the_least_smooth_ones() {
        let smooth = |mut n: usize| {
            for p in [2usize, 3, 5] {
                while n.is_multiple_of(p) {
                    n /= p;
                }
            }
            n == 1
        };
        for least in 1..3000 {
            let expected = (least..).find(|&n| n % 2 == 0 && smooth(n)).unwrap();
            assert_eq!(smooth_size(least), expected);
            let quick = quick_size::<f64>(least);
            assert!(
                smooth(quick)
                    && quick.is_multiple_of(2)
                    && quick >= expected
                    && 8 * quick <= 9 * least.max(8 * expected)
            );
        }
    }

    #[test]
    fn out_of_reach_names_the_smallest() {
        let error = choose::<f32>(&request(&[100], 1e-9)).unwrap_err();
        assert!(matches!(error, Error::Tolerance { smallest: 1e-6, .. }), "{error}");
        let error = choose::<f64>(&Request { upsampling: Some(1.25), ..request(&[100], 1e-12) }).unwrap_err();
        assert!(matches!(error, Error::Tolerance { .. }), "{error}");
        assert_eq!(choose::<f64>(&Request { accept: true, ..request(&[100], 1e-15) }).unwrap().tolerance, 1e-14);
    }

    /// For few points the smallest grid is cheapest, for many the narrowest kernel.
    #[test]
    fn costs_weigh_points_against_cells() {
        let few = choose::<f64>(&Request { points: Some(100), ..request(&[100, 100, 100], 1e-6) }).unwrap();
        let many = choose::<f64>(&Request { points: Some(100_000_000), ..request(&[100, 100, 100], 1e-6) }).unwrap();
        assert!(few.upsampling < 1.5 && many.upsampling > 1.9 && few.width > many.width, "{few:?} {many:?}");
    }

    #[test]
    fn every_tolerance_has_a_choice_that_predicts_to_keep_it() {
        for modes in [&[7][..], &[1000], &[1 << 20], &[40, 3], &[300, 200], &[9, 10, 11], &[100, 100, 100]] {
            for digits in 1..=14 {
                let tolerance = 10f64.powi(-digits);
                let choice = choose::<f64>(&request(modes, tolerance)).unwrap();
                assert!(choice.predicted_error <= tolerance.max(2.5e-14), "{modes:?} {tolerance:e}: {choice:?}");
                if digits <= 6 {
                    let choice = choose::<f32>(&request(modes, tolerance)).unwrap();
                    assert!(choice.predicted_error <= tolerance.max(1e-6), "{modes:?} {tolerance:e}: {choice:?}");
                }
            }
        }
    }

    /// A grid too large for the device is replaced by a smaller one with a wider kernel, unless an upsampling factor
    /// was asked for.
    #[test]
    fn a_grid_that_no_binding_holds_is_made_smaller() {
        let (modes, tolerance) = ([256, 256, 256], 1e-6);
        let of = |cells, upsampling| {
            let request = Request { points: None, cells, upsampling, ..request(&modes, tolerance) };
            let found = choose::<f64>(&request).unwrap();
            (found.grid.iter().product::<usize>(), found.width, found.predicted_error)
        };
        let (usual, width, _) = of(usize::MAX, None);
        let (smaller, wider, error) = of(usual - 1, None);
        assert!(smaller < usual && wider > width && error <= tolerance, "{smaller} cells, {wider} wide, {error:e}");
        assert_eq!(of(usual - 1, Some(2.0)).0, usual, "what was asked for");
    }
}
