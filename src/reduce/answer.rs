//! The results of reductions: computed from the partials of each output, and shaped into arrays.

use ndarray::{ArrayD, Axis, IxDyn};

use crate::error::{Error, Result};
use crate::numeric::float::Float;
use crate::reduce::best::Best;
use crate::reduce::element::Reducible;
use crate::reduce::op::Op;
use crate::reduce::partials::Partials;
use crate::reduce::plain::{Found, NONE};
use crate::reduce::scalar::Scalar;
use crate::reduce::tally::Tally;
use crate::reduce::variance::{Variance, variance};

/// The result of one operation: an array over the axes that are kept.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Answer<E: Reducible> {
    /// The result of [`Op::Sum`] or [`Op::Prod`].
    Sum(ArrayD<E::Sum>),
    /// The result of [`Op::Mean`], [`Op::Average`] or [`Op::WeightedSum`].
    Mean(ArrayD<E::Mean>),
    /// The result of [`Op::Var`], [`Op::Std`] or a norm.
    Float(ArrayD<E::Float>),
    /// The result of [`Op::Min`] or [`Op::Max`].
    Element(ArrayD<E>),
    /// The result of [`Op::ArgMin`], [`Op::ArgMax`] or [`Op::Count`].
    Index(ArrayD<u64>),
    /// The result of [`Op::Any`] or [`Op::All`].
    Truth(ArrayD<bool>),
}

impl<E: Reducible> Answer<E> {
    /// Whether another answer has the same kind and shape.
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

    /// Copies the results of an answer that [fits](Self::fits).
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

/// The results of one operation for some outputs, one after another.
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
    /// The results of `op` that were computed without partials.
    pub(crate) fn plain(op: Op, found: Found<E::Scalar>) -> Result<Self> {
        Ok(match (op, found) {
            (_, Found::Whole(all)) => Self::Sum(bytemuck::cast_vec(all)),
            (Op::Mean, Found::Real(all)) => Self::Mean(bytemuck::cast_vec(all)),
            (_, Found::Real(all)) => Self::Float(bytemuck::cast_vec(all)),
            (_, Found::Element(all)) => Self::Element(match bytemuck::try_cast_vec(all) {
                Ok(all) => all,
                Err((_, all)) => all.into_iter().map(|x| E::narrow([x, E::Scalar::default()])).collect(),
            }),
            (Op::ArgMin | Op::ArgMax, Found::Index(all)) if all.contains(&NONE) => return Err(all_nan(op)),
            (_, Found::Index(all)) => Self::Index(all),
            (_, Found::Truth(all)) => Self::Truth(all),
        })
    }

    /// Computes the results of `op`.
    pub(crate) fn of(op: Op, partials: &Partials<E::Scalar>, skip: bool) -> Result<Self> {
        let each = 0..partials.outputs;
        let parts =
            |o: usize, of: &dyn Fn(usize) -> f64| [of(o * E::PARTS), if E::PARTS == 2 { of(o * 2 + 1) } else { 0.0 }];
        // NumPy divides by complex numbers: a part that is not finite makes the other one NaN.
        let quotient =
            |[re, im]: [f64; 2]| E::mean(if E::PARTS == 2 { [re + im * 0.0, im - re * 0.0] } else { [re, im] });
        let float = <E::Float as Float>::nearest;
        let deviation =
            |o: usize| partials.moments[o * E::PARTS..][..E::PARTS].iter().map(Variance::deviation).sum::<f64>();
        let variance = |o: usize, ddof: f64| variance(deviation(o), partials.counts[o].valid as f64, ddof, skip);
        Ok(match op {
            Op::Sum => Self::Sum(partials.totals.chunks_exact(E::PARTS).map(E::sum).collect()),
            Op::Mean => Self::Mean(
                each.map(|o| quotient(parts(o, &|at| partials.totals[at].mean(partials.counts[o].valid)))).collect(),
            ),
            Op::Var { ddof } => Self::Float(each.map(|o| float(variance(o, ddof))).collect()),
            Op::Std { ddof } => Self::Float(each.map(|o| float(variance(o, ddof).sqrt())).collect()),
            Op::Min => Self::Element(elements(&partials.least, op)?),
            Op::Max => Self::Element(elements(&partials.greatest, op)?),
            Op::ArgMin => Self::Index(places(&partials.first_least, op)?),
            Op::ArgMax => Self::Index(places(&partials.first_greatest, op)?),
            Op::Prod => Self::Sum(
                partials.products.iter().map(|&product| E::product(product.whole, product.numbers())).collect(),
            ),
            Op::Norm1 => Self::Float(partials.absolutes.iter().map(|tally| float(tally.value())).collect()),
            Op::Norm2 => Self::Float(partials.squares.iter().map(|tally| float(tally.value().sqrt())).collect()),
            Op::NormInf => Self::Float(each.map(|o| float(largest::<E>(partials, o))).collect()),
            Op::Count => Self::Index(partials.counts.iter().map(|count| count.valid).collect()),
            Op::Any => Self::Truth(partials.counts.iter().map(|count| count.truths > 0).collect()),
            Op::All => Self::Truth(partials.counts.iter().map(|count| count.truths == count.valid).collect()),
            Op::WeightedSum => {
                Self::Mean(each.map(|o| E::mean(parts(o, &|at| partials.weighted[at].value()))).collect())
            }
            Op::Average => Self::Mean(
                each.map(|o| quotient(parts(o, &|at| partials.weighted[at].value() / partials.weights[o].value())))
                    .collect(),
            ),
        })
    }

    /// The bytes of a result of `op`.
    pub(crate) fn size(op: Op) -> usize {
        match op {
            Op::Sum | Op::Prod => size_of::<E::Sum>(),
            Op::Mean | Op::Average | Op::WeightedSum => size_of::<E::Mean>(),
            Op::Var { .. } | Op::Std { .. } | Op::Norm1 | Op::Norm2 | Op::NormInf => size_of::<E::Float>(),
            Op::Min | Op::Max => size_of::<E>(),
            Op::ArgMin | Op::ArgMax | Op::Count => size_of::<u64>(),
            Op::Any | Op::All => size_of::<bool>(),
        }
    }

    /// Makes room for so many results more.
    pub(crate) fn reserve(&mut self, more: usize) {
        match self {
            Self::Sum(all) => all.reserve_exact(more),
            Self::Mean(all) => all.reserve_exact(more),
            Self::Float(all) => all.reserve_exact(more),
            Self::Element(all) => all.reserve_exact(more),
            Self::Index(all) => all.reserve_exact(more),
            Self::Truth(all) => all.reserve_exact(more),
        }
    }

    /// Concatenates columns of the same operation.
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

    /// Converts the column to an array of `shape`. Its results are in C order over axes of `extents`, which are the
    /// kept axes in `order`.
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

/// The results as an array that is in the order of memory of the reduced one, as NumPy's: no copy is made.
fn shaped<T>(all: Vec<T>, extents: &[usize], order: &[usize], shape: &[usize]) -> ArrayD<T> {
    let fits = "there are as many results as the shape says";
    if order.is_sorted() {
        // No copy: where results are as many as elements, it costs as much as the reduction.
        return ArrayD::from_shape_vec(IxDyn(shape), all).expect(fits);
    }
    let array = ArrayD::from_shape_vec(IxDyn(extents), all).expect(fits);
    // Axis `rank` of the answer is axis `back[rank]` of the array.
    let mut back = vec![0; order.len()];
    let mut sorted: Vec<_> = (0..order.len()).collect();
    sorted.sort_by_key(|&at| order[at]);
    sorted.iter().enumerate().for_each(|(rank, &at)| back[rank] = at);
    let mut array = array.permuted_axes(IxDyn(&back));
    for (axis, &len) in shape.iter().enumerate() {
        // Reduced axes that stay have one element.
        if array.shape().get(axis) != Some(&len) {
            array.insert_axis_inplace(Axis(axis));
        }
    }
    array
}

fn elements<E: Reducible, const GREATEST: bool>(all: &[Option<Best<E::Scalar, GREATEST>>], op: Op) -> Result<Vec<E>> {
    let element = |best: &Option<Best<E::Scalar, GREATEST>>| match best {
        Some(best) => {
            // The bits of a NaN would depend on which was met first: there is one NaN.
            let value = if best.value.is_nan() { E::Scalar::nan() } else { best.value };
            Ok(E::narrow([value, E::Scalar::default()]))
        }
        None => Err(empty(op)),
    };
    all.iter().map(element).collect()
}

fn places<S: Scalar, const GREATEST: bool>(all: &[Option<Best<S, GREATEST>>], op: Op) -> Result<Vec<u64>> {
    let place = |best: &Option<Best<S, GREATEST>>| match best {
        Some(best) if best.skip && best.value.is_nan() => Err(all_nan(op)),
        Some(best) => Ok(best.place),
        None => Err(empty(op)),
    };
    all.iter().map(place).collect()
}

/// The error of a place that is asked for where all elements are skipped.
pub(crate) fn all_nan(op: Op) -> Error {
    let wanted = format!("one that is not NaN for each result of {op}; mask such slices");
    Error::parameter("elements", wanted, "nothing but NaN")
}

/// The error of an operation that needs at least one element.
pub(crate) fn empty(op: Op) -> Error {
    Error::shape("reduced axes", format!("at least one element for {op}"), "none")
}

/// The greatest absolute value of an output; 0 without elements.
fn largest<E: Reducible>(partials: &Partials<E::Scalar>, output: usize) -> f64 {
    let Some(greatest) = partials.greatest[output] else { return 0.0 };
    let value = greatest.value.lift();
    if value.is_nan() {
        // With NaNs skipped this means that all elements were.
        return if greatest.skip { 0.0 } else { value };
    }
    let least = partials.least.get(output).copied().flatten();
    // Of zeros alone it is the one without a sign.
    least.map_or(value, |least| value.max(-least.value.lift()).abs())
}
