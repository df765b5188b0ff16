"""Draws how a record stands beside its peers: for each family of kernels the distribution of (time of the fastest peer) / (wavemill's time)
over all recorded cases, losses in another colour, and writes the figures to summary.csv.

    python3 benches/peers/distributions.py benches/record/<machine>/<date>

reads peers.csv, reduce.csv and matmul.md there and writes transforms.svg, reductions.svg, products.svg and summary.csv beside them.
"""

import csv
import math
import sys
from pathlib import Path

# Bins of a quarter of an octave.
STEPS = 4
WIDTH, ROW, LEFT, RIGHT, TOP = 720, 118, 150, 20, 34


def transforms(folder):
    with (folder / "peers.csv").open() as file:
        rows = list(csv.DictReader(file))
    number = lambda row, name: float(row[name]) if row.get(name) else math.inf
    for label, kind in [("total", "total"), ("execution", "execute")]:
        ratios = [min(number(r, f"finufft_{kind}_s"), number(r, f"ducc_{kind}_s")) / float(r[f"wavemill_{kind}_s"]) for r in rows]
        yield label, [ratio for ratio in ratios if math.isfinite(ratio)]


def reductions(folder):
    with (folder / "reduce.csv").open() as file:
        rows = list(csv.DictReader(file))
    for threads in ("1", "2"):
        label = f"{threads} thread{'s' if threads == '2' else ''}"
        yield label, [float(row["ratio"]) for row in rows if row["threads"] == threads]


def products(folder):
    lines = [line.strip("|").split("|") for line in (folder / "matmul.md").read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line] for line in lines if "**" in line[7]] if lines else []
    for threads in ("1", "2"):
        label = f"{threads} thread{'s' if threads == '2' else ''}"
        yield label, [float(row[7].strip("*")) for row in rows if row[2] == threads]


def summary(ratios):
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return len(ratios), mean, min(ratios), sum(ratio < 1 for ratio in ratios)


def plot(title, rows):
    low = min(-4, min(math.floor(STEPS * math.log2(min(ratios))) for _, ratios in rows))
    high = max(math.ceil(STEPS * math.log2(max(ratios))) for _, ratios in rows)
    high = min(max(high, 8), 20)  # What is beyond 32 times is drawn in the last bin.
    x = lambda at: LEFT + (WIDTH - LEFT - RIGHT) * (at - low) / (high - low)
    height = TOP + ROW * len(rows) + 40
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{title}</text>',
        f'<text x="{WIDTH - RIGHT}" y="20" text-anchor="end" font-size="11">time of the fastest peer / wavemill\'s time</text>',
    ]
    for number, (label, ratios) in enumerate(rows):
        base = TOP + ROW * (number + 1) - 8
        bins = [0] * (high - low)
        for ratio in ratios:
            at = math.floor(STEPS * math.log2(ratio)) - low
            bins[min(max(at, 0), len(bins) - 1)] += 1
        most = max(bins)
        for at, count in enumerate(bins):
            if count:
                tall = (ROW - 30) * count / most
                colour = "#c44e52" if at + low < 0 else "#4c72b0"
                left, right = x(at + low), x(at + low + 1)
                out.append(
                    f'<rect x="{left + 1:.1f}" y="{base - tall:.1f}" width="{right - left - 2:.1f}" height="{tall:.1f}" fill="{colour}"/>'
                    f'<text x="{(left + right) / 2:.1f}" y="{base - tall - 3:.1f}" text-anchor="middle" font-size="10">{count}</text>'
                )
        cases, mean, worst, losses = summary(ratios)
        for line, text in enumerate([label, f"{cases} cases", f"mean {mean:.2f}", f"worst {worst:.2f}", f"{losses} slower"]):
            weight = ' font-weight="bold"' if line == 0 else ""
            out.append(f'<text x="12" y="{base - 62 + 16 * line}"{weight}>{text}</text>')
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}" stroke="black"/>')
    base = TOP + ROW * len(rows) - 8
    for octave in range(math.ceil(low / STEPS), high // STEPS + 1):
        at, text = x(octave * STEPS), f"{2.0 ** octave:g}"
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 5}" stroke="black"/>')
        out.append(f'<text x="{at:.1f}" y="{base + 19}" text-anchor="middle">{text}</text>')
    out.append(f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP}" y2="{base}" stroke="black" stroke-dasharray="4 3"/>')
    out.append(f'<text x="{x(0) - 8:.1f}" y="{base + 36}" text-anchor="end" fill="#c44e52">a peer is faster</text>')
    out.append(f'<text x="{x(0) + 8:.1f}" y="{base + 36}" fill="#4c72b0">wavemill is faster</text>')
    return "\n".join(out) + "\n</svg>\n"


def main():
    folder = Path(sys.argv[1])
    families = {
        "transforms": ("Non-uniform FFTs beside finufft and ducc0", transforms),
        "reductions": ("Reductions beside NumPy, bottleneck, numbagg, polars and ndarray", reductions),
        "products": ("Matrix products beside OpenBLAS, faer and gemm", products),
    }
    with (folder / "summary.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["family", "of", "cases", "geometric_mean", "worst", "slower"])
        for family, (title, read) in families.items():
            rows = list(read(folder))
            (folder / f"{family}.svg").write_text(plot(title, rows))
            for label, ratios in rows:
                cases, mean, worst, losses = summary(ratios)
                table.writerow([family, label, cases, f"{mean:.2f}", f"{worst:.2f}", losses])


main()
