//! Tests of what is read and written: pipes, devices, links, permissions, and results that are there whole or not at
//! all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use ndarray::{Array1, Array2, ArrayD};
use ndarray_npy::{WriteNpyExt, read_npy, write_npy};

use crate::{Folder, fail, succeed};

/// A folder with `a.npy`, the unit matrix of 3 rows.
fn with_matrix(test: &str) -> (Folder, String) {
    let folder = Folder::new(test);
    let a = folder.path("a.npy");
    write_npy(&a, &Array2::<f64>::eye(3)).unwrap();
    (folder, a)
}

fn is_unit(path: &str) -> bool {
    read_npy::<_, ArrayD<f64>>(path).unwrap() == Array2::<f64>::eye(3).into_dyn()
}

#[test]
fn devices_and_pipes_are_written_to_and_stay() {
    let (folder, a) = with_matrix("devices");
    succeed(&["matmul", &a, &a, "--out", "/dev/null"]);
    assert!(!fs::metadata("/dev/null").unwrap().is_file(), "/dev/null was replaced");
    let text =
        Command::new(env!("CARGO_BIN_EXE_wavemill")).args(["matmul", &a, &a, "--out", "/dev/stdout"]).output().unwrap();
    assert!(text.status.success() && text.stdout.starts_with(b"\x93NUMPY"), "{text:?}");
    assert_eq!(folder.names(), ["a.npy"]);
}

#[test]
fn links_are_followed_and_permissions_stay() {
    let (folder, a) = with_matrix("links");
    let (target, link, dangling) = (folder.path("c.npy"), folder.path("link.npy"), folder.path("new.npy"));
    fs::write(&target, "old").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("c.npy", &link).unwrap();
    symlink("d.npy", &dangling).unwrap();
    succeed(&["matmul", &a, &a, "--out", &link]);
    succeed(&["matmul", &a, &a, "--out", &dangling]);
    assert!(is_unit(&target) && is_unit(&folder.path("d.npy")));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    // A new file has the permissions that any program's has.
    fs::write(folder.path("usual"), "").unwrap();
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("d.npy"), mode("usual"));
    assert_eq!(folder.names(), ["a.npy", "c.npy", "d.npy", "link.npy", "new.npy", "usual"]);
}

#[test]
fn input_may_come_through_a_pipe() {
    let mut file = Vec::new();
    Array1::from_iter(1..=4i64).write_npy(&mut file).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavemill"))
        .args(["reduce", "-", "--ops", "sum"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&file).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "sum: 10\n");

    let folder = Folder::new("pipe");
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (to, sent) = (pipe.clone(), file.clone());
    let writer = std::thread::spawn(move || fs::write(to, sent).unwrap());
    assert_eq!(succeed(&["reduce", &pipe, "--ops", "max"]), "max: 4\n");
    writer.join().unwrap();
}

#[test]
fn two_results_need_two_files() {
    let (folder, a) = with_matrix("two-results");
    let out = folder.path("out");
    let error = fail(&["matmul", &a, &a, "--out", &out, "--timings", &out]);
    assert!(error.contains("two results"), "{error}");
    assert_eq!(folder.names(), ["a.npy"]);
}

/// A folder where one of the results cannot be placed: the others are not there either, and earlier ones stay.
#[test]
fn results_of_a_reduction_are_all_there_or_none() {
    let (folder, a) = with_matrix("all-or-none");
    let out = folder.path("out");
    succeed(&["reduce", &a, "--ops", "sum", "--out", &out]);
    let before = fs::read(format!("{out}/sum.npy")).unwrap();
    fs::create_dir(format!("{out}/max.npy")).unwrap();
    write_npy(&a, &Array2::<f64>::ones((3, 3))).unwrap();
    fail(&["reduce", &a, "--ops", "sum,min,max", "--out", &out]);
    assert_eq!(fs::read(format!("{out}/sum.npy")).unwrap(), before);
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["max.npy", "sum.npy"]);
}

#[test]
fn a_name_as_long_as_the_system_allows_is_written() {
    let (folder, a) = with_matrix("long-name");
    let out = folder.path(&format!("{}.npy", "n".repeat(251)));
    succeed(&["matmul", &a, &a, "--out", &out]);
    assert!(is_unit(&out));
}

#[test]
fn more_threads_than_are_of_use_are_refused() {
    let (_folder, a) = with_matrix("threads");
    let error = fail(&["reduce", &a, "--ops", "sum", "--threads", "100000"]);
    assert!(error.contains("at most 1024"), "{error}");
}
