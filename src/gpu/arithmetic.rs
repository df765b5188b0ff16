//! The reduction shader for each kind of number: the template `shaders/reduce.wgsl` filled in with the arithmetic of
//! `shaders/reduce/`, without the sections that a reduction does not need. Complex numbers are vectors of two, whose
//! parts are summed side by side.

use crate::gpu::pipeline::{Source, generate_as};
use crate::gpu::record::{Format, Kind};
use crate::reduce::quantity::{Needs, Quantity};

const F32: &str = include_str!("../../shaders/reduce/f32.wgsl");
const F64: &str = include_str!("../../shaders/reduce/f64.wgsl");
const FLOATS: &str = include_str!("../../shaders/reduce/floats.wgsl");
const INTEGERS: &str = include_str!("../../shaders/reduce/integers.wgsl");

/// How the shader interprets the elements in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Real numbers.
    Elements,
    /// Complex numbers, or integers in two halves: both parts are reduced.
    Pairs,
    /// Complex numbers z of which |z|² is reduced.
    Powers,
}

/// Lanes of a workgroup: their states fit the 16 KiB of workgroup memory that every device has.
pub(super) fn lanes(kind: Kind, load: Load) -> usize {
    if kind == Kind::F64 && load == Load::Pairs { 32 } else { 64 }
}

/// The name of a quantity's sections in the templates, if it has any.
fn section(quantity: Quantity) -> Option<&'static str> {
    Some(match quantity {
        Quantity::Total => "total",
        Quantity::Moments => "moments",
        Quantity::Least => "least",
        Quantity::Greatest => "greatest",
        Quantity::Product => "product",
        Quantity::Absolute => "absolute",
        Quantity::Squares => "squares",
        Quantity::Weighted => "weighted",
        // Elements are always counted, and extremes always have their places.
        Quantity::Count | Quantity::Truths | Quantity::FirstLeast | Quantity::FirstGreatest => return None,
    })
}

/// A template without the sections that are not wanted: from `//: names` to the next `//:`.
fn sections(template: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut kept = true;
    let keep = |line: &&str| match line.trim_start().strip_prefix("//:") {
        Some(names) => {
            kept = names.split_whitespace().all(&wanted);
            false
        }
        None => kept,
    };
    template.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

/// A power of two as WGSL writes it.
fn power(kind: Kind, exponent: i32) -> String {
    format!("{:e}{}", 2f64.powi(exponent), if kind == Kind::F64 { "lf" } else { "f" })
}

/// The shader for elements of a kind.
pub(super) fn source(kind: Kind, load: Load, needs: Needs, skip: bool, columns: bool) -> Source {
    let pairs = load == Load::Pairs;
    let format = Format { kind, parts: if pairs { 2 } else { 1 }, needs };
    let wide = kind == Kind::F64;
    let wanted = |name: &str| match name {
        "real" => !pairs,
        "complex" => pairs,
        "powers" => load == Load::Powers,
        "wide" => wide,
        "scaled" => needs.has(Quantity::Product) || (pairs && (needs.has(Quantity::Absolute) || format.greatest())),
        "columns" => columns,
        "runs" => !columns,
        quantity => {
            let named = Quantity::EVERY.into_iter().find(|&every| section(every) == Some(quantity));
            format.has(named.unwrap_or_else(|| panic!("there is no section {quantity}")))
        }
    };
    let real = kind.name();
    let of = |wide: bool, real: &str| if wide { format!("vec2<{real}>") } else { real.to_owned() };
    let loaded =
        if wide { "raw.stored".into() } else { format!("bitcast<{}>(raw.word)", of(load != Load::Elements, real)) };
    let value = if load == Load::Powers { format!("power_of({loaded})") } else { loaded };
    let arithmetic = match kind {
        Kind::F32 => [F32, FLOATS].join("\n"),
        Kind::F64 => [F64, FLOATS].join("\n"),
        Kind::I32 | Kind::U32 => INTEGERS.to_owned(),
    };
    let (words, halves) = match (wide, load) {
        (false, Load::Elements) => ("u32", ["", ""]),
        (false, _) => ("vec2<u32>", ["", ""]),
        (true, Load::Elements) => ("vec2<u32>", ["raw.word.x", "raw.word.y"]),
        (true, _) => ("vec4<u32>", ["raw.word.xz", "raw.word.yw"]),
    };
    let magnitude = |part: &str| format!("(bits{part} & 0x7fffffffu)");
    let largest = if pairs { format!("max({}, {})", magnitude(".x"), magnitude(".y")) } else { magnitude("") };
    // A product beyond 2^(±step/2) is rescaled by 2^(∓step).
    let step = if wide { 512 } else { 64 };
    let fields = format.fields();
    let number = if wide { "f64" } else { "bitcast<u32>" };
    let write = fields.iter().enumerate().map(|(at, field)| format!("numbers[n + {at}u] = {number}(state.{field});"));
    let values = [
        ("ARITHMETIC", sections(&arithmetic, wanted)),
        ("VALUE", value),
        ("WEIGHT", if needs.has(Quantity::Weighted) { ", raw.weight" } else { "" }.into()),
        ("LOW", halves[0].into()),
        ("HIGH", halves[1].into()),
        ("LARGEST_BITS", largest),
        ("FAR", power(kind, step / 2)),
        ("NEAR", power(kind, -step / 2)),
        ("UP", power(kind, step)),
        ("DOWN", power(kind, -step)),
        ("STEP", step.to_string()),
        ("2^50", power(kind, 50)),
        ("2^-40", power(kind, -40)),
        ("2^80", power(kind, 80)),
        ("2^-80", power(kind, -80)),
        ("2^500", power(kind, 500)),
        ("2^-500", power(kind, -500)),
        ("2^600", power(kind, 600)),
        ("2^-600", power(kind, -600)),
        ("LANES", lanes(kind, load).to_string()),
        ("SKIP", (skip && kind.float()).to_string()),
        ("VALUE_TYPE", of(pairs, real)),
        ("BITS", of(pairs, "u32")),
        ("WORD", words.into()),
        ("HALF", of(load != Load::Elements, "u32")),
        ("WEIGHT_TYPE", if wide { "f64" } else { "vec2<f32>" }.into()),
        ("NUMBER", if wide { "f64" } else { "u32" }.into()),
        ("STORED", of(load != Load::Elements, real)),
        ("NUMBERS", fields.len().max(1).to_string()),
        ("WRITE", write.collect::<Vec<_>>().join("\n    ")),
    ];
    let name = format!("reduce {load:?} {:x} skip {skip} columns {columns}", needs.bits());
    generate_as(real, name, &sections(include_str!("../../shaders/reduce.wgsl"), wanted), &values)
}
