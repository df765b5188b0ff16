//! The accumulators of products.

#![expect(clippy::needless_range_loop, reason = "one index runs over the lanes of several arrays")]

use crate::loops::lanes::{Fold, Rows};
use crate::numeric::scaled::ScaledProduct;
use crate::reduce::partial::Join;
use crate::reduce::scalar::Scalar;

/// `Π x`. If `RAW`, the products of lanes are not normalised, which [`ScaledProduct::numbers`] does not need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Products<const RAW: bool, const W: usize> {
    /// And the power of two that it is multiplied by.
    number: [f64; W],
    exponent: [i64; W],
    /// For integers.
    whole: [i64; W],
}

/// Rows that are multiplied before the products' exponents are taken out.
const MULTIPLIED: usize = 32;

impl<S: Scalar, const RAW: bool, const SKIP: bool, const W: usize> Fold<S, SKIP, W> for Products<RAW, W> {
    type Block = ScaledProduct;
    #[inline(always)]
    fn start(_: &[S; W]) -> Self {
        Self { number: [1.0; W], exponent: [0; W], whole: [1; W] }
    }
    #[inline(always)]
    fn one<const FMA: bool>(&mut self, w: usize, x: S) {
        if S::FLOAT {
            let x = if SKIP && x.is_nan() { 1.0 } else { x.lift() };
            let product = Fold::<S, SKIP, W>::lane(self, w, 0).join(ScaledProduct::of([x, 0.0]));
            (self.number[w], self.exponent[w]) = (product.number[0], product.exponent);
        } else {
            self.whole[w] = self.whole[w].wrapping_mul(x.whole());
        }
    }
    #[inline(always)]
    fn feed<const FMA: bool>(&mut self, rows: &impl Rows<S, W>, _: u64, _: u64) {
        let mut done = 0;
        while done < rows.count() {
            let end = rows.count().min(done + MULTIPLIED);
            // Some rows are multiplied as they are. Nothing is lost if no product on the way is below the normal range,
            // and the last is not beyond it.
            let (mut product, mut least) = ([1.0; W], [1.0; W]);
            for r in done..end {
                let row = rows.row(r);
                for w in 0..W {
                    if S::FLOAT {
                        product[w] *= if SKIP && row[w].is_nan() { 1.0 } else { row[w].lift() };
                        let size = f64::abs(product[w]);
                        least[w] = if size < least[w] { size } else { least[w] };
                    } else {
                        self.whole[w] = self.whole[w].wrapping_mul(row[w].whole());
                    }
                }
            }
            let (mut calm, mut kept) = (true, true);
            let mut next = [0.0; W];
            for w in 0..W {
                next[w] = self.number[w] * product[w];
                let (size, before) = (f64::abs(product[w]), f64::abs(self.number[w]));
                kept &= (least[w] >= f64::MIN_POSITIVE) & (size < f64::INFINITY) & before.is_normal();
                calm &= (f64::abs(next[w]) > 1e-100) & (f64::abs(next[w]) < 1e100);
            }
            if kept & calm {
                self.number = next;
            } else if kept {
                for w in 0..W {
                    let (first, by) = split(self.number[w]);
                    let (second, more) = split(product[w]);
                    (self.number[w], self.exponent[w]) = (first * second, self.exponent[w] + by + more);
                }
            } else {
                for r in done..end {
                    for w in 0..W {
                        Fold::<S, SKIP, W>::one::<FMA>(self, w, rows.row(r)[w]);
                    }
                }
            }
            done = end;
        }
    }
    #[inline(always)]
    fn lane(&self, lane: usize, _: u64) -> ScaledProduct {
        let number = [self.number[lane], 0.0];
        if RAW {
            return ScaledProduct { number, exponent: self.exponent[lane], whole: self.whole[lane] };
        }
        let product = ScaledProduct::of(number);
        ScaledProduct { exponent: product.exponent + self.exponent[lane], whole: self.whole[lane], ..product }
    }
}

/// A normal number as one of absolute value from 1 to 2, and the exponent of the power of two it is multiplied by.
#[inline(always)]
fn split(x: f64) -> (f64, i64) {
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i64 - 1023;
    (f64::from_bits(bits & !(0x7ff << 52) | 1023 << 52), exponent)
}

#[cfg(test)]
mod tests {
    use super::Products;
    use crate::loops::lanes::tests::fold;

    #[test]
    fn intermediate_products_do_not_overflow() {
        let half = f64::from_bits((1023 - 1000) << 52);
        let found = fold::<Products<false, 2>, false>(&[
            [1e300, half],
            [3.0, half],
            [f64::MAX, f64::from_bits(6)],
            [half, 1e-300],
        ]);
        // 1e300 and 1e-300, 3 times 6 times 2^1024 times 2^-3000 times 2^-1074.
        assert_eq!(found.exponent, 4 - 3050);
        assert!((found.number[0] - 18.0 / 16.0).abs() < 1e-14, "{found:?}");
        assert!(fold::<Products<false, 2>, false>(&[[0.0, f64::INFINITY], [1.0, 1.0]]).number[0].is_nan());
    }
}
