"""Writes the small files of tests/data/sources with the C library of NetCDF, with zarr-python and with xarray, and what
these read from them (sources.txt: file, variable, raw or decoded, type, extents, bytes).

Run with netCDF4, zarr and xarray installed: python3 tests/data/sources.py. tests/source.rs reads every file and expects the
same numbers.
"""

import shutil
from pathlib import Path

import netCDF4
import numcodecs
import numpy as np
import xarray
import zarr

HERE = Path(__file__).resolve().parent / "sources"
HERE.mkdir(exist_ok=True)
lines = []


def expect(path, variable, kind, values):
    values = np.asarray(values)
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<")) if values.ndim else values.astype(values.dtype.newbyteorder("<"))
    extents = "x".join(map(str, values.shape)) or "-"
    lines.append(f"{path.name} {variable} {kind} {values.dtype.name} {extents} {values.tobytes().hex()}")


random = np.random.default_rng(20261127)


def dataset(name, format="NETCDF4", **extents):
    data = netCDF4.Dataset(HERE / f"{name}.nc", "w", format=format)
    for axis, extent in extents.items():
        data.createDimension(axis, extent or None)
    return data


def field(*shape, kind="f4"):
    x = 300 + 20 * random.standard_normal(shape)
    return np.round(x).astype(kind) if np.dtype(kind).kind in "iu" else x.astype(kind)


for format in ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]:
    with dataset(format.lower(), format, time=0, y=3, x=5) as data:
        # Two record variables, whose records alternate in the file, and one that has no records.
        data.createVariable("a", "f4", ("time", "y", "x"))[:] = field(4, 3, 5)
        data.createVariable("b", "i2", ("time",))[:] = [1, -2, 300, 4]
        data.createVariable("c", "f8", ("y", "x"))[:] = field(3, 5, kind="f8")
        data.createVariable("s", "i4", ())[...] = 42
        data.createVariable("time", "f8", ("time",))[:] = [0, 6, 12, 18]
        data["time"].units = "hours since 2000-01-01"

with dataset("packed", time=4, x=7) as data:
    shorts = data.createVariable("shorts", "i2", ("time", "x"), fill_value=np.int16(-999))
    shorts.scale_factor, shorts.add_offset = 0.01, 273.15
    shorts.set_auto_maskandscale(False)
    values = random.integers(-500, 500, (4, 7)).astype("i2")
    values[1, 2] = values[3, 6] = -999
    shorts[:] = values
    single = data.createVariable("single", "i2", ("x",))
    single.scale_factor, single.add_offset = np.float32(0.5), np.float32(10)
    single.set_auto_maskandscale(False)
    single[:] = np.arange(7)
    scaled = data.createVariable("scaled", "i4", ("x",))
    scaled.scale_factor = 0.125
    scaled.set_auto_maskandscale(False)
    scaled[:] = np.arange(7) - 3
    byte = data.createVariable("unsigned", "i1", ("x",))
    byte._Unsigned = "true"
    byte.scale_factor = 2.0
    byte.set_auto_maskandscale(False)
    byte[:] = np.array([0, 1, 127, -128, -2, -1, 5], "i1")
    missing = data.createVariable("missing", "f4", ("x",))
    missing.missing_value = np.float32(1e20)
    missing.set_auto_maskandscale(False)
    missing[:] = [1, 1e20, 3, 1e20, 5, 6, 7]

with dataset("filters", y=10, x=13) as data:
    for name, options in {
        "deflate": dict(zlib=True, shuffle=True, complevel=4),
        "checked": dict(fletcher32=True, chunksizes=(3, 4)),
        "all": dict(zlib=True, shuffle=True, fletcher32=True, chunksizes=(4, 13)),
        "unfiltered": dict(contiguous=True),
    }.items():
        data.createVariable(name, "f4", ("y", "x"), **options)[:] = field(10, 13)
    data.createVariable("big", ">f8", ("y", "x"), endian="big")[:] = field(10, 13, kind="f8")

with dataset("types", x=6) as data:
    for kind in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]:
        limits = np.iinfo(kind) if kind[0] in "iu" else np.finfo(kind)
        variable = data.createVariable(kind, kind, ("x",))
        variable.set_auto_maskandscale(False)
        variable[:] = np.array([0, 1, limits.max, limits.min, 7, 100], kind)
    group = data.createGroup("deep")
    group.createVariable("inner", "i4", ("x",))[:] = np.arange(6)
    data.createVariable("words", str, ("x",))[:] = np.array(list("abcdef"), object)

with dataset("growing", time=0, y=2) as data:
    # Chunks that were never written hold the fill value.
    sparse = data.createVariable("sparse", "f4", ("time", "y"), chunksizes=(2, 2), fill_value=np.float32(-1))
    sparse[0] = [1, 2]
    sparse[6] = [3, 4]

for name in ["v2.zarr", "v3.zarr", "xarray2.zarr", "xarray3.zarr"]:
    shutil.rmtree(HERE / name, ignore_errors=True)

SHAPE, CHUNKS = (5, 7), (2, 4)
store = zarr.open_group(HERE / "v3.zarr", mode="w", zarr_format=3)
codecs = zarr.codecs
for name, options in {
    "plain": dict(compressors=None),
    "default": {},
    "blosc": dict(compressors=codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")),
    "gzip": dict(compressors=codecs.GzipCodec()),
    "checked": dict(compressors=[codecs.ZstdCodec(), codecs.Crc32cCodec()]),
    "sharded": dict(shards=(4, 8)),
    "turned": dict(filters=[codecs.TransposeCodec(order=(1, 0))]),
    "big": dict(serializer=codecs.BytesCodec(endian="big"), compressors=None),
}.items():
    store.create_array(name, shape=SHAPE, chunks=CHUNKS, dtype="f4", **options)[...] = field(*SHAPE)
for kind in ["bool", "i1", "u2", "i8", "f2", "c8", "c16"]:
    array = store.create_array(f"type-{kind}", shape=SHAPE, chunks=CHUNKS, dtype=kind)
    array[...] = (field(*SHAPE) > 300) if kind == "bool" else (field(*SHAPE, kind="f8") - 300).astype(kind)
gaps = store.create_array("gaps", shape=SHAPE, chunks=CHUNKS, dtype="f8", fill_value=-5.0)
gaps[:2, :4] = 1
store.create_array("number", shape=(), chunks=(), dtype="i4")[...] = 42

store = zarr.open_group(HERE / "v2.zarr", mode="w", zarr_format=2)
for name, codec in {
    "plain": None,
    "blosc": numcodecs.Blosc("zstd"),
    "zlib": numcodecs.Zlib(),
    "zstd": numcodecs.Zstd(),
    "gzip": numcodecs.GZip(),
    "bz2": numcodecs.BZ2(),
}.items():
    store.create_array(name, shape=SHAPE, chunks=CHUNKS, dtype="f4", compressors=codec)[...] = field(*SHAPE)
store.create_array("fortran", shape=SHAPE, chunks=CHUNKS, dtype="i2", order="F")[...] = field(*SHAPE, kind="i2")
store.create_array("big", shape=SHAPE, chunks=CHUNKS, dtype=">f8")[...] = field(*SHAPE, kind="f8")

temperatures = field(4, 3, 5, kind="f8")
temperatures[1, 2, 3] = np.nan
weather = xarray.Dataset(
    {"t": (("time", "y", "x"), temperatures), "n": (("x",), np.arange(5, dtype="i4"))},
    {"time": [0.0, 6.0, 12.0, 18.0], "y": [10.0, 0.0, -10.0]},
)
weather.t.attrs["units"] = "K"
packed = {"t": dict(dtype="i2", scale_factor=0.01, add_offset=300.0, _FillValue=-32767)}
for version in [2, 3]:
    weather.to_zarr(HERE / f"xarray{version}.zarr", zarr_format=version, encoding=packed, consolidated=True)

for path in sorted(HERE.glob("*.zarr")):
    group = zarr.open_group(path, mode="r")
    for name, array in group.arrays():
        expect(path, name, "raw", array[...])
        if path.stem.startswith("xarray"):
            with xarray.open_zarr(path, decode_times=False) as decoded:
                expect(path, name, "decoded", decoded[name].values)

for path in sorted(HERE.glob("*.nc")):
    with netCDF4.Dataset(path) as data:
        names = [name for name in data.variables if data[name].dtype != str] + [f"{g}/{n}" for g in data.groups for n in data[g].variables]
        for name in names:
            data[name].set_auto_maskandscale(False)
            expect(path, name, "raw", data[name][...])
            group = name.rpartition("/")[0] or None
            with xarray.open_dataset(path, group=group, decode_times=False, decode_coords=False) as decoded:
                expect(path, name, "decoded", decoded[name.rpartition("/")[2]].values)

(HERE.parent / "sources.txt").write_text("\n".join(sorted(lines)) + "\n")
