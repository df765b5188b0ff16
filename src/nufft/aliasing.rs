//! The aliasing error of a kernel on a grid, measured from the kernel's Fourier transform. For the default kernel at
//! the upsampling factors chosen for it there is a fit ([`crate::nufft::kernel::Shape::predicted_error`]); for a kernel
//! or a factor that the caller fixes, the error is measured.

use std::f64::consts::PI;

use crate::nufft::kernel::KernelShape;

/// The number of aliases on either side of a mode that are added up; the kernel's transform has fallen off beyond them.
const ALIASES: u32 = 4;

/// The relative l2 error for random points and data, on axes given by their numbers of modes and of cells n. It is the
/// root of the sum over the axes of the mean over their modes k of `(φ̂(k)/φ̃(k) - 1)² + Σ_{m≠0} (φ̂(k + mn)/φ̃(k))²`,
/// where φ̂ is the transform of the kernel and φ̃ the factor by which modes are divided.
pub(crate) fn error(kernel: &dyn KernelShape, width: usize, axes: impl Iterator<Item = (usize, usize)>) -> f64 {
    let transform = Transform::new(kernel, width);
    let axis = |(modes, cells): (usize, usize)| {
        let square = |distance: usize| {
            let mode = distance as f64 / cells as f64;
            let divisor = kernel.fourier(PI * width as f64 * mode);
            let off = |alias: f64| (transform.at(mode + alias) / divisor).powi(2);
            let aliases = (1..=ALIASES).map(f64::from).map(|alias| off(alias) + off(-alias)).sum::<f64>();
            (transform.at(mode) / divisor - 1.0).powi(2) + aliases
        };
        // The outermost modes have most of the error, one of them often half: they are added one by one, the others in
        // groups of doubling size, each represented by its middle.
        let half = modes / 2;
        let outermost = square(half) * if modes == 2 * half { 1.0 } else { 2.0 };
        let (mut sum, mut from, mut group) = (if half == 0 { square(0) } else { outermost }, 1, 1);
        while from < half {
            let count = group.min(half - from);
            sum += 2.0 * count as f64 * square(half - from - count / 2);
            (from, group) = (from + count, if from < 8 { 1 } else { 2 * group });
        }
        if half > 0 {
            sum += square(0);
        }
        sum / modes as f64
    };
    axes.map(axis).sum::<f64>().sqrt()
}

/// The Fourier transform of a kernel at any frequency, by the midpoint rule in θ, s = cos θ, over the half where s > 0.
struct Transform {
    /// For each node, its phase at a frequency of one turn a cell, `π w s`, and its weight.
    nodes: Vec<[f64; 2]>,
}

impl Transform {
    fn new(kernel: &dyn KernelShape, width: usize) -> Self {
        // Some nodes for each turn of the highest frequency.
        let count = 64 + 8 * width as u32 * ALIASES;
        let step = 0.5 * PI / f64::from(count);
        let node = |i: u32| {
            let (sin, cos) = ((f64::from(i) + 0.5) * step).sin_cos();
            [PI * width as f64 * cos, 2.0 * step * sin * kernel.value(cos)]
        };
        Self { nodes: (0..count).map(node).collect() }
    }

    /// `∫ φ(s) cos(π w f s) ds` over [-1, 1], for a frequency of f turns a cell.
    fn at(&self, frequency: f64) -> f64 {
        self.nodes.iter().map(|[phase, weight]| weight * (phase * frequency).cos()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nufft::kernel::Shape;

    /// The fit for the default kernel and the measured error agree where the fit was made.
    #[test]
    fn agrees_with_the_fit_of_the_default_kernel() {
        for upsampling in [1.25, 1.5, 2.0] {
            for width in 3..=14 {
                let cells = [(4000, (4000.0 * upsampling) as usize)];
                let measured = error(&*Shape::Prolate.build(width, upsampling), width, cells.into_iter());
                let fit = Shape::Prolate.predicted_error(width, 1, upsampling);
                println!("{upsampling} {width}: {measured:.2e} {fit:.2e}");
                let ratio = measured / fit;
                assert!((0.7..1.1).contains(&ratio) || measured < 1e-13, "{upsampling} {width}: {ratio}");
            }
        }
    }
}
