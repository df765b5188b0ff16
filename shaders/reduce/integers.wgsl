// Arithmetic of reductions of 32-bit integers: sums in halves of 16 bits, which do not overflow within a block, and
// sums of squares in 96 bits.

struct Sum {
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

// |x - y|, which fits 32 unsigned bits.
fn distance(x: Value, y: Value) -> u32 {
    return select(u32(y) - u32(x), u32(x) - u32(y), x >= y);
}

fn added_magnitude(a: Sum, item: Item) -> Sum {
    let size = distance(item.value, 0);
    return Sum(a.high + i32(size >> 16u), a.low + i32(size & 0xffffu));
}

// The 64 bits of a product, the low word first.
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
// The lowest 64 bits of a product.
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
