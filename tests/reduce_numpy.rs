//! Tests of reductions against NumPy's answers for every operation, axis set, type and edge value, on every backend and
//! in several memory layouts. `tests/data/reduce_numpy.py` writes the answers.

use crate::common;
use std::fmt::Debug;

use ndarray::{Array, ArrayD, ArrayViewD, Axis, IxDyn, Slice};
use num_complex::Complex;
use wavemill::Device;
use wavemill::reduce::{Answer, Element, Op, ReducePlan};

const ANSWERS: &str = include_str!("data/reduce_numpy.txt");

/// The least number of results that must be compared, in all layouts together, without 64-bit integers.
const WANTED: usize = 60_000;

/// The numbers in the text of a value.
fn numbers(value: &impl Debug) -> Vec<String> {
    let text = format!("{value:?}").replace("true", "1").replace("false", "0");
    text.split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-' || c == '+'))
        .filter(|word| word.parse::<f64>().is_ok())
        .map(str::to_string)
        .collect()
}

/// All numbers of an answer as text.
pub(crate) fn flat<E: Element>(answer: &Answer<E>) -> Vec<String> {
    fn each<T: Debug>(array: &ArrayD<T>) -> Vec<String> {
        array.iter().flat_map(numbers).collect()
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

/// The same array in other memory layouts: C order, Fortran order, every other element of a larger array, backwards.
fn layouts<E: Element>(x: &ArrayD<E>) -> Vec<(&'static str, ArrayD<E>)> {
    let fortran = x.t().as_standard_layout().into_owned().reversed_axes();
    let mut wide = Array::from_elem(IxDyn(&x.shape().iter().map(|n| 2 * n + 1).collect::<Vec<_>>()), E::default());
    let mut backwards = x.clone();
    for axis in 0..x.ndim() {
        wide.slice_axis_inplace(Axis(axis), Slice::new(1, None, 2));
        backwards.invert_axis(Axis(axis));
    }
    wide.assign(x);
    let mut backwards = backwards.as_standard_layout().into_owned();
    (0..x.ndim()).for_each(|axis| backwards.invert_axis(Axis(axis)));
    vec![("C order", x.clone()), ("Fortran order", fortran), ("every other", wide), ("backwards", backwards)]
}

struct Case<'a> {
    axes: Vec<usize>,
    skip: bool,
    op: Op,
    expected: Vec<&'a str>,
    line: &'a str,
}

fn case(line: &str) -> Case<'_> {
    let mut words = line.split_whitespace();
    let axes = words.next().unwrap();
    let axes = if axes == "-" { vec![] } else { axes.split(',').map(|axis| axis.parse().unwrap()).collect() };
    let skip = words.next().unwrap() == "skip";
    let (name, ddof) = words.next().map(|op| op.split_once(':').unwrap_or((op, "0"))).unwrap();
    let op = name.parse::<Op>().unwrap().with_ddof(ddof.parse().unwrap());
    Case { axes, skip, op, expected: words.collect(), line }
}

/// Whether a result equals NumPy's, within NumPy's own rounding errors.
fn same(got: &str, expected: &str, op: Op, precision: f64, scale: f64, lost: f64) -> bool {
    if let (Ok(got), Ok(expected)) = (got.parse::<i128>(), expected.parse::<i128>()) {
        return got == expected;
    }
    let (got, expected): (f64, f64) = (got.parse().unwrap(), expected.parse().unwrap());
    // A variance that overflows is infinite or NaN, depending on the order of operations. For f32 it is computed in f64
    // and may not overflow.
    if matches!(op, Op::Var { .. } | Op::Std { .. }) && expected.is_infinite() {
        return !got.is_finite() || got > 1e38;
    }
    let exact = matches!(op, Op::Min | Op::Max);
    // NumPy's squares of the smallest numbers are 0.
    let floor = if op == Op::Norm2 { precision.powi(3) } else { 0.0 };
    let allowed = lost + if exact { 0.0 } else { 16.0 * precision * (expected.abs() + scale) + floor };
    got == expected || (got.is_nan() && expected.is_nan()) || (got - expected).abs() <= allowed
}

fn check<E: Element>(device: &Device, shape: &[usize], values: Vec<E>, cases: &[Case<'_>]) -> usize {
    if !common::reduces::<E>(device) {
        return 0;
    }
    let x = ArrayD::from_shape_vec(IxDyn(shape), values).unwrap();
    let sizes: Vec<f64> = x.iter().flat_map(numbers).map(|x| x.parse::<f64>().unwrap().abs()).collect();
    let total: f64 = sizes.iter().filter(|size| size.is_finite()).sum();
    let precision = if ["f32", "c64"].contains(&E::NAME) { 6e-8 } else { 1.2e-16 };
    let lost = if ["f32", "c64"].contains(&E::NAME) { sizes.len() as f64 * common::lost(device) } else { 0.0 };
    let mut compared = 0;
    for (layout, x) in layouts(&x) {
        for Case { axes, skip, op, expected, line } in cases {
            let what = format!("{} {shape:?} in {layout} on {}: {line}", E::NAME, device.name());
            let answer = run(device, x.view(), axes, *op, *skip);
            if *expected == ["error"] {
                assert!(answer.is_err(), "{what}: {answer:?}");
                continue;
            }
            let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
            let scale = match op {
                Op::Sum | Op::Mean => total,
                Op::Var { .. } | Op::Std { .. } => total * total,
                // One part of a complex product may cancel: its error is relative to the larger part.
                Op::Prod => expected
                    .iter()
                    .map(|x| x.parse::<f64>().unwrap().abs())
                    .filter(|x| x.is_finite())
                    .fold(0.0, f64::max),
                _ => 0.0,
            };
            let got = flat(&answer);
            assert_eq!(got.len(), expected.len(), "{what}: {got:?}");
            // A complex number is NaN if either part is NaN; which part of a product it is depends on NumPy's order.
            let parts = if answer_is_complex(&answer) { 2 } else { 1 };
            let nan = |values: &[&str]| values.iter().any(|value| value.parse::<f64>().is_ok_and(f64::is_nan));
            let got: Vec<_> = got.iter().map(String::as_str).collect();
            let pairs = got
                .chunks(parts)
                .zip(expected.chunks(parts))
                .filter(|(got, expected)| !(*op == Op::Prod && parts == 2 && nan(got) && nan(expected)));
            for (got, expected) in pairs.flat_map(|(got, expected)| got.iter().zip(expected)) {
                assert!(same(got, expected, *op, precision, scale, lost), "{what}: {got} instead of {expected}");
                compared += 1;
            }
        }
    }
    compared
}

fn answer_is_complex<E: Element>(answer: &Answer<E>) -> bool {
    E::NAME.starts_with('c') && matches!(answer, Answer::Sum(_) | Answer::Mean(_))
}

fn run<E: Element>(
    device: &Device,
    x: ArrayViewD<'_, E>,
    axes: &[usize],
    op: Op,
    skip: bool,
) -> wavemill::Result<Answer<E>> {
    let plan = ReducePlan::builder(x.shape()).axes(axes).ops([op]).skip_nan(skip).build(device)?;
    Ok(plan.execute(&x)?.remove(0))
}

fn compare(device: &Device) -> usize {
    let mut compared = 0;
    let mut blocks = ANSWERS.split("\ninput ");
    assert!(blocks.next().unwrap().starts_with("# NumPy"));
    for block in blocks {
        let mut lines = block.lines();
        let (head, values) = lines.next().unwrap().split_once(':').unwrap();
        let cases: Vec<_> = lines.map(case).collect();
        let [_, dtype, shape] = head.split(' ').collect::<Vec<_>>()[..] else { panic!("{head}") };
        let shape: Vec<usize> =
            if shape == "-" { vec![] } else { shape.split(',').map(|n| n.parse().unwrap()).collect() };
        let values: Vec<&str> = values.split_whitespace().collect();
        fn all<T: std::str::FromStr<Err: Debug>>(values: &[&str]) -> Vec<T> {
            values.iter().map(|value| value.parse().unwrap()).collect()
        }
        fn complex<T: Copy + std::str::FromStr<Err: Debug>>(values: &[&str]) -> Vec<Complex<T>> {
            all(values).chunks(2).map(|pair| Complex::new(pair[0], pair[1])).collect()
        }
        compared += match dtype {
            "f32" => check::<f32>(device, &shape, all(&values), &cases),
            "f64" => check::<f64>(device, &shape, all(&values), &cases),
            "c64" => check::<Complex<f32>>(device, &shape, complex(&values), &cases),
            "c128" => check::<Complex<f64>>(device, &shape, complex(&values), &cases),
            "i8" => check::<i8>(device, &shape, all(&values), &cases),
            "i16" => check::<i16>(device, &shape, all(&values), &cases),
            "i32" => check::<i32>(device, &shape, all(&values), &cases),
            "i64" => check::<i64>(device, &shape, all(&values), &cases),
            "u8" => check::<u8>(device, &shape, all(&values), &cases),
            "u16" => check::<u16>(device, &shape, all(&values), &cases),
            "u32" => check::<u32>(device, &shape, all(&values), &cases),
            "u64" => check::<u64>(device, &shape, all(&values), &cases),
            other => panic!("{other}"),
        };
    }
    compared
}

#[test]
fn every_device_answers_as_numpy() {
    common::on_every_device(|device| {
        let compared = compare(device);
        // Half of the results are of f64, which a GPU may lack.
        let wanted = if common::reduces::<f64>(device) { WANTED } else { WANTED / 3 };
        assert!(compared > wanted, "only {compared} results compared on {}", device.name());
    });
}
