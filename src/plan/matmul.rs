//! Plans of matrix products: shapes are checked once, and the plan is executed on any number of matrices.

use std::marker::PhantomData;

use ndarray::{Array, ArrayBase, ArrayRef, ArrayView, Axis, Dimension, IntoDimension, Ix2, Ix3, IxDyn, RawData};

use crate::backend::product::Multiply as _;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::matmul::product::{Batch, Matrices, Op, Product};
use crate::matmul::recipe::MatmulRecipe;
use crate::plan::arrays::zeros;
use crate::real::{Number, Real};
use crate::shape;

/// C = alpha·op(A)·op(B) + beta·C for matrices of one shape, or batches of them; see [`crate::matmul`]. `D` is the
/// dimension of C: the axes of the batch, then two.
#[derive(Debug, Clone)]
pub struct MatmulPlan<V: Number, D: Dimension = Ix2> {
    batch: Vec<usize>,
    ops: [Op; 2],
    recipe: MatmulRecipe,
    device: Device,
    kind: PhantomData<(V, D)>,
}

/// The parameters of a [`MatmulPlan`] to be built.
#[derive(Debug, Clone)]
#[must_use]
pub struct MatmulBuilder<V: Number, D: Dimension = Ix2> {
    shape: [usize; 3],
    batch: Vec<usize>,
    ops: [Op; 2],
    memory: Option<usize>,
    kind: PhantomData<(V, D)>,
}

/// The dimension of matrices with a batch of dimension `B` in front.
pub type Batched<B> = <<B as Dimension>::Larger as Dimension>::Larger;

impl<V: Number> MatmulPlan<V> {
    /// Starts a plan from the extents of the product: C is m x n, and the sum runs over k.
    pub fn builder(m: usize, k: usize, n: usize) -> MatmulBuilder<V> {
        MatmulBuilder { shape: [m, k, n], batch: Vec::new(), ops: [Op::Plain; 2], memory: None, kind: PhantomData }
    }
}

impl<V: Number, D: Dimension> MatmulPlan<V, D> {
    /// Computes op(A)·op(B), of shape `[.., m, n]` with the batch's axes in front.
    ///
    /// # Errors
    /// See [`MatmulPlan::execute_into`]; and [`Error::TooLarge`] if there is no memory for the result.
    pub fn execute<DA: Dimension, DB: Dimension>(
        &self,
        a: &ArrayRef<V, DA>,
        b: &ArrayRef<V, DB>,
    ) -> Result<Array<V, D>> {
        let [m, _, n] = self.recipe.shape;
        let mut c =
            zeros("the product", self.batched([m, n]), "multiply some rows of A, or some of the batch, at a time")?;
        self.execute_into(V::unit(), a, b, V::default(), &mut c)?;
        Ok(c)
    }

    /// C = alpha·op(A)·op(B) + beta·C.
    ///
    /// # Errors
    /// [`Error::Shape`] if the last two axes of A or B are not the plan's, those in front do not broadcast to the
    /// batch, or C has another shape; [`Error::Device`], [`Error::DeviceLost`] and [`Error::TooLarge`] if the device
    /// cannot compute it.
    pub fn execute_into<DA: Dimension, DB: Dimension, DC: Dimension>(
        &self,
        alpha: V,
        a: &ArrayRef<V, DA>,
        b: &ArrayRef<V, DB>,
        beta: V,
        c: &mut ArrayRef<V, DC>,
    ) -> Result<()> {
        let [m, k, n] = self.recipe.shape;
        let axes = self.batch.len();
        let of_batch = |shape: &[usize]| shape.len() == axes + 2 && shape[..axes] == self.batch;
        if !of_batch(c.shape()) || c.shape()[axes..] != [m, n] {
            let expected = self.batched([m, n]);
            return Err(Error::shape("C", shape::written(expected.slice()), shape::written(c.shape())));
        }
        self.check("A", a.shape(), 0)?;
        self.check("B", b.shape(), 1)?;
        let one_axis = axes < 2 && of_batch(a.shape()) && of_batch(b.shape());
        let (left, right) = (self.as_multiplied(a.view(), 0), self.as_multiplied(b.view(), 1));
        // Most products have no batch or one axis of it. The smallest take less time than making views with a list of
        // axes.
        if one_axis {
            let matrices = Matrices { a: row(left), b: row(right), c: row(c.view_mut()) };
            return self.multiply(Batch::Row(matrices), alpha, beta);
        }
        let (left, right) = (left.into_dyn(), right.into_dyn());
        let left = left.broadcast(self.batched([m, k])).ok_or_else(|| self.misfit("A", a.shape(), 0))?;
        let right = right.broadcast(self.batched([k, n])).ok_or_else(|| self.misfit("B", b.shape(), 1))?;
        self.multiply(Batch::Any(Matrices { a: left, b: right, c: c.view_mut().into_dyn() }), alpha, beta)
    }

    fn multiply(&self, matrices: Batch<'_, V>, alpha: V, beta: V) -> Result<()> {
        let conjugate = self.ops.map(Op::conjugates);
        self.device.matmul(&self.recipe, &mut Product { matrices, conjugate, alpha, beta })
    }

    /// Computes the same as [`MatmulPlan::execute_into`] for arrays on the plan's GPU, in C order and with the shapes
    /// they have before op(); A and B each have all axes of the batch or none. It takes one submission, and nothing
    /// moves between host and device.
    ///
    /// # Errors
    /// [`Error::Device`] if the plan is not on a GPU or C is A or B, [`Error::Shape`] if an array is shorter than it
    /// must be, [`Error::TooLarge`] if one is larger than a kernel can bind.
    #[cfg(feature = "gpu")]
    pub fn execute_on_gpu(
        &self,
        alpha: V,
        a: &crate::gpu::Array<V>,
        b: &crate::gpu::Array<V>,
        beta: V,
        c: &mut crate::gpu::Array<V>,
    ) -> Result<()> {
        let gpu = self.device.need_gpu("execute_into")?;
        gpu.matmul_on_device(&self.recipe, self.ops, alpha, [a, b], beta, c)
    }

    /// The tiles, blocks and pieces that the plan chose.
    #[must_use]
    pub fn recipe(&self) -> &MatmulRecipe {
        &self.recipe
    }

    /// The plan in words: what it computes, how, and on which device.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} {}, on {}", V::name(), self.recipe, self.device.name())
    }

    /// A matrix's shape with the batch in front.
    fn batched(&self, matrix: [usize; 2]) -> IxDyn {
        // This avoids an intermediate `Vec`, since small products take only a microsecond.
        let mut shape = IxDyn::zeros(self.batch.len() + 2);
        let (batch, rest) = shape.slice_mut().split_at_mut(self.batch.len());
        batch.copy_from_slice(&self.batch);
        rest.copy_from_slice(&matrix);
        shape
    }

    /// Extents of A or B, before op().
    fn before_op(&self, factor: usize) -> [usize; 2] {
        let [m, k, n] = self.recipe.shape;
        let [rows, columns] = [[m, k], [k, n]][factor];
        if self.ops[factor].transposes() { [columns, rows] } else { [rows, columns] }
    }

    /// Checks the last two axes of A or B.
    fn check(&self, what: &'static str, shape: &[usize], factor: usize) -> Result<()> {
        // Rows and columns must agree exactly: `broadcast` would also repeat a single row any number of times.
        let fits = shape.len() >= 2 && shape[shape.len() - 2..] == self.before_op(factor);
        if fits { Ok(()) } else { Err(self.misfit(what, shape, factor)) }
    }

    /// A view of A or B with rows and columns in the order in which they are multiplied; conjugation is left to the
    /// kernel.
    fn as_multiplied<'a, X: Dimension>(&self, mut x: ArrayView<'a, V, X>, factor: usize) -> ArrayView<'a, V, X> {
        if self.ops[factor].transposes() {
            let axes = x.ndim();
            x.swap_axes(axes - 2, axes - 1);
        }
        x
    }

    fn misfit(&self, what: &'static str, got: &[usize], factor: usize) -> Error {
        let expected = shape::written(self.batched(self.before_op(factor)).slice());
        Error::shape(what, format!("{expected}, or what broadcasts to that batch"), shape::written(got))
    }
}

impl<V: Number, D: Dimension> MatmulBuilder<V, D> {
    /// The extents of the batch's axes, which precede those of the matrices [default: none, one product]: `[8]`, say,
    /// or a slice or `Vec` if the number of axes is known only at run time.
    pub fn batch<B: IntoDimension>(self, batch: B) -> MatmulBuilder<V, Batched<B::Dim>> {
        let Self { shape, ops, memory, .. } = self;
        MatmulBuilder { shape, batch: batch.into_dimension().slice().to_vec(), ops, memory, kind: PhantomData }
    }

    /// The operation applied to A [default: plain, A itself].
    pub fn op_a(mut self, op: Op) -> Self {
        self.ops[0] = op;
        self
    }

    /// The operation applied to B [default: plain, B itself].
    pub fn op_b(mut self, op: Op) -> Self {
        self.ops[1] = op;
        self
    }

    /// The most bytes of device memory that pieces of host matrices may take on a GPU [default: 1 GiB]. The device's
    /// own limits apply as well.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Checks the parameters and chooses tiles, blocks and pieces.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for extents whose products do not fit in the address space, or memory that cannot hold even
    /// small pieces; [`Error::Device`] if the device lacks the precision.
    pub fn build(self, device: &Device) -> Result<MatmulPlan<V, D>> {
        let Self { shape: [m, k, n], batch, ops, memory, .. } = self;
        let count = shape::product("the batch", &batch)?;
        for (what, extents) in [("A", [count, m, k]), ("B", [count, k, n]), ("C", [count, m, n])] {
            shape::product(what, &extents)?;
        }
        let recipe = device.matmul_recipe::<V>([m, k, n], count, memory)?;
        Ok(MatmulPlan { batch, ops, recipe, device: device.clone(), kind: PhantomData })
    }
}

/// A matrix as a batch of one, or the matrices of one axis.
fn row<S: RawData, D: Dimension>(x: ArrayBase<S, D>) -> ArrayBase<S, Ix3> {
    let axes = "one axis more than a matrix has, at most";
    match x.ndim() {
        2 => x.into_dimensionality::<Ix2>().expect(axes).insert_axis(Axis(0)),
        _ => x.into_dimensionality::<Ix3>().expect(axes),
    }
}

/// The peak rate of one thread, in floating-point operations per second; a multiplication and an addition count as two.
/// It is measured with all numbers in registers, which takes some milliseconds. No product on the CPU is faster.
#[must_use]
pub fn peak<T: Real>() -> f64 {
    T::peak()
}
