//! Compiled pipelines kept in a file, from one run of a program to the next.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::gpu::device::Context;

/// A driver's cache and its file.
#[derive(Debug)]
pub(super) struct Kept {
    cache: wgpu::PipelineCache,
    file: PathBuf,
}

impl Kept {
    /// What the driver compiles with.
    pub(super) fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Opens the device's file in a folder, or begins it.
    pub(super) fn open(context: &Context, folder: &Path) -> Result<Self> {
        let none = || {
            context.error(
                "its driver keeps no compiled pipelines (PIPELINE_CACHE); nothing is gained by a folder for them",
            )
        };
        let name = wgpu::util::pipeline_cache_key(&context.info).ok_or_else(none)?;
        if !context.features.contains(wgpu::Features::PIPELINE_CACHE) {
            return Err(none());
        }
        fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
        let file = folder.join(name);
        let data = match fs::read(&file) {
            Ok(data) => Some(data),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(&file, &error)),
        };
        let cache = context.checked("the pipeline cache", || {
            // SAFETY: the file is the one that `save` wrote; wgpu holds its header to the device and the driver, and begins anew where it
            // does not fit.
            unsafe {
                context.device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                    label: Some("wavemill"),
                    data: data.as_deref(),
                    fallback: true,
                })
            }
        })?;
        Ok(Self { cache, file })
    }

    /// Writes the file, whole or not at all.
    pub(super) fn save(&self) -> Result<()> {
        let Some(data) = self.cache.get_data() else { return Ok(()) };
        let draft = self.file.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&draft, data)
            .and_then(|()| fs::rename(&draft, &self.file))
            .map_err(|error| unusable(&self.file, &error))
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::parameter(
        "the folder for pipelines",
        "one that can be read and written",
        format!("{} ({error})", path.display()),
    )
}
