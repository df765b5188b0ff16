"""Plots a record against its peers: for each family the distribution, over all recorded cases, of the fastest peer's
time divided by wavemill's, with losses in another colour. Writes the figures to summary.csv.

    python3 benches/peers/distributions.py benches/record/<machine>/<date>

reads peers.csv, reduce.csv, matmul.md, spectral.csv and the drawn cases of peers-sample.csv, reduce-sample.csv and
matmul-sample.csv there, or those of them that there are; writes a figure for each, and summary.csv, beside them.
"""

import csv
import math
import sys
from pathlib import Path

# Bins for each octave.
STEPS = 4
WIDTH, ROW, LEFT, RIGHT, TOP = 720, 118, 165, 20, 50
LOSS, GAIN = "#c44e52", "#4c72b0"


def transforms(folder):
    with (folder / "peers.csv").open() as file:
        rows = list(csv.DictReader(file))
    number = lambda row, name: float(row[name]) if row.get(name) else math.inf
    for label, kind in [("total", "total"), ("execution", "execute")]:
        faster = lambda row: min(number(row, f"{peer}_{kind}_s") for peer in ("finufft", "ducc"))
        ratios = [faster(row) / float(row[f"wavemill_{kind}_s"]) for row in rows]
        yield label, [ratio for ratio in ratios if math.isfinite(ratio)]


def reductions(folder):
    with (folder / "reduce.csv").open() as file:
        rows = list(csv.DictReader(file))
    for threads in ("1", "2"):
        label = f"{threads} thread{'s' if threads == '2' else ''}"
        yield label, [float(row["ratio"]) for row in rows if row["threads"] == threads]


def sampled(folder):
    with (folder / "reduce-sample.csv").open() as file:
        rows = list(csv.DictReader(file))
    yield "all", [float(row["ratio"]) for row in rows]
    for label, types in [("floats", ("f4", "f8")), ("integers", ("i4", "u1"))]:
        yield label, [float(row["ratio"]) for row in rows if row["type"] in types]


def sampled_transforms(folder):
    with (folder / "peers-sample.csv").open() as file:
        rows = list(csv.DictReader(file))
    for label, column in [("total", "total"), ("execution", "execute")]:
        yield label, [float(row[column]) for row in rows]
    for axes in (1, 2, 3):
        yield f"total, {axes}-D", [float(row["total"]) for row in rows if row["modes"].count("x") == axes - 1]


def sampled_products(folder):
    with (folder / "matmul-sample.csv").open() as file:
        yield "all", [float(row["ratio"]) for row in csv.DictReader(file)]


def products(folder):
    lines = [line for line in (folder / "matmul.md").read_text().splitlines() if line.startswith("| ") and "**" in line]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    for threads in ("1", "2"):
        label = f"{threads} thread{'s' if threads == '2' else ''}"
        yield label, [float(row[7].strip("*")) for row in rows if row[2] == threads]


def periodograms(folder):
    with (folder / "spectral.csv").open() as file:
        rows = list(csv.DictReader(file))
    for kind, label in [("one", "one series"), ("each", "own times"), ("same", "same times")]:
        yield label, [float(row["ratio"]) for row in rows if row["kind"] == kind]


def summary(ratios):
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return len(ratios), mean, min(ratios), sum(ratio < 1 for ratio in ratios)


def plot(title, note, rows):
    low = min(-4, min(math.floor(STEPS * math.log2(min(ratios))) for _, ratios in rows))
    high = max(8, max(math.floor(STEPS * math.log2(max(ratios))) + 1 for _, ratios in rows))
    x = lambda at: LEFT + (WIDTH - LEFT - RIGHT) * (at - low) / (high - low)
    base = TOP + ROW * len(rows) - 8
    height = base + 48
    text = lambda at, y, words, more="": f'<text x="{at:.1f}" y="{y:.1f}"{more}>{words}</text>'
    line = lambda x1, y1, x2, y2, more="": (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="black"{more}/>')
    bar = lambda left, top, width, tall, fill: (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{tall:.1f}" fill="{fill}"/>')
    middle = ' text-anchor="middle"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        bar(0, 0, WIDTH, height, "white"),
        bar(LEFT, TOP - 6, x(0) - LEFT, base - TOP + 6, "#fbeeee"),
        text(12, 20, title, ' font-size="15" font-weight="bold"'),
        text(x(0) - 8, TOP - 11, "a peer is faster", f' text-anchor="end" fill="{LOSS}"'),
        text(x(0) + 8, TOP - 11, "wavemill is faster", f' fill="{GAIN}"'),
        text(WIDTH - RIGHT, TOP - 11, note, ' text-anchor="end" font-size="12"'),
    ]
    for number, (label, ratios) in enumerate(rows):
        floor = TOP + ROW * (number + 1) - 8
        bins = [0] * (high - low)
        for ratio in ratios:
            bins[math.floor(STEPS * math.log2(ratio)) - low] += 1
        for at, count in enumerate(bins):
            if count:
                tall = (ROW - 30) * count / max(bins)
                left, right = x(at + low), x(at + low + 1)
                out.append(bar(left + 1, floor - tall, right - left - 2, tall, LOSS if at + low < 0 else GAIN))
                out.append(text((left + right) / 2, floor - tall - 3, count, middle + ' font-size="10"'))
        cases, mean, worst, losses = summary(ratios)
        figures = [f"{cases} cases", f"geometric mean {mean:.2f}", f"worst {worst:.2f}", f"{losses} slower"]
        for place, words in enumerate([label, *figures]):
            out.append(text(12, floor - 62 + 16 * place, words, ' font-weight="bold"' if place == 0 else ""))
        out.append(line(LEFT, floor, WIDTH - RIGHT, floor))
    for octave in range(math.ceil(low / STEPS), high // STEPS + 1):
        out.append(line(x(octave * STEPS), base, x(octave * STEPS), base + 5))
        out.append(text(x(octave * STEPS), base + 19, f"{2.0 ** octave:g}", middle))
    out.append(line(x(0), TOP - 22, x(0), base, ' stroke-dasharray="4 3"'))
    under = "time of the fastest peer / wavemill's time, log scale; numbers of cases"
    out.append(text((LEFT + WIDTH - RIGHT) / 2, base + 38, under, middle + ' font-size="12"'))
    return "\n".join(out) + "\n</svg>\n"


def main():
    folder = Path(sys.argv[1])
    families = {
        "transforms": ("Non-uniform FFTs beside finufft and ducc0", "", transforms),
        # The other peers have one thread only, and reduce.py leaves them out with two.
        "reductions": ("Reductions beside NumPy, bottleneck, numbagg, polars and ndarray",
                       "with 2 threads: numbagg and polars alone", reductions),
        "sampled": ("Reductions drawn at random beside NumPy and bottleneck", "one thread", sampled),
        "sampled-transforms": ("Non-uniform FFTs drawn at random beside finufft and ducc0", "", sampled_transforms),
        "sampled-products": ("Matrix products drawn at random beside OpenBLAS", "", sampled_products),
        "products": ("Matrix products beside OpenBLAS, faer and gemm", "", products),
        "periodograms": ("Lomb-Scargle periodograms beside nifty-ls and astropy", "", periodograms),
    }
    inputs = {"transforms": "peers.csv", "reductions": "reduce.csv", "sampled": "reduce-sample.csv",
              "sampled-transforms": "peers-sample.csv", "sampled-products": "matmul-sample.csv",
              "products": "matmul.md", "periodograms": "spectral.csv"}
    families = {family: of for family, of in families.items() if (folder / inputs[family]).exists()}
    with (folder / "summary.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["family", "of", "cases", "geometric_mean", "worst", "slower"])
        for family, (title, note, read) in families.items():
            rows = list(read(folder))
            (folder / f"{family}.svg").write_text(plot(title, note, rows))
            for label, ratios in rows:
                cases, mean, worst, losses = summary(ratios)
                table.writerow([family, label, cases, f"{mean:.2f}", f"{worst:.2f}", losses])


if __name__ == "__main__":
    main()
