//! Tests of `reduce`, `info` and `demo` on files and stores larger than the memory they may use.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use ndarray::{Array2, Array3, ArrayD, Axis, s};
use ndarray_npy::{read_npy, write_npy};

use crate::{Folder, fail, succeed};

/// Bytes that the program takes for itself, beyond the budget.
const OWN: u64 = 40 << 20;

/// A store of 24 steps of the example, and its elements.
fn weather(folder: &Folder) -> (String, Array3<f32>) {
    let path = folder.path("w.zarr");
    succeed(&["demo", "weather", "--shape", "24,13,17", "--chunks", "4,5,6", "--out", &path]);
    let array =
        Array3::from_shape_fn((24, 13, 17), |(t, j, i)| (i as f64 + 1e-3 * j as f64 + (t % 4) as f64 + 273.15) as f32);
    (path, array)
}

fn close(path: &str, wanted: &ArrayD<f64>) {
    let found: ArrayD<f32> = read_npy(path).unwrap();
    assert_eq!(found.shape(), wanted.shape(), "{path}");
    assert!(found.iter().zip(wanted).all(|(&a, &b)| f64::from(a) == f64::from(b as f32)), "{path}");
}

#[test]
fn the_example_is_the_same_from_a_store_and_from_files() {
    let folder = Folder::new("weather");
    let (store, array) = weather(&folder);
    let files = folder.path("nc");
    succeed(&["demo", "weather", "--shape", "24,13,17", "--out", &files]);
    let wide = array.mapv(f64::from);
    let mean = wide.mean_axis(Axis(0)).unwrap();
    let anomaly = &wide.index_axis(Axis(0), 10).mapv(|x| x as f32) - &mean.mapv(|x| x as f32);
    let half = |first: usize| wide.slice(s![first..;4, .., ..]).mean_axis(Axis(0)).unwrap().mapv(|x| x as f32);
    let change = &half(0) - &half(2);
    for source in [store.clone(), format!("{files}/*.nc:t2m")] {
        let out = folder.path("out");
        succeed(&[
            "reduce",
            &source,
            "--expr",
            "mean=x.mean(time)",
            "--expr",
            "anomaly=x[10] - x.mean(0)",
            "--expr",
            "day_night=x[::4].mean(0)-x[2::4].mean(time)",
            "--memory",
            "2MB",
            "--out",
            &out,
        ]);
        close(&format!("{out}/mean.npy"), &mean.clone().into_dyn());
        close(&format!("{out}/anomaly.npy"), &anomaly.mapv(f64::from).into_dyn());
        close(&format!("{out}/day_night.npy"), &change.mapv(f64::from).into_dyn());
        assert!(fs::read(format!("{out}/mean.png")).unwrap().starts_with(b"\x89PNG"));
        fs::remove_dir_all(&out).unwrap();
        // Axes by name, by number and from the end are the same, and so is a store that is written and read again.
        let again = folder.path("again.zarr");
        for axis in ["latitude,longitude", "1,2", "-1,-2"] {
            succeed(&["reduce", &source, "--ops", "max,mean", "--axis", axis, "--out", &again]);
            let text = succeed(&["reduce", &format!("{again}:max"), "--ops", "max"]);
            assert_eq!(text, "max: 292.162\n");
        }
        let text = succeed(&["info", &format!("{again}:mean")]);
        assert!(text.contains("24 of float32") && text.contains("axis 0: time 24"), "{text}");
    }
    let text = succeed(&["info", &store]);
    for part in ["24 x 13 x 17 of float32", "temperature [K]", "chunks of 4 x 5 x 6", "from 90 to -90 degrees_north"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let plan = succeed(&["reduce", &store, "--ops", "mean", "--axis", "time", "--plan"]);
    for part in ["mean over time of 24 x 13 x 17, to 13 x 17", "one pass: reads 21.2 kB", "memory: at most"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let error = fail(&["reduce", &store, "--ops", "mean", "--axis", "time", "--memory", "1kB"]);
    assert!(error.contains("bytes of memory") && error.contains("1000 are allowed"), "{error}");
}

#[test]
fn expressions_and_slices_that_are_wrong_say_why() {
    let folder = Folder::new("expressions");
    let (store, _) = weather(&folder);
    let expression = |text: &str| fail(&["reduce", &store, "--expr", text]);
    for (text, part) in [
        ("x.mean(0)", "begin with a name"),
        ("a=y.mean(0)", "begins with x"),
        ("a=x", "as large as the data"),
        ("a=x.median(0)", "one of sum, mean"),
        ("a=x.mean(height)", "time, latitude, longitude, or 0 to 2"),
        ("a=x.mean(0) * 2", "expected + or -"),
        ("a=x[1,2,3,4]", "more indices"),
        ("a=x[24]", "axis time, which has 24"),
        ("a=x[::0].mean(0)", "step must be 1"),
        ("a=x[1.5]", "not a slice"),
        ("a=x.mean(0)-x.mean(1)", "reduce the same axes"),
        ("a/b=x.mean(0)", "letters, digits"),
        ("a=x.mean(0", "no )"),
    ] {
        let error = expression(text);
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(fail(&["reduce", &store, "--ops", "mean", "--slice", "0"]).contains("time=::4"));
    let text = succeed(&["reduce", &store, "--ops", "max", "--slice", "longitude=::16", "--slice", "time=3"]);
    assert_eq!(text, "max: 292.162\n");
    let error = fail(&["reduce", &store, "--ops", "mean", "--map", &folder.path("m.png")]);
    assert!(error.contains("a map has two axes"), "{error}");
    assert!(!folder.names().contains(&"m.png".to_owned()));
}

/// Runs the program, and gives the most memory that it had resident, in bytes.
#[cfg(target_os = "linux")]
fn peak(arguments: &[&str]) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavemill"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        most = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0).max(most);
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{:?}", std::io::read_to_string(child.stderr.unwrap()));
            return most * 1024;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// A file of zeros that takes no room on the disk.
fn zeros(path: &str, rows: usize, columns: usize) {
    write_npy(path, &Array2::<f32>::zeros((1, columns))).unwrap();
    let head = fs::read(path).unwrap();
    let start = head.len() - 4 * columns;
    let extents = format!("'shape': ({rows}, {columns})");
    let text =
        String::from_utf8_lossy(&head[10..start]).trim_end().replace(&format!("'shape': (1, {columns})"), &extents);
    let padded = format!("{:width$}\n", text, width = start - 11);
    assert_eq!(padded.len(), start - 10);
    let mut file = File::create(path).unwrap();
    file.write_all(&head[..10]).unwrap();
    file.write_all(padded.as_bytes()).unwrap();
    file.set_len((start + 4 * rows * columns) as u64).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn the_budget_is_kept_on_data_ten_times_as_large() {
    let folder = Folder::new("budget");
    let (x, budget) = (folder.path("x.npy"), 40_000_000);
    // 400 MB: long columns, and long rows.
    for (rows, columns) in [(1_000_000, 100), (100, 1_000_000)] {
        zeros(&x, rows, columns);
        for axis in ["0", "1", "0,1"] {
            for ops in ["mean", "sum,std,max,argmin"] {
                let used = peak(&[
                    "reduce",
                    &x,
                    "--ops",
                    ops,
                    "--axis",
                    axis,
                    "--memory",
                    "40MB",
                    "--out",
                    &folder.path("out"),
                ]);
                let allowed = budget * 11 / 10 + OWN;
                assert!(used <= allowed, "{ops} over {axis} of {rows} x {columns}: {used} bytes, {allowed} allowed");
                assert!(used > 1 << 20, "the measurement saw nothing");
            }
        }
    }
}
