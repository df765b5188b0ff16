//! Products of many factors, scaled so that only the final result can leave the range of f64.

/// A product as a number times a power of two, or a product of integers that wraps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ScaledProduct {
    /// Real and imaginary part.
    pub(crate) number: [f64; 2],
    pub(crate) exponent: i64,
    pub(crate) whole: i64,
}

impl Default for ScaledProduct {
    fn default() -> Self {
        Self { number: [1.0, 0.0], exponent: 0, whole: 1 }
    }
}

impl ScaledProduct {
    /// The number, scaled so that its larger part is between 1 and 2; 0, infinities and NaN stay as they are.
    #[inline(always)]
    pub(crate) fn of([re, im]: [f64; 2]) -> Self {
        let size = re.abs().max(im.abs());
        let whole = 1;
        if !(size > 0.0 && size < f64::INFINITY) {
            return Self { number: [re, im], exponent: 0, whole };
        }
        // Numbers below 2^-1022 are scaled up first, because their exponent field is zero.
        let (up, by) = if size < f64::MIN_POSITIVE { (f64::from_bits((1023 + 64) << 52), 64) } else { (1.0, 0) };
        let exponent = ((size * up).to_bits() >> 52) as i64 - 1023;
        // The scale is two factors because 2^1074 is not an f64.
        let down = f64::from_bits(((1023 - exponent) as u64).max(1) << 52);
        let down = if exponent == 1023 { down * 0.5 } else { down };
        Self { number: [re * up * down, im * up * down], exponent: exponent - by, whole }
    }
}

impl ScaledProduct {
    /// The parts as f64; infinite or 0 if they are out of range.
    #[inline(always)]
    pub(crate) fn numbers(self) -> [f64; 2] {
        if (-1000..=1000).contains(&self.exponent) {
            let scale = f64::from_bits(((self.exponent + 1023) as u64) << 52);
            return self.number.map(|x| x * scale);
        }
        self.numbers_by_steps()
    }

    #[cold]
    fn numbers_by_steps(self) -> [f64; 2] {
        let exponent = self.exponent.clamp(-3000, 3000) as i32;
        // The first steps are exact, the last one rounds.
        let steps = [exponent / 3, exponent / 3, exponent - 2 * (exponent / 3)];
        self.number.map(|x| steps.iter().fold(x, |x, &step| x * 2f64.powi(step)))
    }

    /// The product of both.
    #[inline(always)]
    pub(crate) fn times(self, after: Self) -> Self {
        let ([a, b], [c, d]) = (self.number, after.number);
        // Without imaginary parts the full formula would turn infinities into NaN.
        let number = if b == 0.0 && d == 0.0 { [a * c, 0.0] } else { [a * c - b * d, a * d + b * c] };
        let product = Self::of(number);
        Self {
            // This wraps because exponents read from bytes may be anything; those of products cannot reach 2^63.
            exponent: self.exponent.wrapping_add(after.exponent).wrapping_add(product.exponent),
            whole: self.whole.wrapping_mul(after.whole),
            ..product
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ScaledProduct;

    #[test]
    fn the_whole_range_is_brought_to_between_1_and_2() {
        assert_eq!(
            ScaledProduct::of([0.0, -f64::from_bits(1)]),
            ScaledProduct { number: [0.0, -1.0], exponent: -1074, whole: 1 }
        );
        assert_eq!(ScaledProduct::of([f64::MAX, 0.0]).exponent, 1023);
    }
}
