//! Phases of type 3 on the CPU: multiplies strengths or values by a factor for each point.

use ndarray::ArrayView2;
use num_complex::Complex;

use crate::machine::parallel;
use crate::numeric::sign::Sign;
use crate::real::Real;

/// Numbers that one task multiplies.
const PIECE: usize = 4096;

/// Multiplies each row by the factors, or by their conjugates for the minus sign.
pub(crate) fn product<T: Real>(
    rows: ArrayView2<'_, Complex<T>>,
    factors: &[Complex<T>],
    sign: Sign,
    to: &mut Vec<Complex<T>>,
) {
    to.resize(rows.len(), Complex::default());
    for (to, values) in to.chunks_exact_mut(factors.len()).zip(rows.rows()) {
        parallel::chunks(to, PIECE, 2, |index, to| {
            let first = index * PIECE;
            let values = values.iter().skip(first);
            for ((to, value), factor) in to.iter_mut().zip(values).zip(&factors[first..]) {
                *to = *value * signed(*factor, sign);
            }
        });
    }
}

/// The same in place, for rows one after another.
pub(crate) fn multiply<T: Real>(values: &mut [Complex<T>], factors: &[Complex<T>], sign: Sign) {
    for values in values.chunks_exact_mut(factors.len()) {
        parallel::chunks(values, PIECE, 2, |index, values| {
            for (value, factor) in values.iter_mut().zip(&factors[index * PIECE..]) {
                *value = *value * signed(*factor, sign);
            }
        });
    }
}

fn signed<T: Real>(factor: Complex<T>, sign: Sign) -> Complex<T> {
    if sign == Sign::Plus { factor } else { factor.conj() }
}
