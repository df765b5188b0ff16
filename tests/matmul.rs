//! Tests of matrix products: every shape, layout, type and device against three loops in f64, laws, and errors.

use ndarray::{Array2, Array3, ArrayD, ArrayView2, Axis, ShapeBuilder, s};
use num_complex::Complex;
use proptest::prelude::*;
use wavemill::matmul::{MatmulPlan, Op, direct, freivalds, matmul};
use wavemill::{Cpu, Device, Error, Float, Kind, Number};

use crate::common::{Random, cpu, on_every_device};

/// Random numbers within ±1.
pub(crate) fn matrix<V: Number>(random: &mut Random, rows: usize, columns: usize) -> Array2<V> {
    let mut part = || V::Real::nearest(random.between(-1.0, 1.0));
    Array2::from_shape_simple_fn((rows, columns), || V::part_of(Complex::new(part(), part())))
}

/// The matrix in another memory layout: contiguous columns, or some elements of rows and columns that run backwards.
pub(crate) fn laid<V: Number>(x: &Array2<V>, layout: usize) -> Array2<V> {
    match layout {
        0 => x.clone(),
        1 => {
            let mut y = Array2::default(x.dim().f());
            y.assign(x);
            y
        }
        _ => {
            let mut y = Array2::default((2 * x.nrows(), 3 * x.ncols()));
            let mut part = y.slice_mut(s![..;-2, ..;-3]);
            part.assign(x);
            y.slice_move(s![..;-2, ..;-3])
        }
    }
}

fn wide<V: Number>(x: V) -> Complex<f64> {
    let z = x.complex();
    Complex::new(z.re.into(), z.im.into())
}

/// op(X) as a matrix of its own.
pub(crate) fn applied<V: Number>(x: &Array2<V>, op: Op) -> Array2<V> {
    let x = if op.transposes() { x.t().to_owned() } else { x.clone() };
    if op.conjugates() { x.mapv(|z| V::part_of(z.complex().conj())) } else { x }
}

/// Whether every element is within the rounding error that the documentation allows.
pub(crate) fn close<V: Number>(
    c: ArrayView2<'_, V>,
    expected: &Array2<Complex<f64>>,
    sizes: &Array2<f64>,
    k: usize,
) -> bool {
    let unit = V::Real::ROUNDOFF * V::PARTS as f64 * (k.min(256) + k / 256 + 4) as f64;
    c.iter().zip(expected).zip(sizes).all(|((&c, e), size)| (wide(c) - e).norm() <= unit * size)
}

/// alpha·op(A)·op(B) + beta·C in f64, and the sum of all magnitudes in it.
pub(crate) fn oracle<V: Number>(
    alpha: V,
    a: &Array2<V>,
    b: &Array2<V>,
    beta: V,
    c: &Array2<V>,
) -> (Array2<Complex<f64>>, Array2<f64>) {
    let size = |x: &Array2<V>| x.mapv(|x| wide(x).norm());
    let expected = direct(a.view(), b.view()).mapv(|z| z * wide(alpha)) + c.mapv(|z| wide(z) * wide(beta));
    let sizes = size(a).dot(&size(b)) * wide(alpha).norm() + size(c) * wide(beta).norm() + 1e-300;
    (expected, sizes)
}

fn check<V: Number>(
    device: &Device,
    [m, k, n]: [usize; 3],
    ops: [Op; 2],
    layouts: [usize; 3],
    scales: [(f64, f64); 2],
) {
    let mut random = Random::new((m * 1000 + k * 100 + n) as u64);
    let given = |rows: usize, columns: usize, op: Op| if op.transposes() { (columns, rows) } else { (rows, columns) };
    let ((am, ak), (bk, bn)) = (given(m, k, ops[0]), given(k, n, ops[1]));
    let (a, b, c) = (matrix::<V>(&mut random, am, ak), matrix(&mut random, bk, bn), matrix(&mut random, m, n));
    let number = |(re, im): (f64, f64)| V::part_of(Complex::new(V::Real::nearest(re), V::Real::nearest(im)));
    let [alpha, beta] = scales.map(number);
    let (expected, sizes) = oracle(alpha, &applied(&a, ops[0]), &applied(&b, ops[1]), beta, &c);
    let plan = MatmulPlan::<V>::builder(m, k, n).op_a(ops[0]).op_b(ops[1]).build(device).unwrap();
    let mut got = laid(&c, layouts[2]);
    plan.execute_into(alpha, &laid(&a, layouts[0]), &laid(&b, layouts[1]), beta, &mut got).unwrap();
    assert!(
        close(got.view(), &expected, &sizes, k),
        "{} {m} x {k} x {n}, {ops:?}, layouts {layouts:?}, {alpha:?} {beta:?} on {}",
        V::name(),
        device.name()
    );
}

pub(crate) const OPS: [Op; 4] = [Op::Plain, Op::Transpose, Op::Conjugate, Op::Adjoint];

/// Shapes around the sizes of tiles, blocks and panels, one element, no elements, and long thin matrices.
const SHAPES: [[usize; 3]; 24] = [
    [0, 3, 4],
    [3, 0, 4],
    [3, 4, 0],
    [1, 1, 1],
    [1, 7, 1],
    [2, 3, 1],
    [1, 3, 2],
    [5, 4, 3],
    [6, 8, 8],
    [6, 5, 16],
    [7, 9, 17],
    [12, 256, 16],
    [13, 257, 15],
    [25, 31, 33],
    [50, 20, 70],
    [64, 64, 64],
    [65, 300, 63],
    [128, 16, 128],
    [145, 40, 130],
    [150, 513, 9],
    [300, 3, 2],
    [2, 3, 700],
    [3, 3000, 5],
    [33, 2100, 20],
];

#[test]
fn every_shape_type_and_operation() {
    on_every_device(|device| {
        for (index, shape) in SHAPES.into_iter().enumerate() {
            let ops = [OPS[index % 4], OPS[index / 4 % 4]];
            let layouts = [index % 3, (index + 1) % 3, (index + 2) % 3];
            let scales = [[(1.0, 0.0), (0.0, 0.0)], [(-0.5, 2.0), (1.0, 0.0)], [(2.0, 0.0), (0.25, -1.0)]][index % 3];
            // On a GPU each shape has one type: a software device takes half a second to compile each kernel.
            let all = device.kind() == Kind::Cpu;
            let f64 = MatmulPlan::<f64>::builder(1, 1, 1).build(device).is_ok();
            if all || index % 4 == 0 || !f64 {
                check::<f32>(device, shape, ops, layouts, scales);
            }
            if all || index % 4 == 1 {
                check::<Complex<f32>>(device, shape, ops, layouts, scales);
            }
            if all || f64 && index % 4 == 2 {
                check::<f64>(device, shape, ops, layouts, scales);
            }
            if all || f64 && index % 4 == 3 {
                check::<Complex<f64>>(device, shape, ops, layouts, scales);
            }
        }
        for ops in OPS.into_iter().flat_map(|a| OPS.map(|b| [a, b])) {
            check::<Complex<f32>>(device, [9, 20, 37], ops, [0, 0, 0], [(1.0, 0.0), (0.0, 0.0)]);
            check::<f32>(device, [70, 20, 67], ops, [0, 1, 0], [(1.0, 0.0), (0.0, 0.0)]);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_product_on_the_cpu(
        shape in [0usize..200, 0usize..600, 0usize..200], a in 0usize..4, b in 0usize..4,
        layouts in [0usize..3, 0usize..3, 0usize..3], alpha in -2i32..3, beta in -2i32..3, kind in 0usize..4,
    ) {
        let scales = [(f64::from(alpha), f64::from(beta)), (f64::from(beta), f64::from(alpha) / 2.0)];
        let ops = [OPS[a], OPS[b]];
        match kind {
            0 => check::<f32>(&cpu(), shape, ops, layouts, scales),
            1 => check::<f64>(&cpu(), shape, ops, layouts, scales),
            2 => check::<Complex<f32>>(&cpu(), shape, ops, layouts, scales),
            _ => check::<Complex<f64>>(&cpu(), shape, ops, layouts, scales),
        }
    }
}

/// sum(X·Xᵀ) = Σ_k (Σ_i x_ik)²: the product takes n³ operations and the check n².
#[test]
fn sums_of_gram_matrices() {
    on_every_device(|device| {
        let x = matrix::<f32>(&mut Random::new(4), 200, 333).mapv(|x| (x * 64.0).round());
        let gram = MatmulPlan::builder(200, 333, 200).op_b(Op::Transpose).build(device).unwrap();
        let gram = gram.execute(&x, &x).unwrap();
        let squares: f64 =
            x.columns().into_iter().map(|column| column.iter().map(|&x| f64::from(x)).sum::<f64>().powi(2)).sum();
        // Integers stay below 2²⁴, so nothing is rounded.
        assert_eq!(gram.iter().map(|&x| f64::from(x)).sum::<f64>(), squares);
    });
}

/// Products that are shared among threads or cut along k have the same bits.
#[test]
fn threads_change_no_bit() {
    fn of<V: Number>(shape: [usize; 3], batch: &[usize]) {
        for layout in 0..2 {
            laid_so::<V>(shape, batch, layout);
        }
    }
    fn laid_so<V: Number>(shape: [usize; 3], batch: &[usize], layout: usize) {
        let [m, k, n] = shape;
        let mut random = Random::new(5);
        let count: usize = batch.iter().product();
        let a = matrix::<V>(&mut random, count * m, k).into_shape_with_order([batch, &[m, k]].concat()).unwrap();
        let b = laid(&matrix::<V>(&mut random, k, n), layout);
        let run = |threads| {
            let device = Device::from(Cpu::with_threads(threads).unwrap());
            MatmulPlan::builder(m, k, n).batch(batch).build(&device).unwrap().execute(&a, &b).unwrap()
        };
        let one = run(1);
        for threads in [2, 3, 7] {
            assert!(one == run(threads), "{} {shape:?} {batch:?} with {threads} threads", V::name());
        }
    }
    let thin = [[8, 1000, 100], [3, 5000, 200], [9, 5000, 9], [500, 900, 4], [1, 3000, 300]];
    for shape in [[300, 300, 300], [1000, 40, 30], [20, 600, 900], [40, 9000, 30]].into_iter().chain(thin) {
        of::<f32>(shape, &[]);
        of::<f64>(shape, &[]);
        of::<Complex<f64>>(shape, &[]);
    }
    of::<f64>([30, 40, 50], &[70]);
    of::<Complex<f32>>([30, 4, 50], &[7, 2, 5]);
}

/// A batch of products without elements was once divided in two without end.
#[test]
fn a_batch_may_have_no_elements() {
    for (m, k, n, batch) in [(0, 3, 2, 2), (4, 3, 0, 3), (2, 0, 2, 2), (2, 2, 2, 0)] {
        let plan = MatmulPlan::<f64>::builder(m, k, n).batch([batch]).build(&cpu()).unwrap();
        let (a, b) = (ndarray::Array3::ones([batch, m, k]), ndarray::Array3::ones([batch, k, n]));
        assert_eq!(plan.execute(&a, &b).unwrap(), ndarray::Array3::from_elem([batch, m, n], k as f64));
    }
}

#[test]
fn a_batch_is_its_products() {
    on_every_device(|device| {
        let mut random = Random::new(6);
        let a = Array3::from_shape_fn((5, 20, 30), |_| random.between(-1.0, 1.0) as f32);
        let b = matrix::<f32>(&mut random, 30, 40);
        let plan = MatmulPlan::builder(20, 30, 40).batch([5]).build(device).unwrap();
        let one = MatmulPlan::builder(20, 30, 40).build(device).unwrap();
        let all = plan.execute(&a, &b).unwrap();
        for (a, c) in a.outer_iter().zip(all.outer_iter()) {
            assert_eq!(one.execute(&a, &b).unwrap(), c);
        }
        // As in NumPy, one matrix may serve for a whole batch axis.
        let batched = MatmulPlan::builder(20, 30, 20).batch([3, 5]).op_b(Op::Transpose).build(device).unwrap();
        let c = batched.execute(&a, &a.view().insert_axis(Axis(0))).unwrap();
        assert_eq!(c.shape(), [3, 5, 20, 20]);
        let gram = MatmulPlan::builder(20, 30, 20).op_b(Op::Transpose).build(device).unwrap();
        let last = a.index_axis(Axis(0), 4);
        assert_eq!(gram.execute(&last, &last).unwrap(), c.slice(s![2, 4, .., ..]));
    });
}

/// With beta = 0, C is not read, and with alpha = 0, A and B are not. Else NaN appears wherever a sum contains it.
#[test]
fn nan_counts_where_it_is_multiplied() {
    on_every_device(|device| {
        let plan = MatmulPlan::<f32>::builder(9, 5, 10).build(device).unwrap();
        let (ones_a, ones_b) = (Array2::<f32>::ones((9, 5)), Array2::<f32>::ones((5, 10)));
        let mut nan_a = ones_a.clone();
        nan_a[[3, 2]] = f32::NAN;
        let mut c = Array2::from_elem((9, 10), f32::NAN);
        plan.execute_into(1.0, &ones_a, &ones_b, 0.0, &mut c).unwrap();
        assert!(c.iter().all(|&x| x == 5.0), "C is not read");
        plan.execute_into(0.0, &nan_a, &ones_b, 2.0, &mut c).unwrap();
        assert!(c.iter().all(|&x| x == 10.0), "A is not read");
        plan.execute_into(1.0, &nan_a, &ones_b, 1.0, &mut c).unwrap();
        for ((row, _), x) in c.indexed_iter() {
            assert!(if row == 3 { x.is_nan() } else { *x == 15.0 }, "row {row}: {x}");
        }
    });
}

#[test]
fn what_does_not_fit_is_named_and_nothing_written() {
    on_every_device(|device| {
        let plan = MatmulPlan::<f32>::builder(3, 4, 5).op_a(Op::Transpose).build(device).unwrap();
        let zeros = |shape: &[usize]| ArrayD::<f32>::zeros(shape);
        let refused = |a: &[usize], b: &[usize], c: &[usize], name: &str| {
            let mut out = ArrayD::<f32>::ones(c);
            let error = plan.execute_into(1.0, &zeros(a), &zeros(b), 0.0, &mut out).unwrap_err();
            assert!(matches!(&error, Error::Shape { what, .. } if *what == name), "{error}");
            assert!(out.iter().all(|&x| x == 1.0));
        };
        refused(&[3, 4], &[4, 5], &[3, 5], "A");
        refused(&[4, 1], &[4, 5], &[3, 5], "A");
        refused(&[4, 3], &[5, 4], &[3, 5], "B");
        refused(&[4, 3], &[4], &[3, 5], "B");
        refused(&[2, 4, 3], &[4, 5], &[3, 5], "A");
        refused(&[4, 3], &[4, 5], &[5, 3], "C");
        let huge = MatmulPlan::<f32>::builder(usize::MAX / 2, 4, 5).build(device);
        assert!(matches!(huge, Err(Error::TooLarge { .. })));
    });
}

#[test]
fn freivalds_finds_one_wrong_element() {
    let mut random = Random::new(7);
    let (a, b) = (matrix::<f64>(&mut random, 100, 80), matrix::<f64>(&mut random, 80, 90));
    let mut c = matmul(&a, &b).unwrap();
    let found = |c: &Array2<f64>| freivalds(a.view(), b.view(), c.view(), 20, 1).unwrap();
    assert!(found(&c).passes() && found(&c).worst < 0.5, "{:?}", found(&c));
    let right = c[[17, 33]];
    c[[17, 33]] += 1e-9;
    assert!(!found(&c).passes());
    c[[17, 33]] = f64::NAN;
    assert!(!found(&c).passes());
    c[[17, 33]] = right;
    // Two errors that cancel for half of the vectors.
    c[[17, 32]] += 1e-9;
    c[[17, 33]] -= 1e-9;
    assert!(!found(&c).passes());
    assert!(matches!(freivalds(a.view(), b.view(), b.view(), 1, 1), Err(Error::Shape { what: "C", .. })));
}

/// Products whose elements are tiny, large, infinite or NaN are right, and wrong if one of these is changed.
fn hold_at_the_edges<V: Number>(from: impl Fn(f64) -> V, tiny: f64, large: f64) {
    on_every_device(|device| {
        let random = &mut Random::new(11);
        let check = |what: &str, a: &Array2<V>, b: &Array2<V>| {
            let plan = MatmulPlan::<V>::builder(12, 9, 10).build(device).unwrap();
            let mut c = Array2::from_elem((12, 10), V::default());
            plan.execute_into(V::unit(), a, b, V::default(), &mut c).unwrap();
            let found = |c: &Array2<V>| freivalds(a.view(), b.view(), c.view(), 10, 3).unwrap();
            assert!(found(&c).passes(), "{what}, {}: {:?}", V::name(), found(&c));
            for (at, wrong) in [([2, 3], 7.0), ([2, 4], 7.0), ([5, 3], f64::NAN), ([5, 4], f64::INFINITY)] {
                let (before, wrong) = (c[at], from(wrong));
                let finite = |x: V| Into::<f64>::into(x.complex().re).is_finite();
                // Which of infinity and NaN a sum of large or of complex products is depends on its order.
                if finite(before) || finite(wrong) {
                    c[at] = wrong;
                    assert!(!found(&c).passes(), "{what}, {}, {at:?}: {wrong:?} for {before:?}", V::name());
                    c[at] = before;
                }
            }
        };
        let (a, b) = (matrix::<V>(random, 12, 9), matrix::<V>(random, 9, 10));
        check("ordinary numbers", &a, &b);
        for (row, column, special) in [(2, 3, f64::NAN), (2, 3, f64::INFINITY), (2, 0, f64::NAN), (0, 3, f64::INFINITY)]
        {
            let (mut a, mut b) = (a.clone(), b.clone());
            (a[[row, 5]], b[[1, column]]) = (from(special), from(-special));
            check("special factors", &a, &b);
        }
        let times = |x: &Array2<V>, by: f64| x.mapv(|x| x * from(by));
        check("products below the range", &times(&a, tiny), &times(&b, tiny));
        check("large and tiny factors", &times(&a, tiny), &times(&b, large));
        check("products beyond the range", &times(&a, large), &times(&b, large));
    });
}

#[test]
fn freivalds_accepts_right_products_at_the_edges_of_the_range() {
    hold_at_the_edges::<f32>(|x| x as f32, 1e-25, 1e37);
    hold_at_the_edges::<Complex<f32>>(|x| Complex::new(x as f32, 0.0), 1e-25, 1e37);
}

#[test]
fn freivalds_accepts_right_products_at_the_edges_of_the_range_in_f64() {
    let mut random = Random::new(12);
    let (a, b) = (matrix::<f64>(&mut random, 12, 9), matrix::<f64>(&mut random, 9, 10));
    for (of_a, of_b) in [(1e-200, 1e-200), (1e-300, 1e300), (1e155, 1e150), (1e307, 1e307)] {
        let (a, b) = (a.mapv(|x| x * of_a), b.mapv(|x| x * of_b));
        let mut c = matmul(&a, &b).unwrap();
        let found = |c: &Array2<f64>| freivalds(a.view(), b.view(), c.view(), 10, 3).unwrap();
        assert!(found(&c).passes(), "{of_a:e}, {of_b:e}: {:?}", found(&c));
        c[[3, 4]] = if c[[3, 4]].is_finite() { c[[3, 4]] * 1.001 + 1e-304 } else { 1.0 };
        assert!(!found(&c).passes(), "{of_a:e}, {of_b:e}");
    }
}

#[test]
fn a_plan_says_what_it_does() {
    let plan = MatmulPlan::<Complex<f32>>::builder(20, 100_000, 30).batch([2, 3]).build(&cpu()).unwrap();
    let text = plan.describe();
    assert!(text.contains("complex f32 6 products of 20 x 100000 by 100000 x 30"), "{text}");
    assert!(plan.recipe().splits > 1 && text.contains("k in "), "{text}");
    assert_eq!(plan.recipe().operations(), 2.0 * 6.0 * 20.0 * 100_000.0 * 30.0);
}
