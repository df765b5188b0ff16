// The imaginary parts, where elements are complex.
var<workgroup> a_im: array<vec4<Real>, (BM / 4u + 1u) * BK>;
var<workgroup> b_im: array<vec4<Real>, (BN / 4u + 1u) * BK>;
