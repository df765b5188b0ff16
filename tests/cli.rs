//! Tests of the `wavemill` program, run as a process: right results, and errors that are one line and leave no file.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array1, Array2, Array3, ArrayD, Axis, ShapeBuilder};
use ndarray_npy::{read_npy, write_npy};
use num_complex::Complex;
use serde_json::Value;

#[path = "cli/devices.rs"]
mod devices;
#[cfg(target_os = "linux")]
#[path = "cli/faults.rs"]
mod faults;
#[cfg(unix)]
#[path = "cli/files.rs"]
mod files;
#[path = "cli/matmul.rs"]
mod matmul;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/periodogram.rs"]
mod periodogram;
#[path = "cli/reduce.rs"]
mod reduce;
#[path = "cli/sources.rs"]
mod sources;

/// A temporary folder for one test, which is removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wavemill-cli-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn wavemill(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wavemill")).args(args).output().unwrap()
}

/// Runs the program, which must succeed, and returns its output.
fn succeed(args: &[&str]) -> String {
    let output = wavemill(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    assert!(errors.is_empty(), "{args:?} printed errors: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program, which must fail, and returns the one line of its error.
fn fail(args: &[&str]) -> String {
    let output = wavemill(args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("wavemill: ") && errors.ends_with('\n'), "{errors}");
    errors
}

/// The bytes of a .npy file with this header and these elements, for types that have no Rust type.
fn npy_bytes(header: &str, elements: &[u8]) -> Vec<u8> {
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), elements].concat()
}

fn npy(path: &str, descr: &str, shape: &str, elements: &[u8]) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    fs::write(path, npy_bytes(&header, elements)).unwrap();
}

/// Pseudo-random numbers that are the same on every machine.
fn numbers(count: usize, seed: u32) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 24)
    })
    .take(count)
}

fn complex(count: usize, seed: u32) -> Array1<Complex<f64>> {
    numbers(count, seed).zip(numbers(count, seed + 1)).map(|(re, im)| Complex::new(re - 0.5, im - 0.5)).collect()
}

fn error<'a>(got: impl IntoIterator<Item = &'a Complex<f64>>, want: &[Complex<f64>]) -> f64 {
    let got: Vec<_> = got.into_iter().collect();
    assert_eq!(got.len(), want.len());
    let difference: f64 = got.iter().zip(want).map(|(a, b)| (*a - b).norm_sqr()).sum();
    (difference / want.iter().map(Complex::norm_sqr).sum::<f64>()).sqrt()
}

/// A type 1 of real strengths at f32 coordinates, and a type 2 with real values.
#[test]
fn real_files_are_transformed_as_real_data() {
    let folder = Folder::new("real");
    let x = Array1::from_iter(numbers(50, 3).map(|x| (6.0 * x) as f32));
    let c = Array1::from_iter(numbers(50, 4).map(|c| c - 0.5));
    let f = complex(21, 5);
    write_npy(folder.path("x.npy"), &x).unwrap();
    write_npy(folder.path("c.npy"), &c).unwrap();
    write_npy(folder.path("f.npy"), &f).unwrap();
    let (points, out) = (folder.path("x.npy"), folder.path("out.npy"));
    let common = ["--modes", "21", "--points", &points, "--tol", "1e-10", "--device", "cpu", "--out", &out];
    let wave = |k: usize, j: usize| Complex::cis((k as f64 - 10.0) * f64::from(x[j]));

    let strengths = folder.path("c.npy");
    succeed(&[&["nufft", "--type", "1", "--values", &strengths][..], &common].concat());
    let want: Vec<_> = (0..21).map(|k| (0..50).map(|j| c[j] * wave(k, j)).sum()).collect();
    assert!(error(&read_npy::<_, Array1<Complex<f64>>>(&out).unwrap(), &want) < 1e-9);

    let modes = folder.path("f.npy");
    succeed(&[&["nufft", "--type", "2", "--real", "--values", &modes][..], &common].concat());
    let got: Array1<f64> = read_npy(&out).unwrap();
    for j in 0..50 {
        let want: f64 = (0..21).map(|k| (f[k] * wave(k, j)).re).sum();
        assert!((got[j] - want).abs() < 1e-9, "{j}: {} {want}", got[j]);
    }
    let message = fail(&[&["nufft", "--type", "1", "--real", "--values", &strengths][..], &common].concat());
    assert!(message.contains("--real is for type 2"), "{message}");
}

#[test]
fn type_1_of_a_batch_is_the_direct_sums() {
    let folder = Folder::new("type1");
    let (x, c) = (Array1::from_iter(numbers(40, 1).map(|x| 3.0 * x - 1.0)), complex(80, 2));
    write_npy(folder.path("x.npy"), &x).unwrap();
    write_npy(folder.path("c.npy"), &c.clone().into_shape_with_order((2, 40)).unwrap()).unwrap();
    let (points, values, out, timings) =
        (folder.path("x.npy"), folder.path("c.npy"), folder.path("f.npy"), folder.path("t.json"));
    let mut args = vec!["nufft", "--type", "1", "--modes", "31", "--points", &points, "--values", &values];
    args.extend([
        "--tol",
        "1e-10",
        "--sign",
        "-",
        "--period",
        "2",
        "--order",
        "fft",
        "--device",
        "cpu",
        "--threads",
        "2",
    ]);
    args.extend(["--out", &out, "--timings", &timings, "--repeat", "3", "--warmup", "1"]);
    succeed(&args);
    let result: Array2<Complex<f64>> = read_npy(&out).unwrap();
    assert_eq!(result.shape(), [2, 31]);
    let mode = |index: usize| if index <= 15 { index as f64 } else { index as f64 - 31.0 };
    for item in 0..2 {
        let term = |k: f64, j: usize| c[40 * item + j] * Complex::cis(-TAU * k * x[j] / 2.0);
        let want: Vec<_> = (0..31).map(|index| (0..40).map(|j| term(mode(index), j)).sum()).collect();
        assert!(error(result.index_axis(Axis(0), item), &want) < 1e-9);
    }
    let document: Value = serde_json::from_str(&fs::read_to_string(&timings).unwrap()).unwrap();
    let seconds = document["timings"].as_object().unwrap();
    let names = ["plan", "set_points", "spread", "fft", "deconvolve", "interpolate", "transfers", "execute", "total"];
    assert_eq!(seconds.keys().map(String::as_str).collect::<Vec<_>>(), names);
    for name in ["plan", "set_points", "spread", "fft", "deconvolve", "execute", "total"] {
        assert!(seconds[name].as_f64().is_some_and(|time| time > 0.0), "{name}: {}", seconds[name]);
    }
    assert_eq!(document["samples"]["total"].as_array().unwrap().len(), 3);
    assert_eq!(document["recipe"]["precision"], "f64");
    assert_eq!(document["recipe"]["batch"], 2);
}

#[test]
fn type_3_is_the_direct_sums() {
    let folder = Folder::new("type3");
    let (x, s) = (Array1::from_iter(numbers(40, 1)), Array1::from_iter(numbers(25, 3).map(|s| 90.0 * s - 10.0)));
    let c = complex(40, 2);
    for (name, array) in [("x.npy", &x), ("s.npy", &s)] {
        write_npy(folder.path(name), array).unwrap();
    }
    write_npy(folder.path("c.npy"), &c).unwrap();
    let (points, targets, values, out, timings) =
        (folder.path("x.npy"), folder.path("s.npy"), folder.path("c.npy"), folder.path("f.npy"), folder.path("t.json"));
    let mut args = vec!["nufft", "--type", "3", "--points", &points, "--values", &values, "--tol", "1e-9"];
    args.extend(["--device", "cpu", "--out", &out, "--timings", &timings]);
    let output = wavemill(&args);
    assert_eq!(output.status.code(), Some(2), "--targets is missing");
    args.extend(["--targets", &targets]);
    let printed = succeed(&args);
    assert!(printed.contains("inner type 2"), "{printed}");
    let result: Array1<Complex<f64>> = read_npy(&out).unwrap();
    let want: Vec<_> = s.iter().map(|s| x.iter().zip(&c).map(|(x, c)| c * Complex::cis(s * x)).sum()).collect();
    assert!(error(result.view(), &want) < 5e-9);
    let document: Value = serde_json::from_str(&fs::read_to_string(&timings).unwrap()).unwrap();
    assert_eq!(document["recipe"]["type_2"]["tolerance"], 1e-9);
    args[2] = "1";
    let output = wavemill(&args);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--modes"));
}

#[test]
fn type_2_reads_fortran_order_real_and_single_precision_files() {
    let folder = Folder::new("type2");
    let points: Vec<Array1<f32>> = (1..4).map(|seed| numbers(25, seed).map(|x| (6.0 * x) as f32).collect()).collect();
    let mut names = Vec::new();
    for (axis, x) in points.iter().enumerate() {
        names.push(folder.path(&format!("x{axis}.npy")));
        write_npy(&names[axis], x).unwrap();
    }
    let flat: Vec<f32> = numbers(4 * 5 * 6, 9).map(|x| x as f32).collect();
    let modes = Array3::from_shape_vec((4, 5, 6).f(), flat).unwrap();
    write_npy(folder.path("f.npy"), &modes).unwrap();
    let (values, out) = (folder.path("f.npy"), folder.path("c.npy"));
    let mut args = vec!["nufft", "--type", "2", "--modes", "4,5,6", "--values", &values, "--precision", "f32"];
    let joined = names.join(",");
    args.extend(["--points", &joined, "--tol", "1e-5", "--device", "cpu", "--out", &out]);
    succeed(&args);
    let result: Array1<Complex<f32>> = read_npy(&out).unwrap();
    let want: Vec<Complex<f64>> = (0..25)
        .map(|j| {
            let phase = |k: [f64; 3]| (0..3).map(|axis| k[axis] * f64::from(points[axis][j])).sum::<f64>();
            let term = |((a, b, c), &f): ((usize, usize, usize), &f32)| {
                Complex::cis(phase([a as f64 - 2.0, b as f64 - 2.0, c as f64 - 3.0])) * f64::from(f)
            };
            modes.indexed_iter().map(term).sum()
        })
        .collect();
    let wide: Vec<Complex<f64>> = result.iter().map(|v| Complex::new(v.re.into(), v.im.into())).collect();
    assert!(error(&wide, &want) < 4e-5);
}

/// Where sums of the values overflow, that is an error and no file of infinities.
#[test]
fn results_beyond_the_range_are_not_written() {
    let folder = Folder::new("range");
    let (points, values, out) = (folder.path("x.npy"), folder.path("c.npy"), folder.path("f.npy"));
    write_npy(&points, &Array1::from(vec![0.5, 0.5])).unwrap();
    write_npy(&values, &Array1::from(vec![3e38f32, 3e38])).unwrap();
    let (points, values) = (points.as_str(), values.as_str());
    let arguments = ["nufft", "--type", "1", "--modes", "8", "--points", points, "--values", values, "--out", &out];
    let error = fail(&[&arguments[..], &["--precision", "f32"]].concat());
    assert!(error.contains("leave the range of f32"), "{error}");
    assert_eq!(folder.names(), ["c.npy", "x.npy"]);
    succeed(&arguments);
}

/// One value near the limit of the range: the result can be represented, and is right or refused.
#[test]
fn a_value_near_the_limit_gives_a_right_result_or_none() {
    let folder = Folder::new("limit");
    let [points, one, modes, targets, out] =
        ["x.npy", "c.npy", "f.npy", "s.npy", "out.npy"].map(|name| folder.path(name));
    write_npy(&points, &Array1::from(vec![0.5])).unwrap();
    write_npy(&targets, &Array1::from_iter((0..5).map(|k| f64::from(k) - 2.0))).unwrap();
    let mut given = 0;
    for (precision, size) in [("f32", 3e38), ("f64", 1.7e308), ("f32", 1e30), ("f64", 1e300)] {
        write_npy(&one, &Array1::from(vec![size])).unwrap();
        write_npy(&modes, &Array1::from(vec![0.0, 0.0, 0.0, size, 0.0])).unwrap();
        let first: Vec<f64> = (0..5).map(|k| 0.5 * (f64::from(k) - 2.0)).collect();
        for (kind, values, axis, phases) in [
            ("1", &one, ["--modes", "5"], &first[..]),
            ("2", &modes, ["--modes", "5"], &[0.5]),
            ("3", &one, ["--targets", &targets], &first),
        ] {
            let args = ["nufft", "--type", kind, "--points", &points, "--values", values, "--out", &out];
            let args = [&args[..], &axis, &["--precision", precision, "--tol", "1e-5", "--device", "cpu"]].concat();
            let output = wavemill(&args);
            let errors = String::from_utf8_lossy(&output.stderr);
            if !output.status.success() {
                assert!(errors.contains("leave the range of") && !Path::new(&out).exists(), "{args:?}: {errors}");
                continue;
            }
            given += 1;
            let got: Vec<Complex<f64>> = if precision == "f32" {
                let got: Array1<Complex<f32>> = read_npy(&out).unwrap();
                got.iter().map(|z| Complex::new(z.re.into(), z.im.into())).collect()
            } else {
                read_npy::<_, Array1<Complex<f64>>>(&out).unwrap().to_vec()
            };
            let want: Vec<_> = phases.iter().map(|&phase| Complex::cis(phase)).collect();
            let got: Vec<_> = got.iter().map(|z| z / size).collect();
            assert!(error(&got, &want) < 5e-5, "{args:?}: {got:?}");
            fs::remove_file(&out).unwrap();
        }
    }
    assert!(given >= 6, "{given} results were given");
}

/// What the caller fixes and cannot keep the tolerance is refused; accepted, the tolerance that is kept is printed.
#[test]
fn a_tolerance_out_of_reach_is_refused_or_the_one_that_is_kept_is_printed() {
    let folder = Folder::new("reach");
    let [points, values, out] = ["x.npy", "c.npy", "f.npy"].map(|name| folder.path(name));
    let (x, c) = (Array1::from_iter(numbers(300, 1).map(|x| 6.0 * x)), complex(300, 2));
    write_npy(&points, &x).unwrap();
    write_npy(&values, &c).unwrap();
    let common = ["nufft", "--type", "1", "--modes", "200", "--points", &points, "--values", &values, "--out", &out];
    let want: Vec<Complex<f64>> =
        (0..200).map(|k| x.iter().zip(&c).map(|(x, c)| c * Complex::cis((f64::from(k) - 100.0) * x)).sum()).collect();
    for (kernel, upsampling) in [("gaussian", "1.2"), ("gaussian", "1.25"), ("kaiser-bessel", "1.2")] {
        let choice = ["--kernel", kernel, "--upsampling", upsampling, "--tol", "1e-6", "--precision", "f32"];
        let args = [&common[..], &choice, &["--device", "cpu"]].concat();
        let refused = fail(&args);
        assert!(refused.contains("--accept-reachable") && !Path::new(&out).exists(), "{refused}");
        let smallest = refused.split("reachable one is ").nth(1).unwrap().split(' ').next().unwrap();
        let printed = succeed(&[&args[..], &["--accept-reachable"]].concat());
        let kept = printed.split("1.0e-6 asked, ").nth(1).unwrap().split(' ').next().unwrap();
        let [smallest, kept]: [f64; 2] = [smallest, kept].map(|text| text.parse().unwrap());
        assert!(kept > 1e-6 && (kept / smallest - 1.0).abs() < 0.06, "{kept:e}, {smallest:e}: {printed}");
        let got: Array1<Complex<f32>> = read_npy(&out).unwrap();
        let got: Vec<_> = got.iter().map(|z| Complex::new(z.re.into(), z.im.into())).collect();
        let found = error(&got, &want);
        assert!(found <= 4.2 * kept, "{kernel} {upsampling}: {found:e}, {kept:e} kept");
        fs::remove_file(&out).unwrap();
    }
}

#[test]
fn bad_input_ends_in_one_line_and_no_file() {
    let folder = Folder::new("bad");
    let mut x = Array1::from_iter(numbers(10, 1));
    write_npy(folder.path("x.npy"), &x).unwrap();
    write_npy(folder.path("xy.npy"), &Array2::<f64>::zeros((10, 2))).unwrap();
    write_npy(folder.path("c.npy"), &complex(10, 2)).unwrap();
    write_npy(folder.path("c9.npy"), &complex(9, 2)).unwrap();
    x[7] = f64::NAN;
    write_npy(folder.path("nan.npy"), &x).unwrap();
    fs::write(folder.path("text.npy"), "1, 2, 3").unwrap();
    fs::write(folder.path("cut.npy"), &fs::read(folder.path("c.npy")).unwrap()[..140]).unwrap();
    npy(&folder.path("lie.npy"), "<f8", "(100000000000000,)", &[0; 80]);
    let before = folder.names();
    let (out, timings) = (folder.path("f.npy"), folder.path("t.json"));
    let run = |points: &str, values: &str, more: &[&str]| {
        let (points, values) = (folder.path(points), folder.path(values));
        let mut args = vec!["nufft", "--type", "1", "--points", &points, "--values", &values];
        args.extend(["--out", &out, "--timings", &timings]);
        for default in [["--modes", "8"], ["--device", "cpu"]] {
            args.extend(if more.contains(&default[0]) { &[] } else { default.as_slice() });
        }
        args.extend(more);
        let line = fail(&args);
        assert_eq!(folder.names(), before, "{line}");
        line
    };
    let says =
        |line: String, parts: &[&str]| parts.iter().for_each(|part| assert!(line.contains(part), "{part}: {line}"));
    says(run("none.npy", "c.npy", &[]), &["cannot open", "none.npy", "check the path"]);
    says(run("text.npy", "c.npy", &[]), &["text.npy", "numpy.save"]);
    says(run("x.npy", "cut.npy", &[]), &["cut.npy", "numpy.save"]);
    says(run("lie.npy", "c.npy", &[]), &["lie.npy", "100000000000000", "numpy.save"]);
    says(run("xy.npy", "c.npy", &[]), &["xy.npy", "[10, 2]", "[M]"]);
    says(run("c.npy", "c.npy", &[]), &["c.npy", "real"]);
    says(run("x.npy", "c9.npy", &[]), &["c9.npy", "[9]", "[10]"]);
    says(run("nan.npy", "c.npy", &[]), &["point 7", "NaN", "finite"]);
    says(run("x.npy", "nan.npy", &[]), &["nan.npy", "[7]", "NaN"]);
    says(run("x.npy", "c.npy", &["--tol", "1e-17"]), &["1e-17", "smallest", "--accept-reachable"]);
    says(run("x.npy", "c.npy", &["--tol", "1e-9", "--precision", "f32"]), &["1e-9", "smallest"]);
    says(run("x.npy", "c.npy", &["--tol", "NaN"]), &["tolerance"]);
    says(run("x.npy", "c.npy", &["--modes", "8,8"]), &["--modes", "2 axes", "--points", "1 file"]);
    says(run("x.npy", "c.npy", &["--modes", "0"]), &["0"]);
    says(run("x.npy", "c.npy", &["--modes", "18446744073709551615"]), &["fewer modes"]);
    says(run("x.npy", "c.npy", &["--period", "0"]), &["period"]);
    says(run("x.npy", "c.npy", &["--device", "gpu:99"]), &["gpu"]);
    let (points, values, lost) = (folder.path("x.npy"), folder.path("c.npy"), folder.path("no/f.npy"));
    let args = ["nufft", "--type", "1", "--modes", "8", "--points", &points, "--values", &values, "--out", &lost];
    says(fail(&args), &["no folder", "create it"]);
}

#[test]
fn bad_usage_ends_with_code_2() {
    for args in [
        &["transform"] as &[&str],
        &["nufft", "--type", "1"],
        &["nufft", "--type", "4", "--modes", "8", "--points", "x", "--values", "c", "--out", "f"],
        &["nufft", "--type", "1", "--modes", "8", "--points", "x", "--values", "c", "--out", "f", "--device", "tpu"],
        &["nufft", "--type", "1", "--modes", "8", "--points", "x", "--values", "c"],
        &[
            "nufft",
            "--type",
            "3",
            "--targets",
            "s",
            "--points",
            "x",
            "--values",
            "c",
            "--out",
            "f",
            "--kernel",
            "gaussian",
        ],
        &["nufft", "--type", "3", "--targets", "s", "--points", "x", "--values", "c", "--out", "f", "--order", "fft"],
        &["periodogram"],
        &["bench", "--threads", "0"],
    ] {
        let output = wavemill(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

/// Coordinates in float16 and integer strengths give what the same numbers in f32 and f64 give.
#[test]
fn float16_points_and_integer_strengths_are_transformed() {
    let folder = Folder::new("half-points");
    // The points are 0, 1.5, -2 and 0.25, the strengths 3, -1, 2 and 70,000, big-endian.
    npy(&folder.path("x.npy"), "<f2", "(4,)", &[0u16, 0x3e00, 0xc000, 0x3400].map(u16::to_le_bytes).concat());
    npy(&folder.path("c.npy"), ">i4", "(4,)", &[3i32, -1, 2, 70_000].map(i32::to_be_bytes).concat());
    let (points, values, out) = (folder.path("x.npy"), folder.path("c.npy"), folder.path("f.npy"));
    let mut args = vec!["nufft", "--type", "1", "--modes", "9", "--points", &points, "--values", &values];
    args.extend(["--tol", "1e-9", "--device", "cpu", "--out", &out]);
    succeed(&args);
    let term = |k: usize| {
        let term = |(x, c): (f64, f64)| Complex::cis((k as f64 - 4.0) * x) * c;
        [(0.0, 3.0), (1.5, -1.0), (-2.0, 2.0), (0.25, 70_000.0)].map(term).iter().sum()
    };
    let want: Vec<Complex<f64>> = (0..9).map(term).collect();
    assert!(error(&read_npy::<_, Array1<Complex<f64>>>(&out).unwrap(), &want) < 4e-9);
    // Strengths that are bool are 0 and 1.
    let transformed = || {
        succeed(&args);
        read_npy::<_, Array1<Complex<f64>>>(&out).unwrap()
    };
    write_npy(&values, &Array1::from(vec![true, false, true, true])).unwrap();
    let of_bool = transformed();
    write_npy(&values, &Array1::from(vec![1.0, 0.0, 1.0, 1.0])).unwrap();
    assert_eq!(of_bool, transformed());
}

#[test]
fn help_starts_with_what_the_program_is_and_examples() {
    let help = succeed(&["--help"]);
    assert!(help.starts_with("Non-uniform FFTs, reductions and matrix products of NumPy files"), "{help}");
    assert!(help.find("wavemill nufft --type 1").unwrap() < help.find("Usage:").unwrap(), "{help}");
    for command in ["nufft", "reduce", "matmul", "periodogram", "bench"] {
        assert!(succeed(&[command, "--help"]).contains("--device"), "{command}");
    }
}

#[test]
fn matmul_multiplies_files() {
    let folder = Folder::new("matmul");
    let [a, b, c, t] = ["a.npy", "b.npy", "c.npy", "t.json"].map(|name| folder.path(name));
    let left = Array3::from_shape_vec((2, 3, 4), numbers(24, 1).map(|x| (x * 8.0).round()).collect()).unwrap();
    let right = Array2::from_shape_vec((5, 4), numbers(20, 2).map(|x| (x * 8.0).round()).collect()).unwrap();
    write_npy(&a, &left).unwrap();
    write_npy(&b, &right).unwrap();
    let devices: &[&str] = if devices::has_gpu() { &["cpu", "gpu:0"] } else { &["cpu"] };
    for device in devices {
        succeed(&["matmul", &a, &b, "--trans-b", "--out", &c, "--check", "5", "--timings", &t, "--device", device]);
        let product: ArrayD<f64> = read_npy(&c).unwrap();
        for (item, left) in left.outer_iter().enumerate() {
            assert_eq!(product.index_axis(Axis(0), item), left.dot(&right.t()).into_dyn());
        }
        let timings: Value = serde_json::from_str(&fs::read_to_string(&t).unwrap()).unwrap();
        assert!(
            timings["freivalds"].as_f64().unwrap() <= 1.0 && timings["execute"].as_f64().unwrap() > 0.0,
            "{timings}"
        );
    }
    fs::remove_file(&c).unwrap();
    assert!(fail(&["matmul", &a, &b, "--out", &c]).contains("as many"));
    write_npy(&b, &Array3::<f64>::zeros((3, 4, 5))).unwrap();
    assert!(fail(&["matmul", &a, &b, "--out", &c]).contains("do not broadcast"));
    assert!(!Path::new(&c).exists());
}
