"""The mean map of sea-surface temperature from a NetCDF file of packed integers with missing land, drawn as a PNG.

Without a file, one of the same layout is made: a year of daily maps in int16 with scale_factor, add_offset and
_FillValue.

    python sst_mean.py [file.nc] [--variable sst] [--out .]
"""

import argparse
from pathlib import Path

import matplotlib
import netCDF4
import numpy as np

import wavemill

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def make(path, days, step):
    """Temperatures that fall towards the poles, with seasons, eddies and some land."""
    lat, lon = np.arange(-90 + step / 2, 90, step), np.arange(step / 2, 360, step)
    land = (np.sin(np.radians(3 * lon)) + 0.6 * np.cos(np.radians(2 * lat))[:, None]) > 0.95
    rng = np.random.default_rng(1)
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        for name, values in (("time", None), ("lat", lat), ("lon", lon)):
            file.createDimension(name, days if values is None else values.size)
            if values is not None:
                file.createVariable(name, "f4", (name,))[:] = values
        sst = file.createVariable("sst", "i2", ("time", "lat", "lon"), fill_value=-999)
        sst.setncatts({"scale_factor": 0.01, "add_offset": 0.0, "units": "degrees C"})
        for day in range(days):
            season = 4 * np.sin(np.radians(lat)) * np.cos(2 * np.pi * (day - 45) / 365)
            field = 28 * np.cos(np.radians(lat)) ** 1.5 - 1 - season
            field = field[:, None] + rng.standard_normal(land.shape)
            sst[day] = np.ma.masked_array(field, land)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--variable", default="sst")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--step", type=float, default=1.0, help="degrees, of a file that is made")
    parser.add_argument("--out", type=Path, default=Path("."))
    given = parser.parse_args()
    path = given.file
    if path is None:
        path = given.out / "made_sst.nc"
        make(path, given.days, given.step)
    with netCDF4.Dataset(path) as file:
        lat, lon = file["lat"][:], file["lon"][:]
        kelvin = file[given.variable][:].astype("f4").filled(np.nan) + np.float32(273.15)
    mean, std, count = wavemill.reduce(kelvin, ["mean", "std", "count"], axis=0, skipna=True)
    # Cells shrink towards the poles.
    sea = np.isfinite(mean)
    weights = np.where(sea, np.cos(np.radians(np.asarray(lat)))[:, None], 0)
    world = wavemill.average(np.where(sea, mean, 0), weights=weights)
    print(f"{kelvin.shape[0]} maps of {mean.shape}, {int((count == 0).sum())} cells of land, mean {world - 273.15:.3f} °C")

    fig, axes = plt.subplots(2, 1, figsize=(9, 8), layout="constrained")
    for plot, field, title in ((axes[0], mean - 273.15, "mean, °C"), (axes[1], std, "standard deviation, K")):
        fig.colorbar(plot.pcolormesh(lon, lat, field), ax=plot)
        plot.set(title=title, xlabel="longitude", ylabel="latitude")
    fig.savefig(given.out / "sst_mean.png", dpi=110)


if __name__ == "__main__":
    main()
