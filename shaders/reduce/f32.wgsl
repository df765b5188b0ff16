// Arithmetic of reductions of f32: how elements are decoded, exact products, squares and scaling. Sections `//: names`
// are left out if a reduction does not need them.

// x itself. Compilers do not know this, as `zero` is not known before the dispatch, and so cannot simplify rounding
// errors to 0.
fn pin(x: Value) -> Value {
    return bitcast<Value>(bitcast<Bits>(x) ^ Bits(params.zero));
}

fn item(raw: Loaded) -> Item {
    let size = raw.word & Word(0x7fffffffu);
    let nan = any(size > Word(0x7f800000u));
    return Item({{VALUE}}, nan, any(size == Word(0x7f800000u)), all(size == Word(0u)){{WEIGHT}});
}

// a · b and its rounding error, from halves of 12 bits, whose products are exact.
fn product(a: Value, b: Value) -> Sum {
    let a_high = bitcast<Value>(bitcast<Bits>(a) & Bits(0xfffff000u));
    let b_high = bitcast<Value>(bitcast<Bits>(b) & Bits(0xfffff000u));
    let a_low = pin(a - a_high);
    let b_low = pin(b - b_high);
    let rounded = pin(a * b);
    let high = pin(pin(a_high * b_high) - rounded);
    return Sum(rounded, pin(pin(high + pin(a_high * b_low)) + pin(a_low * b_high)) + pin(a_low * b_low));
}

// Sums of squares in three ranges of magnitude, so that no square overflows or underflows.
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
// a + x · weight, where the weight is a number and its rounding error.
fn weighed(a: Sum, x: Value, weight: Weight) -> Sum {
    let exact = product(x, Value(weight.x));
    return added(a, Sum(exact.high, exact.low + x * weight.y));
}

//: scaled
// 2^exponent, for exponents from -126 to 127.
fn power(exponent: i32) -> Real {
    return bitcast<Real>(u32(exponent + 127) << 23u);
}

// Scales a number to a number from 1 to 4 and a power of two. Numbers below 2^-126 are decoded from their bits, as
// devices may flush them to 0.
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
