//! Numbers as people read them: the digits that are known, and powers of ten where zeros would be many.

use wavemill::significant;

/// A number with six significant digits.
pub(crate) fn short(value: f64) -> String {
    significant(value, 6)
}

/// A value and its standard deviation to two digits, the value to the same place.
pub(crate) fn measured(value: f64, error: f64) -> (String, String) {
    if !(error > 0.0 && error.is_finite() && value.is_finite()) {
        return (short(value), if error == 0.0 { "0".into() } else { "?".into() });
    }
    let place = |x: f64| x.abs().log10().floor() as i32;
    // Two digits of the deviation, and no more than arithmetic leaves right.
    let digits = if value == 0.0 { 2 } else { place(value) - place(error) + 2 };
    let digits = usize::try_from(digits).unwrap_or(1).clamp(1, 12);
    let value = significant(value, digits);
    if value.contains('e') {
        return (value, format!("{error:.1e}"));
    }
    let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    // A deviation below the digits of the value still has its own.
    let error = if error < 0.5 * 10f64.powi(-(decimals as i32)) {
        format!("{error:.1e}")
    } else {
        format!("{error:.decimals$}")
    };
    (value, error)
}

/// A probability: two digits, and no more zeros than an f64 of it has.
pub(crate) fn probability(value: f64) -> String {
    if value < 1e-99 { "< 1e-99".into() } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_are_known() {
        for (value, error, expected) in [
            (0.999_812, 0.000_123, ("0.99981", "0.00012")),
            (7.3, 0.25, ("7.30", "0.25")),
            (123_456.7, 31.0, ("123457", "31")),
            (2.5e-12, 3e-14, ("2.500e-12", "3.0e-14")),
            (1e300, 1e298, ("1.000e300", "1.0e298")),
            (1.0, f64::INFINITY, ("1.00000", "?")),
        ] {
            let (a, b) = measured(value, error);
            assert_eq!((a.as_str(), b.as_str()), expected);
        }
        for (value, expected) in
            [(0.0, "0"), (1e300, "1.00000e300"), (0.000_012_345_67, "1.23457e-5"), (9.999_999_6, "10.0000")]
        {
            assert_eq!(short(value), expected);
        }
        assert_eq!((probability(0.000_123).as_str(), probability(0.0).as_str()), ("1.2e-4", "< 1e-99"));
    }
}
