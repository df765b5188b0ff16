//! Tests that depend on the devices of the machine: `wavemill devices`, `bench`, and results of a GPU.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;
use std::process::Command;

use ndarray::{Array1, Array2, ArrayD};
use ndarray_npy::{read_npy, write_npy};
use num_complex::Complex;
use serde_json::Value;

use crate::{Folder, complex, error, fail, numbers, succeed};

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
        let what = family["what"].as_str().unwrap();
        let allowed = if what.starts_with("f64") {
            1e-14
        } else if family["family"] == "reduce" {
            2e-7
        } else {
            5e-6
        };
        assert!(error <= allowed && ceiling > 0.0 && family["rate"].as_f64().unwrap() > 0.0, "{family}");
    }
    assert!(fs::read_to_string(Path::new(&out).join("families.svg")).unwrap().contains("GFLOP/s"));
}

/// Whether there is a GPU; it is a failure if there is none but one is required.
pub(crate) fn has_gpu() -> bool {
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

/// The report covers everything a GPU computes, and nothing in it is wrong.
#[test]
fn a_gpu_is_reported_on() {
    if !has_gpu() {
        return;
    }
    let folder = Folder::new("gpu-report");
    let out = folder.path("report");
    let printed = succeed(&["bench", "--quick", "--software", "--gpu-report", &out]);
    assert!(printed.contains(" 0 left out"), "{printed}");
    assert!(printed.contains("part copy, op shader"), "{printed}");
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

/// The log of the loader of Vulkan drivers, with all messages on.
fn loader_log(args: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_wavemill")).args(args).env("VK_LOADER_DEBUG", "all").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn no_driver_is_opened_for_the_processor_or_for_small_work() {
    let folder = Folder::new("drivers");
    let (square, long) = (folder.path("a.npy"), folder.path("x.npy"));
    write_npy(&square, &Array2::<f32>::ones((8, 8))).unwrap();
    write_npy(&long, &Array1::from_iter(numbers(100, 1))).unwrap();
    let out = folder.path("c.npy");
    let nufft = ["nufft", "--type", "1", "--modes", "9", "--points", &long, "--values", &long, "--out", &out];
    for device in ["cpu", "auto"] {
        assert_eq!(loader_log(&["matmul", &square, &square, "--out", &out, "--device", device]), "");
        assert_eq!(loader_log(&["reduce", &square, "--ops", "sum", "--device", device]), "");
        assert_eq!(loader_log(&[&nufft[..], &["--device", device]].concat()), "");
    }
    if has_gpu() && cfg!(target_os = "linux") {
        assert!(!loader_log(&["devices"]).is_empty(), "the loader says nothing when a driver is opened");
        // Large work looks for a GPU: 2 n^3 operations take a processor a second.
        write_npy(&square, &Array2::<f32>::ones((2048, 2048))).unwrap();
        assert!(!loader_log(&["matmul", &square, &square, "--out", &out]).is_empty());
    }
}

/// Servers do not have the variable, and Mesa's drivers print an error if they are opened without it.
#[test]
fn drivers_print_nothing_where_no_runtime_folder_is_set() {
    let run = |value: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavemill"));
        command.arg("devices").env_remove("XDG_RUNTIME_DIR");
        value.map(|value| command.env("XDG_RUNTIME_DIR", value));
        let output = command.output().unwrap();
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("cpu "));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(run(None), "");
    assert_eq!(run(Some("")), "");
}
