// The input, where it is another array than the output.
@group(0) @binding(3) var<storage, read> input: array<Complex>;
