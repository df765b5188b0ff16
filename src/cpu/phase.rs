//! Phases of type 3 on the CPU: numbers of a batch times a factor for each point.

use num_complex::Complex;

use crate::machine::parallel;
use crate::numeric::sign::Sign;
use crate::real::Real;

/// Numbers a task multiplies.
const PIECE: usize = 4096;

/// Each of a batch of arrays times the factors, or their conjugates for sign -.
pub(crate) fn product<'a, T: Real>(
    values: &[Complex<T>],
    factors: &[Complex<T>],
    sign: Sign,
    to: &'a mut Vec<Complex<T>>,
) -> &'a [Complex<T>] {
    to.resize(values.len(), Complex::default());
    for (to, values) in to.chunks_exact_mut(factors.len()).zip(values.chunks_exact(factors.len())) {
        parallel::chunks(to, PIECE, 2, |index, to| {
            let factors = &factors[index * PIECE..];
            for ((to, value), factor) in to.iter_mut().zip(&values[index * PIECE..]).zip(factors) {
                *to = *value * signed(*factor, sign);
            }
        });
    }
    to
}

/// The same in place.
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
