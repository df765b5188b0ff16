//! Bytes of reductions' states. The first byte chooses the plan; the last eight, the checksum, are made right, or no
//! input would get past it.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use ndarray::array;
use num_complex::Complex;
use wavemill::reduce::{Element, Op, ReducePlan, ReduceState};
use wavemill::{Cpu, Device};

const SUMS: [Op; 5] = [Op::Sum, Op::Mean, Op::Var { ddof: 1.0 }, Op::Norm2, Op::Prod];
const PLACES: [Op; 5] = [Op::Min, Op::ArgMax, Op::Any, Op::Count, Op::Std { ddof: 0.0 }];

fn plan<E: Element>(ops: &[Op], skip: bool) -> ReducePlan<E> {
    let builder = ReducePlan::builder([3, 2]).axes(&[0]).ops(ops.to_vec()).skip_nan(skip);
    builder.build(&Device::from(Cpu::new())).expect("a plan")
}

/// Reads a state, and goes on with it.
fn read<E: Element>(ops: &[Op], skip: bool, bytes: &[u8]) {
    let plan = plan::<E>(ops, skip);
    let Ok(mut state) = ReduceState::from_bytes(&plan, bytes) else { return };
    assert_eq!(state.to_bytes(), bytes, "a state is written as it was read");
    // Places are an error where all elements are NaN.
    let _ = state.finish();
    // With its own elements once more it may have more of them than the array, and is refused then.
    state.merge(&state.clone()).expect("states of one plan");
    let _ = state.finish();
    let _ = ReduceState::from_bytes(&plan, &state.to_bytes());
}

fuzz_target!(|input: &[u8]| {
    let [first, bytes @ ..] = input else { return };
    let mut bytes = bytes.to_vec();
    if let Some(end) = bytes.len().checked_sub(8) {
        // 64-bit FNV-1a, as `ReduceState::to_bytes` documents it.
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let sum = bytes[..end].iter().fold(0xcbf2_9ce4_8422_2325, step);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
    }
    let skip = first & 1 == 1;
    match first >> 1 & 7 {
        0 => read::<f64>(&SUMS, skip, &bytes),
        1 => read::<f64>(&PLACES, skip, &bytes),
        2 => read::<f32>(&SUMS, skip, &bytes),
        3 => read::<f32>(&PLACES, skip, &bytes),
        4 => read::<Complex<f64>>(&SUMS, skip, &bytes),
        5 => read::<i32>(&PLACES, skip, &bytes),
        6 => read::<u64>(&SUMS, skip, &bytes),
        _ => read::<i64>(&PLACES, skip, &bytes),
    }
});

/// Numbers summed, as a state's bytes.
fn honest<E: Element>(ops: &[Op], skip: bool, element: impl Fn(u8) -> E) -> Vec<u8> {
    let mut state = plan::<E>(ops, skip).state().expect("a state");
    state.update(&array![[1, 2], [3, 4], [5, 6]].map(|&x| element(x)), &[0, 0]).expect("a chunk that fits");
    state.to_bytes()
}

// Inputs begin as states that are right: nobody guesses the head of a state.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if size > 20 {
        return fuzzer_mutate(data, size, max_size);
    }
    let first = seed as u8;
    let skip = first & 1 == 1;
    let bytes = match first >> 1 & 7 {
        0 => honest(&SUMS, skip, f64::from),
        1 => honest(&PLACES, skip, f64::from),
        2 => honest(&SUMS, skip, f32::from),
        3 => honest(&PLACES, skip, f32::from),
        4 => honest(&SUMS, skip, |x| Complex::new(f64::from(x), 0.5)),
        5 => honest(&PLACES, skip, i32::from),
        6 => honest(&SUMS, skip, u64::from),
        _ => honest(&PLACES, skip, i64::from),
    };
    if bytes.len() >= max_size {
        return size;
    }
    data[0] = first;
    data[1..=bytes.len()].copy_from_slice(&bytes);
    bytes.len() + 1
});
