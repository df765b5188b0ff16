//! Translates WGSL to SPIR-V, as the library asks wgpu for it, and to the languages of Metal and DX12.

use anyhow::{Context, Result, anyhow};
use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// One specialised shader.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) naga: naga::Module,
    info: ModuleInfo,
}

impl Module {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self> {
        let naga =
            naga::front::wgsl::parse_str(text).map_err(|error| anyhow!("{name}: {}", error.emit_to_string(text)))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::FLOAT64)
            .validate(&naga)
            .map_err(|error| anyhow!("{name}: {}", error.emit_to_string(text)))?;
        Ok(Self { name: name.into(), naga, info })
    }

    /// Names of the entry points.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &str> {
        self.naga.entry_points.iter().map(|entry| entry.name.as_str())
    }

    /// The SPIR-V that `gpu/pipeline.rs` asks wgpu for in release builds: without checks and bounds on loops.
    pub(crate) fn spirv(&self, entry: &str) -> Result<Vec<u32>> {
        let unchecked = BoundsCheckPolicy::Unchecked;
        let options = spv::Options {
            lang_version: (1, 3),
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: BoundsCheckPolicies {
                index: unchecked,
                buffer: unchecked,
                image_load: unchecked,
                binding_array: unchecked,
            },
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: false,
            emit_int_div_checks: false,
            ..spv::Options::default()
        };
        let of = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.into() };
        spv::write_vec(&self.naga, &self.info, &options, Some(&of)).with_context(|| self.name.clone())
    }

    /// The errors of translating the module as wgpu does, for Metal, which has no f64, and for DX12.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failed = Vec::new();
        if !self.name.ends_with("f64") {
            let options = msl::Options { lang_version: (2, 3), ..msl::Options::default() };
            if let Err(error) = msl::write_string(&self.naga, &self.info, &options, &msl::PipelineOptions::default()) {
                failed.push(format!("{} for Metal: {error}", self.name));
            }
        }
        let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..hlsl::Options::default() };
        let mut text = String::new();
        let pipeline = hlsl::PipelineOptions::default();
        if let Err(error) = hlsl::Writer::new(&mut text, &options, &pipeline).write(&self.naga, &self.info, None) {
            failed.push(format!("{} for DX12: {error}", self.name));
        }
        failed
    }
}
