//! What a plan chose, as a value that can be printed and tested.

use std::fmt;

use crate::error::{Error, Result};
use crate::nufft::kernel::Shape;
use crate::real::Real;
use crate::shape;

/// The sign of the exponent in `exp(±i k·x)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// `exp(+i k·x)`.
    Plus,
    /// `exp(-i k·x)`.
    Minus,
}

impl Sign {
    /// The other sign.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plus => "+",
            Self::Minus => "-",
        })
    }
}

/// The order of modes along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeOrder {
    /// `-(N/2) .. N-N/2-1`, rising.
    Centred,
    /// `0 .. N-N/2-1, -(N/2) .. -1`, as FFTs order them.
    Fft,
}

impl fmt::Display for ModeOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Centred => "centred",
            Self::Fft => "fft",
        })
    }
}

/// Everything a plan chose.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Recipe {
    /// Modes on each axis.
    pub modes: Vec<usize>,
    /// Fine-grid cells on each axis.
    pub grid: Vec<usize>,
    /// Transforms executed together.
    pub batch: usize,
    /// The tolerance the plan keeps: what was asked, or the smallest reachable one where that was accepted.
    pub tolerance: f64,
    /// The tolerance asked for.
    pub asked: f64,
    /// The spreading kernel's shape.
    pub kernel: Shape,
    /// Cells a stencil covers on each axis.
    pub width: usize,
    /// The least ratio of fine-grid cells to modes over the axes.
    pub upsampling: f64,
    /// Degree of the polynomials that stand for the kernel.
    pub degree: usize,
    /// Tiles by which points are sorted, on each axis.
    pub tiles: Vec<usize>,
    /// Relative l2 error expected from aliasing and rounding together.
    pub predicted_error: f64,
    /// Bytes of the fine grid and the tables; points come on top, 8 to 40 bytes each.
    pub bytes: usize,
    /// The sign of the exponent.
    pub sign: Sign,
    /// The order of modes.
    pub order: ModeOrder,
    /// `f32` or `f64`.
    pub precision: &'static str,
    /// The device the plan runs on.
    pub device: String,
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extents = shape::written;
        writeln!(
            f,
            "modes       {} ({} order), sign {}, batch {}",
            extents(&self.modes),
            self.order,
            self.sign,
            self.batch
        )?;
        writeln!(f, "device      {}, {}", self.device, self.precision)?;
        writeln!(
            f,
            "tolerance   {:.1e} asked, {:.1e} kept, error expected {:.1e}",
            self.asked, self.tolerance, self.predicted_error
        )?;
        writeln!(f, "kernel      {}, width {}, polynomials of degree {}", self.kernel, self.width, self.degree)?;
        let (grid, tiles) = (extents(&self.grid), extents(&self.tiles));
        writeln!(f, "fine grid   {grid}, upsampling {:.3}, in {tiles} tiles", self.upsampling)?;
        write!(f, "memory      {:.1} MB without points", self.bytes as f64 / 1e6)
    }
}

/// Kernel, width and grid for modes and a tolerance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) tolerance: f64,
    pub(crate) width: usize,
    pub(crate) grid: Vec<usize>,
    pub(crate) upsampling: f64,
    pub(crate) predicted_error: f64,
}

/// The largest ratio of cells to modes a kernel's parameter is made for: tiny axes have grids many times larger, which
/// makes any kernel exact enough.
pub(crate) const LARGEST_UPSAMPLING: f64 = 4.0;

/// Modes up to which an axis counts as short.
const SHORT: usize = 24;

/// Chooses width and grid.
pub(crate) fn choose<T: Real>(
    modes: &[usize],
    asked: f64,
    accept: bool,
    shape: Shape,
    upsampling: Option<f64>,
) -> Result<Choice> {
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
    let reach = shape.smallest_tolerance(dimensions, sigma);
    let smallest = reach.max(T::SMALLEST_TOLERANCE);
    if asked < smallest && !accept {
        let why = if reach > T::SMALLEST_TOLERANCE {
            format!("the widest {shape} kernel at upsampling {sigma}")
        } else {
            format!("rounding in {}", T::NAME)
        };
        return Err(Error::Tolerance { tolerance: asked, smallest, why });
    }
    let tolerance = asked.max(smallest);
    let width = shape.width(tolerance, dimensions, sigma).ok_or_else(|| {
        Error::parameter("upsampling", format!("a factor at which some width keeps tolerance {tolerance:e}"), sigma)
    })?;

    let least = 2 * width;
    let grid = modes
        .iter()
        .map(|&count| {
            // On a short axis the outermost modes, whose error is the largest, weigh most: two modes more cost little there.
            let wanted = if count <= SHORT { count + 2 } else { count };
            let cells = (wanted as f64 * sigma).ceil();
            if cells > f64::from(u32::MAX / 4) {
                return Err(Error::TooLarge {
                    what: "the fine grid",
                    needed: format!("{cells:.0} cells on an axis"),
                    limit: "an axis holds at most 2^30; use fewer modes".into(),
                });
            }
            Ok(smooth_size((cells as usize).max(least)))
        })
        .collect::<Result<Vec<usize>>>()?;
    let achieved = grid.iter().zip(modes).map(|(&n, &count)| n as f64 / count as f64).fold(f64::INFINITY, f64::min);
    let aliasing = shape.predicted_error(width, dimensions, achieved.min(LARGEST_UPSAMPLING));
    // The transform's rounding grows with the logarithm of its size; half a unit an axis and a stage is what is measured.
    let stages: f64 = grid.iter().map(|&n| (n as f64).log2()).sum();
    let rounding = T::ROUNDOFF * (2.0 + 0.5 * stages);
    Ok(Choice { tolerance, width, grid, upsampling: achieved, predicted_error: aliasing.hypot(rounding) })
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
        }
    }

    #[test]
    fn out_of_reach_names_the_smallest() {
        let error = choose::<f32>(&[100], 1e-9, false, Shape::Prolate, None).unwrap_err();
        assert!(matches!(error, Error::Tolerance { smallest: 1e-6, .. }), "{error}");
        let error = choose::<f64>(&[100], 1e-12, false, Shape::Prolate, Some(1.25)).unwrap_err();
        assert!(matches!(error, Error::Tolerance { .. }), "{error}");
        assert_eq!(choose::<f64>(&[100], 1e-15, true, Shape::Prolate, None).unwrap().tolerance, 1e-14);
    }
}
