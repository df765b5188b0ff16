// Arithmetic of reductions that f32 and f64 share: sums with their errors, moments, products, absolute values.

struct Sum {
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

fn added_magnitude(a: Sum, item: Item) -> Sum {
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

fn added_magnitude(a: Sum, item: Item) -> Sum {
    return added_one(a, magnitude(item));
}

// |z| as the nearest number and its rounding error: a square root, and one Newton step from the root's exact square.
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
// A product: a number with its error, times a power of two. Factors that are not finite set `special` and count as 1,
// real ones with their sign.
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

// The host multiplies complex numbers if some are not finite.
fn signed(a: Sum, item: Item) -> Sum {
    return a;
}

//:
