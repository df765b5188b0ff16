//! Tests of `wavemill reduce`: every operation and element type of a file, and errors.

use std::fs;
use std::path::Path;

use ndarray::{Array1, Array2, Array3, ArrayD, Axis};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;

use crate::{Folder, fail, npy, numbers, succeed};

#[test]
fn reduce_writes_or_prints_every_result() {
    let folder = Folder::new("reduce");
    let (data, out) = (folder.path("x.npy"), folder.path("out"));
    let mut x = Array3::from_shape_vec((3, 4, 5), numbers(60, 7).map(|x| x as f32).collect()).unwrap();
    x[[2, 1, 3]] = f32::NAN;
    write_npy(&data, &x).unwrap();
    succeed(&[
        "reduce",
        &data,
        "--ops",
        "mean,var,argmax",
        "--axis",
        "0,-1",
        "--keepdims",
        "--skip-nan",
        "--ddof",
        "1",
        "--out",
        &out,
        "--device",
        "cpu",
    ]);
    let mean: ArrayD<f32> = read_npy(Path::new(&out).join("mean.npy")).unwrap();
    let var: ArrayD<f32> = read_npy(Path::new(&out).join("var.npy")).unwrap();
    let argmax: ArrayD<u64> = read_npy(Path::new(&out).join("argmax.npy")).unwrap();
    assert_eq!((mean.shape(), var.shape(), argmax.shape()), (&[1, 4, 1][..], &[1, 4, 1][..], &[1, 4, 1][..]));
    for row in 0..4 {
        let values: Vec<f64> = x.index_axis(Axis(1), row).iter().map(|&x| f64::from(x)).collect();
        let valid: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
        let (exact, count) = (valid.iter().sum::<f64>() / valid.len() as f64, valid.len() as f64);
        let deviation = valid.iter().map(|x| (x - exact).powi(2)).sum::<f64>() / (count - 1.0);
        assert!((f64::from(mean[[0, row, 0]]) - exact).abs() < 1e-7);
        assert!((f64::from(var[[0, row, 0]]) - deviation).abs() < 1e-7);
        assert_eq!(values[argmax[[0, row, 0]] as usize], valid.iter().copied().fold(0.0, f64::max));
    }
    let (sum, timings) = (x.iter().filter(|x| !x.is_nan()).sum::<f32>(), folder.path("t.json"));
    let printed =
        succeed(&["reduce", &data, "--ops", "sum,count", "--skip-nan", "--device", "cpu", "--timings", &timings]);
    let number = |name: &str| {
        let line = printed.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(": ").nth(1).unwrap().parse::<f32>().unwrap()
    };
    assert!((number("sum") - sum).abs() < 1e-4 && number("count") == 59.0, "{printed}");
    let timings: Value = serde_json::from_str(&fs::read_to_string(timings).unwrap()).unwrap();
    assert!(timings["execute"].as_f64().unwrap() > 0.0 && timings["bytes"] == 240, "{timings}");
    assert!(fail(&["reduce", &data, "--ops", "mean", "--axis", "3"]).contains("3 axes"));
    assert!(fail(&["reduce", &data, "--ops", "average"]).contains("weights"));
    let weights = folder.path("w.npy");
    write_npy(&weights, &Array1::from_elem(5, 2.0)).unwrap();
    let printed =
        succeed(&["reduce", &data, "--ops", "average", "--skip-nan", "--weights", &weights, "--device", "cpu"]);
    let average: f32 = printed.trim().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((average - sum / 59.0).abs() < 1e-6, "{printed}");
}

/// As in NumPy, a sum of bool counts the true ones, and minimum and maximum of bool are bool.
#[test]
fn bool_is_reduced_as_numpy_does() {
    let folder = Folder::new("bool");
    let (data, out) = (folder.path("x.npy"), folder.path("out"));
    write_npy(&data, &ndarray::array![[true, false, true], [true, true, true]]).unwrap();
    let ops = ["sum", "prod", "mean", "min", "max", "argmin", "any", "all", "count"];
    succeed(&["reduce", &data, "--ops", &ops.join(","), "--axis", "1", "--out", &out, "--device", "cpu"]);
    let file = |name: &str| Path::new(&out).join(name);
    assert_eq!(read_npy::<_, Array1<i64>>(file("sum.npy")).unwrap().to_vec(), [2, 3]);
    assert_eq!(read_npy::<_, Array1<i64>>(file("prod.npy")).unwrap().to_vec(), [0, 1]);
    assert_eq!(read_npy::<_, Array1<f64>>(file("mean.npy")).unwrap().to_vec(), [2.0 / 3.0, 1.0]);
    for (name, wanted) in [("min", [false, true]), ("max", [true, true]), ("any", [true, true]), ("all", [false, true])]
    {
        let found: Array1<bool> = read_npy(file(&format!("{name}.npy"))).unwrap();
        assert_eq!(found.to_vec(), wanted, "{name}");
    }
    assert_eq!(read_npy::<_, Array1<u64>>(file("argmin.npy")).unwrap().to_vec(), [1, 0]);
    let printed = succeed(&["reduce", &data, "--ops", "sum,min,max", "--device", "cpu"]);
    assert_eq!(printed, "sum: 5\nmin: false\nmax: true\n");
}

/// The elements are the float16 1.5, -2, 0.25 and the least positive one.
#[test]
fn float16_gives_float32() {
    let folder = Folder::new("half");
    let (data, out) = (folder.path("x.npy"), folder.path("out"));
    let halves = [0x3e00u16, 0xc000, 0x3400, 0x0001];
    npy(&data, "<f2", "(4,)", &halves.map(u16::to_le_bytes).concat());
    succeed(&["reduce", &data, "--ops", "sum,min,norm1", "--out", &out, "--device", "cpu"]);
    let least = 2f32.powi(-24);
    for (name, wanted) in [("sum", -0.25 + least), ("min", -2.0), ("norm1", 3.75 + least)] {
        let found: ArrayD<f32> = read_npy(Path::new(&out).join(format!("{name}.npy"))).unwrap();
        assert_eq!(found[[]], wanted, "{name}");
    }
}

#[test]
fn big_endian_and_fortran_order_are_reduced_as_what_they_hold() {
    let folder = Folder::new("orders");
    let data = folder.path("x.npy");
    // The file holds [[1, 2], [-3, 4]], column by column.
    let bytes = [1i16, -3, 2, 4].map(i16::to_be_bytes).concat();
    let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }";
    fs::write(&data, crate::npy_bytes(header, &bytes)).unwrap();
    let printed = succeed(&["reduce", &data, "--ops", "sum,argmin", "--axis", "1", "--device", "cpu"]);
    assert_eq!(printed, "sum: [3, 1]\nargmin: [0, 0]\n");
}

#[test]
fn an_array_without_axes_has_none_to_name() {
    let folder = Folder::new("scalar");
    let data = folder.path("x.npy");
    write_npy(&data, &ndarray::arr0(2.5)).unwrap();
    assert_eq!(succeed(&["reduce", &data, "--ops", "sum", "--device", "cpu"]), "sum: 2.5\n");
    let message = fail(&["reduce", &data, "--ops", "sum", "--axis", "0", "--device", "cpu"]);
    assert!(message.contains("--axis 0: the array has no axes") && message.contains("leave --axis out"), "{message}");
    write_npy(&data, &Array2::<f64>::zeros((2, 3))).unwrap();
    let message = fail(&["reduce", &data, "--ops", "sum", "--axis", "2", "--device", "cpu"]);
    assert!(message.contains("2 axes; give 0 to 1 or -2 to -1"), "{message}");
}

#[test]
fn a_type_that_cannot_be_reduced_is_named() {
    let folder = Folder::new("text");
    let data = folder.path("x.npy");
    npy(&data, "<U2", "(2,)", &[0; 16]);
    let message = fail(&["reduce", &data, "--ops", "sum", "--device", "cpu"]);
    assert!(message.contains("\"<U2\"") && message.contains("float16") && message.contains("astype"), "{message}");
}

/// Messages of the library come in the words of the command line.
#[test]
fn messages_name_options_and_no_calls() {
    let folder = Folder::new("words");
    let [data, whole, weights, none] = ["x.npy", "i.npy", "w.npy", "none.npy"].map(|name| folder.path(name));
    write_npy(&data, &Array2::<f64>::ones((3, 4))).unwrap();
    write_npy(&whole, &Array2::<i64>::ones((3, 4))).unwrap();
    write_npy(&weights, &Array1::<f64>::ones(4)).unwrap();
    write_npy(&none, &Array2::<f64>::ones((0, 4))).unwrap();
    let says = |args: &[&str], parts: &[&str]| {
        let line = fail(args);
        parts.iter().for_each(|part| assert!(line.contains(part), "{part}: {line}"));
        assert!(!line.contains("::") && !line.contains("()") && !line.contains("builder"), "{line}");
    };
    says(&["reduce", &data, "--ops", "sum,wsum"], &["--ops wsum", "--weights"]);
    says(&["reduce", &data, "--ops", "average"], &["--ops average", "--weights"]);
    says(&["reduce", &data, "--ops", "sum", "--weights", &weights], &["--weights is for wsum and average"]);
    says(&["reduce", &data, "--ops", "sum", "--axis", "1,-1"], &["axis 1 twice"]);
    says(&["reduce", &data, "--ops", "var", "--ddof", "nan"], &["ddof"]);
    let transform = |kind: &str, values: &str, more: &[&str]| {
        let common = ["nufft", "--type", kind, "--points", &weights, "--values", values, "--out", &none];
        let line = fail(&[&common[..], more].concat());
        assert!(!line.contains("::") && !line.contains("()"), "{line}");
        line
    };
    let line = transform("1", &none, &["--modes", "5"]);
    assert!(line.contains("none.npy holds a batch of no transforms"), "{line}");
    assert!(transform("3", &none, &["--targets", &weights]).contains("batch of no transforms"));
    transform("1", &weights, &["--modes", "5", "--tol", "1e-20"]);
    transform("1", &weights, &["--modes", "5", "--upsampling", "1.01"]);
    if crate::devices::has_gpu() {
        says(&["reduce", &whole, "--ops", "sum", "--device", "gpu:0"], &["reduces no i64", "use the CPU"]);
    }
}
