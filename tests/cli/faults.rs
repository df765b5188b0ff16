//! Tests of faults while files are written: a full disk, folders that cannot be written to, a program that is killed,
//! and too little memory. Whatever happens, a file that was there before is there as it was, or whole and new.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2};
use ndarray_npy::write_npy;

use crate::{Folder, fail, succeed};

/// The program with limits on its resources, given as (resource, limit).
fn limited(args: &[&str], limits: &[(i32, u64)]) -> Output {
    let limits = limits.to_vec();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavemill"));
    // SAFETY: between fork and exec these calls, which only set limits and a signal's action, are allowed.
    unsafe {
        command.args(args).pre_exec(move || {
            for &(resource, limit) in &limits {
                let both = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                if libc::setrlimit(resource as _, &both) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            // A write beyond the limit is then an error, as on a full disk, and not the end of the program.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            Ok(())
        })
    };
    command.output().unwrap()
}

/// The one line of the error of a program that failed.
fn line(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

/// A folder with a.npy, a matrix of so many rows of ones.
fn with_square(test: &str, rows: usize) -> (Folder, String) {
    let folder = Folder::new(test);
    let a = folder.path("a.npy");
    write_npy(&a, &Array2::<f64>::ones((rows, rows))).unwrap();
    (folder, a)
}

#[test]
fn a_full_disk_is_an_error_and_leaves_what_was_there() {
    let (folder, a) = with_square("full", 200);
    let x = folder.path("x.npy");
    write_npy(&x, &Array1::from_iter((0..500).map(|j| f64::from(j) * 0.01))).unwrap();
    let [c, f, t, out] = ["c.npy", "f.npy", "t.json", "out"].map(|name| folder.path(name));
    succeed(&["reduce", &a, "--ops", "sum", "--axis", "0", "--out", &out]);
    let sum = fs::read(format!("{out}/sum.npy")).unwrap();
    for file in [&c, &f, &t] {
        fs::write(file, "old").unwrap();
    }
    let before = folder.names();
    let product = ["matmul", &a, &a, "--out", &c, "--timings", &t, "--device", "cpu"];
    let transform = ["nufft", "--type", "1", "--modes", "3000", "--points", &x, "--values", &x, "--out", &f];
    let reduction = ["reduce", &a, "--ops", "max,sum,min", "--axis", "1", "--out", &out, "--device", "cpu"];
    // The limit is reached in a header, in a buffer, and in the last bytes.
    for limit in [0, 100, 1000, 320_000] {
        for (args, bytes) in [(&product[..], 320_128), (&transform, 48_128), (&reduction, 1728)] {
            let output = limited(args, &[(libc::RLIMIT_FSIZE as i32, limit)]);
            if limit < bytes {
                let error = line(&output);
                assert!(error.contains("cannot write") || error.contains("File too large"), "{error}");
                assert!(["c.npy", "f.npy", "t.json", "out"].iter().any(|name| error.contains(name)), "{error}");
            }
        }
        // Only the transform and the reduction fit into the largest limit.
        if limit < 48_128 {
            assert_eq!(fs::read(&f).unwrap(), b"old");
        }
        assert_eq!(fs::read(&c).unwrap(), b"old", "{limit}");
        assert_eq!(folder.names(), before, "{limit}");
        if limit < 1728 {
            assert_eq!(fs::read(format!("{out}/sum.npy")).unwrap(), sum);
            assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
        }
    }
    let error = fail(&["matmul", &a, &a, "--out", "/dev/full"]);
    assert!(error.contains("/dev/full") && error.contains("No space left"), "{error}");
}

/// Not even root can make files in /proc, or in a folder that is a file.
#[test]
fn folders_that_cannot_be_written_to_are_found_before_the_work() {
    let (folder, a) = with_square("read-only", 1500);
    let inside = format!("{a}/c.npy");
    for out in ["/proc/c.npy", "/proc/sys/c.npy", &inside] {
        let begun = Instant::now();
        let error = fail(&["matmul", &a, &a, "--out", out, "--device", "cpu"]);
        assert!(error.contains(out), "{error}");
        let error = fail(&["nufft", "--type", "1", "--modes", "9", "--points", "x", "--values", "c", "--out", out]);
        assert!(error.contains(out), "the file of points is read before: {error}");
        assert!(begun.elapsed() < Duration::from_secs(5), "the work was done before: {error}");
    }
    for out in ["/proc/results", a.as_str()] {
        let begun = Instant::now();
        assert!(fail(&["reduce", &a, "--ops", "sum", "--out", out]).contains(out));
        assert!(fail(&["bench", "--quick", "--out", out]).contains(out));
        assert!(begun.elapsed() < Duration::from_secs(5), "the measurements were made before");
    }
    assert_eq!(folder.names(), ["a.npy"]);
}

fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_wavemill")).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Ends the program after so long by a signal, and waits for it.
fn killed(args: &[&str], after: Duration, signal: i32) -> bool {
    let mut child = start(args);
    std::thread::sleep(after);
    // SAFETY: the child was not waited for, so that its number is its own.
    unsafe { libc::kill(child.id().cast_signed(), signal) };
    !child.wait().unwrap().success()
}

#[test]
fn a_killed_program_leaves_the_old_file_or_the_new_one() {
    let folder = Folder::new("killed");
    // The work is small and the file large, so that most of the time is spent on writing.
    let [a, c] = ["a.npy", "c.npy"].map(|name| folder.path(name));
    write_npy(&a, &Array2::<f64>::ones((2000, 1))).unwrap();
    let args = ["matmul", &a, &a, "--trans-b", "--out", &c, "--device", "cpu"];
    let begun = Instant::now();
    succeed(&args);
    let (took, new) = (begun.elapsed(), fs::read(&c).unwrap());
    let temporary = |folder: &Folder| folder.names().into_iter().filter(|name| name.ends_with(".tmp")).count();
    let (mut ended, mut halfway) = (0, 0);
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGINT] {
        for step in 0..30u32 {
            fs::write(&c, "old").unwrap();
            if killed(&args, took * step / 25, signal) {
                ended += 1;
            }
            let found = fs::read(&c).unwrap();
            assert!(found == b"old" || found == new, "{} bytes of a file of {}", found.len(), new.len());
            halfway += temporary(&folder);
            if signal != libc::SIGKILL {
                assert_eq!(temporary(&folder), 0, "a temporary file is left");
            }
            for name in folder.names().iter().filter(|name| name.ends_with(".tmp")) {
                fs::remove_file(folder.path(name)).unwrap();
            }
        }
    }
    assert!(ended > 0 && halfway > 0, "{ended} programs were killed, {halfway} while they wrote");
    eprintln!("{ended} of 90 programs were killed, {halfway} while they wrote");
}

/// Writing beyond a limit ends a program by a signal, which here comes at each of its writes in turn.
#[test]
fn a_program_killed_at_any_write_leaves_the_old_file_or_the_new_one() {
    let (folder, a) = with_square("each-write", 100);
    let [c, out, part] = ["c.npy", "out", "p.npy"].map(|name| folder.path(name));
    let product = ["matmul", &a, &a, "--out", &c, "--device", "cpu"];
    let parts = ["matmul", &a, &a, "--memory", "4MB", "--out", &part, "--device", "cpu"];
    let reduction = ["reduce", &a, "--ops", "max,sum,min", "--axis", "1", "--out", &out, "--device", "cpu"];
    let new = [(&product[..], &c), (&parts, &part), (&reduction, &format!("{out}/sum.npy"))].map(|(args, path)| {
        succeed(args);
        (args, path.clone(), fs::read(path).unwrap())
    });
    for (args, path, new) in new {
        let mut killed = 0;
        // Files are written in pieces of 8 KiB, and the header of one that is written in parts alone.
        for limit in [0, 1, 100, 127, 128].into_iter().chain((200..new.len() as u64 + 9000).step_by(4000)) {
            fs::write(&path, "old").unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_wavemill"));
            // SAFETY: between fork and exec these calls, which only set limits, are allowed.
            unsafe {
                command.args(args).pre_exec(move || {
                    for (resource, limit) in [(libc::RLIMIT_FSIZE, limit), (libc::RLIMIT_CORE, 0)] {
                        let both = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                        if libc::setrlimit(resource, &both) != 0 {
                            return Err(std::io::Error::last_os_error());
                        }
                    }
                    Ok(())
                })
            };
            let status = command.output().unwrap().status;
            let ended = status.signal() == Some(libc::SIGXFSZ);
            assert!(ended || status.success(), "{limit}: {status}");
            let found = fs::read(&path).unwrap();
            assert_eq!(found, if ended { &b"old"[..] } else { &new }, "{args:?} {limit}");
            killed += usize::from(ended);
            for place in [&folder.0, &folder.0.join("out")] {
                for entry in fs::read_dir(place).unwrap().map(Result::unwrap) {
                    if entry.file_name().to_string_lossy().ends_with(".tmp") {
                        fs::remove_file(entry.path()).unwrap();
                    }
                }
            }
        }
        assert!(killed >= 4, "{args:?}: {killed}");
    }
}

#[test]
fn too_little_memory_ends_without_half_a_file() {
    let (folder, a) = with_square("memory", 1500);
    let [c, out] = ["c.npy", "out"].map(|name| folder.path(name));
    let product = ["matmul", &a, &a, "--out", &c, "--device", "cpu", "--threads", "2"];
    succeed(&product);
    let new = fs::read(&c).unwrap();
    let mut refused = 0;
    for megabytes in (16..320).step_by(16) {
        // Below some limit not even the system's loader works.
        if !limited(&["--version"], &[(libc::RLIMIT_AS as i32, megabytes << 20)]).status.success() {
            continue;
        }
        fs::write(&c, "old").unwrap();
        let output = limited(&product, &[(libc::RLIMIT_AS as i32, megabytes << 20)]);
        let found = fs::read(&c).unwrap();
        assert!(found == b"old" || found == new, "{megabytes} MB: {} bytes", found.len());
        assert_eq!(output.status.success(), found == new, "{megabytes} MB: {output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        if errors.contains("there is no memory") || errors.contains("refused them") {
            line(&output);
            refused += 1;
        } else if !output.status.success() {
            // Threads or small allocations that fail end the program, with a message.
            assert!(output.status.code().is_some() || output.status.signal() == Some(libc::SIGABRT), "{output:?}");
            assert!(!errors.is_empty(), "{output:?}");
        }
        let reduction = ["reduce", &a, "--ops", "sum,min", "--axis", "0", "--out", &out, "--threads", "2"];
        let output = limited(&reduction, &[(libc::RLIMIT_AS as i32, megabytes << 20)]);
        let files = fs::read_dir(&out).map_or(0, Iterator::count);
        assert!(files == 0 || files == 2, "{megabytes} MB: {files} files");
        assert!(files == 2 || !output.status.success(), "{output:?}");
    }
    assert!(refused > 0, "no limit was reached by an array");
    let left: Vec<_> = folder.names().into_iter().filter(|name| name.ends_with(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Stores and files that are written in parts: products of matrices larger than the memory allowed, and results.
#[test]
fn stores_are_there_whole_or_not_at_all() {
    let (folder, a) = with_square("stores", 600);
    let [npy, zarr] = ["c.npy", "c.zarr"].map(|name| folder.path(name));
    let product = |out: &str| {
        ["matmul".to_owned(), a.clone(), a.clone(), "--memory".into(), "4MB".into(), "--out".into(), out.to_owned()]
    };
    for out in [&npy, &zarr] {
        let owned = product(out);
        let args: Vec<&str> = owned.iter().map(String::as_str).collect();
        // The disk is full.
        for limit in [0, 100] {
            let error = line(&limited(&args, &[(libc::RLIMIT_FSIZE as i32, limit)]));
            assert!(error.contains("cannot write"), "{error}");
            assert_eq!(folder.names(), ["a.npy"]);
        }
        // The program is ended by a signal, at times from its start to beyond its end.
        let mut ended = 0;
        for step in 0..12 {
            ended += usize::from(killed(&args, Duration::from_millis(8 * step), libc::SIGTERM));
            let names = folder.names();
            let whole = names == ["a.npy"] || names.len() == 2 && out.ends_with(&names[1]);
            assert!(whole, "{names:?}");
            if names.len() == 2 {
                assert!(succeed(&["reduce", out, "--ops", "sum"]).starts_with("sum: 216000000.0"));
                if out == &npy { fs::remove_file(out).unwrap() } else { fs::remove_dir_all(out).unwrap() }
            }
        }
        assert!(ended > 0, "it was too fast to be ended");
    }
}
