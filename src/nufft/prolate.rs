//! The prolate spheroidal wave function of order zero: of all functions on [-1, 1], the one whose Fourier transform is
//! most concentrated in a given band.

/// ψ₀ for a bandwidth c, as a series of normalised Legendre polynomials of even degree, scaled to ψ(0) = 1.
///
/// It is the eigenfunction of the smallest eigenvalue of `(1 - x²)ψ″ - 2xψ′ + (χ - c²x²)ψ = 0`, whose matrix in
/// normalised Legendre polynomials is tridiagonal (Xiao, Rokhlin and Yarvin 2001, eq. 51), found by inverse iteration:
/// the next even eigenvalue is about five times larger, so each step gains a factor of five.
#[derive(Debug, Clone)]
pub(crate) struct Prolate {
    bandwidth: f64,
    series: Vec<f64>,
    /// `(2k+1)/(k+1)` and `k/(k+1)`, the factors of Legendre's recurrence from degree k to k + 1, k = 1, 2, ..
    recurrence: Vec<(f64, f64)>,
}

impl Prolate {
    pub(crate) fn new(bandwidth: f64) -> Self {
        let square = bandwidth * bandwidth;
        let terms = 24 + bandwidth as usize;
        let diagonal: Vec<f64> = (0..terms)
            .map(|i| {
                let k = 2.0 * i as f64;
                k * (k + 1.0) + (2.0 * k * (k + 1.0) - 1.0) / ((2.0 * k + 3.0) * (2.0 * k - 1.0)) * square
            })
            .collect();
        let beside: Vec<f64> = (0..terms - 1)
            .map(|i| {
                let k = 2.0 * i as f64;
                (k + 2.0) * (k + 1.0) / ((2.0 * k + 3.0) * ((2.0 * k + 1.0) * (2.0 * k + 5.0)).sqrt()) * square
            })
            .collect();

        let mut pivots = diagonal;
        for i in 1..terms {
            pivots[i] -= beside[i - 1] * beside[i - 1] / pivots[i - 1];
        }
        let inverses: Vec<f64> = pivots.iter().map(|pivot| 1.0 / pivot).collect();
        let ratios: Vec<f64> = beside.iter().zip(&inverses).map(|(beside, inverse)| beside * inverse).collect();
        let mut series = vec![0.0; terms];
        series[0] = 1.0;
        for _ in 0..30 {
            for i in 1..terms {
                series[i] -= ratios[i - 1] * series[i - 1];
            }
            series[terms - 1] *= inverses[terms - 1];
            for i in (0..terms - 1).rev() {
                series[i] = series[i] * inverses[i] - ratios[i] * series[i + 1];
            }
            let norm = 1.0 / series.iter().map(|c| c * c).sum::<f64>().sqrt();
            series.iter_mut().for_each(|c| *c *= norm);
        }
        for (i, coefficient) in series.iter_mut().enumerate() {
            *coefficient *= (2.0 * i as f64 + 0.5).sqrt();
        }
        let largest = series.iter().fold(0.0, |largest: f64, c| largest.max(c.abs()));
        let needed = series.iter().rposition(|c| c.abs() > 1e-19 * largest).map_or(1, |last| last + 1);
        series.truncate(needed);
        let degrees = (1..2 * series.len()).map(|k| k as f64);
        let recurrence = degrees.map(|k| ((2.0 * k + 1.0) / (k + 1.0), k / (k + 1.0))).collect();
        let mut prolate = Self { bandwidth, series, recurrence };
        let peak = prolate.value(0.0);
        prolate.series.iter_mut().for_each(|c| *c /= peak);
        prolate
    }

    /// ψ(x) for |x| <= 1.
    pub(crate) fn value(&self, x: f64) -> f64 {
        let (mut below, mut here) = (1.0, x);
        let mut sum = self.series[0];
        let (pairs, _) = self.recurrence.as_chunks::<2>();
        for (coefficient, [even_step, odd_step]) in self.series[1..].iter().zip(pairs) {
            let even = even_step.0 * x * here - even_step.1 * below;
            let odd = odd_step.0 * x * even - odd_step.1 * here;
            sum += coefficient * even;
            (below, here) = (even, odd);
        }
        sum
    }

    /// `∫ ψ(s) cos(x s) ds` over [-1, 1], for |x| <= c: ψ is its own transform, `λ ψ(x/c)`, and λ is its integral.
    pub(crate) fn fourier(&self, x: f64) -> f64 {
        2.0 * self.series[0] * self.value(x / self.bandwidth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_its_own_transform() {
        for bandwidth in [2.0, 8.0, 16.5, 37.0] {
            let prolate = Prolate::new(bandwidth);
            assert!((prolate.value(0.0) - 1.0).abs() < 1e-15);
            for x in [0.0, 0.3 * bandwidth, 0.7 * bandwidth] {
                let steps = 4000;
                let simpson: f64 = (0..=steps)
                    .map(|i| {
                        let s = 2.0 * f64::from(i) / f64::from(steps) - 1.0;
                        let weight = if i == 0 || i == steps { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
                        weight * prolate.value(s) * (x * s).cos()
                    })
                    .sum::<f64>()
                    * 2.0
                    / f64::from(3 * steps);
                assert!((prolate.fourier(x) - simpson).abs() < 1e-11, "c = {bandwidth}, x = {x}");
            }
        }
    }
}
