//! Tests of what is read and written: pipes, devices, links, permissions, and results that are there whole or not at
//! all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use ndarray::{Array1, Array2, ArrayD};
use ndarray_npy::{WriteNpyExt, read_npy, write_npy};

use crate::{Folder, fail, succeed, wavemill};

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

/// What a shell makes of a command in which the program is `$W`.
fn shell(script: &str, input: &[u8]) -> std::process::Output {
    let mut child = Command::new("bash")
        .args(["-c", script])
        .env("W", env!("CARGO_BIN_EXE_wavemill"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read it closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn rows_of_text_may_come_through_a_pipe() {
    let folder = Folder::new("rows");
    let path = folder.path("x.csv");
    let text = (0..300).fold("t,y\n".to_owned(), |text, t| text + &format!("{t},{}\n", (0.7 * f64::from(t)).sin()));
    fs::write(&path, &text).unwrap();
    let wanted = succeed(&["periodogram", &path]);
    assert!(wanted.contains("8.97"), "{wanted}");
    let rows = |printed: &str| printed.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    for script in [
        "$W periodogram -",
        "$W periodogram /dev/stdin",
        "$W periodogram <(cat)",
        "mkfifo $F/pipe; $W periodogram $F/pipe & cat > $F/pipe; wait $!",
    ] {
        let output = shell(&script.replace("$F", &folder.0.display().to_string()), text.as_bytes());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {errors}");
        assert_eq!(rows(&String::from_utf8_lossy(&output.stdout)), rows(&wanted), "{script}");
    }
}

#[test]
fn what_is_read_in_parts_is_no_pipe_and_that_is_said() {
    let (folder, a) = with_matrix("parts");
    for script in [
        "$W info -",
        "$W info /dev/stdin",
        "$W info <(cat $A)",
        "$W matmul - $A --memory 1MB --sum",
        "$W matmul $A <(cat $A) --memory 1MB --sum",
        "$W reduce <(cat $A) --ops sum --plan",
    ] {
        let output = shell(&script.replace("$A", &a), &fs::read(&a).unwrap());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{script}: {errors}");
        assert!(errors.contains("in parts"), "{script}: {errors}");
    }
    // Nobody writes to this pipe: to open it would be to wait for ever.
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(fail(&["info", &pipe]).contains("in parts"));
}

#[test]
fn two_results_need_two_files() {
    let (folder, a) = with_matrix("two-results");
    let out = folder.path("out");
    let error = fail(&["matmul", &a, &a, "--out", &out, "--timings", &out]);
    assert!(error.contains("two results"), "{error}");
    let sum = format!("{out}/sum.npy");
    let error = fail(&["reduce", &a, "--ops", "max,sum", "--out", &out, "--timings", &sum]);
    assert!(error.contains("two results"), "{error}");
    for out in [&out, &folder.path("o.zarr")] {
        let error = fail(&["reduce", &a, "--expr", "m=x.max(0)", "--expr", "m=x.min(0)", "--out", out]);
        assert!(error.contains("two results are called m"), "{error}");
    }
    assert_eq!(folder.names(), ["a.npy", "out"]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    // A result that is called like the coordinates of an axis.
    let [weather, store] = ["w.zarr", "o.zarr"].map(|name| folder.path(name));
    succeed(&["demo", "weather", "--shape", "2,3,4", "--chunks", "2,3,4", "--out", &weather]);
    let error = fail(&["reduce", &weather, "--expr", "latitude=x.mean(0)", "--out", &store]);
    assert!(error.contains("two of its arrays are called latitude"), "{error}");
    assert!(!std::path::Path::new(&store).exists());
}

/// The same as of files that are written at once: of those that are written in parts, and of stores.
#[test]
fn what_is_written_in_parts_follows_links_and_keeps_permissions() {
    let (folder, a) = with_matrix("parts-links");
    let product = |out: &str| succeed(&["matmul", &a, &a, "--memory", "4MB", "--out", out]);
    let long = folder.path(&format!("{}.npy", "n".repeat(251)));
    product(&long);
    assert!(is_unit(&long));
    let (target, link, dangling) = (folder.path("c.npy"), folder.path("link.npy"), folder.path("new.npy"));
    fs::write(&target, "old").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("c.npy", &link).unwrap();
    symlink("d.npy", &dangling).unwrap();
    product(&link);
    product(&dangling);
    assert!(is_unit(&target) && is_unit(&folder.path("d.npy")));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    fs::write(folder.path("usual"), "").unwrap();
    assert_eq!((mode("c.npy"), mode("d.npy")), (0o640, mode("usual")));

    let (store, link) = (folder.path("s.zarr"), folder.path("link.zarr"));
    product(&store);
    fs::create_dir(folder.path("usual-folder")).unwrap();
    assert_eq!(mode("s.zarr"), mode("usual-folder"));
    fs::set_permissions(&store, fs::Permissions::from_mode(0o750)).unwrap();
    symlink("s.zarr", &link).unwrap();
    product(&link);
    succeed(&["reduce", &a, "--ops", "sum", "--axis", "0", "--out", &link]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode("s.zarr"), 0o750);
    assert_eq!(succeed(&["reduce", &format!("{store}:sum"), "--ops", "sum"]), "sum: 3.0\n");

    // A file of an earlier run that was killed is in nobody's way.
    for out in ["e.npy", "e.zarr"] {
        for number in 1..40 {
            fs::write(folder.path(&format!(".{out}.{number}.tmp")), "").unwrap();
        }
        product(&folder.path(out));
    }
    // What is not a file stays what it is.
    for (out, part) in [("/dev/null", "not a regular file"), ("/dev/null/c.zarr", "c.zarr"), ("/proc/c.zarr", "/proc")]
    {
        let error = fail(&["matmul", &a, &a, "--memory", "4MB", "--out", out]);
        assert!(error.contains(part), "{error}");
    }
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let left = folder.names().into_iter().filter(|name| name.starts_with(".wavemill")).count();
    assert_eq!(left, 0);
}

/// Stores that cannot be written are refused before the data are read: these do not exist.
#[test]
fn stores_are_tried_before_the_work() {
    let (folder, a) = with_matrix("store-first");
    fs::create_dir(folder.path("mine.zarr")).unwrap();
    fs::write(folder.path("mine.zarr/thesis.txt"), "years of it").unwrap();
    for out in ["/proc/c.zarr", &folder.path("mine.zarr"), &folder.path("no/c.zarr")] {
        for args in [
            &["reduce", "none.npy", "--ops", "sum"][..],
            &["matmul", "none.npy", &a, "--memory", "1MB"],
            &["demo", "weather", "--shape", "1,1,1", "--chunks", "1,1,1"],
        ] {
            let output = wavemill(&[args, &["--out", out]].concat());
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && errors.contains(out), "{args:?}: {errors}");
        }
    }
    assert_eq!(folder.names(), ["a.npy", "mine.zarr"]);
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
