//! The shader of reductions for each kind of number: the WGSL arithmetic of sums with their errors, squares, products and absolute
//! values, and how the template of `shaders/reduce.wgsl` is filled in. Complex numbers are vectors of two, whose parts are summed
//! side by side.

use crate::gpu::pipeline::{Source, generate_as};
use crate::gpu::record::{Format, Kind};
use crate::reduce::op::Needs;

/// What the shader makes of the elements it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// They are what is reduced.
    Elements,
    /// Complex numbers, which are reduced as such.
    Pairs,
    /// Complex numbers, of which |z|² is reduced.
    Powers,
}

/// Lanes of a workgroup: their states fit the 16 KiB that every device has.
pub(super) fn lanes(kind: Kind, load: Load) -> usize {
    if kind == Kind::F64 && load == Load::Pairs { 32 } else { 64 }
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
        "scaled" => needs.product || (pairs && (needs.absolute || format.greatest())),
        "total" => needs.total,
        "moments" => needs.moments,
        "least" => format.least(),
        "greatest" => format.greatest(),
        "absolute" => needs.absolute,
        "squares" => needs.squares,
        "product" => needs.product,
        "weighted" => needs.weighted,
        "columns" => columns,
        "runs" => !columns,
        other => unreachable!("no section is called {other}"),
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
    // A product is rescaled by a step where it is beyond a limit, whose square is the step.
    let step = if wide { 512 } else { 64 };
    let fields = format.fields();
    let number = if wide { "f64" } else { "bitcast<u32>" };
    let write = fields.iter().enumerate().map(|(at, field)| format!("numbers[n + {at}u] = {number}(state.{field});"));
    let values = [
        ("ARITHMETIC", sections(&arithmetic, wanted)),
        ("VALUE", value),
        ("WEIGHT", if needs.weighted { ", raw.weight" } else { "" }.into()),
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

/// How f32 is loaded, and what keeps compilers from taking rounding errors for 0: bits that are not known before the dispatch.
const F32: &str = "fn pin(x: Value) -> Value {
    return bitcast<Value>(bitcast<Bits>(x) ^ Bits(params.zero));
}

fn item(raw: Loaded) -> Item {
    let size = raw.word & Word(0x7fffffffu);
    return Item({{VALUE}}, any(size > Word(0x7f800000u)), any(size == Word(0x7f800000u)), all(size == Word(0u)){{WEIGHT}});
}

// In halves of 12 bits, whose products are exact.
fn product(a: Value, b: Value) -> Sum {
    let a_high = bitcast<Value>(bitcast<Bits>(a) & Bits(0xfffff000u));
    let b_high = bitcast<Value>(bitcast<Bits>(b) & Bits(0xfffff000u));
    let a_low = pin(a - a_high);
    let b_low = pin(b - b_high);
    let rounded = pin(a * b);
    let high = pin(pin(a_high * b_high) - rounded);
    return Sum(rounded, pin(pin(high + pin(a_high * b_low)) + pin(a_low * b_high)) + pin(a_low * b_low));
}

// Squares by the size of what is squared, so that none leaves the range.
struct Squares {
    middle: Sum,
    large: Sum, // of numbers times 2^-80
    small: Sum, // of numbers times 2^80
}

fn added_square(a: Squares, x: Value) -> Squares {
    let zero = Value(0);
    let large = abs(x) > Value({{2^50}});
    let small = abs(x) < Value({{2^-40}});
    var sums = a;
    let middle = select(x, zero, large | small);
    sums.middle = added(a.middle, product(middle, middle));
    if (any(large | small)) {
        let down = select(zero, x * {{2^-80}}, large);
        let up = select(zero, x * {{2^80}}, small);
        sums.large = added(a.large, product(down, down));
        sums.small = added(a.small, product(up, up));
    }
    return sums;
}

fn added_squares(a: Squares, b: Squares) -> Squares {
    return Squares(added(a.middle, b.middle), added(a.large, b.large), added(a.small, b.small));
}

//: weighted
// The weight is a number and what rounding took from it.
fn weighed(a: Sum, x: Value, weight: Weight) -> Sum {
    let exact = product(x, Value(weight.x));
    return added(a, Sum(exact.high, exact.low + x * weight.y));
}

//: scaled
// 2^exponent, for exponents from -126 to 127.
fn power(exponent: i32) -> Real {
    return bitcast<Real>(u32(exponent + 127) << 23u);
}

// Numbers as numbers from 1 to 4 times a power of two. What is below 2^-126 is made from its bits, as devices may take it for 0.
fn scaled(x: Value) -> Scaled {
    let bits = bitcast<Bits>(x);
    let small = (bits & Bits(0x7f800000u)) == Bits(0u);
    let sign = bits & Bits(0x80000000u);
    let whole = bitcast<Value>(bitcast<Bits>(Value(bits & Bits(0x007fffffu))) | sign);
    let exponent = min(i32({{LARGEST_BITS}} >> 23u), 253);
    if (exponent == 0) {
        return Scaled(whole, -149);
    }
    let part = select(0.0, power(-22 - exponent), exponent < 105);
    return Scaled(select(x * power(127 - exponent), whole * part, small), exponent - 127);
}

fn unscaled(x: Value, exponent: i32) -> Value {
    let half = exponent / 2;
    return x * power(half) * power(exponent - half);
}
//:
";

/// f64, whose bits WGSL does not reach: what pins them is a 1 that is not known before the dispatch.
const F64: &str = "fn pin(x: Value) -> Value {
    return x * f64(params.one);
}

fn item(raw: Loaded) -> Item {
    let low = {{LOW}};
    let high = {{HIGH}} & Half(0x7fffffffu);
    let edge = high == Half(0x7ff00000u);
    let nan = any((high > Half(0x7ff00000u)) | (edge & (low != Half(0u))));
    return Item({{VALUE}}, nan, any(edge & (low == Half(0u))), all((high | low) == Half(0u)){{WEIGHT}});
}

fn product(a: Value, b: Value) -> Sum {
    return Sum(a * b, Value(0));
}

alias Squares = Sum;

fn added_square(a: Squares, x: Value) -> Squares {
    return added(a, product(x, x));
}

fn added_squares(a: Squares, b: Squares) -> Squares {
    return added(a, b);
}

//: weighted
fn weighed(a: Sum, x: Value, weight: Weight) -> Sum {
    return added_one(a, x * weight);
}

//: scaled
// Numbers as numbers from 2^-500 to 2^500, whose squares are in range, times a power of two.
fn scaled(x: Value) -> Scaled {
    let size = largest(x);
    if (size >= {{2^500}}) {
        return Scaled(x * {{2^-600}}, 600);
    }
    if (size < {{2^-500}}) {
        return Scaled(x * {{2^600}}, -600);
    }
    return Scaled(x, 0);
}

fn unscaled(x: Value, exponent: i32) -> Value {
    if (exponent == 0) {
        return x;
    }
    return x * select({{2^-600}}, {{2^600}}, exponent > 0);
}
//:
";

/// What f32 and f64 have in common.
const FLOATS: &str = "struct Sum {
    high: Value,
    low: Value,
}

struct Scaled {
    number: Value,
    exponent: i32,
}

fn added_one(a: Sum, x: Value) -> Sum {
    let sum = pin(a.high + x);
    let part = pin(sum - a.high);
    return Sum(sum, a.low + (pin(a.high - pin(sum - part)) + pin(x - part)));
}

fn added(a: Sum, b: Sum) -> Sum {
    let sum = added_one(a, b.high);
    return Sum(sum.high, sum.low + b.low);
}

fn first_moment(a: Sum, x: Value, shift: Value) -> Sum {
    return added_one(a, pin(x - shift));
}

fn second_moment(a: Squares, x: Value, shift: Value) -> Squares {
    return added_square(a, pin(x - shift));
}

//: powers
fn power_of(z: vec2<Real>) -> Real {
    return z.x * z.x + z.y * z.y;
}

//: real
fn key(item: Item) -> Real {
    return item.value;
}

fn added_size(a: Sum, item: Item) -> Sum {
    return added_one(a, abs(item.value));
}

fn largest(x: Value) -> Real {
    return abs(x);
}

//: complex
fn largest(x: Value) -> Real {
    return max(abs(x.x), abs(x.y));
}

//: complex scaled
fn key(item: Item) -> Real {
    return magnitude(item).x;
}

fn added_size(a: Sum, item: Item) -> Sum {
    return added_one(a, magnitude(item));
}

// |z| as the nearest number and what rounding took from it: a root, and one step of Newton's from the exact square of it.
fn magnitude(item: Item) -> Value {
    if (item.nan || item.infinite) {
        return Value(abs(item.value.x) + abs(item.value.y), Real(0));
    }
    if (item.zero) {
        return Value(0);
    }
    let z = scaled(item.value);
    let squares = product(z.number, z.number);
    let whole = added(Sum(squares.high.xx, squares.low.xx), Sum(squares.high.yy, squares.low.yy));
    let root = Value(sqrt(whole.high.x));
    let square = product(root, root);
    let rest = (pin(whole.high - square.high) + (whole.low - square.low)) / (root + root);
    let high = pin(root + rest);
    return unscaled(Value(high.x, pin(rest - pin(high - root)).x), z.exponent);
}

//: product
// A number with its error and a power of two; 1 in place of what is not finite, which is noted.
struct Product {
    number: Sum,
    exponent: i32,
    special: u32, // 1 for NaN, 2 for infinity
}

fn rescaled(number: Sum, exponent: i32, special: u32) -> Product {
    let size = largest(number.high);
    if (size >= {{FAR}}) {
        return Product(Sum(number.high * {{DOWN}}, number.low * {{DOWN}}), exponent + {{STEP}}, special);
    }
    if (size < {{NEAR}}) {
        return Product(Sum(number.high * {{UP}}, number.low * {{UP}}), exponent - {{STEP}}, special);
    }
    return Product(number, exponent, special);
}

fn multiplied(a: Sum, b: Sum) -> Sum {
    let highs = product(a.high, b.high);
    return Sum(highs.high, highs.low + (a.high * b.low + a.low * b.high));
}

fn joined_products(a: Product, b: Product) -> Product {
    return rescaled(times(a.number, b.number), a.exponent + b.exponent, a.special | b.special);
}

fn factor(a: Product, item: Item) -> Product {
    let special = a.special | select(0u, 1u, item.nan) | select(0u, 2u, item.infinite);
    if (item.nan || item.infinite) {
        return Product(signed(a.number, item), a.exponent, special);
    }
    let x = scaled(item.value);
    return rescaled(times(a.number, Sum(x.number, Value(0))), a.exponent + x.exponent, special);
}

//: product real
fn one() -> Product {
    return Product(Sum(Value(1), Value(0)), 0, 0u);
}

fn times(a: Sum, b: Sum) -> Sum {
    return multiplied(a, b);
}

fn signed(a: Sum, item: Item) -> Sum {
    let sign = select(Value(1), Value(-1), item.value < Value(0));
    return Sum(a.high * sign, a.low * sign);
}

//: product complex
fn one() -> Product {
    return Product(Sum(Value(Real(1), Real(0)), Value(0)), 0, 0u);
}

fn times(a: Sum, b: Sum) -> Sum {
    let across = Value(Real(-1), Real(1));
    let by_real = multiplied(a, Sum(b.high.xx, b.low.xx));
    return added(by_real, multiplied(Sum(a.high.yx, a.low.yx), Sum(across * b.high.yy, across * b.low.yy)));
}

// The host multiplies what is not finite.
fn signed(a: Sum, item: Item) -> Sum {
    return a;
}

//:
";

/// Integers of 32 bits: sums in halves of 16 bits, which do not overflow within a block, of squares in 96 bits.
const INTEGERS: &str = "struct Sum {
    high: i32, // times 2^16
    low: i32,
}

struct Squares {
    low: u32,
    middle: u32,
    high: u32,
}

fn item(raw: Loaded) -> Item {
    return Item(bitcast<Value>(raw.word), false, false, raw.word == 0u);
}

fn key(item: Item) -> Real {
    return item.value;
}

fn added(a: Sum, b: Sum) -> Sum {
    return Sum(a.high + b.high, a.low + b.low);
}

fn added_one(a: Sum, x: Value) -> Sum {
    return Sum(a.high + i32(x >> 16u), a.low + i32(x & Value(0xffff)));
}

// |x - y|, of 32 bits.
fn distance(x: Value, y: Value) -> u32 {
    return select(u32(y) - u32(x), u32(x) - u32(y), x >= y);
}

fn added_size(a: Sum, item: Item) -> Sum {
    let size = distance(item.value, 0);
    return Sum(a.high + i32(size >> 16u), a.low + i32(size & 0xffffu));
}

// The 64 bits of a product, low ones first.
fn product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let across = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return vec2<u32>((across << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (middle >> 16u) + (across >> 16u));
}

fn added_squares(a: Squares, b: Squares) -> Squares {
    let low = a.low + b.low;
    let middle = a.middle + b.middle;
    let carried = middle + u32(low < a.low);
    return Squares(low, carried, a.high + b.high + u32(middle < a.middle) + u32(carried < middle));
}

fn added_square(a: Squares, x: Value) -> Squares {
    let square = product(distance(x, 0), distance(x, 0));
    return added_squares(a, Squares(square.x, square.y, 0u));
}

fn first_moment(a: Sum, x: Value, shift: Value) -> Sum {
    let sign = select(-1, 1, x >= shift);
    let off = distance(x, shift);
    return Sum(a.high + sign * i32(off >> 16u), a.low + sign * i32(off & 0xffffu));
}

fn second_moment(a: Squares, x: Value, shift: Value) -> Squares {
    let square = product(distance(x, shift), distance(x, shift));
    return added_squares(a, Squares(square.x, square.y, 0u));
}

//: product
// The last 64 bits.
struct Product {
    low: u32,
    high: u32,
}

fn one() -> Product {
    return Product(1u, 0u);
}

fn joined_products(a: Product, b: Product) -> Product {
    let lows = product(a.low, b.low);
    return Product(lows.x, lows.y + a.low * b.high + a.high * b.low);
}

fn factor(a: Product, item: Item) -> Product {
    return joined_products(a, Product(u32(item.value), select(0u, 0xffffffffu, item.value < 0)));
}
//:
";
