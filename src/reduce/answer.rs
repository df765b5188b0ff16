//! From what is known of each result to the result itself, as arrays.

use ndarray::{ArrayD, IxDyn};

use crate::error::{Error, Result};
use crate::numeric::float::Float;
use crate::numeric::scaled::ScaledProduct;
use crate::reduce::best::Best;
use crate::reduce::element::Reducible;
use crate::reduce::op::Op;
use crate::reduce::partials::Partials;
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::Tally;
use crate::reduce::variance::Variance;

/// The result of one operation: an array over the axes that are left.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Answer<E: Reducible> {
    /// Of [`Op::Sum`] and [`Op::Prod`].
    Sum(ArrayD<E::Sum>),
    /// Of [`Op::Mean`], [`Op::Average`] and [`Op::WeightedSum`].
    Mean(ArrayD<E::Mean>),
    /// Of [`Op::Var`], [`Op::Std`] and the norms.
    Float(ArrayD<E::Float>),
    /// Of [`Op::Min`] and [`Op::Max`].
    Element(ArrayD<E>),
    /// Of [`Op::ArgMin`], [`Op::ArgMax`] and [`Op::Count`].
    Index(ArrayD<u64>),
    /// Of [`Op::Any`] and [`Op::All`].
    Truth(ArrayD<bool>),
}

impl<E: Reducible> Answer<E> {
    /// Whether another answer is of this kind and shape.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sum(a), Self::Sum(b)) => a.shape() == b.shape(),
            (Self::Mean(a), Self::Mean(b)) => a.shape() == b.shape(),
            (Self::Float(a), Self::Float(b)) => a.shape() == b.shape(),
            (Self::Element(a), Self::Element(b)) => a.shape() == b.shape(),
            (Self::Index(a), Self::Index(b)) => a.shape() == b.shape(),
            (Self::Truth(a), Self::Truth(b)) => a.shape() == b.shape(),
            _ => false,
        }
    }

    /// Takes over the results of an answer that fits.
    pub(crate) fn assign(&mut self, other: &Self) {
        match (self, other) {
            (Self::Sum(to), Self::Sum(from)) => to.assign(from),
            (Self::Mean(to), Self::Mean(from)) => to.assign(from),
            (Self::Float(to), Self::Float(from)) => to.assign(from),
            (Self::Element(to), Self::Element(from)) => to.assign(from),
            (Self::Index(to), Self::Index(from)) => to.assign(from),
            (Self::Truth(to), Self::Truth(from)) => to.assign(from),
            _ => unreachable!("an answer that fits is of this kind"),
        }
    }
}

/// The results of one operation one after another, of some outputs.
#[derive(Debug)]
pub(crate) enum Column<E: Reducible> {
    Sum(Vec<E::Sum>),
    Mean(Vec<E::Mean>),
    Float(Vec<E::Float>),
    Element(Vec<E>),
    Index(Vec<u64>),
    Truth(Vec<bool>),
}

impl<E: Reducible> Column<E> {
    /// The results of `op`.
    pub(crate) fn of(op: Op, cells: &Partials<E::Scalar>, skip: bool) -> Result<Self> {
        let each = 0..cells.outputs;
        let parts =
            |o: usize, of: &dyn Fn(usize) -> f64| [of(o * E::PARTS), if E::PARTS == 2 { of(o * 2 + 1) } else { 0.0 }];
        let float = <E::Float as Float>::nearest;
        let deviation =
            |o: usize| cells.moments[o * E::PARTS..][..E::PARTS].iter().map(Variance::deviation).sum::<f64>();
        let variance = |o: usize, ddof: f64| {
            let freedom = cells.counts[o].valid as f64 - ddof;
            if skip && freedom <= 0.0 { f64::NAN } else { deviation(o) / freedom.max(0.0) }
        };
        Ok(match op {
            Op::Sum => Self::Sum(cells.totals.chunks_exact(E::PARTS).map(E::sum).collect()),
            Op::Mean => Self::Mean(
                each.map(|o| E::mean(parts(o, &|at| cells.totals[at].mean(cells.counts[o].valid)))).collect(),
            ),
            Op::Var { ddof } => Self::Float(each.map(|o| float(variance(o, ddof))).collect()),
            Op::Std { ddof } => Self::Float(each.map(|o| float(variance(o, ddof).sqrt())).collect()),
            Op::Min => Self::Element(elements(&cells.least, op)?),
            Op::Max => Self::Element(elements(&cells.greatest, op)?),
            Op::ArgMin => Self::Index(places(&cells.first_least, op)?),
            Op::ArgMax => Self::Index(places(&cells.first_greatest, op)?),
            Op::Prod => {
                Self::Sum(cells.products.iter().map(|&product| E::product(product.whole, numbers(product))).collect())
            }
            Op::Norm1 => Self::Float(cells.absolutes.iter().map(|tally| float(tally.value())).collect()),
            Op::Norm2 => Self::Float(cells.squares.iter().map(|tally| float(tally.value().sqrt())).collect()),
            Op::NormInf => Self::Float(each.map(|o| float(largest::<E>(cells, o))).collect()),
            Op::Count => Self::Index(cells.counts.iter().map(|count| count.valid).collect()),
            Op::Any => Self::Truth(cells.counts.iter().map(|count| count.truths > 0).collect()),
            Op::All => Self::Truth(cells.counts.iter().map(|count| count.truths == count.valid).collect()),
            Op::WeightedSum => Self::Mean(each.map(|o| E::mean(parts(o, &|at| cells.weighted[at].value()))).collect()),
            Op::Average => Self::Mean(
                each.map(|o| E::mean(parts(o, &|at| cells.weighted[at].value() / cells.weights[o].value()))).collect(),
            ),
        })
    }

    /// Columns of the same operation, one after another.
    pub(crate) fn join(columns: impl Iterator<Item = Self>, empty: Self) -> Self {
        columns.fold(empty, |mut all, next| {
            match (&mut all, next) {
                (Self::Sum(all), Self::Sum(next)) => all.extend(next),
                (Self::Mean(all), Self::Mean(next)) => all.extend(next),
                (Self::Float(all), Self::Float(next)) => all.extend(next),
                (Self::Element(all), Self::Element(next)) => all.extend(next),
                (Self::Index(all), Self::Index(next)) => all.extend(next),
                (Self::Truth(all), Self::Truth(next)) => all.extend(next),
                _ => unreachable!("columns of one operation are of one kind"),
            }
            all
        })
    }

    /// As an array: results come in C order over axes of `extents`, which are the kept axes in `order`.
    pub(crate) fn shaped(self, extents: &[usize], order: &[usize], shape: &[usize]) -> Answer<E> {
        match self {
            Self::Sum(all) => Answer::Sum(shaped(all, extents, order, shape)),
            Self::Mean(all) => Answer::Mean(shaped(all, extents, order, shape)),
            Self::Float(all) => Answer::Float(shaped(all, extents, order, shape)),
            Self::Element(all) => Answer::Element(shaped(all, extents, order, shape)),
            Self::Index(all) => Answer::Index(shaped(all, extents, order, shape)),
            Self::Truth(all) => Answer::Truth(shaped(all, extents, order, shape)),
        }
    }
}

fn shaped<T: Clone>(all: Vec<T>, extents: &[usize], order: &[usize], shape: &[usize]) -> ArrayD<T> {
    let array = ArrayD::from_shape_vec(IxDyn(extents), all).expect("there are as many results as the shape says");
    // Axis i of the array is the kept axis of rank `rank[i]`.
    let mut back = vec![0; order.len()];
    let mut sorted: Vec<_> = (0..order.len()).collect();
    sorted.sort_by_key(|&at| order[at]);
    sorted.iter().enumerate().for_each(|(rank, &at)| back[rank] = at);
    let array = array.permuted_axes(IxDyn(&back)).as_standard_layout().into_owned();
    array.into_shape_with_order(IxDyn(shape)).expect("axes of one element change no order")
}

fn elements<E: Reducible, const GREATEST: bool>(all: &[Option<Best<E::Scalar, GREATEST>>], op: Op) -> Result<Vec<E>> {
    let element = |best: &Option<Best<E::Scalar, GREATEST>>| match best {
        Some(best) => {
            // One 0 and one NaN, whichever was met first.
            let zero = E::Scalar::default();
            let value = if best.value == zero { zero } else { best.value };
            Ok(E::narrow([if value.is_nan() { E::Scalar::nan() } else { value }, zero]))
        }
        None => Err(empty(op)),
    };
    all.iter().map(element).collect()
}

fn places<S: Scalar, const GREATEST: bool>(all: &[Option<Best<S, GREATEST>>], op: Op) -> Result<Vec<u64>> {
    let place = |best: &Option<Best<S, GREATEST>>| match best {
        Some(best) if best.skip && best.value.is_nan() => Err(Error::parameter(
            "elements",
            format!("one that is not NaN for each result of {op}; mask such slices"),
            "nothing but NaN",
        )),
        Some(best) => Ok(best.place),
        None => Err(empty(op)),
    };
    all.iter().map(place).collect()
}

/// Nothing can be said of no elements.
pub(crate) fn empty(op: Op) -> Error {
    Error::shape("reduced axes", format!("at least one element for {op}"), "none")
}

/// The greatest absolute value; 0 where there is none.
fn largest<E: Reducible>(cells: &Partials<E::Scalar>, output: usize) -> f64 {
    let Some(greatest) = cells.greatest[output] else { return 0.0 };
    let value = greatest.value.lift();
    if value.is_nan() {
        // All were skipped, or none.
        return if greatest.skip { 0.0 } else { value };
    }
    let least = cells.least.get(output).copied().flatten();
    least.map_or(value, |least| value.max(-least.value.lift()))
}

/// A product as f64, or infinite or 0 where it is too large or too small.
fn numbers(ScaledProduct { number, exponent, .. }: ScaledProduct) -> [f64; 2] {
    let exponent = exponent.clamp(-3000, 3000) as i32;
    // The first steps are exact, the last one rounds.
    let steps = [exponent / 3, exponent / 3, exponent - 2 * (exponent / 3)];
    number.map(|x| steps.iter().fold(x, |x, &step| x * 2f64.powi(step)))
}
