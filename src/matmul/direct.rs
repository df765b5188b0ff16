//! The matrix product by its definition: the oracle of the tests.

use ndarray::{Array2, ArrayView2};
use num_complex::Complex;

use crate::numeric::float::Numeric;

/// A·B by three loops in f64, whatever the elements: slow, and accurate to a few roundoffs of f64.
///
/// # Panics
/// If A has a different number of columns than B has rows.
#[must_use]
pub fn direct<V: Numeric>(a: ArrayView2<'_, V>, b: ArrayView2<'_, V>) -> Array2<Complex<f64>> {
    assert_eq!(a.ncols(), b.nrows(), "the columns of A are as many as the rows of B");
    let wide = |x: V| {
        let z = x.complex();
        Complex::new(z.re.into(), z.im.into())
    };
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| {
        a.row(i).iter().zip(b.column(j)).map(|(&x, &y)| wide(x) * wide(y)).sum()
    })
}
