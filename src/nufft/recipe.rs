//! What a plan of a non-uniform FFT chose, as a value that can be printed and tested.

use std::fmt;

use crate::nufft::kernel::Shape;
use crate::numeric::sign::Sign;
use crate::shape;

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

/// Where the grid of a GPU's plan is transformed between spreading and deconvolution. A CPU's plan has no choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UniformTransform {
    /// Where a model expects it to be faster. On hardware that is the device, since the way to the host and back takes
    /// longer than all the rest; a device emulated in software leaves it to the host, on which it runs itself.
    /// [`Recipe::transform_times`] has the model's figures.
    #[default]
    Auto,
    /// By rustfft, on all cores, with the grid taken there and back.
    Host,
    /// By shaders; nothing leaves the device.
    Device,
}

impl fmt::Display for UniformTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "where it is faster",
            Self::Host => "on the host",
            Self::Device => "on the device",
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
    /// For each axis, whether it is interpolated exactly: its stencil is the whole axis, and the kernel at a distance
    /// of x half axes is the periodic Dirichlet kernel `(1 + 2 Σ_k cos πkx)/(2h + 1)`, where k goes from 1 to h = N/2
    /// rounded down. A plan on the CPU chooses this for axes of up to 15 modes where it is cheaper than a finer grid,
    /// unless the upsampling factor is given or the kernel is the Gaussian.
    pub exact: Vec<bool>,
    /// Transforms executed together.
    pub batch: usize,
    /// The tolerance the plan keeps: what was asked, or the smallest reachable one where that was accepted.
    pub tolerance: f64,
    /// The tolerance asked for.
    pub asked: f64,
    /// The spreading kernel's shape.
    pub kernel: Shape,
    /// Cells a stencil covers on each axis that is not exact; 2 if all are.
    pub width: usize,
    /// The least ratio of fine-grid cells to modes over the axes that are not exact, or over all if all are.
    pub upsampling: f64,
    /// Degree of the polynomials that stand for the kernels.
    pub degree: usize,
    /// Tiles by which points are sorted, on each axis.
    pub tiles: Vec<usize>,
    /// Relative l2 error expected from aliasing and rounding together.
    pub predicted_error: f64,
    /// Bytes of the fine grids and the tables; points come on top, 8 to 28 bytes each.
    pub bytes: usize,
    /// The sign of the exponent.
    pub sign: Sign,
    /// The order of modes.
    pub order: ModeOrder,
    /// Where the grid is transformed: `Host` or `Device`.
    pub uniform: UniformTransform,
    /// The seconds that a model expects for one transform: on the host, including the way there and back, and on the
    /// device. Only for plans of a GPU that were left to choose.
    pub transform_times: Option<[f64; 2]>,
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
        if self.exact.contains(&false) {
            writeln!(f, "kernel      {}, width {}, polynomials of degree {}", self.kernel, self.width, self.degree)?;
        }
        let (grid, tiles) = (extents(&self.grid), extents(&self.tiles));
        writeln!(f, "fine grid   {grid}, upsampling {:.3}, in {tiles} tiles", self.upsampling)?;
        if self.exact.contains(&true) {
            let exact = (0..self.exact.len()).filter(|&axis| self.exact[axis]).map(|axis| axis.to_string());
            writeln!(f, "exact       axis {}: the stencil is the whole axis", exact.collect::<Vec<_>>().join(" and "))?;
        }
        write!(f, "transform   {}", self.uniform)?;
        match self.transform_times {
            Some([host, device]) => {
                writeln!(
                    f,
                    ", expected to take {} ms on the host and {} ms on the device",
                    shape::significant(host * 1e3, 4),
                    shape::significant(device * 1e3, 4)
                )?;
            }
            None => writeln!(f)?,
        }
        write!(f, "memory      {} MB without points", shape::significant(self.bytes as f64 / 1e6, 3))
    }
}
