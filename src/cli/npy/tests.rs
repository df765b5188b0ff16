//! Tests of the `.npy` reader: valid and invalid headers, every float16, both byte and memory orders, arbitrary bytes.

use num_complex::Complex;

use super::*;
use crate::fuzz;

/// The bytes of a file with this header and these elements.
fn file(dictionary: &str, elements: &[u8]) -> Vec<u8> {
    let length = u16::try_from(dictionary.len() + 1).unwrap();
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], dictionary.as_bytes(), b"\n", elements].concat()
}

fn open(bytes: &[u8]) -> Result<Npy<&[u8]>> {
    Npy::new(Path::new("x.npy"), bytes, bytes.len() as u64)
}

fn dictionary(descr: &str, fortran: bool, shape: &str) -> String {
    let fortran = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}      ")
}

#[test]
fn both_byte_orders_and_both_memory_orders_are_read() {
    let numbers = [1i32, -2, 3, 70_000, 5, -6];
    let little = numbers.map(i32::to_le_bytes).concat();
    let big = numbers.map(i32::to_be_bytes).concat();
    for (descr, bytes) in [("<i4", little), (">i4", big)] {
        let rows = open(&file(&dictionary(descr, false, "(2, 3)"), &bytes)).unwrap().read::<i32>().unwrap();
        assert_eq!(rows, ndarray::array![[1, -2, 3], [70_000, 5, -6]].into_dyn());
        let columns = open(&file(&dictionary(descr, true, "(2, 3)"), &bytes)).unwrap().read::<i32>().unwrap();
        assert_eq!(columns, ndarray::array![[1, 3, 5], [-2, 70_000, -6]].into_dyn());
    }
    // The parts of a complex number are not swapped.
    let bytes = [1.5f64, -2.5].map(f64::to_be_bytes).concat();
    let complex = open(&file(&dictionary(">c16", false, "()"), &bytes)).unwrap().read::<Complex<f64>>().unwrap();
    assert_eq!(complex[[]], Complex::new(1.5, -2.5));
}

#[test]
fn every_float16_is_read_as_the_number_it_is() {
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let read = open(&file(&dictionary("<f2", false, "(65536,)"), &bytes)).unwrap().read_half().unwrap();
    for (half, &found) in (0..=u16::MAX).zip(&read) {
        let sign = if half >> 15 == 0 { 1.0 } else { -1.0 };
        let (exponent, fraction) = (i32::from(half >> 10 & 31), f32::from(half & 0x3ff));
        match exponent {
            31 if fraction > 0.0 => assert!(found.is_nan()),
            31 => assert_eq!(found, sign * f32::INFINITY),
            0 => assert!(found == sign * fraction * 2f32.powi(-24) && found.is_sign_negative() == (sign < 0.0)),
            _ => assert_eq!(found, sign * (1024.0 + fraction) * 2f32.powi(exponent - 25)),
        }
    }
}

#[test]
fn headers_that_cannot_be_used_say_why() {
    let says = |bytes: &[u8], part: &str| {
        let read = open(bytes).and_then(|file| file.read_real());
        let message = format!("{:#}", read.unwrap_err());
        assert!(message.contains(part) && message.contains("x.npy"), "{part}: {message}");
    };
    says(b"1, 2, 3", "too short for a header");
    says(b"PK\x03\x04....", "does not start as");
    says(b"\x93NUMPY\x09\x00\x10\x00", "version is 9");
    // A header of 4 GiB, in a file of some bytes.
    says(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'", "4294967295 bytes, and 8 are left");
    says(&file("{'descr': '<f8', 'shape': (2,)}", &[0; 16]), "no key fortran_order");
    says(&file("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,)}", &[0; 16]), "save one field");
    says(&file("{'colour': 'red'}", &[]), "the key \"colour\"");
    says(&file(&dictionary("<f8", false, "(2, -1)"), &[0; 16]), "an extent before \"-1");
    says(&file(&dictionary("<f8", false, "(99999999999999999999,)"), &[0; 16]), "an extent before");
    says(&file(&dictionary("<f8", false, "(4294967296, 4294967296)"), &[0; 16]), "it has 16 bytes");
    says(&file(&dictionary("<f8", false, "(3,)"), &[0; 16]), "[3] elements of 8 bytes, it has 16 bytes");
    says(&file(&dictionary("<f8", false, "(1,)"), &[0; 16]), "it has 16 bytes");
    says(&file(&dictionary("<f8", false, &format!("({})", "1,".repeat(65))), &[0; 8]), "more than 64 axes");
    // A parser of any Python literal would need 2^60 steps for this.
    says(&file(&format!("{{'descr': {}", "[".repeat(60)), &[]), "several fields");
    says(&file(&dictionary("<U4", false, "(1,)"), &[0; 16]), "elements of the type \"<U4\": convert it");
    says(&file(&dictionary("|O", false, "(1,)"), &[0; 16]), "must hold real numbers");
    says(&file(&dictionary("<c8", false, "(2,)"), &[0; 16]), "it holds complex64: convert it");
    says(&file(&dictionary("|b1", false, "(2,)"), &[1, 2]), "a bool is 0 or 1, it holds 2");
}

#[test]
fn any_bytes_are_data_or_an_error() {
    let mut valid: Vec<Vec<u8>> = Type::EVERY
        .iter()
        .map(|element| {
            let order = if element.size() == 1 { '|' } else { '<' };
            let text = dictionary(&format!("{order}{}", element.code()), false, "(2, 3)");
            file(&text, &vec![1; 6 * element.size()])
        })
        .collect();
    valid.push(file(&dictionary(">f8", true, "(3, 1, 2)"), &[7; 48]));
    valid.push(file(&dictionary("<i8", false, "(0, 5)"), &[]));
    valid.push(file(&dictionary("<f4", false, "()"), &[0; 4]));
    // Version 2 has four bytes for the header's length.
    let mut second = file(&dictionary("<f4", false, "(1,)"), &[0; 4]);
    second[6] = 2;
    second.splice(10..10, [0, 0]);
    valid.push(second);
    fuzz::feed(".npy files", &valid, |bytes| {
        let Ok(file) = open(bytes) else { return false };
        let (element, count) = (file.element(), file.header.shape.iter().map(|&n| n as u64).product::<u64>());
        let read = match element {
            Some(Type::Complex64) => file.read::<Complex<f32>>().map(|array| array.len()),
            Some(Type::Complex128) => file.read::<Complex<f64>>().map(|array| array.len()),
            _ => file.read_real().map(|array| array.len()),
        };
        read.is_ok_and(|len| {
            let size = element.map_or(0, Type::size);
            assert!(len as u64 == count && len * size <= bytes.len(), "{len} elements of {} bytes", bytes.len());
            true
        })
    });
}

/// `numpy.result_type` of every pair of types, with float16 replaced by float32.
#[test]
fn types_are_promoted_as_numpy_does() {
    let wanted = [
        "b1 i1 i2 i4 i8 u1 u2 u4 u8 f4 f4 f8 c8 c16",
        "i1 i1 i2 i4 i8 i2 i4 i8 f8 f4 f4 f8 c8 c16",
        "i2 i2 i2 i4 i8 i2 i4 i8 f8 f4 f4 f8 c8 c16",
        "i4 i4 i4 i4 i8 i4 i4 i8 f8 f8 f8 f8 c16 c16",
        "i8 i8 i8 i8 i8 i8 i8 i8 f8 f8 f8 f8 c16 c16",
        "u1 i2 i2 i4 i8 u1 u2 u4 u8 f4 f4 f8 c8 c16",
        "u2 i4 i4 i4 i8 u2 u2 u4 u8 f4 f4 f8 c8 c16",
        "u4 i8 i8 i8 i8 u4 u4 u4 u8 f8 f8 f8 c16 c16",
        "u8 f8 f8 f8 f8 u8 u8 u8 u8 f8 f8 f8 c16 c16",
        "f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f4 f8 c8 c16",
        "f4 f4 f4 f8 f8 f4 f4 f8 f8 f4 f4 f8 c8 c16",
        "f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 c16 c16",
        "c8 c8 c8 c16 c16 c8 c8 c16 c16 c8 c8 c16 c8 c16",
        "c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16",
    ];
    for (a, row) in Type::EVERY.into_iter().zip(wanted) {
        let found: Vec<_> = Type::EVERY.into_iter().map(|b| a.promoted(b).code()).collect();
        assert_eq!(found.join(" "), row, "{a}");
    }
}
