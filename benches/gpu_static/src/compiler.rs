//! Vulkan drivers as compilers: creates pipelines and reads their statistics, but never submits work.

use std::ffi::{CStr, CString};
use std::time::Instant;

use anyhow::{Context, Result};
use ash::vk;

use crate::translate::Module;

/// A driver that reports statistics of compiled pipelines.
pub(crate) struct Compiler {
    pub(crate) name: String,
    device: ash::Device,
    told: ash::khr::pipeline_executable_properties::Device,
    // These are kept because the device needs its instance, and the instance the loader.
    _instance: ash::Instance,
    _entry: ash::Entry,
}

/// The result of compiling one entry point.
pub(crate) struct Compiled {
    pub(crate) module: String,
    pub(crate) entry: String,
    pub(crate) seconds: f64,
    pub(crate) statistics: Vec<(String, f64)>,
}

impl Compiled {
    /// The statistic of this name, in upper or lower case.
    pub(crate) fn statistic(&self, name: &str) -> Option<f64> {
        self.statistics.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
    }

    /// A fault, if there is one: spilled vector registers in f32, or more than `seconds` to compile.
    pub(crate) fn fault(&self, seconds: f64) -> Option<String> {
        let Self { module, entry, .. } = self;
        let spilled = self.statistic("Spilled VGPRs").filter(|&count| count > 0.0 && !module.ends_with("f64"));
        if let Some(spilled) = spilled {
            return Some(format!("{module} {entry}: {spilled} vector registers spilled"));
        }
        (self.seconds > seconds).then(|| format!("{module} {entry}: {:.1} s to compile", self.seconds))
    }
}

impl Compiler {
    /// Every driver that reports statistics and whose device's name contains `wanted`.
    pub(crate) fn all(wanted: &str) -> Result<Vec<Self>> {
        // SAFETY: the loader is the system's, and stays loaded as long as everything that is made with it.
        let entry = unsafe { ash::Entry::load() }.context("no Vulkan loader (libvulkan.so.1)")?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_1);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structures live until the call returns.
        let instance = unsafe { entry.create_instance(&info, None) }?;
        // SAFETY: the instance is alive.
        let physical = unsafe { instance.enumerate_physical_devices() }?;
        let mut found = Vec::new();
        for physical in physical {
            // SAFETY: as above.
            let properties = unsafe { instance.get_physical_device_properties(physical) };
            let name = properties.device_name_as_c_str()?.to_string_lossy().into_owned();
            // SAFETY: as above.
            let extensions = unsafe { instance.enumerate_device_extension_properties(physical) }?;
            let tells = |extension: &vk::ExtensionProperties| {
                extension.extension_name_as_c_str() == Ok(ash::khr::pipeline_executable_properties::NAME)
            };
            if !name.contains(wanted) || !extensions.iter().any(tells) {
                continue;
            }
            // SAFETY: as above.
            let offered = unsafe { instance.get_physical_device_features(physical) };
            let features = vk::PhysicalDeviceFeatures::default()
                .shader_float64(offered.shader_float64 == vk::TRUE)
                .shader_int64(offered.shader_int64 == vk::TRUE);
            let mut statistics =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let names = [ash::khr::pipeline_executable_properties::NAME.as_ptr()];
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queue)
                .enabled_extension_names(&names)
                .enabled_features(&features)
                .push_next(&mut statistics);
            // SAFETY: the structures live until the call returns, and the extension is there.
            let device = unsafe { instance.create_device(physical, &info, None) }?;
            let told = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            found.push(Self { name, device, told, _instance: instance.clone(), _entry: entry.clone() });
        }
        Ok(found)
    }

    /// Compiles every entry point of a module.
    pub(crate) fn compile(&self, module: &Module) -> Result<Vec<Compiled>> {
        module.entries().map(|entry| self.compile_entry(module, entry).with_context(|| module.name.clone())).collect()
    }

    fn compile_entry(&self, module: &Module, entry: &str) -> Result<Compiled> {
        let words = module.spirv(entry)?;
        let bindings: Vec<_> = module
            .naga
            .global_variables
            .iter()
            .filter_map(|(_, variable)| variable.binding.map(|binding| (binding.binding, variable.space)))
            .map(|(binding, space)| {
                let kind = match space {
                    naga::AddressSpace::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                    _ => vk::DescriptorType::STORAGE_BUFFER,
                };
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(kind)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let name = CString::new(entry)?;
        let device = &self.device;
        // SAFETY: what is created lives until it is destroyed below, each structure until its call returns, and the
        // SPIR-V is naga's of a module it found valid.
        unsafe {
            let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set = device.create_descriptor_set_layout(&set, None)?;
            let sets = [set];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = device.create_pipeline_layout(&layout, None)?;
            let shader = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&words), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(shader)
                .name(&name);
            let info = vk::ComputePipelineCreateInfo::default()
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR)
                .stage(stage)
                .layout(layout);
            let begun = Instant::now();
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let seconds = begun.elapsed().as_secs_f64();
            let pipeline = made.map_err(|(_, error)| error)?[0];
            let statistics = self.statistics(pipeline)?;
            device.destroy_pipeline(pipeline, None);
            device.destroy_shader_module(shader, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(set, None);
            Ok(Compiled { module: module.name.clone(), entry: entry.into(), seconds, statistics })
        }
    }

    fn statistics(&self, pipeline: vk::Pipeline) -> Result<Vec<(String, f64)>> {
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline is alive and was created with the flag for statistics.
        let found = unsafe { self.told.get_pipeline_executable_statistics(&info) }?;
        let statistic = |found: &vk::PipelineExecutableStatisticKHR<'_>| {
            // SAFETY: drivers end names with a zero, and say which member of the value is meant.
            unsafe {
                let name = CStr::from_ptr(found.name.as_ptr()).to_string_lossy().into_owned();
                let value = match found.format {
                    vk::PipelineExecutableStatisticFormatKHR::BOOL32 => f64::from(found.value.b32),
                    vk::PipelineExecutableStatisticFormatKHR::INT64 => found.value.i64 as f64,
                    vk::PipelineExecutableStatisticFormatKHR::UINT64 => found.value.u64 as f64,
                    _ => found.value.f64,
                };
                (name, value)
            }
        };
        Ok(found.iter().map(statistic).collect())
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // SAFETY: all that was made on the device is gone.
        unsafe { self.device.destroy_device(None) };
    }
}
