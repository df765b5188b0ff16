// Arithmetic of reductions of f64, whose bits WGSL cannot access: elements are loaded both as numbers and as words.

// x itself. Compilers do not know this, as `one` is not known before the dispatch, and so cannot simplify rounding
// errors to 0.
fn pin(x: Value) -> Value {
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
// Scales a number to a number from 2^-500 to 2^500, whose square is in range, and a power of two.
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
