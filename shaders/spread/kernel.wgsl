// One panel of the spreading kernel, a polynomial by Horner's rule; interpolation evaluates the same one.
fn kernel(s: Real, cell: u32) -> Real {
    var value = coefficients[cell];
    {{HORNER}}
    return value;
}
