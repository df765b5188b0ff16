//! Tests of inputs whose results memory cannot hold: they are refused at once, with the size and what to change.

use std::fs::OpenOptions;

use ndarray::{Array1, Array2};
use ndarray_npy::write_npy;

use crate::{Folder, fail, npy, succeed};

/// The program refuses, names the bytes and the advice, and writes nothing.
fn refused(folder: &Folder, args: &[&str], advice: &str) {
    let before = folder.names();
    let out = folder.path("out.npy");
    let line = fail(&[args, &["--out", &out]].concat());
    assert!(line.contains("bytes") && line.contains(advice), "{line}");
    assert_eq!(folder.names(), before, "{line}");
}

#[test]
fn products_larger_than_memory_are_refused() {
    let folder = Folder::new("large-products");
    let [a, b, c, d] = ["a.npy", "b.npy", "c.npy", "d.npy"].map(|name| folder.path(name));
    write_npy(&a, &Array2::<f32>::ones((2_000_000, 1))).unwrap();
    write_npy(&b, &Array2::<f32>::ones((1, 2_000_000))).unwrap();
    write_npy(&c, &Array2::<i8>::ones((2_000_000, 1))).unwrap();
    refused(&folder, &["matmul", &a, &b, "--device", "cpu"], "some rows of A");
    refused(&folder, &["matmul", &c, &c, "--trans-b", "--device", "cpu"], "some rows of A");
    // Empty products are no work, whatever their number.
    npy(&d, "|i1", "(1099511627776, 0, 1)", &[]);
    succeed(&["matmul", &d, &d, "--trans-b", "--out", "/dev/null", "--check", "1", "--device", "cpu"]);
    npy(&d, "<f4", "(1099511627776, 0, 1)", &[]);
    succeed(&["matmul", &d, &d, "--trans-b", "--out", "/dev/null", "--check", "1", "--device", "cpu"]);
}

#[test]
fn transforms_larger_than_memory_are_refused() {
    let folder = Folder::new("large-transforms");
    let [x, one, c] = ["x.npy", "one.npy", "c.npy"].map(|name| folder.path(name));
    write_npy(&x, &Array1::from_elem(1_000_000, 0.25f32)).unwrap();
    write_npy(&one, &Array1::from_elem(1, 0.25f32)).unwrap();
    write_npy(&c, &Array2::<f32>::ones((1_000_000, 1))).unwrap();
    let run = |more: &[&str]| {
        let common = ["nufft", "--values", &c, "--precision", "f32", "--device", "cpu"];
        refused(&folder, &[&common[..], more].concat(), "fewer");
    };
    run(&["--type", "1", "--modes", "1000000", "--points", &one]);
    run(&["--type", "2", "--modes", "1", "--points", &x]);
    run(&["--type", "3", "--targets", &x, "--points", &one]);
}

#[test]
fn reductions_larger_than_memory_are_refused() {
    let folder = Folder::new("large-reductions");
    let (x, out) = (folder.path("x.npy"), folder.path("out"));
    for (shape, axis) in [
        ("(0, 1152921504606846976)", "0"),
        ("(0, 100000000000000)", "0"),
        ("(100000000000000, 0)", "1"),
        ("(0, 1099511627776, 4)", "-3"),
    ] {
        npy(&x, "<f8", shape, &[]);
        for ops in ["sum", "mean,any", "norm2"] {
            let line = fail(&["reduce", &x, "--ops", ops, "--axis", axis, "--out", &out, "--device", "cpu"]);
            assert!(line.contains("bytes") && line.contains("reduce more axes"), "{line}");
        }
        // Over all axes the result is one number.
        assert_eq!(succeed(&["reduce", &x, "--ops", "sum", "--device", "cpu"]), "sum: 0.0\n");
    }
}

/// The files say that they hold terabytes, which they do as holes.
#[test]
fn files_larger_than_memory_are_refused() {
    let folder = Folder::new("large-files");
    let [x, small] = ["x.npy", "small.npy"].map(|name| folder.path(name));
    npy(&x, "<f4", "(1099511627776,)", &[]);
    write_npy(&small, &Array1::<f32>::ones(1)).unwrap();
    let Ok(()) = OpenOptions::new().write(true).open(&x).unwrap().set_len(128 + (1 << 42)) else {
        eprintln!("the file system has no files of 4 TB: nothing is tested");
        return;
    };
    refused(&folder, &["nufft", "--type", "1", "--modes", "3", "--points", &x, "--values", &small], "split the file");
    refused(&folder, &["matmul", &x, &small], "split the file");
    // A reduction reads the file in parts; what is measured is read whole.
    let line = fail(&["reduce", &x, "--ops", "sum", "--timings", &folder.path("t.json")]);
    assert!(line.contains("bytes") && line.contains("split the file"), "{line}");
    let plan = succeed(&["reduce", &x, "--ops", "sum", "--plan"]);
    assert!(plan.contains("reads 4.40 TB"), "{plan}");
}

#[test]
fn examples_that_no_disk_or_memory_holds_are_refused() {
    let folder = Folder::new("large-demo");
    let [store, files] = ["x.zarr", "files"].map(|name| folder.path(name));
    for (shape, chunks, out, part) in [
        ("4294967296,4294967296,4294967296", "1,1,1", &store, "than any disk holds"),
        ("100000,100000,100000", "100000,100000,100000", &store, "smaller --chunks"),
        ("8,40000,40000", "1,1,1", &files, "write a store"),
    ] {
        let line = fail(&["demo", "weather", "--shape", shape, "--chunks", chunks, "--out", out]);
        assert!(line.contains(part), "{line}");
    }
    assert!(folder.names().is_empty());
}
