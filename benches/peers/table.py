"""Reads and writes peers.csv, and writes peers.md from it."""

import csv
import io
import os
import pathlib
import platform
from typing import NamedTuple

import ducc0
import finufft
import numpy as np

import memory

PROGRAMS = ("wavemill", "finufft", "ducc")
PEERS = PROGRAMS[1:]


def peak_field(name):
    return f"{name.replace(' ', '_')}_bytes"


FIELDS = [
    "case", "group", "modes", "points", "precision", "tolerance", "threads", "date",
    *(f"{program}_{column}" for program in PROGRAMS for column in ("total_s", "execute_s", "error")),
    "finufft_upsampling", "speedup_total", "speedup_execute", *(peak_field(name) for name in memory.NAMES),
]


def read(out):
    """The rows of an earlier run, by case and threads."""
    if not (out / "peers.csv").exists():
        return {}
    with open(out / "peers.csv", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        if reader.fieldnames != FIELDS:
            raise SystemExit(f"{out}/peers.csv has other columns than this script's; give another --out")
    return {(row["case"], int(row["threads"])): row for row in rows}


def make(label, shape, precision, tolerance, threads, date, found):
    """A row of the file, as strings; a program that refused the case leaves its columns empty."""
    row = dict.fromkeys(FIELDS, "") | {
        "case": label, "group": shape.group, "modes": "x".join(map(str, shape.modes)), "points": str(shape.points),
        "precision": precision, "tolerance": repr(tolerance), "threads": str(threads), "date": date}
    for program in PROGRAMS:
        if program in found:
            total, execute, error, *choice = found[program]
            row |= {f"{program}_total_s": f"{total:.6g}", f"{program}_execute_s": f"{execute:.6g}",
                    f"{program}_error": f"{error:.2e}"}
            if choice:
                row["finufft_upsampling"] = choice[0]
    for column in ("total", "execute"):
        faster = View(row).faster(column)
        if faster:
            row[f"speedup_{column}"] = f"{View(row).speedup(column, faster):.4g}"
    return row


class View(NamedTuple):
    """A row of the file with its numbers."""

    row: dict

    def number(self, field):
        return float(self.row[field]) if self.row[field] else None

    def speedup(self, column, peer):
        """The peer's time divided by wavemill's."""
        ours, theirs = self.number(f"wavemill_{column}_s"), self.number(f"{peer}_{column}_s")
        return theirs / ours if ours and theirs else None

    def faster(self, column):
        """The fastest peer, whatever its error."""
        ran = [peer for peer in PEERS if self.speedup(column, peer)]
        return min(ran, key=lambda peer: self.speedup(column, peer), default=None)

    def missed(self, peer):
        """Whether the peer's error is NaN, or beyond both ten times the tolerance and ten times ours."""
        allowed = 10 * max(self.number("tolerance"), self.number("wavemill_error") or 0)
        error = self.number(f"{peer}_error")
        return error is not None and not error <= allowed

    def inaccurate(self):
        """Whether wavemill's error is above both the tolerance and the error of a peer that is faster."""
        ours = self.number("wavemill_error")
        errors = [self.number(f"{peer}_error") for peer in {self.faster("total"), self.faster("execute")} - {None}]
        return ours is not None and any(not ours <= max(self.number("tolerance"), error) for error in errors)

    def name(self):
        return f"{self.row['case']}, threads {self.row['threads']}"

    def against(self, column, peer):
        ratio = self.speedup(column, peer)
        return "" if ratio is None else f"{ratio:.2f}" + "*" * self.missed(peer)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def replace(path, text):
    """Replaces a file, which is never left half-written if the script is interrupted."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


def write(out, rows):
    """Rewrites both files, which is done after every row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace(out / "peers.csv", text.getvalue())
    views = [View(row) for row in rows]
    lines = [*header(rows), *summary(views), *times(views), *peaks(views)]
    replace(out / "peers.md", "\n".join(lines) + "\n")


def header(rows):
    dates = sorted({row["date"] for row in rows})
    return [
        f"# wavemill beside finufft {finufft.__version__} and ducc0 {ducc0.__version__}", "",
        f"{processor()}, {os.cpu_count()} processors, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}. Made by",
        "`benches/peers/compare.py`; peers from PyPI wheels, called from Python, which costs them some tens of µs a",
        "call: it counts in the small cases only. Medians over rounds in alternation. Total is a fresh plan, its",
        "points and one execution into a fresh array; execute is an execution with plan, points and array kept.",
        "finufft's is the faster of upsampling 2 and its own choice, for total and for execute; DUCC's total is its",
        "one-shot function.",
        "",
        "**Speed-up is the faster peer's time over wavemill's: above 1 wavemill is faster.** The faster peer counts",
        "whatever its error; `*` marks a peer whose error is above 10 times the larger of the tolerance and",
        "wavemill's error. Errors are relative l2, from a sample of 16 outputs (8 for 4e6 points and more) against",
        "direct sums of exactly reduced phases. `!` marks an error of wavemill's above the larger of the tolerance",
        "and the faster peer's error. An empty cell: that program refuses the case.",
        "",
    ]


def table(columns, rows):
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns),
            *("| " + " | ".join(row) + " |" for row in rows), ""]


def mean(ratios):
    return f"{np.exp(np.mean(np.log(ratios))):.2f}" if ratios else ""


def summary(views):
    ran = [view for view in views if view.faster("total")]
    groups = {"all": ran}
    for view in ran:
        groups.setdefault(view.row["group"], []).append(view)
    cells = []
    for group, members in groups.items():
        row = [group, str(len(members))]
        decisive = {c: [view.speedup(c, view.faster(c)) for view in members] for c in ("total", "execute")}
        row += [mean(decisive["total"]), mean(decisive["execute"])]
        for peer in PEERS:
            ratios = ([r for view in members if (r := view.speedup(c, peer))] for c in ("total", "execute"))
            row.append(" / ".join(mean(r) for r in ratios))
        row += [str(sum(ratio < 1 for ratio in decisive[c])) for c in ("total", "execute")]
        cells.append(row)
    lines = ["## Summary", "", "Geometric means of the speed-up, and rows with a speed-up below 1.", ""]
    lines += table(["group", "rows", "total", "execute", "vs finufft total / execute", "vs ducc total / execute",
                    "total < 1", "execute < 1"], cells)
    below = []
    for view in ran:
        slow = [f"{c} {view.against(c, view.faster(c))} ({view.faster(c)})" for c in ("total", "execute")
                if view.speedup(c, view.faster(c)) < 1]
        if slow:
            below.append(f"{view.name()}: {', '.join(slow)}")
    lines += listed("Below 1.0", below)
    lines += listed("wavemill's error above the larger of the tolerance and the faster peer's error",
                    [f"{view.name()}: {view.row['wavemill_error']}" for view in ran if view.inaccurate()])
    lines += listed("The faster peer misses the tolerance by more than 10 times (`*`)",
                    [view.name() for view in ran if any(view.missed(view.faster(c)) for c in ("total", "execute"))])
    refused = [f"{program}: {view.name()}" for program in PROGRAMS for view in views
               if not view.row[f"{program}_total_s"]]
    return lines + (listed("Refused", refused) if refused else [])


def listed(title, items):
    return [f"{title}: {len(items)}.", "", *(f"- {item}" for item in items), *([""] if items else [])]


def times(views):
    columns = ["case", "threads", "total ms", "execute ms", "speed-up total", "speed-up execute",
               "vs finufft total / execute", "vs ducc total / execute", "error", "finufft's", "ducc's"]
    cells = []
    for view in views:
        row = view.row
        cell = [row["case"], row["threads"]]
        for column in ("wavemill_total_s", "wavemill_execute_s"):
            cell.append(f"{1e3 * float(row[column]):.3g}" if row[column] else "")
        for column in ("total", "execute"):
            faster = view.faster(column)
            cell.append(f"**{view.against(column, faster)}**" if faster else "")
        for peer in PEERS:
            pair = [view.against(column, peer) for column in ("total", "execute")]
            cell.append(" / ".join(pair) if all(pair) else "")
        cell.append(row["wavemill_error"] + " !" * view.inaccurate())
        cells.append(cell + [row[f"{peer}_error"] + "*" * view.missed(peer) for peer in PEERS])
    return ["## Times", "", *table(columns, cells)]


def peaks(views):
    cells = [[view.row["case"], *(f"{float(size) / 1e6:.1f}" if size else "" for size in
                                  (view.row[peak_field(name)] for name in memory.NAMES))]
             for view in views if view.row["arrays_bytes"]]
    if not cells:
        return []
    return ["## Peak memory", "",
            "Peak resident MB of a process that makes one transform on one thread, beyond input and output (`arrays`:",
            "coordinates as f64, values, result). wavemill: the whole process's peak less those arrays, so its program",
            "and its reading of the files count, and less than 15 MB cannot be seen (what the process that starts it",
            "holds). Peers: what plan, points and execution add to the peak of a process that has loaded their input,",
            "less the output; Python and its modules do not count.",
            "", *table(["case", *memory.NAMES], cells)]
