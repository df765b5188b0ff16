//! A compiled kernel: what the cache of kernels holds.

/// A pipeline, and the layout of its bindings.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}
