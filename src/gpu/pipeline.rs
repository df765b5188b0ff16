//! From WGSL to pipelines: templates, unrolled code, compilation, the cache of kernels, and bind groups.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::error::Result;
use crate::gpu::cache::Kept;
use crate::gpu::device::{Context, lock};
use crate::gpu::kernel::Kernel;
use crate::real::Real;

const COMMON: &str = include_str!("../../shaders/common.wgsl");

/// Workgroups along the first axis of a dispatch, each of whose axes takes 65,535 at most.
const ROW: u32 = 32768;

/// How a kernel sees one of its bindings.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    /// Parameters of the dispatches that follow.
    Uniform,
    /// Parameters of one dispatch, at an offset given with it.
    Call,
    /// An array that is read.
    Read,
    /// An array that is written.
    Write,
}

/// A specialised shader. Its name differs from that of every other one, so it is the key in the cache of kernels.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
}

/// Fills in a shader's template, and puts it behind the code that all shaders share.
pub(super) fn generate<T: Real>(name: String, template: &str, values: &[(&str, String)]) -> Source {
    generate_as(T::NAME, name, template, values)
}

/// The same, with `real` as the name of the real type in WGSL.
pub(super) fn generate_as(real: &str, name: String, template: &str, values: &[(&str, String)]) -> Source {
    let mut text = format!("{COMMON}\n{template}").replace("{{T}}", real).replace("{{ROW}}", &ROW.to_string());
    for (key, value) in values {
        text = text.replace(&format!("{{{{{key}}}}}"), value);
    }
    debug_assert!(!text.contains("{{"), "{name}: {}", text.split("{{").nth(1).unwrap_or_default());
    Source { name: format!("{name} {real}"), text }
}

/// The shader's function that evaluates a panel of the spreading kernel. Horner's rule is unrolled, as drivers unroll
/// no loops.
pub(super) fn horner(padded: usize, degree: usize) -> String {
    let line = |power| format!("value = fma(value, s, coefficients[{}u + cell]);", power * padded);
    include_str!("../../shaders/spread/kernel.wgsl").replace("{{HORNER}}", &unrolled(1..degree + 1, line))
}

/// Lines of WGSL, one for each index.
pub(super) fn unrolled(indices: std::ops::Range<usize>, line: impl Fn(usize) -> String) -> String {
    indices.map(line).collect::<Vec<_>>().join("\n    ")
}

/// The extent of a dispatch of `groups` workgroups; the shader's `unfolded` is its inverse.
pub(super) fn folded(groups: usize) -> (u32, u32) {
    let groups = groups as u32;
    if groups <= ROW { (groups, 1) } else { (ROW, groups.div_ceil(ROW)) }
}

impl Context {
    /// The compiled kernel, from the cache if it was compiled before.
    pub(super) fn kernel(&self, source: &Source, entry: &str, slots: &[Slot]) -> Result<Arc<Kernel>> {
        let key = format!("{} {entry}", source.name);
        let mut kernels = lock(&self.kernels);
        if let Some(kernel) = kernels.get(&key) {
            return Ok(Arc::clone(kernel));
        }
        let begun = Instant::now();
        let kernel = Arc::new(self.checked(&key, || self.compile(&key, source, entry, slots))?);
        self.compiling.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        kernels.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }

    fn compile(&self, label: &str, source: &Source, entry: &str, slots: &[Slot]) -> Kernel {
        let entries: Vec<_> = slots.iter().zip(0..).map(|(&slot, binding)| layout_entry(slot, binding)).collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let checks = if self.checked_shaders.load(Ordering::Relaxed) {
            wgpu::ShaderRuntimeChecks::checked()
        } else {
            wgpu::ShaderRuntimeChecks::unchecked()
        };
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.text.as_str().into()),
        };
        // SAFETY: the text is this crate's own: every loop is bounded by a constant or a count from the host, and every
        // index is below an array's length for the jobs, cells and bins the host makes; with debug assertions both are
        // checked.
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, checks) };
        let kept = lock(&self.kept);
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: kept.as_ref().map(Kept::cache),
        });
        Kernel { pipeline, layout }
    }

    /// Resources for a kernel's slots, in their order.
    pub(super) fn bind(
        &self,
        what: &str,
        kernel: &Kernel,
        resources: Vec<wgpu::BindingResource<'_>>,
    ) -> Result<wgpu::BindGroup> {
        let entries: Vec<_> = resources
            .into_iter()
            .zip(0..)
            .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let descriptor = wgpu::BindGroupDescriptor { label: Some(what), layout: &kernel.layout, entries: &entries };
        self.checked(what, || self.device.create_bind_group(&descriptor))
    }
}

fn layout_entry(slot: Slot, binding: u32) -> wgpu::BindGroupLayoutEntry {
    let (ty, has_dynamic_offset) = match slot {
        Slot::Uniform => (wgpu::BufferBindingType::Uniform, false),
        Slot::Call => (wgpu::BufferBindingType::Uniform, true),
        Slot::Read => (wgpu::BufferBindingType::Storage { read_only: true }, false),
        Slot::Write => (wgpu::BufferBindingType::Storage { read_only: false }, false),
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}

/// Limits of a large GPU.
pub(super) fn roomy() -> wgpu::Limits {
    wgpu::Limits {
        max_compute_workgroup_storage_size: 48 << 10,
        max_compute_invocations_per_workgroup: 1024,
        ..wgpu::Limits::default()
    }
}
