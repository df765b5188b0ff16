//! The `wavemill` program, run as a process: right results, and bad input that ends in one line and leaves no file.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array1, Array2, Array3, ArrayD, Axis, ShapeBuilder};
use ndarray_npy::{read_npy, write_npy};
use num_complex::Complex;
use serde_json::Value;

/// A folder of one test's own, removed afterwards.
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
    // Without this folder some graphics drivers complain on stderr.
    let runtime = std::env::temp_dir();
    Command::new(env!("CARGO_BIN_EXE_wavemill")).args(args).env("XDG_RUNTIME_DIR", runtime).output().unwrap()
}

/// Runs it and gives what it printed.
fn succeed(args: &[&str]) -> String {
    let output = wavemill(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    assert!(errors.is_empty(), "{args:?} printed errors: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs it and gives the one line of its error.
fn fail(args: &[&str]) -> String {
    let output = wavemill(args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("wavemill: ") && errors.ends_with('\n'), "{errors}");
    errors
}

/// Numbers that look random and are the same everywhere.
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

/// Real strengths, in f32 coordinates; and the real parts of a type 2.
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
    let lie = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000,), }";
    let lie = format!("{lie:<117}\n");
    fs::write(folder.path("lie.npy"), [b"\x93NUMPY\x01\x00\x76\x00", lie.as_bytes(), &[0; 80]].concat()).unwrap();
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
        &["periodogram"],
        &["bench", "--threads", "0"],
    ] {
        let output = wavemill(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

/// The numbers of a table's first column.
fn periods(printed: &str) -> Vec<f64> {
    let rows = printed.lines().skip_while(|line| !line.contains("over background")).skip(1);
    rows.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn carbon_dioxide_varies_with_the_year_and_its_half() {
    let folder = Folder::new("co2");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/mauna_loa_co2.csv");
    let (data, out) = (data.display().to_string(), folder.path("p.svg"));
    let printed = succeed(&["periodogram", &data, "--time", "date", "--value", "co2", "--out", &out]);
    assert!(printed.contains("2225 values") && printed.contains("59 gaps"), "{printed}");
    let found = periods(&printed);
    assert!(found.len() >= 2 && (found[0] - 1.0).abs() < 0.005 && (found[1] - 0.5).abs() < 0.005, "{printed}");
    let drawing = fs::read_to_string(&out).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>"));
    assert!(drawing.contains("cycles per year") && drawing.contains("1.00 years") && drawing.contains("0.50 years"));
    let line = fail(&["periodogram", &data, "--time", "when"]);
    assert!(line.contains("when") && line.contains("date, co2"), "{line}");
}

#[test]
fn times_are_numbers_or_dates_of_any_common_form() {
    let folder = Folder::new("times");
    let path = folder.path("data.csv");
    let day = |day: i64| jiff::Timestamp::from_second(day * 86_400).unwrap().to_string();
    // Samples 1 to 4 days apart over some 3 years: a wave of 30 days, and of 30 units where times are numbers.
    let days: Vec<i64> =
        numbers(400, 5).scan(0, |at, x| Some(std::mem::replace(at, *at + 1 + (4.0 * x) as i64))).collect();
    let forms: [(&dyn Fn(i64) -> String, f64); 4] = [
        (&|at| at.to_string(), 30.0),
        (&|at| day(at), 30.0 / 365.25),
        (&|at| day(at)[..10].to_owned(), 30.0 / 365.25),
        (&|at| day(at)[..10].replace('-', ""), 30.0 / 365.25),
    ];
    for (form, period) in forms {
        let mut text = "t,y\n".to_owned();
        for (row, &at) in days.iter().enumerate() {
            let noise = f64::from(row as u32 * 7919 % 101) / 500.0;
            let value = 3.0 + 0.001 * at as f64 + (TAU * at as f64 / 30.0).sin() + noise;
            let value = if row % 40 == 7 { "NaN".to_owned() } else { value.to_string() };
            text.push_str(&format!("{},{value}\n", form(at)));
        }
        fs::write(&path, text).unwrap();
        let printed = succeed(&["periodogram", &path]);
        let found = periods(&printed);
        assert!(!found.is_empty() && (found[0] / period - 1.0).abs() < 0.01, "{printed}");
        assert!(printed.contains("10 gaps"), "{printed}");
    }
    for (text, part) in [
        ("t,y\n", "usable rows"),
        ("t,y\n1,2\nyesterday,3\n", "line 3"),
        ("t,y\n1,2\n2,many\n", "line 3"),
        ("t\n1\n", "--value"),
        ("t,y\n1,2,3\n", "same length"),
    ] {
        fs::write(&path, text).unwrap();
        let out = folder.path("p.svg");
        let line = fail(&["periodogram", &path, "--out", &out]);
        assert!(line.contains(part), "{line}");
        assert_eq!(folder.names(), ["data.csv"]);
    }
}

#[test]
fn devices_names_the_processor_and_the_choice() {
    let printed = succeed(&["devices"]);
    assert!(printed.lines().any(|line| line.starts_with("cpu ")), "{printed}");
    assert_eq!(printed.matches("picks it").count(), 1, "{printed}");
}

#[test]
fn bench_measures_and_writes_everything() {
    let folder = Folder::new("bench");
    let out = folder.path("results");
    let printed = succeed(&["bench", "--quick", "--seconds", "0", "--device", "cpu", "--out", &out]);
    assert!(printed.contains("2015 ladder") && printed.contains("3-D type 2"), "{printed}");
    assert!(!printed.contains("above 4 x tol"), "{printed}");
    let document: Value =
        serde_json::from_str(&fs::read_to_string(Path::new(&out).join("results.json")).unwrap()).unwrap();
    assert_eq!(document["rows"].as_array().unwrap().len(), 2 * 15 + 4 * 6);
    assert_eq!(fs::read_to_string(Path::new(&out).join("results.csv")).unwrap().lines().count(), 1 + 2 * 15 + 4 * 6);
    let ladder = fs::read_to_string(Path::new(&out).join("ladder.svg")).unwrap();
    assert!(["python", "numpy", "numba-fast", "Fortran"].iter().all(|name| ladder.contains(name)));
    assert!(fs::read_to_string(Path::new(&out).join("table.svg")).unwrap().contains("3-D type 2"));
    let families = document["families"].as_array().unwrap();
    assert_eq!(families.len(), 9 + 6);
    for family in families {
        let (error, ceiling) = (family["error"].as_f64().unwrap(), family["ceiling"].as_f64().unwrap());
        let allowed = if family["family"] == "reduce" { 2e-7 } else { 1.0 };
        assert!(error <= allowed && ceiling > 0.0 && family["rate"].as_f64().unwrap() > 0.0, "{family}");
    }
    assert!(fs::read_to_string(Path::new(&out).join("families.svg")).unwrap().contains("GFLOP/s"));
}

/// Whether there is a GPU, as there must be where one is required.
fn has_gpu() -> bool {
    let required = std::env::var("WAVEMILL_REQUIRE_GPU").is_ok_and(|value| value == "1");
    let found = required || succeed(&["devices"]).lines().any(|line| line.starts_with("gpu:0 "));
    if !found {
        eprintln!("no GPU was found: nothing is tested on one");
    }
    found
}

#[test]
fn a_gpu_agrees_with_the_processor() {
    if !has_gpu() {
        return;
    }
    let folder = Folder::new("gpu");
    write_npy(folder.path("x.npy"), &Array1::from_iter(numbers(500, 1).map(|x| TAU * x))).unwrap();
    write_npy(folder.path("y.npy"), &Array1::from_iter(numbers(500, 2).map(|x| TAU * x))).unwrap();
    write_npy(folder.path("c.npy"), &complex(500, 3)).unwrap();
    let points = format!("{},{}", folder.path("x.npy"), folder.path("y.npy"));
    let transform = |device: &str| -> Vec<Complex<f64>> {
        let (values, out) = (folder.path("c.npy"), folder.path("f.npy"));
        let mut args = vec!["nufft", "--type", "1", "--modes", "20,30", "--points", &points, "--values", &values];
        args.extend(["--tol", "1e-5", "--precision", "f32", "--device", device, "--out", &out]);
        succeed(&args);
        let result: ArrayD<Complex<f32>> = read_npy(&out).unwrap();
        assert_eq!(result.shape(), [20, 30]);
        result.iter().map(|value| Complex::new(value.re.into(), value.im.into())).collect()
    };
    let difference = error(&transform("gpu:0"), &transform("cpu"));
    assert!(difference < 4e-5, "{difference}");
}

/// Everything a GPU computes, and nothing of it wrong.
#[test]
fn a_gpu_is_reported_on() {
    if !has_gpu() {
        return;
    }
    let folder = Folder::new("gpu-report");
    let out = folder.path("report");
    let printed = succeed(&["bench", "--quick", "--software", "--gpu-report", &out]);
    assert!(printed.contains("0 outside the error law, 0 not the same bits again"), "{printed}");
    let text = fs::read_to_string(Path::new(&out).join("gpu.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let rows = document["rows"].as_array().unwrap();
    for part in ["copy", "fft", "reduce", "matmul", "nufft"] {
        assert!(rows.iter().any(|row| row["part"] == part), "{part}: {text}");
    }
    assert!(rows.iter().filter(|row| row["part"] == "fft").all(|row| row["error"].as_f64().unwrap() < 1e-6), "{text}");
    assert_eq!(document["left_out"].as_array().unwrap().len(), 0, "{text}");
    assert_eq!(fs::read_to_string(Path::new(&out).join("gpu.csv")).unwrap().lines().count(), rows.len() + 1);
    assert!(fs::read_to_string(Path::new(&out).join("gpu.svg")).unwrap().contains("Share of the copy bandwidth"));
    let refused = fail(&["bench", "--gpu-report", &out, "--device", "cpu"]);
    assert!(refused.contains("is no GPU"), "{refused}");
}

#[test]
fn matmul_multiplies_files() {
    let folder = Folder::new("matmul");
    let [a, b, c, t] = ["a.npy", "b.npy", "c.npy", "t.json"].map(|name| folder.path(name));
    let left = Array3::from_shape_vec((2, 3, 4), numbers(24, 1).map(|x| (x * 8.0).round()).collect()).unwrap();
    let right = Array2::from_shape_vec((5, 4), numbers(20, 2).map(|x| (x * 8.0).round()).collect()).unwrap();
    write_npy(&a, &left).unwrap();
    write_npy(&b, &right).unwrap();
    let devices: &[&str] = if has_gpu() { &["cpu", "gpu:0"] } else { &["cpu"] };
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
    write_npy(&b, &right.mapv(|x| x as f32)).unwrap();
    assert!(fail(&["matmul", &a, &b, "--trans-b", "--out", &c]).contains("must hold the type"));
    write_npy(&b, &Array3::<f64>::zeros((3, 4, 5))).unwrap();
    assert!(fail(&["matmul", &a, &b, "--out", &c]).contains("do not broadcast"));
    assert!(!Path::new(&c).exists());
}

/// A NumPy file of any type, made by hand.
fn npy(path: &str, descriptor: &str, fortran: bool, shape: &str, data: &[u8]) {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descriptor}', 'fortran_order': {order}, 'shape': {shape}, }}");
    header += &" ".repeat((64 - (10 + header.len() + 1) % 64) % 64);
    header.push('\n');
    let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    std::fs::write(path, [&head, data].concat()).unwrap();
}

/// Truths count as 0 and 1, and their extremes are truths again; halves are computed with in f32, points too.
#[test]
fn truths_and_halves_are_read() {
    let folder = Folder::new("types");
    let (truths, halves, out) = (folder.path("b.npy"), folder.path("h.npy"), folder.path("out"));
    npy(&truths, "|b1", false, "(2, 3)", &[1, 0, 1, 1, 1, 0]);
    succeed(&["reduce", &truths, "--ops", "sum,mean,max,min,argmin", "--axis", "1", "--device", "cpu", "--out", &out]);
    let of = |name: &str| format!("{out}/{name}.npy");
    assert_eq!(read_npy::<_, Array1<u64>>(of("sum")).unwrap().to_vec(), [2, 2]);
    assert_eq!(read_npy::<_, Array1<f64>>(of("mean")).unwrap().to_vec(), [2.0 / 3.0; 2]);
    assert_eq!(read_npy::<_, Array1<bool>>(of("max")).unwrap().to_vec(), [true, true]);
    assert_eq!(read_npy::<_, Array1<bool>>(of("min")).unwrap().to_vec(), [false, false]);
    assert!(succeed(&["reduce", &truths, "--ops", "min", "--device", "cpu"]).contains("false"));

    // 1, -2, 0.5, 65504, and in the other byte order and the other layout.
    let bits = [0x3c00u16, 0xc000, 0x3800, 0x7bff];
    for (descriptor, bytes) in [("<f2", bits.map(u16::to_le_bytes)), (">f2", bits.map(u16::to_be_bytes))] {
        npy(&halves, descriptor, true, "(2, 2)", bytes.as_flattened());
        succeed(&["reduce", &halves, "--ops", "sum", "--axis", "0", "--device", "cpu", "--out", &out]);
        assert_eq!(read_npy::<_, Array1<f32>>(of("sum")).unwrap().to_vec(), [-1.0, 65504.5]);
        npy(&halves, descriptor, false, "(4,)", bytes.as_flattened());
        write_npy(folder.path("c.npy"), &Array1::from(vec![1.0, 0.0, 0.0, 0.0])).unwrap();
        let (c, f) = (folder.path("c.npy"), folder.path("f.npy"));
        succeed(&["nufft", "--type", "1", "--modes", "3", "--points", &halves, "--values", &c, "--out", &f]);
        let modes: Array1<Complex<f64>> = read_npy(&f).unwrap();
        assert!((modes[2] - Complex::cis(1.0)).norm() < 1e-6, "{modes}");
    }
    npy(&halves, "<f2", false, "(40,)", &[0; 64]);
    assert!(fail(&["reduce", &halves, "--ops", "sum"]).contains("not a readable .npy file"));

    write_npy(folder.path("one.npy"), &ndarray::arr0(2.5)).unwrap();
    let error = fail(&["reduce", &folder.path("one.npy"), "--ops", "sum", "--axis", "0", "--device", "cpu"]);
    assert!(error.contains("the array has no axes") && error.contains("leave --axis out"), "{error}");
}
