//! Sums that do not depend on their order: fixed-point numbers wide enough that adding to them never rounds.

use std::cmp::Ordering;

/// Digits kept, of 32 bits each: the highest one that any term has touched and those below it.
const DIGITS: usize = 8;
/// The most terms before carries are passed on, so that digits cannot overflow.
const TERMS: u32 = 1 << 30;
/// The binary exponent of the lowest bit of digit 0: below any product of two f64 (2⁻²¹⁴⁸).
const LOWEST: i32 = -2176;

/// The index of the highest digit that a term can touch; terms are products of two f64 and an integer of 32 bits.
const HIGHEST: i32 = (2048 + 32 - LOWEST) / 32;

/// An exact sum of finite terms, cut off 192 bits or more below the largest of them.
///
/// Each term is cut into digits of 32 bits at fixed places and added digit by digit, which neither rounds nor carries;
/// digits too far below the highest one touched so far are dropped. What is dropped depends on the terms and not on
/// their order, so [`Superaccumulator::merge`] is associative and commutative, bit for bit (for 2³⁰ terms, and to 2⁻¹²⁸
/// of the largest beyond).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Superaccumulator {
    /// The index of the highest digit touched, which is in `digits[DIGITS - 1]`; the digits below it come before it.
    top: i32,
    terms: u32,
    digits: [i64; DIGITS],
}

impl Superaccumulator {
    /// The length of what [`Superaccumulator::to_bytes`] writes.
    pub(crate) const BYTES: usize = 8 + 8 * DIGITS;

    /// Adds a finite number.
    pub(crate) fn add(&mut self, x: f64) {
        let (mantissa, exponent) = decode(x);
        self.deposit(mantissa.into(), exponent, x.is_sign_negative());
    }

    /// Adds a product of finite numbers and an integer, exactly.
    pub(crate) fn add_product(&mut self, a: f64, b: f64, times: u32) {
        let ((m, e), (n, f)) = (decode(a), decode(b));
        let negative = a.is_sign_negative() != b.is_sign_negative();
        // The product has 53 + 53 + 32 bits at most; it is cut in two so that each part fits 128 bits.
        let product = u128::from(m) * u128::from(n);
        let (high, low) = (product >> 64, product & u128::from(u64::MAX));
        self.deposit(low * u128::from(times), e + f, negative);
        self.deposit(high * u128::from(times), e + f + 64, negative);
    }

    /// Adds `±mantissa · 2^exponent`.
    fn deposit(&mut self, mantissa: u128, exponent: i32, negative: bool) {
        if mantissa == 0 {
            return;
        }
        // The highest bit decides which digit is highest, so that no window begins with zeros.
        let bits = 128 - mantissa.leading_zeros() as i32;
        let place = exponent - LOWEST;
        let top = (place + bits - 1).div_euclid(32);
        self.raise(top);
        let (first, shift) = (place.div_euclid(32), place.rem_euclid(32));
        // The digits have up to 128 + 31 bits: the low 96 bits are shifted apart from the rest.
        let low = (mantissa & ((1 << 96) - 1)) << shift;
        let high = (mantissa >> 96) << shift;
        for step in 0..5 {
            let mut digit = if step < 4 { (low >> (32 * step)) as u32 as u64 } else { 0 };
            if step >= 3 {
                digit += (high >> (32 * (step - 3))) as u32 as u64;
            }
            let at = first + step - (self.top - DIGITS as i32 + 1);
            if digit != 0 && at >= 0 {
                let digit = digit as i64;
                let to = &mut self.digits[at as usize];
                *to = to.wrapping_add(if negative { -digit } else { digit });
            }
        }
        self.terms += 1;
        if self.terms >= TERMS {
            self.carry();
        }
    }

    /// Moves the window up so that its highest digit is `top`; digits that fall out below are dropped.
    fn raise(&mut self, top: i32) {
        if self.terms == 0 {
            self.top = top;
        } else if top > self.top {
            let by = usize::try_from(top - self.top).unwrap_or(DIGITS).min(DIGITS);
            self.digits.rotate_left(by);
            self.digits[DIGITS - by..].fill(0);
            self.top = top;
        }
    }

    /// Passes carries on, so that every digit but the highest is less than 2^32 in size again.
    fn carry(&mut self) {
        let mut carry = 0;
        for digit in &mut self.digits[..DIGITS - 1] {
            let sum = digit.wrapping_add(carry);
            (carry, *digit) = (sum >> 32, sum & 0xffff_ffff);
        }
        self.digits[DIGITS - 1] = self.digits[DIGITS - 1].wrapping_add(carry);
        self.terms = 1;
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.terms == 0 {
            return;
        }
        if u64::from(self.terms) + u64::from(other.terms) >= u64::from(TERMS) {
            self.carry();
        }
        self.raise(other.top);
        // Of the digits of a lower window, only those inside this one are added.
        let below = usize::try_from(self.top - other.top).unwrap_or(DIGITS).min(DIGITS);
        for (digit, &term) in self.digits.iter_mut().zip(&other.digits[below..]) {
            // This wraps because digits read from bytes may be anything; those of sums do not get that large.
            *digit = digit.wrapping_add(term);
        }
        self.terms = self.terms.saturating_add(other.terms).min(TERMS - 1);
    }

    /// The nearest f64, halves to even; infinite where it is too large.
    pub(crate) fn value(&self) -> f64 {
        let (negative, magnitude) = self.magnitude();
        let Some(high) = magnitude.iter().rposition(|&digit| digit != 0) else { return 0.0 };
        // The highest 96 bits or more, and whether anything is below.
        let digit = |index: Option<usize>| index.map_or(0, |index| u128::from(magnitude[index]));
        let head = (digit(Some(high)) << 64) | (digit(high.checked_sub(1)) << 32) | digit(high.checked_sub(2));
        let rest = magnitude[..high.saturating_sub(2)].iter().any(|&digit| digit != 0);
        let exponent = LOWEST + 32 * (self.top - DIGITS as i32 + 1 + high as i32 - 2);
        let value = round(head, rest, exponent);
        if negative { -value } else { value }
    }

    /// The nearest f64, and the f64 nearest to the remainder.
    pub(crate) fn pair(&self) -> (f64, f64) {
        let high = self.value();
        if !high.is_finite() {
            return (high, 0.0);
        }
        let mut rest = *self;
        rest.add(-high);
        (high, rest.value())
    }

    /// Sign and digits of the absolute value, with room for the carries.
    fn magnitude(&self) -> (bool, [u32; DIGITS + 2]) {
        let split = |sign: i64| {
            let mut carry = 0i64;
            let mut digits = [0; DIGITS + 2];
            for (to, &digit) in digits.iter_mut().zip(&self.digits) {
                // A digit is below 2^62 in size, so the sum does not overflow.
                let sum = digit.wrapping_mul(sign).wrapping_add(carry);
                (carry, *to) = (sum >> 32, sum as u32);
            }
            digits[DIGITS] = carry as u32;
            digits[DIGITS + 1] = (carry >> 32) as u32;
            (carry < 0, digits)
        };
        match split(1) {
            (true, _) => (true, split(-1).1),
            (false, digits) => (false, digits),
        }
    }

    /// Appends the sum's bytes, to be read by [`Superaccumulator::from_bytes`].
    pub(crate) fn to_bytes(self, to: &mut Vec<u8>) {
        to.extend(self.top.to_le_bytes());
        to.extend(self.terms.to_le_bytes());
        self.digits.iter().for_each(|digit| to.extend(digit.to_le_bytes()));
    }

    /// Reads what [`Superaccumulator::to_bytes`] wrote; `None` if no sum of finite terms has these bytes.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<8>();
        let mut window = Self {
            top: i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            terms: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            digits: [0; DIGITS],
        };
        for (digit, word) in window.digits.iter_mut().zip(&words[1..]) {
            *digit = i64::from_le_bytes(*word);
        }
        let right = (0..=HIGHEST).contains(&window.top)
            && window.terms < TERMS
            && window.digits.iter().all(|digit| digit.unsigned_abs() <= 1 << 62)
            && (window.terms > 0 || window == Self::default());
        right.then_some(window)
    }
}

/// A finite number as an integer and a power of two.
fn decode(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

/// The f64 nearest to `head · 2^exponent`, plus a little more if `rest`; halves go to even.
fn round(head: u128, rest: bool, exponent: i32) -> f64 {
    let bits = 128 - head.leading_zeros() as i32;
    // Numbers below 2^-1022 have fewer bits.
    let keep = (bits + exponent + 1074).min(53);
    let drop = bits - keep;
    if keep < 0 {
        return 0.0;
    }
    let (mut mantissa, mut at) = (head, exponent);
    if drop > 0 {
        let half = 1u128 << (drop - 1);
        let below = head & (2 * half - 1);
        mantissa = if drop >= 128 { 0 } else { head >> drop };
        at += drop;
        let up = match below.cmp(&half) {
            Ordering::Less => false,
            Ordering::Equal => rest || mantissa & 1 == 1,
            Ordering::Greater => true,
        };
        mantissa += u128::from(up);
    }
    scale(mantissa as f64, at)
}

/// `x · 2^exponent`, for an x with so few bits that the result is exact, or infinite.
fn scale(x: f64, exponent: i32) -> f64 {
    let power = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
    match exponent {
        1024.. => x * power(1023) * power((exponent - 1023).min(1023)),
        -1022..=1023 => x * power(exponent),
        // Two steps, of which the first is exact, since x has no more bits than fit.
        _ => x * power(exponent + 600) * power(-600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> Superaccumulator {
        let mut window = Superaccumulator::default();
        terms.iter().for_each(|&x| window.add(x));
        window
    }

    #[test]
    fn rounds_once() {
        assert_eq!(sum(&[1.0, 1e-30, -1.0]).value(), 1e-30);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0]).value(), 1.0);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, f64::MIN_POSITIVE / 4.0]).value(), 1.0); // Cut off: 2^-192 below.
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 1e-40]).value(), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[1.0 + f64::EPSILON, f64::EPSILON / 2.0]).value(), 1.0 + 2.0 * f64::EPSILON);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).value(), f64::MAX);
        assert_eq!(sum(&[-3.0, 2.5]).value(), -0.5);
        let tiny = f64::from_bits(1);
        assert_eq!(sum(&[tiny, tiny, tiny]).value(), f64::from_bits(3));
        assert_eq!(sum(&[f64::MIN_POSITIVE, -tiny]).value(), f64::MIN_POSITIVE - tiny);
        assert_eq!(sum(&[]).value(), 0.0);
    }

    #[test]
    fn products_are_exact() {
        let x = 1.0 + f64::EPSILON;
        let mut window = Superaccumulator::default();
        window.add_product(x, x, 3);
        window.add(-3.0);
        window.add(-6.0 * f64::EPSILON);
        assert_eq!(window.value(), 3.0 * f64::EPSILON * f64::EPSILON);
        let mut window = Superaccumulator::default();
        window.add_product(1e300, 1e300, u32::MAX);
        window.add_product(1e300, -1e300, u32::MAX);
        window.add_product(f64::from_bits(1), 0.5, 1);
        assert_eq!(window.value(), 0.0);
        window.add_product(f64::from_bits(1), 0.5, 1);
        assert_eq!(window.value(), 0.0, "far below what is kept");
    }

    #[test]
    fn any_order_and_grouping_gives_the_same_bits() {
        let mut state = 1u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let exponent = 1023 - 140 + (state >> 40) % 280;
            f64::from_bits(state & 0x800f_ffff_ffff_ffff | exponent << 52)
        };
        let terms: Vec<f64> = (0..300).map(|_| next()).collect();
        let forwards = sum(&terms);
        let mut reversed = terms.clone();
        reversed.reverse();
        assert_eq!(sum(&reversed), forwards);
        for cut in [0, 1, 7, 150, 299] {
            let (mut a, b) = (sum(&terms[cut..]), sum(&terms[..cut]));
            a.merge(&b);
            assert_eq!(a, forwards);
            let mut bytes = Vec::new();
            a.to_bytes(&mut bytes);
            assert_eq!(Superaccumulator::from_bytes(bytes[..].try_into().unwrap()), Some(a));
        }
    }

    #[test]
    fn carries_keep_the_sum() {
        let mut window = sum(&[-1.5e10, 2.75]);
        window.terms = TERMS - 1;
        window.add(0.25);
        assert_eq!(window.terms, 1);
        assert_eq!(window.value(), 3.0 - 1.5e10);
        assert_eq!(window.pair(), (3.0 - 1.5e10, 0.0));
    }
}
