//! Products of one shape, checked once and executed on any number of matrices.

use std::marker::PhantomData;

use ndarray::{Array, ArrayRef, ArrayViewD, Dimension, IntoDimension, Ix2, IxDyn};

use crate::backend::product::Multiply as _;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::matmul::product::{Op, Product};
use crate::matmul::recipe::MatmulRecipe;
use crate::plan::arrays::zeros;
use crate::real::{Number, Real};
use crate::shape;

/// C = alpha·op(A)·op(B) + beta·C for matrices of one shape, or batches of them; see [`crate::matmul`]. `D` is the
/// dimension of C: two axes, and those of the batch in front.
#[derive(Debug, Clone)]
pub struct MatmulPlan<V: Number, D: Dimension = Ix2> {
    batch: Vec<usize>,
    ops: [Op; 2],
    recipe: MatmulRecipe,
    device: Device,
    kind: PhantomData<(V, D)>,
}

/// Chooses what a [`MatmulPlan`] computes.
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
    /// Starts from the extents of the product: C is m x n, and k is summed over.
    pub fn builder(m: usize, k: usize, n: usize) -> MatmulBuilder<V> {
        MatmulBuilder { shape: [m, k, n], batch: Vec::new(), ops: [Op::Plain; 2], memory: None, kind: PhantomData }
    }
}

impl<V: Number, D: Dimension> MatmulPlan<V, D> {
    /// op(A)·op(B), of the batch's shape.
    ///
    /// # Errors
    /// See [`MatmulPlan::execute_into`].
    pub fn execute<DA: Dimension, DB: Dimension>(
        &self,
        a: &ArrayRef<V, DA>,
        b: &ArrayRef<V, DB>,
    ) -> Result<Array<V, D>> {
        let [m, _, n] = self.recipe.shape;
        let mut c = zeros(self.batched([m, n]));
        self.execute_into(V::unit(), a, b, V::default(), &mut c)?;
        Ok(c)
    }

    /// C = alpha·op(A)·op(B) + beta·C.
    ///
    /// # Errors
    /// [`Error::Shape`] if a matrix is not of the plan's shape, and does not broadcast to its batch; [`Error::Device`],
    /// [`Error::DeviceLost`] and [`Error::TooLarge`] if the device cannot.
    pub fn execute_into<DA: Dimension, DB: Dimension, DC: Dimension>(
        &self,
        alpha: V,
        a: &ArrayRef<V, DA>,
        b: &ArrayRef<V, DB>,
        beta: V,
        c: &mut ArrayRef<V, DC>,
    ) -> Result<()> {
        let [m, k, n] = self.recipe.shape;
        let (a, b, c) = (a.view().into_dyn(), b.view().into_dyn(), c.view_mut().into_dyn());
        let expected = self.batched([m, n]);
        if c.shape() != expected.slice() {
            return Err(Error::shape("C", shape::written(expected.slice()), shape::written(c.shape())));
        }
        let (a, b) = (self.turned("A", a, 0)?, self.turned("B", b, 1)?);
        let (a_shape, b_shape) = (self.batched([m, k]), self.batched([k, n]));
        let all = |x: &ArrayViewD<'_, V>| self.batch.is_empty() && x.ndim() == 2;
        let a = if all(&a) { Some(a.view()) } else { a.broadcast(a_shape) }
            .ok_or_else(|| self.misfit("A", a.shape(), 0))?;
        let b = if all(&b) { Some(b.view()) } else { b.broadcast(b_shape) }
            .ok_or_else(|| self.misfit("B", b.shape(), 1))?;
        let product = Product { a, b, c, conjugate: self.ops.map(Op::conjugates), alpha, beta };
        self.device.matmul(&self.recipe, product)
    }

    /// The same on arrays that are on the plan's GPU, in C order as [`MatmulPlan::execute_into`] takes them before
    /// op(); A and B have the batch's axes, or none of them. One submission, and nothing moves between host and device.
    ///
    /// # Errors
    /// [`Error::Device`] if the plan is not of a GPU or C is A or B, [`Error::Shape`] if an array is shorter than it
    /// must be, [`Error::TooLarge`] if one is more than a kernel can see.
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

    /// What the plan chose.
    #[must_use]
    pub fn recipe(&self) -> &MatmulRecipe {
        &self.recipe
    }

    /// What it computes, how and on what.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} {}, on {}", V::name(), self.recipe, self.device.name())
    }

    /// A matrix's shape with the batch in front.
    fn batched(&self, matrix: [usize; 2]) -> IxDyn {
        // Without a list in between: small products take a microsecond.
        let mut shape = IxDyn::zeros(self.batch.len() + 2);
        let (batch, rest) = shape.slice_mut().split_at_mut(self.batch.len());
        batch.copy_from_slice(&self.batch);
        rest.copy_from_slice(&matrix);
        shape
    }

    /// Extents of A or B, before op().
    fn given(&self, factor: usize) -> [usize; 2] {
        let [m, k, n] = self.recipe.shape;
        let [rows, columns] = [[m, k], [k, n]][factor];
        if self.ops[factor].transposes() { [columns, rows] } else { [rows, columns] }
    }

    /// A or B with rows and columns as they are multiplied.
    fn turned<'a>(&self, what: &'static str, x: ArrayViewD<'a, V>, factor: usize) -> Result<ArrayViewD<'a, V>> {
        let axes = x.ndim();
        // A matrix of one row broadcasts to any number of them: that is not meant.
        if axes < 2 || x.shape()[axes - 2..] != self.given(factor) {
            return Err(self.misfit(what, x.shape(), factor));
        }
        let mut x = x;
        if self.ops[factor].transposes() {
            x.swap_axes(axes - 2, axes - 1);
        }
        Ok(x)
    }

    fn misfit(&self, what: &'static str, got: &[usize], factor: usize) -> Error {
        let expected = shape::written(self.batched(self.given(factor)).slice());
        Error::shape(what, format!("{expected}, or what broadcasts to that batch"), shape::written(got))
    }
}

impl<V: Number, D: Dimension> MatmulBuilder<V, D> {
    /// The extents of a batch, in front of the matrices' own [default: none, one product]: `[8]`, or a slice or `Vec`
    /// where their number is not known before.
    pub fn batch<B: IntoDimension>(self, batch: B) -> MatmulBuilder<V, Batched<B::Dim>> {
        let Self { shape, ops, memory, .. } = self;
        MatmulBuilder { shape, batch: batch.into_dimension().slice().to_vec(), ops, memory, kind: PhantomData }
    }

    /// What A is multiplied as [default: plain].
    pub fn op_a(mut self, op: Op) -> Self {
        self.ops[0] = op;
        self
    }

    /// What B is multiplied as [default: plain].
    pub fn op_b(mut self, op: Op) -> Self {
        self.ops[1] = op;
        self
    }

    /// Bytes of device memory that pieces of host matrices may take on a GPU [default: 1 GiB, and what the device
    /// allows].
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Checks it all and chooses tiles, blocks and pieces.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for extents whose products do not fit in the address space, or memory that holds not even
    /// small pieces; [`Error::Device`] if the device has not the precision.
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

/// Floating-point operations a second that one thread does at most, a multiplication and an addition being two:
/// measured with all numbers in registers, in some milliseconds. No product on the CPU is faster.
#[must_use]
pub fn peak<T: Real>() -> f64 {
    T::peak()
}
