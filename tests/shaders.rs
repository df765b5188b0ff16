//! Tests of the shaders, without a device: every specialisation is valid WGSL, and every kernel has a file of the same
//! name in `shaders`, `src/cpu` and `src/gpu`.

#![cfg(feature = "gpu")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use naga::valid::{Capabilities, ValidationFlags, Validator};

#[test]
fn every_specialisation_is_valid() {
    let sources = wavemill::gpu::shader_sources();
    let names: BTreeSet<_> = sources.iter().map(|(name, _)| name).collect();
    for kernel in ["spread", "interp"] {
        for axes in 1..=3 {
            for width in 2..=16 {
                let name = format!("{kernel} {axes}d w{width} ");
                for real in ["f32", "f64"] {
                    assert!(names.iter().any(|n| n.starts_with(&name) && n.ends_with(real)), "no {name}in {real}");
                }
            }
        }
    }
    for (name, text) in &sources {
        let module =
            naga::front::wgsl::parse_str(text).unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(text)));
        let mut capabilities = Capabilities::empty();
        capabilities.set(Capabilities::FLOAT64, name.ends_with("f64"));
        Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(text)));
        if name.starts_with("reduce") {
            assert!(workgroup_memory(&module) <= 16 << 10, "{name}: {} bytes", workgroup_memory(&module));
        }
    }
}

/// Bytes of workgroup memory that a module uses; every device has 16 KiB.
fn workgroup_memory(module: &naga::Module) -> u32 {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let shared = module.global_variables.iter().filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup);
    shared.map(|(_, variable)| layouter[variable.ty].size).sum()
}

/// The paths in a folder of the crate.
fn listed(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The names of the files with this extension, without it.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let wanted = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    listed(folder).into_iter().filter(wanted).map(|path| stem(&path)).collect()
}

#[test]
fn twins_have_one_name() {
    let (shaders, cpu, gpu) = (stems("shaders", "wgsl"), stems("src/cpu", "rs"), stems("src/gpu", "rs"));
    assert!(shaders.contains("spread"));
    // Files that are not kernels have no twin.
    for shader in shaders.iter().filter(|name| !["common", "selftest"].contains(&name.as_str())) {
        assert!(cpu.contains(shader), "src/cpu has no twin of shaders/{shader}.wgsl");
        assert!(gpu.contains(shader), "src/gpu has no host half of shaders/{shader}.wgsl");
    }
    // A folder contains pieces of the shader of the same name.
    for folder in listed("shaders").into_iter().filter(|path| path.is_dir()).map(|path| stem(&path)) {
        assert!(shaders.contains(&folder), "there is no shaders/{folder}.wgsl that has the pieces of shaders/{folder}");
    }
}

/// Functions, bindings and workgroup memory are in `shaders/`; Rust code generates only unrolled lines.
#[test]
fn shaders_are_not_in_strings() {
    for path in listed("src/gpu") {
        let text = fs::read_to_string(&path).unwrap();
        for wgsl in ["@compute", "@group(", "var<", "\"fn ", "\\nfn "] {
            let line = text.lines().position(|line| line.contains(wgsl));
            assert!(line.is_none(), "{}: {wgsl} in line {}", path.display(), line.unwrap_or(0) + 1);
        }
    }
}
