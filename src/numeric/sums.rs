//! Sums and products of two numbers, with their rounding errors.

/// `a + b` as a rounded sum and its error (Knuth's two-sum).
#[inline(always)]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The rounding error of `product`, the rounded `a · b`.
#[inline(always)]
pub(crate) fn product_rest<const FMA: bool>(a: f64, b: f64, product: f64) -> f64 {
    if FMA {
        return a.mul_add(b, -product);
    }
    // Dekker's product: halves of 26 bits multiply exactly.
    let split = |x: f64| {
        let scaled = x * 134_217_729.0;
        let high = scaled - (scaled - x);
        (high, x - high)
    };
    let ((a, a_low), (b, b_low)) = (split(a), split(b));
    ((a * b - product) + a * b_low + a_low * b) + a_low * b_low
}
