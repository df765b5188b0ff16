//! Fuzz tests of files and stores: whatever their bytes, they are read or refused, without a panic and without more
//! memory than a block needs.

use std::fs;
use std::path::{Path, PathBuf};

use wavemill::source::{self, Options, Region};

use crate::fuzz::fuzz;
use crate::source::Folder;

/// The most bytes of a source that is read whole.
const READ: usize = 1 << 24;

/// Reads a source, if it can be opened and is not too large.
fn read(name: &str) -> bool {
    let Ok(source) = source::open(name, &Options::default()) else { return false };
    let about = source.description();
    assert!(about.chunks.len() == about.shape.len() && about.chunks.iter().all(|&chunk| chunk > 0));
    for axis in 0..about.shape.len() {
        let _ = source.coordinates(axis);
    }
    let bytes = about.bytes();
    bytes <= READ && source.read(&Region::whole(&about.shape), &mut vec![0; bytes]).is_ok()
}

/// The files of the tests, by the end of their name, with the variables in them.
fn files(end: &str) -> Vec<(PathBuf, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    let mut found: Vec<(PathBuf, Vec<String>)> = Vec::new();
    for line in include_str!("data/sources.txt").lines().filter(|line| line.contains(" raw ")) {
        let mut words = line.split(' ');
        let (Some(file), Some(variable)) = (words.next(), words.next()) else { continue };
        if !file.ends_with(end) {
            continue;
        }
        match found.iter_mut().find(|(path, _)| path.ends_with(file)) {
            Some((_, variables)) => variables.push(variable.to_owned()),
            None => found.push((folder.join(file), vec![variable.to_owned()])),
        }
    }
    assert!(!found.is_empty());
    found
}

/// Changes some bytes: to any, to those of large numbers, or cuts the end off.
fn damage(u: &mut arbtest::arbitrary::Unstructured<'_>, bytes: &mut Vec<u8>) -> arbtest::arbitrary::Result<()> {
    for _ in 0..u.int_in_range(0..=6)? {
        let at = u.int_in_range(0..=bytes.len().saturating_sub(1))?;
        match u.int_in_range(0..=4u8)? {
            0 => bytes.truncate(at),
            1 => bytes[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff),
            2 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0),
            3 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = byte.wrapping_add(1)),
            _ => bytes[at] = u.arbitrary()?,
        }
        if bytes.is_empty() {
            break;
        }
    }
    Ok(())
}

#[test]
fn netcdf_files() {
    let folder = Folder::new("fuzz-netcdf");
    let files: Vec<_> = files(".nc").into_iter().map(|(path, names)| (fs::read(path).unwrap(), names)).collect();
    let path = folder.path("x.nc");
    fuzz("netcdf_files", 64, |u| {
        let (bytes, names) = u.choose(&files)?;
        let mut bytes = bytes.clone();
        damage(u, &mut bytes)?;
        fs::write(&path, bytes).unwrap();
        read(&format!("{path}:{}", u.choose(names)?));
        read(&path);
        Ok(())
    });
}

#[test]
fn zarr_stores() {
    let folder = Folder::new("fuzz-zarr");
    let stores = files(".zarr");
    fuzz("zarr_stores", 64, |u| {
        let (store, names) = u.choose(&stores)?;
        let name = u.choose(names)?;
        // The metadata or a chunk of the array is damaged.
        let mut inside: Vec<PathBuf> = Vec::new();
        let mut left = vec![store.join(name)];
        while let Some(next) = left.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { left.push(path) } else { inside.push(path) }
            }
        }
        inside.sort();
        let damaged = u.choose(&inside)?;
        let place = folder.0.join("x.zarr");
        for path in &inside {
            let to = place.join(path.strip_prefix(store).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let mut bytes = fs::read(path).unwrap();
            if path == damaged {
                damage(u, &mut bytes)?;
            }
            fs::write(to, bytes).unwrap();
        }
        read(&format!("{}:{name}", place.display()));
        fs::remove_dir_all(place).unwrap();
        Ok(())
    });
}
