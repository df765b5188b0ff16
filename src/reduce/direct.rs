//! Reductions computed directly from their definitions, slowly and with exact sums: the oracle of the tests.
//!
//! Sums are expansions of numbers that do not overlap (Shewchuk, *Adaptive Precision Floating-Point Arithmetic*, 1997),
//! which keep every bit, and are rounded once.

use ndarray::{Array2, ArrayD, ArrayViewD, IxDyn};
use num_complex::Complex;

use crate::error::{Error, Result};
use crate::numeric::sums::two_sum;
use crate::reduce::element::Reducible;
use crate::reduce::op::Op;
use crate::reduce::scalar::Scalar;

/// Computes one operation over some axes, with every result as a complex f64 (truth as 1 and 0). Weights have the
/// data's shape; without weights all are 1.
///
/// # Errors
/// [`Error::Shape`] for weights of another shape, or no elements where the operation needs one.
///
/// # Panics
/// If an axis does not exist.
pub fn reduce<E: Reducible>(
    data: ArrayViewD<'_, E>,
    axes: &[usize],
    op: Op,
    skip_nan: bool,
    weights: Option<ArrayViewD<'_, f64>>,
) -> Result<ArrayD<Complex<f64>>> {
    if let Some(weights) = weights.as_ref().filter(|weights| weights.shape() != data.shape()) {
        return Err(Error::shape("weights", format!("{:?}", data.shape()), format!("{:?}", weights.shape())));
    }
    let kept: Vec<_> = (0..data.ndim()).filter(|axis| !axes.contains(axis)).collect();
    let shape: Vec<_> = kept.iter().map(|&axis| data.shape()[axis]).collect();
    // Reduced axes are in the array's order, whatever order they were given in.
    let order: Vec<_> = kept.iter().copied().chain((0..data.ndim()).filter(|axis| axes.contains(axis))).collect();
    let (rows, columns) = (shape.iter().product(), axes.iter().map(|&axis| data.shape()[axis]).product());
    let table = |values: Vec<_>| Array2::from_shape_vec((rows, columns), values).expect("a row for each result");
    let values = data.permuted_axes(IxDyn(&order)).iter().map(|x| x.widen().map(Scalar::lift)).collect();
    let values = table(values);
    let weights = match weights {
        Some(weights) => weights.permuted_axes(IxDyn(&order)).iter().copied().collect(),
        None => vec![1.0; rows * columns],
    };
    let results = values.rows().into_iter().zip(weights.chunks(columns.max(1)).chain(std::iter::repeat(&[][..])));
    let results: Vec<_> = results
        .map(|(row, weights)| {
            let all = row.iter().zip(weights).enumerate().map(|(place, (&[re, im], &w))| (place, [re, im], w));
            one(
                &all.filter(|(_, x, _)| !(skip_nan && x.iter().any(|x| x.is_nan()))).collect::<Vec<_>>(),
                (op, E::PARTS),
                skip_nan,
            )
        })
        .collect::<Result<_>>()?;
    Ok(ArrayD::from_shape_vec(IxDyn(&shape), results).expect("a result for each row"))
}

/// One result of an operation on numbers of 1 or 2 parts, from its elements, each given as place, value and weight.
fn one(elements: &[(usize, [f64; 2], f64)], (op, parts_of): (Op, usize), skip_nan: bool) -> Result<Complex<f64>> {
    let count = elements.len() as f64;
    let parts = |term: &dyn Fn([f64; 2], f64) -> [f64; 2]| {
        let part = |part: usize| exact(elements.iter().map(|&(_, x, w)| term(x, w)[part]));
        Complex::new(part(0), part(1))
    };
    let real = |x: f64| Complex::new(x, 0.0);
    // Of a division or multiplication by a complex number: a part that is not finite makes the other one NaN.
    let quotient = |z: Complex<f64>| if parts_of == 2 { Complex::new(z.re + z.im * 0.0, z.im - z.re * 0.0) } else { z };
    let sizes =
        || elements.iter().map(|&(_, [re, im], _)| if re.is_nan() || im.is_nan() { f64::NAN } else { re.hypot(im) });
    let variance = |ddof: f64| {
        let mean = parts(&|x, _| x) / count;
        let deviation = parts(&|[re, im], _| [(re - mean.re).powi(2), (im - mean.im).powi(2)]);
        let freedom = count - ddof;
        if skip_nan && freedom <= 0.0 { f64::NAN } else { (deviation.re + deviation.im) / freedom.max(0.0) }
    };
    let best = |better: &dyn Fn(f64, f64) -> bool| {
        let first = elements.iter().find(|(_, x, _)| x[0].is_nan());
        let best = elements.iter().reduce(|best, x| if better(x.1[0], best.1[0]) { x } else { best });
        first.or(best).ok_or_else(|| crate::reduce::answer::empty(op))
    };
    let weighted = || parts(&|[re, im], w| [re * w, im * w]);
    Ok(match op {
        Op::Sum => parts(&|x, _| x),
        Op::Mean => quotient(parts(&|x, _| x) / count),
        Op::Var { ddof } => real(variance(ddof)),
        Op::Std { ddof } => real(variance(ddof).sqrt()),
        Op::Min => real(best(&|x, best| x < best)?.1[0]),
        Op::Max => real(best(&|x, best| x > best)?.1[0]),
        Op::ArgMin => real(best(&|x, best| x < best)?.0 as f64),
        Op::ArgMax => real(best(&|x, best| x > best)?.0 as f64),
        Op::Prod if parts_of == 1 => real(elements.iter().map(|&(_, [re, _], _)| re).product()),
        Op::Prod => quotient(elements.iter().fold(real(1.0), |all, &(_, [re, im], _)| all * Complex::new(re, im))),
        Op::Norm1 => real(exact(sizes())),
        Op::Norm2 => real(exact(elements.iter().map(|&(_, [re, im], _)| re * re + im * im)).sqrt()),
        Op::NormInf => real(sizes().fold(0.0, |a, b| if a > b || a.is_nan() { a } else { b })),
        Op::Count => real(count),
        Op::Any => real(f64::from(elements.iter().any(|&(_, x, _)| x != [0.0; 2]))),
        Op::All => real(f64::from(elements.iter().all(|&(_, x, _)| x != [0.0; 2]))),
        Op::WeightedSum => weighted(),
        Op::Average => quotient(weighted() / exact(elements.iter().map(|&(_, _, w)| w))),
    })
}

/// The exact sum, rounded once to f64; infinities and NaN are as plain addition gives them.
#[must_use]
pub fn exact(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let mut expansion: Vec<f64> = Vec::new();
    for term in terms.clone() {
        let mut rest = term;
        let mut kept = 0;
        for index in 0..expansion.len() {
            let (sum, error) = two_sum(rest, expansion[index]);
            if error != 0.0 {
                expansion[kept] = error;
                kept += 1;
            }
            rest = sum;
        }
        expansion.truncate(kept);
        expansion.push(rest);
    }
    if expansion.iter().any(|part| !part.is_finite()) {
        return terms.sum();
    }
    // Parts are added from the largest down, up to the first sum that is not exact.
    let mut sum = expansion.pop().unwrap_or(0.0);
    while let Some(part) = expansion.pop() {
        let (high, low) = two_sum(sum, part);
        sum = high;
        if low != 0.0 {
            // Half way between two numbers the sign of the smaller parts decides the rounding.
            let next = expansion.last().copied().unwrap_or(0.0);
            if (low > 0.0 && next > 0.0) || (low < 0.0 && next < 0.0) {
                let double = 2.0 * low;
                let rounded = sum + double;
                if rounded - sum == double {
                    sum = rounded;
                }
            }
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::exact;

    #[test]
    fn every_bit_counts() {
        assert_eq!(exact([1e100, 1.0, -1e100, 1e-30].into_iter()), 1.0);
        assert_eq!(exact([1.0, f64::EPSILON / 2.0, 1e-300].into_iter()), 1.0 + f64::EPSILON);
        assert_eq!(exact([1.0, f64::EPSILON / 2.0].into_iter()), 1.0);
        assert_eq!(exact([0.1; 10].into_iter()), 1.0);
        assert!(exact([f64::INFINITY, f64::NEG_INFINITY].into_iter()).is_nan());
    }
}
