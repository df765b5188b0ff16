//! Reductions of arrays of every layout, type and kind of element, against their definition.

use std::fmt::Debug;

use arbtest::arbitrary::{self, Unstructured};
use ndarray::{ArrayD, IxDyn};
use num_complex::Complex;
use wavemill::reduce::{self, Answer, Element, Op, ReducePlan};

use super::Outcome::{Checked, Unchecked};
use super::{Case, cases, misshapen, scattered, with_threads};
use crate::common::{Random, cpu};

/// Some operations that the elements have, weighted ones too.
pub(super) fn operations(u: &mut Unstructured<'_>, complex: bool) -> arbitrary::Result<Vec<Op>> {
    let orders = |op: &Op| matches!(op, Op::Min | Op::Max | Op::ArgMin | Op::ArgMax);
    let all: Vec<Op> = Op::EVERY.into_iter().filter(|op| !(complex && orders(op))).collect();
    let wanted: u32 = if u.ratio(1, 4)? { u32::MAX } else { u.arbitrary()? };
    let some: Vec<Op> = (0..all.len()).filter(|at| wanted >> at & 1 == 1).map(|at| all[at]).collect();
    Ok(if some.is_empty() { vec![all[0]] } else { some })
}

/// All numbers of an answer as texts, which tell all bits apart but those of NaNs.
fn texts<E: Element>(answer: &Answer<E>) -> Vec<String> {
    fn each<'a, X: Debug + 'a>(array: impl IntoIterator<Item = &'a X>) -> Vec<String> {
        array.into_iter().map(|x| format!("{x:?}")).collect()
    }
    match answer {
        Answer::Sum(array) => each(array),
        Answer::Mean(array) => each(array),
        Answer::Float(array) => each(array),
        Answer::Element(array) => each(array),
        Answer::Index(array) => each(array),
        Answer::Truth(array) => each(array),
        other => panic!("{other:?}"),
    }
}

/// The number, real or complex, or the truth that prints as this text.
fn parsed(text: &str) -> Complex<f64> {
    let Some(parts) = text.strip_prefix("Complex { re: ").and_then(|text| text.strip_suffix(" }")) else {
        let real = match text {
            "true" => 1.0,
            "false" => 0.0,
            number => number.parse().expect("a number"),
        };
        return Complex::new(real, 0.0);
    };
    let (re, im) = parts.split_once(", im: ").expect("two parts");
    Complex::new(re.parse().expect("a number"), im.parse().expect("a number"))
}

fn reduction<E: Element + Debug>(u: &mut Unstructured<'_>, element: impl Fn(f64) -> E, precision: f64) -> Case {
    let axes = u.int_in_range(0..=4usize)?;
    let mut shape = Vec::new();
    // Few cases have so many elements that threads share them.
    let most = if u.ratio(1, 30)? { 40_000 } else { 4000 };
    for _ in 0..axes {
        // Beside an extent of 0 the others count too: weights have them.
        let rest = most / shape.iter().map(|&extent: &usize| extent.max(1)).product::<usize>();
        let extent = *u.choose(&[1, 1, 2, 3, 5, 8, 16, 17, 33, 70, 400, 3000, 0])?;
        shape.push(if extent <= rest { extent } else { 1 });
    }
    let mut over: Vec<usize> = (0..axes).filter(|_| u.arbitrary().unwrap_or(false)).collect();
    if u.ratio(1, 40)? {
        over.push(u.int_in_range(0..=5usize)?);
    }
    let complex = ["c64", "c128"].contains(&E::NAME);
    let mut ops = operations(u, complex)?;
    // One operation alone is computed without partials where that is possible.
    if u.arbitrary()? {
        ops = vec![*u.choose(&ops)?];
    }
    let ddof = *u.choose(&[0.0, 1.0, 0.5, -1.0, 2.0])?;
    ops.iter_mut().for_each(|op| *op = op.with_ddof(ddof));
    let (skip, keepdims) = (u.arbitrary()?, u.arbitrary()?);
    // Elements are about 1, of very different sizes, or of every kind.
    let kind = u.int_in_range(0..=2u8)?;
    let mut random = Random::new(u.arbitrary()?);
    let specials = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 5e-324, 1e-310, 3.0];
    let one = || match kind {
        1 => random.between(-1.0, 1.0) * 10f64.powf(random.between(-18.0, 18.0)),
        2 if random.bits().is_multiple_of(4) => specials[random.bits() as usize % specials.len()],
        _ => random.between(-2.0, 2.0),
    };
    let x = ArrayD::from_shape_simple_fn(IxDyn(&shape), one).mapv(element);
    let weighs = ops.iter().any(|op| matches!(op, Op::WeightedSum | Op::Average));
    let mut builder = ReducePlan::<E>::builder(&shape).axes(&over).ops(ops.clone()).skip_nan(skip).keepdims(keepdims);
    let narrow: Vec<usize> =
        shape.iter().map(|&extent| if random.bits().is_multiple_of(2) { extent } else { 1 }).collect();
    let weights = ArrayD::from_shape_simple_fn(IxDyn(&narrow), || random.unit());
    if weighs {
        builder = builder.weights(&weights);
    }
    let Ok(plan) = builder.clone().build(&cpu()) else { return Ok(Unchecked) };
    let data = scattered(u, &x)?;
    let answers = match plan.execute(&data) {
        Ok(answers) => answers,
        Err(error) => {
            let places = ops.iter().any(|op| matches!(op, Op::ArgMin | Op::ArgMax));
            assert!(skip && places, "{error}: {}", plan.describe());
            return Ok(Unchecked);
        }
    };
    let all = |answers: &[Answer<E>]| answers.iter().map(texts).collect::<Vec<_>>();
    let found = all(&answers);
    if u.ratio(1, 2)? {
        let device = with_threads(u.int_in_range(1..=3)?);
        let again = builder.build(device).unwrap().execute(&data).unwrap();
        assert!(all(&again) == found, "{}, and other bits on {}", plan.describe(), device.name());
    }
    if u.ratio(1, 8)? {
        let (mut kept, wrong) = (answers.clone(), ArrayD::from_elem(misshapen(u, &shape)?, E::default()));
        assert!(plan.execute_into(&wrong, &mut kept).is_err() && all(&kept) == found, "{}", plan.describe());
        let more = [answers.clone(), answers.clone()].concat();
        let mut kept = more.clone();
        assert!(plan.execute_into(&data, &mut kept).is_err() && all(&kept) == all(&more), "{}", plan.describe());
    }
    let weights = weights.broadcast(IxDyn(&shape)).unwrap();
    let count: usize = over.iter().map(|&axis| shape[axis]).product();
    let sizes: Vec<f64> = x.iter().map(|x| parsed(&format!("{x:?}")).norm()).filter(|size| size.is_finite()).collect();
    let greatest = sizes.iter().fold(0.0f64, |a, &b| a.max(b));
    for (texts, op) in found.iter().zip(ops) {
        let exact = reduce::direct::reduce(x.view(), &over, op, skip, Some(weights.view()));
        let got: Vec<_> = texts.iter().map(|text| parsed(text)).collect();
        let Ok(exact) = exact else {
            assert!(skip, "{op}: the definition has an error only where all is skipped");
            continue;
        };
        assert_eq!(got.len(), exact.len(), "{}", plan.describe());
        for (got, exact) in got.iter().zip(&exact) {
            for (got, exact) in [(got.re, exact.re), (got.im, exact.im)].into_iter().take(E::PARTS) {
                // The definition multiplies and squares without scaling, and so overflows or underflows where the
                // library does not; and for complex numbers infinities and NaNs come in any combination.
                let narrow = precision > 1e-10;
                let [got, exact] = [got, exact].map(|x| if narrow { f64::from(x as f32) } else { x });
                let special = !exact.is_finite() || !got.is_finite();
                let spread = matches!(op, Op::Var { .. } | Op::Std { .. });
                let product = op == Op::Prod && (kind > 0 || count > 200 || !(1e-25..1e25).contains(&exact.abs()));
                // Integers wrap, but the definition in f64 does not.
                let product = product || (op == Op::Prod && !E::NAME.contains(['f', 'c']) && exact.abs() >= 9e18);
                if product || (special && (complex || spread)) {
                    continue;
                }
                let scale = match op {
                    Op::Sum | Op::WeightedSum => greatest * count as f64,
                    Op::Mean | Op::Average => greatest,
                    Op::Prod => exact.abs() * count as f64 / precision * 1e-15,
                    _ => 0.0,
                };
                let floor = if op == Op::Norm2 {
                    1e-150
                } else if narrow {
                    1e-44
                } else {
                    1e-322
                };
                let exactly = matches!(op, Op::Min | Op::Max | Op::ArgMin | Op::ArgMax | Op::Count | Op::Any | Op::All);
                let bound = if exactly { 0.0 } else { 8.0 * precision * exact.abs() + 1e-15 * scale + floor };
                let bound = if spread || op == Op::Norm2 { bound + 1e-12 * exact.abs() } else { bound };
                let same = got == exact || (got.is_nan() && exact.is_nan()) || (got - exact).abs() <= bound;
                assert!(
                    same,
                    "{op}: {got:e}, by definition {exact:e}: {}, strides {:?}",
                    plan.describe(),
                    data.strides()
                );
            }
        }
    }
    Ok(Checked)
}

#[test]
fn answer_by_definition() {
    cases("reductions", |u| match u.int_in_range(0..=10u8)? {
        0 | 1 => reduction::<f32>(u, |x| x as f32, 6e-8),
        2 | 3 => reduction::<f64>(u, |x| x, 1.2e-16),
        4 => reduction::<Complex<f32>>(u, |x| Complex::new(x as f32, 1.0 - x as f32), 6e-8),
        5 => reduction::<Complex<f64>>(u, |x| Complex::new(x, 0.5 * x), 1.2e-16),
        6 => reduction::<i32>(u, |x| (16.0 * x) as i32, 1.2e-16),
        7 => reduction::<i8>(u, |x| (60.0 * x) as i8, 1.2e-16),
        8 => reduction::<u16>(u, |x| (300.0 * x) as u16, 1.2e-16),
        9 => reduction::<u32>(u, |x| (1e9 * x) as u32, 1.2e-16),
        _ => reduction::<u8>(u, |x| (100.0 * x) as u8, 1.2e-16),
    });
}
