//! Compiles every GPU kernel without running one: reports registers, spills, occupancy and compile times from each
//! Vulkan driver there is, and whether naga can translate every kernel for Metal and DX12.
//!
//! Mesa's compiler for AMD's GPUs runs without one: with `RADV_FORCE_FAMILY=navi21` or `gfx1100` in the environment and
//! `VK_DRIVER_FILES` at `radeon_icd.x86_64.json` there is a device that compiles and never computes.

mod compiler;
mod report;
mod translate;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Parser;

use crate::compiler::{Compiled, Compiler};

/// What a GPU's compiler says of every kernel.
#[derive(Debug, Parser)]
struct Args {
    /// Only kernels whose names contain all of these.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Only drivers whose device's name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    device: String,
    /// File to write every kernel's statistics to; the name of the device and `.csv` are appended.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// File to write the summary by family to, in Markdown.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Fails if a kernel in f32 spills vector registers, or if a pipeline takes longer than this to compile.
    #[arg(long, value_name = "SECONDS")]
    strict: Option<f64>,
    /// Fails if naga cannot translate a kernel for Metal or DX12.
    #[arg(long)]
    translate: bool,
    /// Begins no further kernel after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = f64::INFINITY)]
    limit: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut sources = wavemill::gpu::shader_sources();
    sources.retain(|(name, _)| args.only.iter().all(|part| name.contains(part)));
    ensure!(!sources.is_empty(), "no kernel's name contains {:?}", args.only);
    let modules =
        sources.iter().map(|(name, text)| translate::Module::parse(name, text)).collect::<Result<Vec<_>>>()?;
    let mut wrong = Vec::new();
    if args.translate {
        let failed: Vec<String> = modules.iter().flat_map(translate::Module::failures).collect();
        println!("{} modules written for Metal and DX12, {} failures", modules.len(), failed.len());
        wrong.extend(failed);
    }
    let compilers = Compiler::all(&args.device)?;
    if compilers.is_empty() && args.strict.is_some() {
        bail!("no Vulkan driver tells statistics of pipelines (VK_KHR_pipeline_executable_properties)");
    }
    let mut summary = String::new();
    for compiler in compilers {
        let begun = std::time::Instant::now();
        let mut compiled: Vec<Compiled> = Vec::new();
        for module in &modules {
            if begun.elapsed().as_secs_f64() > args.limit {
                break;
            }
            compiled.extend(compiler.compile(module)?);
        }
        let took = begun.elapsed().as_secs_f64();
        println!("{}: {} entry points in {took:.1} s", compiler.name, compiled.len());
        if let Some(out) = &args.out {
            let device = compiler.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            std::fs::write(format!("{}-{device}.csv", out.display()), report::csv(&compiled))?;
        }
        summary += &report::summary(&compiler.name, &compiled);
        if let Some(seconds) = args.strict {
            wrong.extend(compiled.iter().filter_map(|kernel| kernel.fault(seconds)));
        }
    }
    print!("{summary}");
    if let Some(path) = &args.summary {
        std::fs::write(path, summary)?;
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
