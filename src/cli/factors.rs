//! The factors of a product for the `matmul` command: their shapes and batches, as NumPy's `matmul` allows them, and
//! the times of the product.

use anyhow::{Result, bail, ensure};
use ndarray::{ArrayD, ArrayView2, Axis, Dimension, Ix2, IxDyn, indices};
use serde_json::{Value, json};

use crate::measure::median;
use crate::{args, output};

/// Writes the file of times, if one is asked for.
pub(crate) fn write_timings(
    args: &args::Matmul,
    samples: &[f64],
    plan: &str,
    operations: f64,
    worst: Value,
) -> Result<()> {
    let Some(path) = &args.run.timings else { return Ok(()) };
    let seconds = median(samples);
    let document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "plan": plan,
        "threads": rayon::current_num_threads(),
        "execute": seconds,
        "flop_per_second": operations / seconds,
        "freivalds": worst,
        "samples": samples,
    });
    output::write_json(path, &document)
}

/// The factors of a product, with two axes or more each, and its extents.
pub(crate) struct Factors<V> {
    pub(crate) a: ArrayD<V>,
    pub(crate) b: ArrayD<V>,
    /// m, k and n.
    pub(crate) shape: [usize; 3],
    /// The extents to which both batches broadcast.
    pub(crate) batch: Vec<usize>,
    /// Whether A and B are transposed.
    pub(crate) transposed: [bool; 2],
    /// Whether A is a row and B a column that files of one axis hold: the result does not have their axes.
    vectors: [bool; 2],
}

impl<V> Factors<V> {
    /// Checks that the arrays can be multiplied. As in NumPy an array of one axis is a row of A, or a column of B.
    pub(crate) fn new(args: &args::Matmul, a: ArrayD<V>, b: ArrayD<V>) -> Result<Self> {
        for (path, array) in [(&args.a, &a), (&args.b, &b)] {
            ensure!(
                array.ndim() > 0,
                "{} holds one number; a vector has one axis, a matrix two, a batch more before them",
                path.display()
            );
        }
        let vectors = [a.ndim() == 1, b.ndim() == 1];
        // The transpose of a vector is the vector itself.
        let transposed = [args.trans_a && !vectors[0], args.trans_b && !vectors[1]];
        let a = if vectors[0] { a.insert_axis(Axis(0)) } else { a };
        let b = if vectors[1] { b.insert_axis(Axis(1)) } else { b };
        let extents = |array: &ArrayD<V>, transposed: bool| {
            let last = array.ndim() - 1;
            let [rows, columns] = [array.len_of(Axis(last - 1)), array.len_of(Axis(last))];
            if transposed { [columns, rows] } else { [rows, columns] }
        };
        let ([m, k], [rows, n]) = (extents(&a, transposed[0]), extents(&b, transposed[1]));
        ensure!(
            rows == k,
            "{} has {k} columns and {} has {rows} rows: B must have as many rows as A has columns; --trans-a and \
             --trans-b transpose a matrix",
            args.a.display(),
            args.b.display()
        );
        let batch = batch(&a.shape()[..a.ndim() - 2], &b.shape()[..b.ndim() - 2])?;
        Ok(Self { a, b, shape: [m, k, n], batch, transposed, vectors })
    }

    /// Multiplications and additions of real numbers.
    pub(crate) fn operations(&self) -> f64 {
        2.0 * self.shape.iter().chain(&self.batch).map(|&extent| extent as f64).product::<f64>()
    }

    /// The product with the axes of NumPy's.
    pub(crate) fn result<C>(&self, mut c: ArrayD<C>) -> ArrayD<C> {
        for (axis, vector) in [(2, self.vectors[0]), (1, self.vectors[1])] {
            if vector {
                let axis = Axis(c.ndim() - axis);
                c = c.index_axis_move(axis, 0);
            }
        }
        c
    }

    /// Calls `with` for every product of the batch: with A, B, and the product's index.
    pub(crate) fn each(
        &self,
        mut with: impl FnMut(ArrayView2<'_, V>, ArrayView2<'_, V>, &IxDyn) -> Result<()>,
    ) -> Result<()> {
        // A batch of empty products may be of any length.
        if self.shape[0] == 0 || self.shape[2] == 0 {
            return Ok(());
        }
        for index in indices(IxDyn(&self.batch)) {
            let mut a = matrix(&self.a, &index)?;
            let mut b = matrix(&self.b, &index)?;
            if self.transposed[0] {
                a = a.reversed_axes();
            }
            if self.transposed[1] {
                b = b.reversed_axes();
            }
            with(a, b, &index)?;
        }
        Ok(())
    }
}

/// One matrix of an array that broadcasts to the batch.
pub(crate) fn matrix<'a, V>(x: &'a ArrayD<V>, index: &IxDyn) -> Result<ArrayView2<'a, V>> {
    let mut view = x.view();
    for &at in &index.slice()[index.ndim() + 2 - x.ndim()..] {
        let at = if view.len_of(Axis(0)) == 1 { 0 } else { at };
        view.index_axis_inplace(Axis(0), at);
    }
    Ok(view.into_dimensionality::<Ix2>()?)
}

/// The extents to which both batches broadcast.
fn batch(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let axes = a.len().max(b.len());
    let extent = |x: &[usize], axis: usize| (axis + x.len()).checked_sub(axes).map_or(1, |axis| x[axis]);
    let both = |axis: usize| match (extent(a, axis), extent(b, axis)) {
        (a, b) if a == b || b == 1 => Ok(a),
        (1, b) => Ok(b),
        _ => bail!("the batches {a:?} and {b:?} do not broadcast: extents must be equal, or one of them 1"),
    };
    (0..axes).map(both).collect()
}
