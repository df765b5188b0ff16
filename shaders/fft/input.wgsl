// What is read, where it is not what is written.
@group(0) @binding(3) var<storage, read> input: array<Complex>;
