//! Extents of arrays, checked for overflow; and the form of extents and numbers in messages.

use crate::error::{Error, Result};

/// The product of extents, or an error that names what does not fit in this machine's address space.
pub(crate) fn product(what: &'static str, extents: &[usize]) -> Result<usize> {
    extents
        .iter()
        .try_fold(1usize, |total, &extent| total.checked_mul(extent))
        .filter(|&total| total <= isize::MAX as usize / 16)
        .ok_or_else(|| Error::TooLarge {
            what,
            needed: format!("{extents:?} elements"),
            limit: "their product does not fit in the address space; use fewer modes or a smaller batch".into(),
        })
}

/// Extents as they are written in messages, `256 x 256`.
pub(crate) fn written(extents: &[usize]) -> String {
    let words: Vec<String> = extents.iter().map(ToString::to_string).collect();
    words.join(" x ")
}

/// A number with so many significant digits; with an exponent if it is very large or small.
#[must_use]
pub fn significant(x: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let text = format!("{x:.*e}", digits - 1);
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match exponent {
        Some(exponent) if x != 0.0 && (-4..7).contains(&exponent) => {
            format!("{x:.*}", (digits as i32 - 1 - exponent).max(0) as usize)
        }
        Some(_) if x != 0.0 => text,
        _ => x.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn numbers_have_the_digits_that_count() {
        let cases = [(0.0, "0"), (1.0, "1.00"), (0.000_123_4, "0.000123"), (999.96, "1000"), (-12.345, "-12.3")];
        for (number, text) in cases.into_iter().chain([(1e300, "1.00e300"), (1.2e-7, "1.20e-7"), (f64::NAN, "NaN")]) {
            assert_eq!(significant(number, 3), text);
        }
    }
}
