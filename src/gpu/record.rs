//! The record that the reduction shader writes for a block: the order of its numbers, and how the host joins them to
//! the partials.

use crate::numeric::scaled::ScaledProduct;
use crate::reduce::best::{Best, improve, settle};
use crate::reduce::partial::{Count, Join, Moment, Pair};
use crate::reduce::partials::Partials;
use crate::reduce::quantity::{Needs, Quantity};
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::Tally;

/// The type of numbers that the shader computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F64,
    I32,
    U32,
}

impl Kind {
    /// The type's name in WGSL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I32 => "i32",
            Self::U32 => "u32",
        }
    }

    pub(super) fn bytes(self) -> usize {
        if self == Self::F64 { 8 } else { 4 }
    }

    pub(super) fn float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// The format of a block's record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) kind: Kind,
    /// Parts of an element, 2 for complex numbers.
    pub(super) parts: usize,
    pub(super) needs: Needs,
}

impl Format {
    /// Whether the shader's state contains this quantity. The state of an extreme contains its place too. Complex
    /// numbers have no least element, and their infinity norm does not need the least absolute value.
    pub(super) fn has(&self, quantity: Quantity) -> bool {
        match quantity {
            Quantity::Count | Quantity::Truths | Quantity::FirstLeast | Quantity::FirstGreatest => false,
            Quantity::Least => {
                (self.needs.has(Quantity::Least) || self.needs.has(Quantity::FirstLeast)) && self.parts == 1
            }
            Quantity::Greatest => self.greatest(),
            other => self.needs.has(other),
        }
    }

    pub(super) fn greatest(&self) -> bool {
        self.needs.has(Quantity::Greatest) || self.needs.has(Quantity::FirstGreatest)
    }

    /// The quantities of a record, in the order in which they are written.
    fn each(self) -> impl Iterator<Item = Quantity> {
        Quantity::EVERY.into_iter().filter(move |&quantity| self.has(quantity))
    }

    /// Members of the shader's state, in the order in which it writes them and [`Record::join`] reads them.
    pub(super) fn fields(&self) -> Vec<String> {
        let Self { kind, parts, .. } = *self;
        let sides = if parts == 2 { &[".x", ".y"][..] } else { &[""] };
        let each = |names: &[&str]| -> Vec<String> {
            sides.iter().flat_map(|side| names.iter().map(move |name| format!("{name}{side}"))).collect()
        };
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let squares = |name: &str| {
            let members = |members: &[&str]| -> Vec<String> {
                let members: Vec<_> = members.iter().map(|member| format!("{name}.{member}")).collect();
                each(&members.iter().map(String::as_str).collect::<Vec<_>>())
            };
            match kind {
                Kind::F32 => {
                    members(&["middle.high", "middle.low", "large.high", "large.low", "small.high", "small.low"])
                }
                Kind::F64 => members(&["high", "low"]),
                Kind::I32 | Kind::U32 => members(&["low", "middle", "high"]),
            }
        };
        let of = |quantity| match quantity {
            Quantity::Total => each(&["total.high", "total.low"]),
            Quantity::Moments => [each(&["shift"]), each(&["first.high", "first.low"]), squares("second")].concat(),
            Quantity::Least => names(&["least.value"]),
            Quantity::Greatest => names(&["greatest.value"]),
            Quantity::Product if kind.float() => {
                let numbers = each(&["product.number.high", "product.number.low"]);
                [numbers, names(&["product.exponent", "product.special"])].concat()
            }
            Quantity::Product => names(&["product.low", "product.high"]),
            Quantity::Absolute => each(&["absolute.high", "absolute.low"]),
            Quantity::Squares => squares("squares"),
            Quantity::Weighted => {
                [each(&["weighted.high", "weighted.low"]), each(&["weights.high", "weights.low"])].concat()
            }
            // Counts and places are written to a separate binding.
            Quantity::Count | Quantity::Truths | Quantity::FirstLeast | Quantity::FirstGreatest => Vec::new(),
        };
        self.each().flat_map(of).collect()
    }
}

/// Which output a block belongs to, and which of its elements it covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// The result its elements belong to.
    pub(super) output: usize,
    /// The place from which the shader counts places: that of the piece's first row.
    pub(super) first: u64,
    /// Whether NaNs are skipped.
    pub(super) skip: bool,
    /// Whether the block's elements are still to be counted; false if another pass has counted them.
    pub(super) counted: bool,
    /// Weights were uploaded times `2^-exponent`.
    pub(super) exponent: i32,
}

/// `x · 2^exponent`, where the power alone may be out of range.
pub(super) fn times_power(x: f64, exponent: i32) -> f64 {
    x * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

/// The numbers of a block's record, which are read one after another.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) format: Format,
}

impl Record<'_> {
    fn next(&mut self) -> &[u8] {
        let (number, rest) = self.bytes.split_at(self.format.kind.bytes());
        self.bytes = rest;
        number
    }

    /// The next number of a floating-point kind.
    fn float(&mut self) -> f64 {
        match self.format.kind {
            Kind::F64 => bytemuck::pod_read_unaligned(self.next()),
            _ => bytemuck::pod_read_unaligned::<f32>(self.next()).into(),
        }
    }

    /// The next integer of 32 bits, which is stored as f64 in a record of f64.
    fn whole(&mut self) -> i64 {
        match self.format.kind {
            Kind::F64 => self.float() as i64,
            _ => bytemuck::pod_read_unaligned::<i32>(self.next()).into(),
        }
    }

    fn limb(&mut self) -> u32 {
        bytemuck::pod_read_unaligned(self.next())
    }

    fn scalar<S: Scalar>(&mut self) -> S {
        if self.format.kind == Kind::U32 {
            // The host computes with u32 as i64.
            bytemuck::pod_read_unaligned(&i64::from(self.limb()).to_ne_bytes())
        } else {
            bytemuck::pod_read_unaligned(self.next())
        }
    }

    /// A sum and its error, or for integers the sums of both 16-bit halves.
    fn sum(&mut self) -> Pair {
        if self.format.kind.float() {
            return Pair { high: self.float(), low: self.float() };
        }
        Pair { high: (self.whole() * 65536) as f64, low: self.whole() as f64 }
    }

    /// A sum of squares: for f32 in three ranges of magnitude, for integers in 96 bits.
    fn squares(&mut self) -> Pair {
        match self.format.kind {
            Kind::F32 => {
                let [middle, large, small] = [self.sum(), self.sum(), self.sum()];
                let times = |Pair { high, low }, power: f64| Pair { high: high * power, low: low * power };
                times(large, 2f64.powi(160)).join(middle).join(times(small, 2f64.powi(-160)))
            }
            Kind::F64 => self.sum(),
            Kind::I32 | Kind::U32 => {
                let limbs = [self.limb(), self.limb(), self.limb()].map(i128::from);
                let all = limbs[0] + (limbs[1] << 32) + (limbs[2] << 64);
                let high = all as f64;
                Pair { high, low: (all - high as i128) as f64 }
            }
        }
    }

    /// The product; `None` if the shader left it to the host.
    fn product(&mut self) -> Option<ScaledProduct> {
        if !self.format.kind.float() {
            let (low, high) = (self.limb(), self.limb());
            let whole = (u64::from(low) | u64::from(high) << 32) as i64;
            return Some(ScaledProduct { whole, ..ScaledProduct::default() });
        }
        let mut number = [0.0; 2];
        for part in &mut number[..self.format.parts] {
            let Pair { high, low } = self.sum();
            // The error of a number that has overflowed means nothing.
            *part = if high.is_finite() { high + low } else { high };
        }
        let (exponent, special) = (self.whole(), self.whole());
        if special != 0 && self.format.parts == 2 {
            return None;
        }
        let [sign, _] = number;
        if special & 1 != 0 || (special != 0 && (sign == 0.0 || sign.is_nan())) {
            number = [f64::NAN, 0.0];
        } else if special != 0 {
            number = [f64::INFINITY.copysign(sign), 0.0];
        }
        let power = ScaledProduct::of(number);
        Some(ScaledProduct { exponent: power.exponent + exponent, ..power })
    }

    /// Joins the record to the partials. What the shader cannot tell is computed on the host from the block's elements:
    /// `product`, and in `plain_zero` whether one is the zero without a minus sign.
    pub(super) fn join<S: Scalar>(
        mut self,
        partials: &mut Partials<S>,
        counts: &[u32; 4],
        block: Block,
        product: impl Fn() -> ScaledProduct,
        plain_zero: impl Fn() -> bool,
    ) {
        let Block { output, first, skip, counted, exponent } = block;
        let Format { parts, .. } = self.format;
        let &[valid, truths, least, greatest] = counts;
        // The two halves of an integer are two parts here, and one on the host.
        let scalar = |part: usize| output * partials.parts + part.min(partials.parts - 1);
        if counted {
            let count = Count { valid: valid.into(), truths: truths.into() };
            partials.counts[output] = partials.counts[output].join(count);
        }
        for quantity in self.format.each() {
            match quantity {
                Quantity::Total => {
                    (0..parts).for_each(|part| partials.totals[scalar(part)].add(S::block_of(self.sum())))
                }
                Quantity::Moments => {
                    let mut moments = [Moment { count: valid.into(), ..Moment::default() }; 2];
                    let moments = &mut moments[..parts];
                    let value = |Pair { high, low }: Pair| high + low;
                    moments.iter_mut().for_each(|moment| moment.shift = self.scalar::<S>().lift());
                    moments.iter_mut().for_each(|moment| moment.first = value(self.sum()));
                    moments.iter_mut().for_each(|moment| moment.second = value(self.squares()));
                    moments.iter().enumerate().for_each(|(part, moment)| partials.moments[scalar(part)].add(*moment));
                }
                Quantity::Least => {
                    let best = Best { value: self.scalar(), place: first + u64::from(least), skip };
                    if let Some(all) = partials.least.get_mut(output) {
                        improve(all, Best { place: 0, ..best });
                        settle(all, &plain_zero);
                    }
                    partials.first_least.get_mut(output).into_iter().for_each(|all| improve(all, best));
                }
                Quantity::Greatest => {
                    let best = Best { value: self.scalar(), place: first + u64::from(greatest), skip };
                    if let Some(all) = partials.greatest.get_mut(output) {
                        improve(all, Best { place: 0, ..best });
                        settle(all, &plain_zero);
                    }
                    partials.first_greatest.get_mut(output).into_iter().for_each(|all| improve(all, best));
                }
                Quantity::Absolute => (0..parts).for_each(|_| partials.absolutes[output].add(self.sum())),
                Quantity::Squares => (0..parts).for_each(|_| partials.squares[output].add(self.squares())),
                Quantity::Product => {
                    let power = self.product().unwrap_or_else(&product);
                    partials.products[output] = partials.products[output].join(power);
                }
                Quantity::Weighted => {
                    let scaled = |Pair { high, low }| Pair {
                        high: times_power(high, exponent),
                        low: times_power(low, exponent),
                    };
                    (0..parts).for_each(|part| partials.weighted[scalar(part)].add(scaled(self.sum())));
                    // The sum of weights is the same for each part; the last one is used.
                    let weights = (0..parts).fold(Pair::default(), |_, _| self.sum());
                    partials.weights[output].add(scaled(weights));
                }
                // These come in `counts`.
                Quantity::Count | Quantity::Truths | Quantity::FirstLeast | Quantity::FirstGreatest => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Kind, Record};
    use crate::reduce::op::Op;
    use crate::reduce::partial::Pair;
    use crate::reduce::quantity::Needs;

    fn record(kind: Kind, op: Op, numbers: &[u32], check: impl FnOnce(Record<'_>)) {
        let format = Format { kind, parts: 1, needs: Needs::of(&[op], false) };
        assert_eq!(format.fields().len(), numbers.len(), "{op}");
        check(Record { bytes: bytemuck::cast_slice(numbers), format });
    }

    #[test]
    fn limbs_make_whole_numbers() {
        record(Kind::I32, Op::Norm2, &[5, 7, 1], |mut found| {
            let Pair { high, low } = found.squares();
            assert_eq!(high as i128 + low as i128, (1 << 64) + (7 << 32) + 5);
        });
        record(Kind::U32, Op::Prod, &[u32::MAX, 1], |mut found| {
            assert_eq!(found.product().unwrap().whole, (1 << 32) + i64::from(u32::MAX));
        });
        record(Kind::I32, Op::Sum, &[-2i32 as u32, 3], |mut found| {
            assert_eq!(found.sum(), Pair { high: -131_072.0, low: 3.0 });
        });
    }

    #[test]
    fn special_elements_make_products_not_finite() {
        let product = |number: f32, special: u32| {
            let mut got = 0.0;
            record(Kind::F32, Op::Prod, &[number.to_bits(), 0, 3, special], |mut found| {
                let power = found.product().unwrap();
                got = power.number[0] * 2f64.powi(power.exponent as i32);
            });
            got
        };
        assert_eq!(product(-1.5, 0), -12.0);
        assert_eq!(product(-1.5, 2), f64::NEG_INFINITY);
        assert!(product(0.0, 2).is_nan() && product(1.0, 1).is_nan() && product(1.0, 3).is_nan());
    }
}
