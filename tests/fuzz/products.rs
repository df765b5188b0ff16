//! Matrix products of every shape, batch, memory layout and operation, against three loops in f64.

use arbtest::arbitrary::{self, Unstructured};
use ndarray::{Array2, ArrayD, Axis, Ix2, IxDyn};
use num_complex::Complex;
use wavemill::matmul::{MatmulPlan, Op};
use wavemill::{Float, Number};

use super::Outcome::{Checked, Unchecked};
use super::{Case, bits, cases, misshapen, only_elements, scattered, tame, with_threads};
use crate::common::{Random, cpu};
use crate::matmul::{OPS, applied, close, oracle};

/// An extent of a matrix: often 0 or 1, often a few.
fn extent(u: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    match u.int_in_range(0..=15u8)? {
        0 => Ok(0),
        1..=3 => Ok(1),
        4..=9 => u.int_in_range(2..=9),
        10..=14 => u.int_in_range(10..=40),
        _ => Ok(*u.choose(&[64, 65, 130, 257, 300])?),
    }
}

/// The axes of a batch, if only some of them belong to a factor: those in front may be missing, and others be 1.
fn broadcast(u: &mut Unstructured<'_>, batch: &[usize]) -> arbitrary::Result<Vec<usize>> {
    let from = if u.ratio(1, 3)? { u.int_in_range(0..=batch.len())? } else { 0 };
    batch[from..].iter().map(|&extent| Ok(if u.ratio(1, 4)? { 1 } else { extent })).collect()
}

fn random_array<V: Number>(random: &mut Random, shape: &[usize]) -> ArrayD<V> {
    ArrayD::from_shape_simple_fn(IxDyn(shape), || V::part_of(random.complex()))
}

/// The matrix at an index of the batch.
fn matrix_at<V: Number>(x: &ArrayD<V>, batch: &[usize], index: &[usize]) -> Array2<V> {
    let matrix = &x.shape()[x.ndim() - 2..];
    let all = x.broadcast([batch, matrix].concat()).unwrap();
    let one = index.iter().fold(all, |x, &at| x.index_axis_move(Axis(0), at));
    one.into_dimensionality::<Ix2>().unwrap().to_owned()
}

fn product<V: Number>(u: &mut Unstructured<'_>) -> Case {
    let [m, k, n] = [extent(u)?, extent(u)?, extent(u)?];
    let k = if u.ratio(1, 24)? { 520 } else { k };
    let ops = [*u.choose(&OPS)?, *u.choose(&OPS)?];
    let number = |u: &mut Unstructured<'_>| -> arbitrary::Result<V> {
        let [re, im] = if u.arbitrary()? { [*u.choose(&[0.0, 1.0, -1.0])?, 0.0] } else { [tame(u)?, tame(u)?] };
        Ok(V::part_of(Complex::new(V::Real::nearest(re), V::Real::nearest(im))))
    };
    let (alpha, beta) = (number(u)?, number(u)?);
    let stored = |rows: usize, columns: usize, op: Op| if op.transposes() { [columns, rows] } else { [rows, columns] };
    // Large products have no batch: its direct sums would take long.
    let axes = if m * k * n > 400_000 { 0 } else { *u.choose(&[0, 0, 0, 1, 1, 1, 2, 2, 3])? };
    let batch: Vec<usize> = (0..axes).map(|_| Ok(*u.choose(&[1, 2, 2, 3, 4, 0])?)).collect::<arbitrary::Result<_>>()?;
    let mut builder = MatmulPlan::<V>::builder(m, k, n).op_a(ops[0]).op_b(ops[1]).batch(batch.clone());
    if u.ratio(1, 8)? {
        builder = builder.memory(*u.choose(&[0, 1, 1000, 100_000, usize::MAX])?);
    }
    let Ok(plan) = builder.clone().build(&cpu()) else { return Ok(Unchecked) };
    let mut random = Random::new(u.arbitrary()?);
    let mut factor = |u: &mut Unstructured<'_>, matrix: [usize; 2]| -> arbitrary::Result<ArrayD<V>> {
        Ok(random_array(&mut random, &[broadcast(u, &batch)?, matrix.to_vec()].concat()))
    };
    let (a, b) = (factor(u, stored(m, k, ops[0]))?, factor(u, stored(k, n, ops[1]))?);
    let before = random_array::<V>(&mut random, &[&batch[..], &[m, n]].concat());
    let lay = |u: &mut Unstructured<'_>, x: &ArrayD<V>| if u.ratio(1, 3)? { Ok(x.clone()) } else { scattered(u, x) };
    let not = V::part_of(Complex::new(V::Real::nearest(f64::NAN), V::Real::nearest(0.0)));
    let unless = |read: bool, x: &ArrayD<V>| if read { x.clone() } else { x.mapv(|_| not) };
    // With beta = 0, C is not read, and with alpha = 0, A and B are not.
    let initial = unless(beta != V::default(), &before);
    let given = [&a, &b].map(|x| unless(alpha != V::default(), x));
    let laid = [lay(u, &given[0])?, lay(u, &given[1])?];
    let what = || {
        let (a, b) = (&laid[0], &laid[1]);
        let strides = (a.shape(), a.strides(), b.shape(), b.strides());
        format!("{}, {ops:?} of {strides:?}, {alpha:?} {beta:?}", plan.describe())
    };
    let mut c = lay(u, &initial)?;
    plan.execute_into(alpha, &laid[0], &laid[1], beta, &mut c).unwrap();

    if u.ratio(1, 2)? {
        let mut again = lay(u, &initial)?;
        let device = with_threads(u.int_in_range(1..=3)?);
        builder.build(device).unwrap().execute_into(alpha, &laid[0], &laid[1], beta, &mut again).unwrap();
        assert!(bits(&again) == bits(&c), "other bits on {}: {}", device.name(), what());
    }
    if u.ratio(1, 8)? {
        let mut other = ArrayD::from_elem(misshapen(u, before.shape())?, alpha);
        assert!(
            plan.execute_into(alpha, &laid[0], &laid[1], beta, &mut other).is_err(),
            "{:?}: {}",
            other.shape(),
            what()
        );
        let mut kept = initial.clone();
        let longer = |x: &ArrayD<V>| {
            let mut shape = x.raw_dim();
            shape[x.ndim() - 1] += 1;
            ArrayD::<V>::default(shape)
        };
        assert!(plan.execute_into(alpha, &longer(&a), &laid[1], beta, &mut kept).is_err(), "{}", what());
        assert!(plan.execute_into(alpha, &laid[0], &longer(&b), beta, &mut kept).is_err(), "{}", what());
        let same = bits(&kept) == bits(&initial) && other.iter().all(|x| *x == alpha);
        assert!(same, "an error wrote to the output: {}", what());
    }
    for index in ndarray::indices(IxDyn(&batch)) {
        let index = ndarray::Dimension::slice(&index);
        let [a, b] = [&a, &b].map(|x| matrix_at(x, &batch, index));
        let [before, c] = [&before, &c].map(|x| matrix_at(x, &batch, index));
        let (expected, sizes) = oracle(alpha, &applied(&a, ops[0]), &applied(&b, ops[1]), beta, &before);
        assert!(close(c.view(), &expected, &sizes, k), "at {index:?} of {}", what());
    }
    assert!(only_elements(c), "written between elements: {}", what());
    Ok(Checked)
}

#[test]
fn are_right_to_rounding() {
    cases("products", |u| match u.int_in_range(0..=3u8)? {
        0 => product::<f32>(u),
        1 => product::<f64>(u),
        2 => product::<Complex<f32>>(u),
        _ => product::<Complex<f64>>(u),
    });
}
