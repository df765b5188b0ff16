//! Waves `exp(i k·x)` of many numbers x at a time, with phases that keep all digits of x whatever the size of the
//! product.

use std::f64::consts::TAU;

use num_complex::Complex;

use crate::machine::simd::{self, Vectorised, multiply_add};
use crate::numeric::sums::product_rest;
use crate::numeric::turns;

/// Numbers whose waves are computed together.
pub(crate) const BLOCK: usize = 64;

/// The waves of one wavenumber k.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waves {
    wavenumber: f64,
    /// Turns for each unit of x, as a sum of two f64.
    turns: (f64, f64),
}

impl Waves {
    /// The waves `exp(i wavenumber·x)`.
    pub(crate) fn new(wavenumber: f64) -> Self {
        Self { wavenumber, turns: turns::per_unit(wavenumber) }
    }

    /// `exp(i wavenumber·x)`, with an error of two units in the last place.
    pub(crate) fn at(&self, x: &[f64; BLOCK]) -> [Complex<f64>; BLOCK] {
        let mut waves = [Complex::default(); BLOCK];
        if !simd::run(Ordinary { turns: self.turns, x, waves: &mut waves }) {
            waves.iter_mut().zip(x).for_each(|(wave, &x)| *wave = self.exact(x));
        }
        waves
    }

    /// The same for one x of any size.
    pub(crate) fn exact(&self, x: f64) -> Complex<f64> {
        turns::wave(turns::of_product(x, self.wavenumber))
    }
}

/// The most turns for which a product in double-double arithmetic is exact enough: it is off by 2⁻¹⁰⁴ · 2²⁹ turns, far
/// less than the rounding of the wave.
const MOST_TURNS: f64 = (1u64 << 29) as f64;

/// The loop over a block; its output is false if some product is too large for it, or not finite.
struct Ordinary<'a> {
    turns: (f64, f64),
    x: &'a [f64; BLOCK],
    waves: &'a mut [Complex<f64>; BLOCK],
}

impl Vectorised for Ordinary<'_> {
    type Output = bool;
    #[inline(always)]
    fn run<const FMA: bool>(self) -> bool {
        /// Adding this constant leaves the nearest whole number in the lowest bits.
        const ROUND: f64 = 6_755_399_441_055_744.0;
        let ((high, low), x) = (self.turns, *self.x);
        let (mut real, mut imaginary) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut far = 0u64;
        for i in 0..BLOCK {
            let product = x[i] * high;
            let rest = product_rest::<FMA>(x[i], high, product) + x[i] * low;
            // This is false for NaN too.
            let near = (product + rest).abs() < MOST_TURNS;
            far |= u64::from(!near);
            let fraction = product - ((product + ROUND) - ROUND);
            let shifted = 4.0 * fraction + ROUND;
            let quarter = shifted.to_bits();
            let angle = TAU * ((fraction - 0.25 * (shifted - ROUND)) + rest);
            let (sine, cosine) = sine_and_cosine::<FMA>(angle);
            let odd = quarter & 1 == 1;
            let (across, along) = if odd { (cosine, sine) } else { (sine, cosine) };
            // The cosine is negative in the second and third quarter, the sine in the third and fourth.
            real[i] = f64::from_bits(along.to_bits() ^ (quarter.wrapping_add(1) & 2) << 62);
            imaginary[i] = f64::from_bits(across.to_bits() ^ (quarter & 2) << 62);
        }
        for i in 0..BLOCK {
            self.waves[i] = Complex::new(real[i], imaginary[i]);
        }
        far == 0
    }
}

/// Sine and cosine for |x| <= π/4, by their Taylor series: the first terms left out are below 2⁻⁵⁴.
#[inline(always)]
fn sine_and_cosine<const FMA: bool>(x: f64) -> (f64, f64) {
    const TERMS: usize = 18;
    /// `±1/n!` with the signs of the series, for n from 0 on.
    const SERIES: [f64; TERMS] = {
        let mut table = [1.0; TERMS];
        let mut n = 1;
        let mut factorial = 1.0;
        while n < TERMS {
            factorial *= n as f64;
            table[n] = if n % 4 < 2 { 1.0 / factorial } else { -1.0 / factorial };
            n += 1;
        }
        table
    };
    let square = x * x;
    let (mut sine, mut cosine) = (SERIES[17], SERIES[16]);
    let mut n = 16;
    while n > 2 {
        n -= 2;
        sine = multiply_add::<FMA, f64>(sine, square, SERIES[n + 1]);
        cosine = multiply_add::<FMA, f64>(cosine, square, SERIES[n]);
    }
    // The largest terms come last and alone, so that only they are rounded.
    (multiply_add::<FMA, f64>(x * square, sine, x), multiply_add::<FMA, f64>(square, cosine, 1.0))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_4;

    use super::*;

    #[test]
    fn blocks_agree_with_exact_phases() {
        let mut seed = 0.37;
        for centre in [1.0, -1.0, 0.1, 1e-3, 12_345.678, 1e6, -3e8, 0.0] {
            let waves = Waves::new(centre);
            for reach in [1e-6, 1.0, 1e3, 1e7, 1e12, 1e300] {
                let x: [f64; BLOCK] = std::array::from_fn(|_| {
                    seed = (seed * 997.13f64 + 0.123).fract();
                    (seed - 0.5) * reach
                });
                for (wave, x) in waves.at(&x).iter().zip(x) {
                    let off = (wave - waves.exact(x)).norm();
                    assert!(off < 5e-16, "{centre} · {x}: {off:e}");
                }
            }
            // Whole quarters and eighths of a turn.
            let x: [f64; BLOCK] = std::array::from_fn(|i| (i as f64 - 32.0) * FRAC_PI_4 / centre.abs().max(1e-3));
            for (wave, x) in waves.at(&x).iter().zip(x) {
                assert!((wave - waves.exact(x)).norm() < 5e-16, "{centre} · {x}");
            }
        }
    }

    #[test]
    fn one_number_that_is_far_or_not_finite_spoils_no_other() {
        let mut x = [0.5; BLOCK];
        (x[3], x[7]) = (1e200, f64::INFINITY);
        let waves = Waves::new(2.0);
        let found = waves.at(&x);
        assert!((found[0] - waves.exact(0.5)).norm() < 5e-16 && found[3] == waves.exact(1e200));
    }
}
