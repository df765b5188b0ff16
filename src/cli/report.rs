//! The report of `bench`: a table on the terminal, results.json, results.csv, and the plots.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use wavemill::significant;

use crate::cases::{Group, PUBLISHED, PUBLISHED_POINTS};
use crate::rows::Report;
use crate::{output, plot};

impl Report {
    /// Prints the table and writes the files to the folder.
    pub(crate) fn publish(&self, folder: &Path) -> Result<()> {
        output::print(&self.table()?)?;
        output::write_json(&folder.join("results.json"), &self.json())?;
        output::write_text(&folder.join("results.csv"), &self.csv()?)?;
        output::write_text(&folder.join("ladder.svg"), &plot::ladder(self)?)?;
        output::write_text(&folder.join("table.svg"), &plot::table(self)?)?;
        output::write_text(&folder.join("families.svg"), &plot::families(self)?)?;
        output::print(&format!(
            "\nMeasured in {:.0} s. Written: {}\n",
            self.seconds,
            ["results.json", "results.csv", "ladder.svg", "table.svg", "families.svg"]
                .map(|name| folder.join(name).display().to_string())
                .join(", ")
        ))
    }

    fn table(&self) -> Result<String> {
        let mut text = String::new();
        for (number, name) in self.devices.iter().enumerate() {
            writeln!(text, "\n{name}")?;
            for (group, title) in [
                (Group::Ladder, "The 2015 ladder: M points to M modes, x = 100 rand, c = sin x"),
                (Group::Table, "Uniform random points"),
            ] {
                writeln!(text, "\n{title}")?;
                writeln!(
                    text,
                    "{:<10}  {:>15}  {:>8}  {:<4} {:>6}  {:>11}  {:>11}  {:>9}  {:>8}",
                    "transform", "modes", "points", "type", "tol", "total", "execute", "Mpoints/s", "error"
                )?;
                for row in self.part(group, number) {
                    let warning = if row.kept_promise() { "" } else { "  above 4 x tol" };
                    writeln!(
                        text,
                        "{:<10}  {:>15}  {:>8}  {:<4} {:>6}  {:>11}  {:>11}  {:>9}  {:>8}{warning}",
                        row.label,
                        row.extents,
                        row.points,
                        row.precision.to_string(),
                        format!("{:e}", row.tolerance),
                        duration(row.total),
                        duration(row.execute),
                        significant(row.rate() / 1e6, 4),
                        format!("{:.1e}", row.error),
                    )?;
                }
            }
        }
        for (number, name) in self.devices.iter().enumerate().filter(|_| !self.rates.is_empty()) {
            writeln!(
                text,
                "\n{name}\n\nReductions and matrix products, beside the most that memory or arithmetic allows"
            )?;
            for rate in self.rates.iter().filter(|rate| rate.device == number) {
                let ceiling = rate.ceiling.map_or(String::new(), |most| format!("of {}", significant(most, 3)));
                let (unit, at) = (rate.unit(), significant(rate.rate, 3));
                let took = duration(rate.seconds);
                writeln!(
                    text,
                    "{:<36}  {took:>11}  {at:>8} {ceiling:<10} {unit:<8} error {:.1e}",
                    rate.what, rate.error
                )?;
            }
        }
        for skip in &self.skipped {
            writeln!(text, "\n{} did not compute {}: {}", skip.device, skip.case, skip.reason)?;
        }
        text.push_str(
            "\ntotal: a fresh plan, its points and one execution.\n\
             execute, Mpoints/s: one execution with the plan and the points kept.\n\
             error: relative, against sums by the definition on a sample of the result; in the l2 norm for transforms\n\
             and products, the maximum for reductions.\n",
        );
        Ok(text)
    }

    fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "group": row.group.name(),
                    "device": self.devices[row.device],
                    "type": row.kind,
                    "points": row.points,
                    "tolerance": row.tolerance,
                    "seconds": {
                        "plan": row.plan,
                        "set_points": row.set_points,
                        "execute": row.execute,
                        "total": row.total,
                    },
                    "points_per_second": row.rate(),
                    "error": row.error,
                    "within_law": row.kept_promise(),
                    "runs": row.runs,
                    "recipe": row.recipe,
                })
            })
            .collect();
        let published: Vec<_> = PUBLISHED.iter().map(|(name, time)| json!({ "name": name, "seconds": time })).collect();
        let skipped: Vec<_> = self
            .skipped
            .iter()
            .map(|skip| json!({ "device": skip.device, "case": skip.case, "reason": skip.reason }))
            .collect();
        json!({
            "wavemill": env!("CARGO_PKG_VERSION"),
            "measured": jiff::Timestamp::now().to_string(),
            "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "threads": rayon::current_num_threads(),
            "quick": self.quick,
            "devices": self.devices,
            "rows": rows,
            "families": self.rates.iter().map(|rate| rate.json(&self.devices)).collect::<Vec<_>>(),
            "skipped": skipped,
            "published_2015": { "points": PUBLISHED_POINTS, "times": published },
        })
    }

    fn csv(&self) -> Result<String> {
        let head = [
            "group",
            "device",
            "type",
            "dimensions",
            "modes",
            "points",
            "precision",
            "tolerance",
            "plan_s",
            "set_points_s",
            "execute_s",
            "total_s",
            "points_per_s",
            "error",
            "runs",
        ];
        let rows = self.rows.iter().map(|row| {
            let number = |value: f64| format!("{value:e}");
            vec![
                row.group.name().to_owned(),
                self.devices[row.device].clone(),
                row.kind.to_string(),
                row.dimensions.to_string(),
                row.extents.replace(" x ", "x"),
                row.points.to_string(),
                row.precision.to_string(),
                number(row.tolerance),
                number(row.plan),
                number(row.set_points),
                number(row.execute),
                number(row.total),
                number(row.rate()),
                number(row.error),
                row.runs.to_string(),
            ]
        });
        output::csv(std::iter::once(head.map(str::to_owned).to_vec()).chain(rows))
    }
}

/// Formats a time with four digits, in a suitable unit.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", significant(s * 1e6, 4)),
        s if s < 1.0 => format!("{} ms", significant(s * 1e3, 4)),
        s => format!("{} s", significant(s, 4)),
    }
}
