//! States of reductions: bytes that are intact, changed or arbitrary are read as they were written, or refused.

use std::fmt::Debug;

use arbtest::arbitrary::{self, Unstructured};
use ndarray::{Array1, Array2, Axis};
use num_complex::Complex;
use wavemill::reduce::{Element, ReducePlan, ReduceState};

use super::Outcome::{Checked, Unchecked};
use super::reductions::operations;
use super::{Case, cases, hostile};
use crate::common::cpu;

/// The checksum of states, 64-bit FNV-1a, as `ReduceState::to_bytes` documents it.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The bytes of a field, often at the edges of the field's range.
fn field(u: &mut Unstructured<'_>) -> arbitrary::Result<[u8; 8]> {
    Ok(match u.int_in_range(0..=5u8)? {
        0 => hostile(u)?.to_le_bytes(),
        1 => u.choose(&[i64::MAX, i64::MIN, -1, 0, 1, 1 << 62, -(1 << 62), 1 << 32, 1 << 60])?.to_le_bytes(),
        2 => u64::from(u.int_in_range(0..=8u8)?).to_le_bytes(),
        // The top digit and the number of terms of a superaccumulator.
        3 => {
            let top = *u.choose(&[0, 1, 34, 68, 133, 136, 137, -1, i32::MAX, i32::MIN])?;
            let terms = *u.choose(&[0u32, 1, 2, (1 << 30) - 1, 1 << 30, u32::MAX])?;
            (u64::from(terms) << 32 | u64::from(top as u32)).to_le_bytes()
        }
        _ => u.arbitrary::<u64>()?.to_le_bytes(),
    })
}

/// Reads a state from its bytes, which are intact, changed or arbitrary, and goes on with it.
fn state<E: Element + Debug>(u: &mut Unstructured<'_>, element: impl Fn(f64) -> E) -> Case {
    let shape = [u.int_in_range(1..=4usize)?, u.int_in_range(1..=3usize)?];
    let axes = *u.choose(&[&[0][..], &[1], &[0, 1], &[]])?;
    let complex = ["c64", "c128"].contains(&E::NAME);
    let (ops, skip) = (operations(u, complex)?, u.arbitrary()?);
    let plan = ReducePlan::<E>::builder(shape).axes(axes).ops(ops).skip_nan(skip).build(&cpu()).unwrap();
    let take = |u: &mut Unstructured<'_>, state: &mut ReduceState<E>| -> arbitrary::Result<()> {
        let numbers: Vec<f64> = (0..shape[0] * shape[1]).map(|_| hostile(u)).collect::<arbitrary::Result<_>>()?;
        let chunk = Array2::from_shape_fn(shape, |(i, j)| element(numbers[i * shape[1] + j]));
        let weights = Array1::from_elem(shape[1], 0.5);
        // All rows at once or one by one, for sums of one block and of several.
        if u.arbitrary()? {
            state.update_weighted(&chunk, &weights, &[0, 0]).unwrap();
        } else {
            for (row, chunk) in chunk.axis_chunks_iter(Axis(0), 1).enumerate() {
                state.update_weighted(&chunk, &weights, &[row, 0]).unwrap();
            }
        }
        Ok(())
    };
    let mut honest = plan.state().unwrap();
    if u.ratio(3, 4)? {
        take(u, &mut honest)?;
    }
    let whole = honest.to_bytes();
    let head = 20 + E::NAME.len();
    let mut bytes = whole.clone();
    let kind = u.int_in_range(0..=9u8)?;
    match kind {
        0 => bytes = u.bytes(u.len().min(whole.len()))?.to_vec(),
        1 => {
            let at = u.choose_index(bytes.len())?;
            bytes[at] ^= u.int_in_range(1..=255u8)?;
        }
        2 | 9 => {}
        _ => {
            // Some flags and fields are overwritten, and the checksum is made right again.
            for _ in 0..u.int_in_range(1..=4u8)? {
                let end = bytes.len() - 8;
                if u.ratio(1, 4)? {
                    let at = head + u.choose_index(end - head)?;
                    bytes[at] = *u.choose(&[0, 1, 2, 3, 4, 128, 255])?;
                } else {
                    let at = head + u.choose_index(end - head - 7)?;
                    bytes[at..at + 8].copy_from_slice(&field(u)?);
                }
            }
            if u.ratio(1, 20)? {
                let end = bytes.len() - 8;
                u.fill_buffer(&mut bytes[head..end])?;
            }
            let end = bytes.len() - 8;
            let sum = hash(&bytes[..end]);
            bytes[end..].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let read = ReduceState::from_bytes(&plan, &bytes);
    match kind {
        1 => {
            assert!(read.is_err(), "a change of one byte is not seen");
            return Ok(Checked);
        }
        2 | 9 => assert_eq!(read.as_ref().map(ReduceState::to_bytes).ok(), Some(whole)),
        _ => {}
    }
    let Ok(mut read) = read else { return Ok(Unchecked) };
    assert!(read.to_bytes() == bytes, "a state has two forms");
    let once = read.clone();
    honest.merge(&read).unwrap();
    for _ in 0..u.int_in_range(0..=70u8)? {
        let same = read.clone();
        read.merge(&same).unwrap();
    }
    read.merge(&honest).unwrap();
    take(u, &mut read)?;
    for state in [&once, &honest, &read] {
        // The result is ignored: places are an error if all elements are NaN.
        let _ = state.finish();
        let _ = ReduceState::from_bytes(&plan, &state.to_bytes());
    }
    Ok(Checked)
}

#[test]
fn are_read_as_written_or_refused() {
    cases("states", |u| match u.int_in_range(0..=5u8)? {
        0 => state::<f32>(u, |x| x as f32),
        1 => state::<f64>(u, |x| x),
        2 => state::<Complex<f64>>(u, |x| Complex::new(x, 1.0 - x)),
        3 => state::<i32>(u, |x| x as i32),
        4 => state::<u64>(u, |x| x as u64),
        _ => state::<i64>(u, |x| x as i64),
    });
}
