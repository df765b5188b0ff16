//! Tests of reduction states: identity, any order and grouping of chunks, bytes; and results do not depend on the
//! number of threads.

use crate::common::Random;
use ndarray::{Array3, ArrayD, ArrayView3, s};
use num_complex::Complex;
use proptest::prelude::*;
use wavemill::reduce::{Answer, Element, Op, ReducePlan, ReduceState};
use wavemill::{Cpu, Device, Error};

const OPS: [Op; 14] = [
    Op::Sum,
    Op::Mean,
    Op::Var { ddof: 1.0 },
    Op::Std { ddof: 0.0 },
    Op::Min,
    Op::Max,
    Op::ArgMin,
    Op::ArgMax,
    Op::Norm1,
    Op::Norm2,
    Op::NormInf,
    Op::Count,
    Op::Any,
    Op::All,
];

fn cpu() -> Device {
    Device::from(Cpu::new())
}

fn data(seed: u64, holes: bool) -> Array3<f32> {
    let mut random = Random::new(seed);
    // There are few different values, so that there are ties, and they are of very different sizes.
    Array3::from_shape_simple_fn((13, 6, 10), || match random.bits() % 12 {
        0 if holes => f32::NAN,
        1 => 1e20,
        2 => -1e-20,
        bits => bits as f32 + 270.15,
    })
}

/// Chunks of the array, which is cut at these places on each axis, with the indices where they begin.
fn chunks<'a, E>(x: &'a Array3<E>, cuts: &[Vec<usize>; 3]) -> Vec<(ArrayView3<'a, E>, [usize; 3])> {
    let spans = |axis: usize| {
        let mut ends: Vec<usize> = cuts[axis].iter().map(|cut| cut % x.shape()[axis]).collect();
        ends.extend([0, x.shape()[axis]]);
        ends.sort_unstable();
        ends.dedup();
        ends.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
    };
    let (a, b, c) = (spans(0), spans(1), spans(2));
    let mut all = Vec::new();
    for &(a0, a1) in &a {
        for &(b0, b1) in &b {
            for &(c0, c1) in &c {
                all.push((x.slice(s![a0..a1, b0..b1, c0..c1]), [a0, b0, c0]));
            }
        }
    }
    all
}

fn bits<E: Element>(answers: &[Answer<E>]) -> String {
    // Debug prints enough digits to distinguish any two numbers, and all NaNs alike.
    format!("{answers:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_order_and_grouping_of_chunks_gives_the_same_bits(
        seed in any::<u64>(),
        cuts in [
            prop::collection::vec(0usize..13, 0..4),
            prop::collection::vec(0usize..6, 0..3),
            prop::collection::vec(0usize..10, 0..3),
        ],
        axes in prop::sample::subsequence(vec![0usize, 1, 2], 0..=3),
        skip in any::<bool>(),
    ) {
        let x = data(seed, true);
        // With NaNs skipped a result may have no elements left, and so no place.
        let ops = OPS.iter().copied().filter(|op| !(skip && matches!(op, Op::ArgMin | Op::ArgMax)));
        let plan = ReducePlan::builder(x.shape()).axes(&axes).ops(ops).skip_nan(skip).build(&cpu()).unwrap();
        let mut all = chunks(&x, &cuts);
        let in_order = {
            let mut state = plan.state().unwrap();
            all.iter().for_each(|(chunk, at)| state.update(chunk, at).unwrap());
            bits(&state.finish().unwrap())
        };
        let mut random = Random::new(seed);
        let mut states: Vec<ReduceState<f32>> = Vec::new();
        while !all.is_empty() {
            let (chunk, at) = all.swap_remove(random.bits() as usize % all.len());
            if states.is_empty() || random.bits().is_multiple_of(2) {
                states.push(plan.state().unwrap());
            }
            let which = random.bits() as usize % states.len();
            states[which].update(&chunk, &at).unwrap();
        }
        while states.len() > 1 {
            let one = states.swap_remove(random.bits() as usize % states.len());
            let which = random.bits() as usize % states.len();
            // States are written as bytes and read back in between, and the identity is merged on both sides.
            let mut other = plan.state().unwrap();
            other.merge(&ReduceState::from_bytes(&plan, &one.to_bytes()).unwrap()).unwrap();
            other.merge(&plan.state().unwrap()).unwrap();
            if random.bits().is_multiple_of(2) {
                states[which].merge(&other).unwrap();
            } else {
                other.merge(&states[which]).unwrap();
                states[which] = other;
            }
        }
        prop_assert_eq!(bits(&states[0].finish().unwrap()), in_order);
    }
}

#[test]
fn chunks_give_what_the_whole_gives() {
    let x = data(3, false);
    for axes in [&[][..], &[0], &[1], &[2], &[0, 2], &[0, 1, 2]] {
        let plan = ReducePlan::builder(x.shape()).axes(axes).ops(OPS).keepdims(true).build(&cpu()).unwrap();
        let mut state = plan.state().unwrap();
        for (chunk, at) in chunks(&x, &[vec![5, 6], vec![1], vec![7]]) {
            state.update(&chunk, &at).unwrap();
        }
        let (got, whole) = (state.finish().unwrap(), plan.execute(&x).unwrap());
        for ((got, whole), op) in got.iter().zip(&whole).zip(OPS) {
            match (got, whole) {
                (Answer::Float(got), Answer::Float(whole)) | (Answer::Mean(got), Answer::Mean(whole)) => {
                    let same = |a: f32, b: f32| a == b || (a - b).abs() <= 2e-7 * b.abs() || (a.is_nan() && b.is_nan());
                    let off = got.iter().zip(whole).find(|&(&a, &b)| !same(a, b));
                    assert_eq!(off, None, "{op} over {axes:?}");
                }
                _ => assert_eq!(got, whole, "{op} over {axes:?}"),
            }
        }
    }
}

#[test]
fn threads_do_not_show() {
    let mut random = Random::new(9);
    let x = Array3::from_shape_simple_fn((40, 70, 300), || random.between(-1.0, 1.0));
    let long = x.clone().into_shape_with_order(840_000).unwrap();
    let transposed = x.view().reversed_axes();
    let run = |threads: usize| {
        let device = Device::from(Cpu::with_threads(threads).unwrap());
        let of = |x: ndarray::ArrayViewD<'_, f64>, axes: &[usize]| {
            let plan = ReducePlan::builder(x.shape()).axes(axes).ops(OPS).build(&device).unwrap();
            bits(&plan.execute(&x).unwrap())
        };
        let mut all = vec![of(long.view().into_dyn(), &[0])];
        for axes in [&[0][..], &[1], &[2], &[0, 2], &[0, 1, 2]] {
            all.push(of(x.view().into_dyn(), axes));
            all.push(of(transposed.view().into_dyn(), axes));
        }
        all
    };
    let one = run(1);
    assert_eq!(run(2), one);
    assert_eq!(run(5), one);
}

#[test]
fn weighted_chunks_and_complex_numbers() {
    let mut random = Random::new(11);
    let x = ArrayD::from_shape_simple_fn(vec![50, 4], || random.complex::<f64>());
    let weights = ArrayD::from_shape_simple_fn(vec![50, 1], || random.unit());
    let ops = [Op::Average, Op::WeightedSum, Op::Sum, Op::Var { ddof: 0.0 }, Op::Norm1];
    let plan = ReducePlan::<Complex<f64>>::builder([50, 4]).axes(&[0]).ops(ops).weights(&weights).build(&cpu());
    let plan = plan.unwrap();
    let mut state = plan.state().unwrap();
    assert!(matches!(state.update(&x, &[0, 0]), Err(Error::Parameter { .. })));
    for rows in [30..50, 0..30] {
        let part = s![rows.clone(), ..];
        state.update_weighted(&x.slice(part), &weights.slice(part), &[rows.start, 0]).unwrap();
    }
    for (got, whole) in state.finish().unwrap().iter().zip(plan.execute(&x).unwrap()) {
        match (got, whole) {
            (Answer::Mean(got), Answer::Mean(whole)) => assert!((got - &whole).iter().all(|z| z.norm() < 1e-15)),
            (Answer::Sum(got), Answer::Sum(whole)) => assert!((got - &whole).iter().all(|z| z.norm() < 1e-14)),
            (Answer::Float(got), Answer::Float(whole)) => assert!((got - &whole).iter().all(|x| x.abs() < 1e-14)),
            other => panic!("{other:?}"),
        }
    }
}

/// Bytes with the checksum that [`ReduceState::to_bytes`] documents, 64-bit FNV-1a.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 8;
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let sum = bytes[..end].iter().fold(0xcbf2_9ce4_8422_2325, step);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn a_state_is_read_as_it_was_written_or_refused() {
    let ops = [Op::Sum, Op::Var { ddof: 1.0 }, Op::Prod, Op::Min, Op::ArgMax, Op::Count];
    let plan = ReducePlan::<f64>::builder([3, 1]).axes(&[0]).ops(ops).build(&cpu()).unwrap();
    let mut state = plan.state().unwrap();
    state.update(&ndarray::array![[1.0], [2.0], [6.0]], &[0, 0]).unwrap();
    let whole = state.to_bytes();
    let mut refused = 0;
    for at in 8..whole.len() - 8 {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        let bytes = sealed(bytes);
        match ReduceState::from_bytes(&plan, &bytes) {
            Ok(read) => assert_eq!(read.to_bytes(), bytes, "byte {at} of {} was changed", whole.len()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 200, "what a state does not use has one form, but only {refused} changes were refused");
    assert_eq!(ReduceState::from_bytes(&plan, &sealed(whole.clone())).unwrap().to_bytes(), whole);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let plan = ReducePlan::<f64>::builder([4, 5]).axes(&[0]).ops([Op::Sum]).build(&cpu()).unwrap();
    let mut state = plan.state().unwrap();
    let before = state.to_bytes();
    let chunk = ndarray::Array2::<f64>::ones((2, 5));
    for at in [&[3, 0][..], &[0, 1], &[0], &[usize::MAX, 0]] {
        assert!(matches!(state.update(&chunk, at), Err(Error::Shape { what: "chunk", .. })), "{at:?}");
    }
    let other = ReducePlan::<f64>::builder([4, 5]).axes(&[1]).ops([Op::Sum]).build(&cpu()).unwrap();
    assert!(matches!(state.merge(&other.state().unwrap()), Err(Error::Parameter { what: "state", .. })));
    assert_eq!(state.to_bytes(), before);
    for wrong in [&before[..before.len() - 1], &before[..4], &[]] {
        assert!(matches!(ReduceState::from_bytes(&plan, wrong), Err(Error::Parameter { what: "bytes", .. })));
    }
    let mut changed = before.clone();
    changed[9] ^= 1;
    assert!(ReduceState::from_bytes(&plan, &changed).is_err());

    let wrong = |builder: wavemill::reduce::ReduceBuilder<f64>| builder.build(&cpu()).unwrap_err().to_string();
    let builder = || ReducePlan::<f64>::builder([3, 0]);
    assert!(wrong(builder().axes(&[2]).ops([Op::Sum])).contains("axis < 2"));
    assert!(wrong(builder().axes(&[1, 1]).ops([Op::Sum])).contains("twice"));
    assert!(wrong(builder()).contains("at least one"));
    assert!(wrong(builder().axes(&[1]).ops([Op::Max])).contains("at least one element"));
    assert!(builder().axes(&[0]).ops([Op::Max]).build(&cpu()).is_ok(), "there is no result to find");
    assert!(wrong(builder().ops([Op::Var { ddof: f64::NAN }])).contains("finite"));
    assert!(wrong(ReducePlan::builder([1 << 40, 1 << 40]).ops([Op::Sum])).contains("address space"));
    let complex = ReducePlan::<Complex<f32>>::builder([3]).ops([Op::ArgMax]).build(&cpu()).unwrap_err().to_string();
    assert!(complex.contains("no order"), "{complex}");
    let weighted = ReducePlan::<f64>::builder([4, 5]).ops([Op::Average]);
    let plan = weighted.clone().build(&cpu()).unwrap();
    assert!(plan.execute(&ndarray::Array2::ones((4, 5))).unwrap_err().to_string().contains("weights"));
    let three = ndarray::Array1::ones(3);
    assert!(wrong(weighted.weights(&three)).contains("broadcasts"));
}

/// A chunk's weights were once added to sums that did not exist if no operation needed weights.
#[test]
fn weights_are_nothing_to_operations_that_do_not_weigh() {
    let x = ndarray::array![1.0f64, 5.0];
    let plan = ReducePlan::builder([2]).ops([Op::Sum]).build(&cpu()).unwrap();
    let mut state = plan.state().unwrap();
    state.update_weighted(&x, &ndarray::array![0.5, 0.25], &[0]).unwrap();
    assert_eq!(state.finish().unwrap(), plan.execute(&x).unwrap());
}

#[test]
fn answers_are_written_over_only_if_all_of_them_fit() {
    let x = ndarray::array![[1.0f32, 5.0], [3.0, 4.0]];
    let plan = |axis| ReducePlan::builder([2, 2]).axes(&[axis]).ops([Op::Max, Op::ArgMax]).build(&cpu()).unwrap();
    let mut answers = plan(0).execute(&x).unwrap();
    plan(1).execute_into(&x, &mut answers).unwrap();
    assert_eq!(answers, plan(1).execute(&x).unwrap());
    let all = ReducePlan::builder([2, 2]).ops([Op::Max, Op::ArgMax]).build(&cpu()).unwrap();
    assert!(matches!(all.execute_into(&x, &mut answers), Err(Error::Shape { what: "answers", .. })));
    assert!(matches!(plan(0).execute_into(&x, &mut answers[..1]), Err(Error::Shape { what: "answers", .. })));
    answers.swap(0, 1);
    let before = answers.clone();
    assert!(matches!(plan(0).execute_into(&x, &mut answers), Err(Error::Shape { what: "answers", .. })));
    assert_eq!(answers, before);
}
