// Of three axes: kernel values on the middle one, each lane's its own.
var<workgroup> heights: array<Real, HEIGHT * LANES>;
