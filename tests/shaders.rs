//! Every shader in every specialisation, held to the language's rules without a device; and every kernel has its twins.

#![cfg(feature = "gpu")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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

/// Bytes of workgroup memory, of which every device has 16 KiB.
fn workgroup_memory(module: &naga::Module) -> u32 {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let shared = module.global_variables.iter().filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup);
    shared.map(|(_, variable)| layouter[variable.ty].size).sum()
}

fn stems(folder: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_dir(root.join(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn twins_have_one_name() {
    let (shaders, cpu, gpu) = (stems("shaders"), stems("src/cpu"), stems("src/gpu"));
    // What is not a kernel has no twin.
    for shader in shaders.iter().filter(|name| !["common", "selftest"].contains(&name.as_str())) {
        assert!(cpu.contains(shader), "src/cpu has no twin of shaders/{shader}.wgsl");
        assert!(gpu.contains(shader), "src/gpu has no host half of shaders/{shader}.wgsl");
    }
}
