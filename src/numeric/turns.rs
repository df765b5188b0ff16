//! Angles as fixed-point turns: the fraction of a full circle in 128 bits, exact where an f64 product would round.
//!
//! `k · turns` wraps exactly in integer arithmetic, whatever the size of k or of the angle; the direct sums and the
//! folding of very large coordinates rest on it.

use num_complex::Complex;

/// The binary digits of 1/(2π) after the point, enough for the largest f64.
const INVERSE_TAU: [u64; 20] = [
    0x28be_60db_9391_054a,
    0x7f09_d5f4_7d4d_3770,
    0x36d8_a566_4f10_e410,
    0x7f94_58ea_f7ae_f158,
    0x6dc9_1b8e_9093_74b8,
    0x0192_4bba_8274_6487,
    0x3f87_7ac7_2c4a_69cf,
    0xba20_8d7d_4bae_d121,
    0x3a67_1c09_ad17_df90,
    0x4e64_758e_60d4_ce7d,
    0x2721_17e2_ef7e_4a0e,
    0xc7fe_25ff_f781_6603,
    0xfbcb_c462_d682_9b47,
    0xdb4d_9fb3_c9f2_c26d,
    0xd3d1_8fd9_a797_fa8b,
    0x5d49_eeb1_faf9_7c5e,
    0xcf41_ce7d_e294_a4ba,
    0x9afe_d7ec_47e3_5742,
    0x1580_cc11_bf1e_daea,
    0xfc33_ef08_26bd_0d87,
];

/// 1/(2π) as a sum of two f64.
pub(crate) const INVERSE_TAU_PAIR: (f64, f64) = (0.15915494309189535, -9.839338337591243e-18);

/// `x / 2π` modulo 1 in units of 2⁻¹²⁸ turns, within 2⁻¹²⁷ turns, for any finite x in radians.
///
/// With x = m·2ᵉ and m an integer of 53 bits, the turns are m times the digits of 1/2π from the e-th on (Payne and
/// Hanek, 1983): 192 digits times m leave 139 correct bits of the fraction.
pub(crate) fn of_radians(x: f64) -> u128 {
    let bits = x.to_bits();
    let raw = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = if raw == 0 { (fraction, -1074) } else { (fraction | 1 << 52, raw - 1075) };
    let window = [digits(exponent), digits(exponent + 64), digits(exponent + 128)];

    let low = u128::from(mantissa) * u128::from(window[2]);
    let middle = u128::from(mantissa) * u128::from(window[1]) + (low >> 64);
    let top = (u128::from(mantissa) * u128::from(window[0]) + (middle >> 64)) as u64;
    let turns = u128::from(top) << 64 | u128::from(middle as u64);
    if x.is_sign_negative() { turns.wrapping_neg() } else { turns }
}

/// `x·step / 2π` modulo 1 in units of 2⁻¹²⁸ turns, without rounding the product.
pub(crate) fn of_product(x: f64, step: f64) -> u128 {
    let product = x * step;
    of_radians(product).wrapping_add(of_radians(x.mul_add(step, -product)))
}

/// `step / 2π` as a sum of two f64.
pub(crate) fn per_unit(step: f64) -> (f64, f64) {
    let (high, low) = INVERSE_TAU_PAIR;
    let product = step * high;
    let rest = step.mul_add(high, -product) + step * low;
    (product + rest, rest - ((product + rest) - product))
}

/// 64 digits of 1/2π from a position after the point on; positions before the point hold zeros.
fn digits(position: i32) -> u64 {
    let word = |index: i32| usize::try_from(index).ok().and_then(|i| INVERSE_TAU.get(i)).copied().unwrap_or(0);
    let (index, shift) = (position.div_euclid(64), position.rem_euclid(64));
    match shift {
        0 => word(index),
        _ => word(index) << shift | word(index + 1) >> (64 - shift),
    }
}

/// `k · turns`, wrapped.
#[inline(always)]
pub(crate) fn times(turns: u128, k: i64) -> u128 {
    turns.wrapping_mul(i128::from(k) as u128)
}

/// The angle in (-π, π] radians.
#[inline(always)]
pub(crate) fn radians(turns: u128) -> f64 {
    let signed = (turns >> 64) as i64;
    signed as f64 * (std::f64::consts::TAU / 18_446_744_073_709_551_616.0)
}

/// `exp(2πi t)` for t turns.
pub(crate) fn wave(turns: u128) -> Complex<f64> {
    let (sin, cos) = radians(turns).sin_cos();
    Complex::new(cos, sin)
}

/// `exp(2πi f t)`, with the rounding error of the product.
pub(crate) fn wave_at(frequency: f64, time: f64) -> Complex<f64> {
    let product = frequency * time;
    let rest = frequency.mul_add(time, -product);
    // Adding and subtracting 1.5·2⁵² rounds numbers below 2⁵¹ to whole ones, in fewer instructions than a call.
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    let near = if product.abs() < 2f64.powi(51) { (product + WHOLE) - WHOLE } else { product.round() };
    let turns = (product - near) + rest;
    let (sin, cos) = (std::f64::consts::TAU * (turns - ((turns + WHOLE) - WHOLE))).sin_cos();
    Complex::new(cos, sin)
}

/// The cell (of `cells` equal ones) in which a fraction of a turn lies, and the position within that cell, in [0, 1).
pub(crate) fn split(turns: u128, cells: u32) -> (u32, f64) {
    let scaled = (turns >> 32) * u128::from(cells);
    let within = scaled & ((1 << 96) - 1);
    ((scaled >> 96) as u32, within as f64 / (1u128 << 96) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_system_sine_for_every_magnitude() {
        let mut x: f64 = 1.234_567_89;
        for exponent in -60..300 {
            for sign in [1.0, -1.0] {
                let value = sign * x * 10f64.powi(exponent);
                let angle = radians(of_radians(value));
                assert!((angle.sin() - value.sin()).abs() < 1e-15, "{value}");
                assert!((angle.cos() - value.cos()).abs() < 1e-15, "{value}");
            }
            x = (x * 1.618_034) % 9.0 + 0.5;
        }
    }

    #[test]
    fn waves_of_large_products_keep_their_digits() {
        // (2²⁶ + 1)(2²⁶ - 1 + 2⁻²⁶) is 2⁵² + 2⁻²⁶, which an f64 rounds to 2⁵².
        let (a, b) = (67_108_865.0, 67_108_863.0 + 1.0 / 67_108_864.0);
        let expected = Complex::cis(std::f64::consts::TAU / 67_108_864.0);
        assert!((wave_at(a, b) - expected).norm() < 1e-15, "{}", wave_at(a, b));
        assert!((wave_at(0.125, 1e9 + 1.0) - Complex::cis(std::f64::consts::TAU / 8.0)).norm() < 1e-15);
    }

    #[test]
    fn digits_match_the_pair() {
        let high = INVERSE_TAU[0] as f64 / 2f64.powi(64);
        assert_eq!(high, INVERSE_TAU_PAIR.0);
        let scaled = (INVERSE_TAU_PAIR.0 * 2f64.powi(120)) as u128;
        let digits = u128::from(INVERSE_TAU[0]) << 56 | u128::from(INVERSE_TAU[1] >> 8);
        let rest = (digits as i128 - scaled as i128) as f64 / 2f64.powi(120);
        assert!((rest - INVERSE_TAU_PAIR.1).abs() < 1e-33, "{rest:e}");
    }

    #[test]
    fn splits_into_cell_and_fraction() {
        let (cell, within) = split(of_radians(std::f64::consts::PI), 1000);
        assert_eq!(cell, 499);
        // The f64 nearest to π is 1.2e-16 below it.
        assert!((within - (1.0 - 1.224_646_8e-16 / std::f64::consts::TAU * 1000.0)).abs() < 1e-15, "{within:e}");
    }
}
