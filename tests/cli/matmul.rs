//! Tests of `wavemill matmul`: the types and shapes that NumPy's matmul takes. Wanted results are NumPy 2.4's.

use std::fs;

use ndarray::{Array1, Array2, Array3, ArrayD, arr0, array};
use ndarray_npy::{ReadableElement, read_npy, write_npy};
use num_complex::Complex;

use crate::{Folder, fail, npy, succeed};

/// Files in a folder, and the product that the program makes of two of them.
struct Files(Folder);

impl Files {
    fn multiply<E: ReadableElement + PartialEq>(&self, a: &str, b: &str) -> ArrayD<E> {
        let [a, b, c] = [a, b, "c"].map(|name| self.0.path(&format!("{name}.npy")));
        succeed(&["matmul", &a, &b, "--out", &c, "--check", "3", "--device", "cpu"]);
        let read = || read_npy::<_, ArrayD<E>>(&c).unwrap_or_else(|error| panic!("{a} by {b}: {error}"));
        let whole = read();
        if !b.contains("batch") {
            // What is multiplied in parts is the same.
            succeed(&["matmul", &a, &b, "--memory", "4MB", "--out", &c, "--device", "cpu"]);
            assert!(read() == whole, "{a} by {b}");
        }
        whole
    }

    fn write<E: ndarray_npy::WritableElement, D: ndarray::Dimension>(&self, name: &str, array: &ndarray::Array<E, D>) {
        write_npy(self.0.path(&format!("{name}.npy")), array).unwrap();
    }
}

#[test]
fn integers_wrap_in_the_type_that_numpy_gives() {
    let files = Files(Folder::new("matmul-integers"));
    let a = array![[100i64, 3], [-7, 50]];
    files.write("i1", &a.mapv(|x| x as i8));
    files.write("i2", &a.mapv(|x| x as i16));
    files.write("i4", &a.mapv(|x| x as i32 * 20_000));
    files.write("i8", &a.mapv(|x| x << 56));
    files.write("u1", &a.mapv(|x| x as u8));
    files.write("u2", &a.mapv(|x| x as u16));
    files.write("u4", &a.mapv(|x| x as u32));
    files.write("u8", &a.mapv(|x| x as u64));
    let exact = a.dot(&a);
    assert_eq!(files.multiply::<i8>("i1", "i1"), exact.mapv(|x| x as i8).into_dyn());
    assert_eq!(files.multiply::<u8>("u1", "u1"), exact.mapv(|x| x as u8).into_dyn());
    assert_eq!(files.multiply::<u16>("u2", "u2"), exact.mapv(|x| x as u16).into_dyn());
    assert_eq!(files.multiply::<u32>("u4", "u4"), exact.mapv(|x| x as u32).into_dyn());
    assert_eq!(files.multiply::<u64>("u8", "u8"), exact.mapv(|x| x as u64).into_dyn());
    assert_eq!(files.multiply::<i32>("i4", "i4"), exact.mapv(|x| (x * 400_000_000) as i32).into_dyn());
    assert_eq!(files.multiply::<i64>("i8", "i1"), exact.mapv(|x| x << 56).into_dyn());
    // An unsigned type with a signed one of no more bits gives the next wider signed one.
    let bytes = a.mapv(|x| i64::from(x as u8));
    assert_eq!(files.multiply::<i16>("u1", "i1"), bytes.dot(&a).mapv(|x| x as i16).into_dyn());
    assert_eq!(
        files.multiply::<i32>("i1", "u2"),
        a.dot(&a.mapv(|x| i64::from(x as u16))).mapv(|x| x as i32).into_dyn()
    );
    assert_eq!(files.multiply::<i64>("i2", "u4"), a.dot(&a.mapv(|x| i64::from(x as u32))).into_dyn());
    // NumPy has no integer for both, and takes float64.
    let wide = a.mapv(|x| x as u64 as f64);
    assert_eq!(files.multiply::<f64>("u8", "i1"), wide.dot(&a.mapv(|x| x as f64)).into_dyn());
    let message =
        fail(&["matmul", &files.0.path("i1.npy"), &files.0.path("i1.npy"), "--out", "x", "--device", "gpu:0"]);
    assert!(message.contains("only the processor multiplies integers"), "{message}");
    let [a, c] = ["i1.npy", "c.zarr"].map(|name| files.0.path(name));
    let sum = format!("sum: {}\n", exact.iter().map(|&x| i64::from(x as i8)).sum::<i64>());
    assert_eq!(succeed(&["matmul", &a, &a, "--memory", "4MB", "--sum", "--out", &c]), sum);
    assert_eq!(succeed(&["reduce", &c, "--ops", "sum"]), sum);
    if crate::devices::has_gpu() {
        let message = fail(&["matmul", &a, &a, "--memory", "4MB", "--sum", "--device", "gpu:0"]);
        assert!(message.contains("does not multiply int8") && message.contains("CPU"), "{message}");
    }
}

#[test]
fn bool_half_and_mixed_types_are_multiplied_as_numpy_does() {
    let files = Files(Folder::new("matmul-mixed"));
    files.write("b1", &array![[true, false], [true, true]]);
    files.write("n1", &array![[true, false], [false, false]]);
    files.write("i1", &array![[1i8, -2], [3, 4]]);
    files.write("i4", &array![[16_777_217i32, 0], [0, 1]]);
    files.write("f4", &array![[0.5f32, 0.0], [0.0, -2.0]]);
    files.write("f8", &array![[0.1f64, 0.0], [0.0, 1.0]]);
    files.write("c8", &array![[Complex::new(0.0f32, 1.0), 0.0.into()], [0.0.into(), Complex::new(2.0, 0.0)]]);
    // 1.5, 0, 0, -2 in float16.
    npy(&files.0.path("f2.npy"), "<f2", "(2, 2)", &[0x3e00u16, 0, 0, 0xc000].map(u16::to_le_bytes).concat());
    assert_eq!(files.multiply::<bool>("b1", "n1"), array![[true, false], [true, false]].into_dyn());
    assert_eq!(files.multiply::<i8>("b1", "i1"), array![[1i8, -2], [4, 2]].into_dyn());
    assert_eq!(files.multiply::<f32>("b1", "f4"), array![[0.5f32, 0.0], [0.5, -2.0]].into_dyn());
    assert_eq!(files.multiply::<f32>("f2", "f2"), array![[2.25f32, 0.0], [0.0, 4.0]].into_dyn());
    assert_eq!(files.multiply::<f32>("f2", "i1"), array![[1.5f32, -3.0], [-6.0, -8.0]].into_dyn());
    assert_eq!(files.multiply::<f32>("i1", "f4"), array![[0.5f32, 4.0], [1.5, -8.0]].into_dyn());
    // float32 does not hold 2^24 + 1, so that NumPy takes float64.
    assert_eq!(files.multiply::<f64>("i4", "f4"), array![[8_388_608.5, 0.0], [0.0, -2.0]].into_dyn());
    assert_eq!(files.multiply::<f64>("f4", "f8"), array![[0.05, 0.0], [0.0, -2.0]].into_dyn());
    let complex = |re: f32, im: f32| Complex::new(re, im);
    assert_eq!(
        files.multiply::<Complex<f32>>("c8", "i1"),
        array![[complex(0.0, 1.0), complex(0.0, -2.0)], [complex(6.0, 0.0), complex(8.0, 0.0)]].into_dyn()
    );
    let found = files.multiply::<Complex<f64>>("f8", "c8");
    assert_eq!(found[[0, 0]], Complex::new(0.0, 0.1));
    assert_eq!(files.multiply::<Complex<f64>>("i4", "c8")[[0, 0]], Complex::new(0.0, 16_777_217.0));
    npy(&files.0.path("text.npy"), "<U1", "(1, 1)", &[0; 4]);
    let message = fail(&["matmul", &files.0.path("f4.npy"), &files.0.path("text.npy"), "--out", "x"]);
    assert!(message.contains("text.npy") && message.contains("float16") && message.contains("astype"), "{message}");
}

#[test]
fn vectors_are_rows_on_the_left_and_columns_on_the_right() {
    let files = Files(Folder::new("matmul-vectors"));
    files.write("v", &array![1.0, 2.0, -1.0]);
    files.write("w", &array![3i64, 0, 1]);
    files.write("m", &array![[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]);
    files.write("batch", &Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i + 2 * j + 3 * k) as f64));
    assert_eq!(files.multiply::<f64>("v", "w"), arr0(2.0).into_dyn());
    assert_eq!(files.multiply::<i64>("w", "w"), arr0(10).into_dyn());
    assert_eq!(files.multiply::<f64>("m", "v"), array![-1.0, 1.0].into_dyn());
    let wanted = Array2::from_shape_fn((2, 4), |(i, k)| 2.0 * i as f64 + 6.0 * k as f64);
    assert_eq!(files.multiply::<f64>("v", "batch"), wanted.into_dyn());
    let [m, v, c] = ["m.npy", "v.npy", "c.npy"].map(|name| files.0.path(name));
    // The transpose of a vector is the vector.
    succeed(&["matmul", &v, &m, "--trans-a", "--trans-b", "--out", &c]);
    assert_eq!(read_npy::<_, Array1<f64>>(&c).unwrap(), array![-1.0, 1.0]);
    fs::remove_file(&c).unwrap();
    assert!(fail(&["matmul", &v, &m, "--out", &c]).contains("as many rows"));
    succeed(&["matmul", &v, &m, "--trans-a", "--trans-b", "--memory", "1MB", "--out", &c]);
    assert_eq!(read_npy::<_, Array1<f64>>(&c).unwrap(), array![-1.0, 1.0]);
    fs::remove_file(&c).unwrap();
    let message = fail(&["matmul", &files.0.path("batch.npy"), &v, "--memory", "1MB", "--out", &c]);
    assert!(message.contains("[2, 3, 4]") && message.contains("of two axes"), "{message}");
    files.write("number", &arr0(2.0));
    let message = fail(&["matmul", &files.0.path("number.npy"), &m, "--out", &c]);
    assert!(message.contains("holds one number"), "{message}");
    assert!(!std::path::Path::new(&c).exists());
}
