//! The reports: a CSV with a row for every kernel, and a summary with minimum, median and maximum for each family.

use std::collections::BTreeMap;

use crate::compiler::Compiled;

/// The CSV: one line for each kernel, one column for each statistic.
pub(crate) fn csv(compiled: &[Compiled]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in compiled.iter().flat_map(|kernel| &kernel.statistics) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut text = format!("kernel,entry,compile_s,{}\n", names.join(","));
    for kernel in compiled {
        text += &format!("\"{}\",{},{:.4}", kernel.module, kernel.entry, kernel.seconds);
        for name in &names {
            text += &kernel.statistic(name).map_or(",".into(), |value| format!(",{value}"));
        }
        text += "\n";
    }
    text
}

/// Columns of the summary, if the driver reports them.
const COLUMNS: [&str; 9] = [
    "VGPRs",
    "Spilled VGPRs",
    "SGPRs",
    "Spilled SGPRs",
    "LDS size",
    "Subgroups per SIMD",
    "Instructions",
    "Latency",
    "Register Count",
];

/// The summary: minimum / median / maximum of each column, for each kernel and precision.
pub(crate) fn summary(device: &str, compiled: &[Compiled]) -> String {
    let mut families: BTreeMap<String, Vec<&Compiled>> = BTreeMap::new();
    for kernel in compiled {
        let family = kernel.module.split(' ').next().unwrap_or_default();
        let precision = kernel.module.rsplit(' ').next().unwrap_or_default();
        families.entry(format!("{family} {precision}")).or_default().push(kernel);
    }
    let told: Vec<_> =
        COLUMNS.iter().filter(|name| compiled.iter().any(|kernel| kernel.statistic(name).is_some())).collect();
    let mut text = format!("## {device}\n\n| kernel | entry points | seconds to compile |");
    text += &told.iter().map(|name| format!(" {name} |")).collect::<String>();
    text += &format!("\n|---|---|---|{}\n", "---|".repeat(told.len()));
    for (family, kernels) in families {
        text += &format!("| {family} | {} | {} |", kernels.len(), spread(kernels.iter().map(|k| k.seconds), 2));
        for name in &told {
            text += &format!(" {} |", spread(kernels.iter().filter_map(|kernel| kernel.statistic(name)), 0));
        }
        text += "\n";
    }
    text + "\n"
}

fn spread(values: impl Iterator<Item = f64>, digits: usize) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let [Some(least), Some(most)] = [values.first(), values.last()] else { return String::new() };
    format!("{least:.digits$} / {:.digits$} / {most:.digits$}", values[values.len() / 2])
}
