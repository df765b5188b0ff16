// The transform of a radix that is a product of two: transforms of the first length, twiddles, transforms of the
// second.
fn dft{{RADIX}}(v: array<Complex, {{RADIX}}>) -> array<Complex, {{RADIX}}> {
    {{FIRST}}
    {{SECOND}}
    return array<Complex, {{RADIX}}>({{OUTPUTS}});
}
