//! Transposition between a few lines, one after another, and their rows.
//!
//! A row has the elements with one index in all lines.

use std::ops::Range;

use num_complex::Complex;

use crate::numeric::float::Float;

/// Rows transposed together: a cache line of complex f64.
const ROWS: usize = 4;

/// Copies a row; widths of whole panels are known at compile time, which saves the call to `memcpy`.
#[inline(always)]
pub(crate) fn copy_row<T: Float>(to: &mut [Complex<T>], from: &[Complex<T>]) {
    match from.len() {
        8 => copy_of::<T, 8>(to, from),
        16 => copy_of::<T, 16>(to, from),
        _ => to.copy_from_slice(from),
    }
}

#[inline(always)]
fn copy_of<T: Float, const N: usize>(to: &mut [Complex<T>], from: &[Complex<T>]) {
    let from: &[Complex<T>; N] = from.try_into().expect("a row of N elements");
    let to: &mut [Complex<T>; N] = to.try_into().expect("rows of one length");
    *to = *from;
}

/// Calls `take(j, row)` for each j of a range with the j-th elements of the first `count` lines of `cells` elements.
pub(crate) fn get_rows<T: Float>(
    lines: &[Complex<T>],
    cells: usize,
    count: usize,
    range: Range<usize>,
    take: impl FnMut(usize, &[Complex<T>]),
) {
    match count {
        8 => get_rows_of::<T, 8>(lines, cells, range, take),
        16 => get_rows_of::<T, 16>(lines, cells, range, take),
        _ => get_rows_any(lines, cells, count, range, take),
    }
}

fn get_rows_of<T: Float, const N: usize>(
    lines: &[Complex<T>],
    cells: usize,
    range: Range<usize>,
    mut take: impl FnMut(usize, &[Complex<T>]),
) {
    let whole = range.len() / ROWS * ROWS;
    for j in range.clone().take(whole).step_by(ROWS) {
        let mut tile = [[Complex::default(); N]; ROWS];
        for (column, line) in lines.chunks_exact(cells).take(N).enumerate() {
            let from: &[Complex<T>; ROWS] = line[j..j + ROWS].try_into().expect("a slice of ROWS elements");
            for (row, &value) in tile.iter_mut().zip(from) {
                row[column] = value;
            }
        }
        tile.iter().enumerate().for_each(|(row, values)| take(j + row, values));
    }
    get_rows_any(lines, cells, N, range.start + whole..range.end, take);
}

fn get_rows_any<T: Float>(
    lines: &[Complex<T>],
    cells: usize,
    count: usize,
    range: Range<usize>,
    mut take: impl FnMut(usize, &[Complex<T>]),
) {
    let mut row = [Complex::default(); 16];
    for j in range {
        row[..count].iter_mut().zip(lines[j..].iter().step_by(cells)).for_each(|(to, from)| *to = *from);
        take(j, &row[..count]);
    }
}

/// Calls `give(j, row)` for each j of a range to fill the j-th elements of the first `count` lines of `cells` elements.
pub(crate) fn put_rows<T: Float>(
    lines: &mut [Complex<T>],
    cells: usize,
    count: usize,
    range: Range<usize>,
    give: impl FnMut(usize, &mut [Complex<T>]),
) {
    match count {
        8 => put_rows_of::<T, 8>(lines, cells, range, give),
        16 => put_rows_of::<T, 16>(lines, cells, range, give),
        _ => put_rows_any(lines, cells, count, range, give),
    }
}

fn put_rows_of<T: Float, const N: usize>(
    lines: &mut [Complex<T>],
    cells: usize,
    range: Range<usize>,
    mut give: impl FnMut(usize, &mut [Complex<T>]),
) {
    let whole = range.len() / ROWS * ROWS;
    let mut tile = [[Complex::default(); N]; ROWS];
    for j in range.clone().take(whole).step_by(ROWS) {
        tile.iter_mut().enumerate().for_each(|(row, values)| give(j + row, values));
        for (column, line) in lines.chunks_exact_mut(cells).take(N).enumerate() {
            let to: &mut [Complex<T>; ROWS] = (&mut line[j..j + ROWS]).try_into().expect("a slice of ROWS elements");
            for (row, value) in tile.iter().zip(to) {
                *value = row[column];
            }
        }
    }
    put_rows_any(lines, cells, N, range.start + whole..range.end, give);
}

fn put_rows_any<T: Float>(
    lines: &mut [Complex<T>],
    cells: usize,
    count: usize,
    range: Range<usize>,
    mut give: impl FnMut(usize, &mut [Complex<T>]),
) {
    let mut row = [Complex::default(); 16];
    for j in range {
        give(j, &mut row[..count]);
        lines[j..].iter_mut().step_by(cells).zip(&row[..count]).for_each(|(to, from)| *to = *from);
    }
}
