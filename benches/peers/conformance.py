"""Whether stores and files that others write are read to the same numbers, and others read what wavemill writes.

    python3 benches/peers/conformance.py [--binary target/release/wavemill] [--out FILE.md]

Written by zarr-python, xarray and tensorstore: Zarr of both versions, all element types and byte orders, every codec
they share, shards, ragged and missing chunks, fill values, consolidated metadata. Written by netCDF4: all its formats,
filters, unlimited and scalar variables, packed numbers. Each is read by wavemill, all elements by themselves, and compared with
what the writer reads. What cannot be read must end in an error; its words are printed. Fails if a number is another.
Needs numpy, zarr, xarray, netCDF4 and tensorstore.
"""

import argparse
import itertools
import pathlib
import subprocess
import sys
import tempfile
import warnings

import netCDF4
import numpy as np
import tensorstore
import xarray
import zarr
import zarr.codecs as codecs

warnings.simplefilter("ignore")
TYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
SHAPE, CHUNKS = (5, 7, 11), (2, 3, 4)


def numbers(dtype, shape=SHAPE):
    """Numbers of all sizes that the type has."""
    dtype, rng = np.dtype(dtype), np.random.default_rng(7)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        # The reductions' type holds the whole range: planes of 64-bit integers are differences of doubles.
        limits = np.iinfo(dtype) if dtype.itemsize < 8 else np.iinfo("i4" if dtype.kind == "i" else "u4")
        return rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    x = rng.standard_normal(shape) * 10 ** rng.uniform(-3, 3, shape)
    return (x + 1j * rng.standard_normal(shape)).astype(dtype) if dtype.kind == "c" else x.astype(dtype)


def zarr_python(folder):
    """Each store's name, its array's name in it, and what it holds."""

    def store(name, x, **options):
        path = folder / f"zarr-python-{name}.zarr"
        array = zarr.create_array(path, shape=x.shape, dtype=x.dtype, **({"chunks": CHUNKS[:x.ndim]} | options))
        array[...] = x
        return path, "", array[...]

    for version in (2, 3):
        for dtype in TYPES:
            yield store(f"v{version}-{np.dtype(dtype)}", numbers(dtype), zarr_format=version)
        for order in "<>":
            options = {} if version == 2 else {"serializer": codecs.BytesCodec(endian={"<": "little", ">": "big"}[order])}
            yield store(f"v{version}-{'little' if order == '<' else 'big'}", numbers(f"{order}f8"), zarr_format=version,
                        **options)
        yield store(f"v{version}-column-major", numbers("f8"), zarr_format=version, order="F")
        yield store(f"v{version}-raw", numbers("f8"), zarr_format=version, compressors=None)
        yield store(f"v{version}-line", numbers("f4", (41,)), zarr_format=version, chunks=(7,))
        yield store(f"v{version}-one-chunk", numbers("f4"), zarr_format=version, chunks=SHAPE)
        path = folder / f"zarr-python-v{version}-missing.zarr"
        array = zarr.create_array(path, shape=SHAPE, dtype="f4", chunks=CHUNKS, zarr_format=version, fill_value=-7.5)
        array[:2, :3] = 1
        yield path, "", array[...]
        path = folder / f"zarr-python-v{version}-group.zarr"
        group = zarr.create_group(path, zarr_format=version)
        inner = group.create_group("a/b").create_array("x", shape=SHAPE, dtype="i4", chunks=CHUNKS)
        inner[...] = numbers("i4")
        zarr.consolidate_metadata(path)
        yield path, "a/b/x", inner[...]

    for name, shuffle in itertools.product(("lz4", "lz4hc", "blosclz", "zstd", "zlib"), ("noshuffle", "shuffle", "bitshuffle")):
        blosc = codecs.BloscCodec(cname=name, clevel=5, shuffle=shuffle)
        yield store(f"v3-blosc-{name}-{shuffle}", numbers("f8"), compressors=blosc)
    for name, codec in [("zstd", codecs.ZstdCodec(level=3, checksum=True)), ("gzip", codecs.GzipCodec(level=4)),
                        ("zstd-crc32c", [codecs.ZstdCodec(), codecs.Crc32cCodec()])]:
        yield store(f"v3-{name}", numbers("f8"), compressors=codec)
    yield store("v3-transposed", numbers("f8"), filters=codecs.TransposeCodec(order=(2, 0, 1)))
    for place in ("start", "end"):
        sharded = {"shards": {"shape": (4, 6, 8), "index_location": place}}
        yield store(f"v3-sharded-index-at-{place}", numbers("f8"), **sharded)
    for separator in "./":
        yield store(f"v3-keys-with-{'dots' if separator == '.' else 'slashes'}", numbers("f4"),
                    chunk_key_encoding={"name": "default", "separator": separator})
    yield store("v3-keys-of-v2", numbers("f4"), chunk_key_encoding={"name": "v2", "separator": "."})
    import numcodecs
    for name, codec in [("zlib", numcodecs.Zlib(5)), ("gzip", numcodecs.GZip(5)), ("bz2", numcodecs.BZ2(5)),
                        ("zstd", numcodecs.Zstd(5)), ("lz4", numcodecs.LZ4()), ("lzma", numcodecs.LZMA()),
                        ("blosc", numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE))]:
        yield store(f"v2-{name}", numbers("f8"), zarr_format=2, compressors=codec)
    for name, codec in [("delta", numcodecs.Delta("i4")), ("shuffle", numcodecs.Shuffle(4)),
                        ("fletcher32", numcodecs.Fletcher32())]:
        yield store(f"v2-{name}", numbers("i4"), zarr_format=2, filters=[codec])


def from_xarray(folder):
    x = numbers("f8").round(2)
    x[1, 2] = np.nan
    data = xarray.Dataset({"x": (("time", "y", "x1"), x)}, coords={"time": np.arange(5) * 1.5})
    packed = {"x": {"dtype": "i4", "scale_factor": 0.01, "add_offset": 3.0, "_FillValue": -99999}}
    for version, (name, encoding) in itertools.product((2, 3), [("plain", {}), ("packed", packed)]):
        path = folder / f"xarray-v{version}-{name}.zarr"
        data.to_zarr(path, zarr_format=version, encoding=encoding)
        yield path, "x", xarray.open_zarr(path)["x"].values
    for kind in ("NETCDF3_CLASSIC", "NETCDF4"):
        path = folder / f"xarray-packed-{kind}.nc"
        data.to_netcdf(path, format=kind, encoding=packed)
        yield path, "x", xarray.open_dataset(path)["x"].values


def from_tensorstore(folder):
    for driver, dtype in itertools.product(("zarr", "zarr3"), ("uint8", "int16", "float32", "float64", "complex64")):
        path, x = folder / f"tensorstore-{driver}-{dtype}.zarr", numbers(dtype)
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}}
        store = tensorstore.open(spec, create=True, dtype=dtype, shape=x.shape,
                                 chunk_layout=tensorstore.ChunkLayout(chunk_shape=CHUNKS)).result()
        store.write(x).result()
        yield path, "", x


def from_netcdf4(folder):
    def file(name, form="NETCDF4", dtype="f8", unlimited=False, packed=False, **options):
        path = folder / f"netcdf4-{name}.nc"
        x = numbers(dtype)
        with netCDF4.Dataset(path, "w", format=form) as data:
            for axis, extent in zip("tyx", SHAPE):
                data.createDimension(axis, None if unlimited and axis == "t" else extent)
            variable = data.createVariable("v", dtype, ("t", "y", "x"), **options)
            if packed:
                variable.setncatts({"scale_factor": 0.5, "add_offset": -2.0})
                variable.set_auto_maskandscale(False)
            variable[...] = x
            data.createVariable("nothing", "f4", ())[...] = 2.5
        with netCDF4.Dataset(path) as data:
            return path, "v", np.ma.filled(data["v"][...].astype("f8"), np.nan) if packed else x

    for form in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4", "NETCDF4_CLASSIC"):
        wide = [] if form in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4_CLASSIC") else ["u1", "u2", "u4", "i8", "u8"]
        for dtype in ["i1", "i2", "i4", "f4", "f8", *wide]:
            yield file(f"{form}-{dtype}", form, dtype)
        yield file(f"{form}-unlimited", form, "f4", unlimited=True)
        yield file(f"{form}-packed", form, "i2", packed=True)
    for name, options in [
        ("deflated", {"compression": "zlib", "complevel": 4}), ("unshuffled", {"compression": "zlib", "shuffle": False}),
        ("fletcher32", {"fletcher32": True}), ("zstd", {"compression": "zstd"}), ("bzip2", {"compression": "bzip2"}),
        ("szip", {"compression": "szip"}), ("blosc", {"compression": "blosc_lz4"}), ("chunked", {"chunksizes": CHUNKS}),
        ("contiguous", {"contiguous": True}), ("big", {"endian": "big"}),
    ]:
        try:
            yield file(name, **options)
        except (RuntimeError, KeyError, ValueError) as error:
            print(f"not written here: netcdf4-{name}: {error}")


def read(binary, path, name, shape, folder):
    """All elements of an array as wavemill reads them, plane by plane from one read; or its error."""
    place = f"{path}:{name}" if name else str(path)
    planes = [word for at in range(shape[0]) for word in ("--expr", f"p{at}=x[{at}]")]
    found = subprocess.run([binary, "reduce", place, *planes, "--device", "cpu", "--out", folder], capture_output=True, text=True)
    if found.returncode:
        return found.stderr.strip()
    return np.stack([np.load(folder / f"p{at}.npy") for at in range(shape[0])])


def written(binary, folder):
    """Stores that wavemill writes, as zarr-python, xarray and tensorstore read them: what differs."""
    for dtype in TYPES:
        x = numbers(dtype)
        np.save(folder / "x.npy", x)
        path = folder / f"wavemill-{np.dtype(dtype)}.zarr"
        command = [binary, "reduce", folder / "x.npy", "--ops", "sum,count,any", "--axis", "1", "--device", "cpu", "--out", path]
        subprocess.run(command, check=True, capture_output=True)
        # float16 is reduced as float32; sums are right to the last digit of their type.
        wide = x.astype("f4") if dtype == "f2" else x
        sums = wide.astype("c16" if wide.dtype.kind == "c" else "f8" if wide.dtype.kind == "f" else "i8").sum(axis=1)
        for op, expected in [("sum", sums), ("count", np.full(sums.shape, SHAPE[1])), ("any", x.any(axis=1))]:
            stored = zarr.open_array(path, path=op, mode="r")[...]
            same = np.allclose(stored, expected, rtol=4e-7 if wide.dtype.name in ("float32", "complex64") else 1e-13, atol=1e-6)
            yield f"wavemill {op} of {np.dtype(dtype)}, read by zarr-python", same
            readers = {
                "xarray": lambda: xarray.open_zarr(path, consolidated=False)[op].values,
                "tensorstore": lambda: tensorstore.open({"driver": "zarr3", "kvstore": {
                    "driver": "file", "path": str(path / op)}}).result().read().result()}
            for reader, values in readers.items():
                try:
                    yield f"wavemill {op} of {np.dtype(dtype)}, read by {reader}", np.array_equal(values(), stored)
                except (KeyError, ValueError) as error:
                    yield f"wavemill {op} of {np.dtype(dtype)}, read by {reader}: {error}", False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/wavemill")
    parser.add_argument("--out", help="Markdown file for the result")
    options = parser.parse_args()
    binary, same, refused, wrong = pathlib.Path(options.binary).resolve(), 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for path, name, expected in itertools.chain(*(make(folder) for make in
                                                      (zarr_python, from_xarray, from_tensorstore, from_netcdf4))):
            found = read(binary, path, name, expected.shape, folder)
            if isinstance(found, str):
                refused.append(f"{path.stem}: {found.replace(str(folder) + '/', '')}")
            elif np.array_equal(found, expected.astype(found.dtype), equal_nan=found.dtype.kind in "fc"):
                same += 1
            else:
                wrong.append(f"{path.stem}: read differently")
        stores = list(written(binary, folder))
    wrong += [case for case, right in stores if not right]
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (zarr, xarray, netCDF4, np))
    report = ["# Stores and files of others", "", f"`python3 benches/peers/conformance.py`, with {versions}", "",
              f"{same} read to the same numbers, {len(refused)} refused, {len(wrong)} wrong; of {len(stores)} results that "
              f"wavemill wrote, {sum(right for _, right in stores)} are read to the same numbers by others.", "",
              *(f"- refused: {line}" for line in refused), *(f"- WRONG: {line}" for line in wrong)]
    print("\n".join(report))
    if options.out:
        pathlib.Path(options.out).write_text("\n".join(report) + "\n")
    sys.exit(bool(wrong))


main()
