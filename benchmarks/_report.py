"""Rows of results: what they hold, and how they are printed, written and drawn."""

import argparse
import csv
from dataclasses import dataclass

import numpy as np
import torch
from _timing import machine


class Skip(Exception):
    """A topic, or the rest of it, cannot run here; the message says why."""


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes
    ----------
    topic, case : str
        What was measured, and at which sizes.
    what : str
        What the number is; of a ratio "a / b", times of a over times of b.
    values : ndarray
        The number in every repeat.
    target : float or None
        What the median should reach, or with ``at_most`` not exceed.
    line : str
        The line of the README's table it belongs to; "" for none.
    seconds : tuple of float
        Medians of the times the ratio was made of.
    note : str
    """

    topic: str
    case: str
    what: str
    values: np.ndarray
    target: float | None = None
    at_most: bool = False
    line: str = ""
    seconds: tuple = ()
    note: str = ""

    @property
    def median(self):
        return float(np.median(self.values))

    @property
    def spread(self):
        """Quartiles, or the range of fewer than five repeats."""
        ends = [25, 75] if len(self.values) >= 5 else [0, 100]
        return tuple(np.percentile(self.values, ends).tolist())

    @property
    def goal(self):
        if self.target is None:
            return ""
        return f"{'≤' if self.at_most else '≥'} {self.target:g}"

    @property
    def met(self):
        """Whether the median reaches the target; None without one."""
        if self.target is None:
            return None
        return self.median <= self.target if self.at_most else self.median >= self.target


def ratio(topic, case, times, over, under, **options):
    """The row of the times of one way over those of another.

    Parameters
    ----------
    topic, case : str
    times : dict of name to ndarray
        As `alternate` returns them.
    over, under : str
        Names.
    **options
        Of `Row`.
    """
    values = times[over] / times[under]
    seconds = (float(np.median(times[over])), float(np.median(times[under])))
    return Row(topic, case, f"{over} / {under}", values, seconds=seconds, **options)


def number(value):
    """A number in three digits."""
    return f"{value:.2f}" if 0.095 <= abs(value) < 99.5 or not value else f"{value:.3g}"


def _times(seconds):
    """Times in one unit."""
    if not seconds:
        return ""
    longest = max(seconds)
    factor, unit = (1, "s") if longest >= 1 else (1e3, "ms") if longest >= 1e-3 else (1e6, "µs")
    return " / ".join(f"{factor * s:.3g}" for s in seconds) + f" {unit}"


HEADER = ("case", "what", "median", "spread", "target", "", "times", "")
_WIDTHS = (31, 33, 8, 16, 9, 6, 18, 0)


def text(cells):
    """Cells of a table as a line."""
    pairs = zip(cells, _WIDTHS, strict=True)
    return "  " + " ".join(f"{cell:{width}}" for cell, width in pairs).rstrip()


def as_text(row):
    """A row as a line of the printed table."""
    low, high = map(number, row.spread)
    met = {None: "", True: "met", False: "missed"}[row.met]
    return text(
        (
            row.case,
            row.what,
            number(row.median),
            f"{low} .. {high}" if len(row.values) > 1 else "",
            row.goal,
            met,
            _times(row.seconds),
            row.note,
        )
    )


COLUMNS = ("topic", "case", "what", "median", "low", "high", "min", "max", "repeats")
COLUMNS += ("target", "at_most", "met", "seconds_over", "seconds_under", "note", "line")


def write_csv(rows, path):
    """One line a row; times in seconds, of the first and the second name of ``what``."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            numbers = (row.median, *row.spread, row.values.min(), row.values.max())
            target = "" if row.target is None else row.target
            seconds = row.seconds or ("", "")
            writer.writerow(
                (
                    *(row.topic, row.case, row.what),
                    *(f"{x:.6g}" for x in numbers),
                    *(len(row.values), target, row.at_most, row.met),
                    *(*seconds, row.note, row.line),
                )
            )


def as_markdown(rows):
    """The README's table: for every line the medians of its cases, the least and the greatest."""
    lines = {}
    for row in rows:
        if row.line:
            lines.setdefault((row.line, row.goal), []).append(row)
    table = ["| | measured | at least or at most |", "|---|---|---|"]
    for (line, goal), group in lines.items():
        medians = [row.median for row in group]
        if len(group) == 1:
            low, high = group[0].spread
            found = number(medians[0])
            found += f" ({number(low)} to {number(high)})" if len(group[0].values) > 1 else ""
        else:
            found = f"{number(min(medians))} to {number(max(medians))} in {len(group)} cases"
        n_missed = sum(row.met is False for row in group)
        if n_missed:
            found += "; missed" + (f" in {n_missed}" if len(group) > 1 else "")
        table.append(f"| {line} | {found} | {goal} |")
    return "\n".join(table)


def draw(rows, path):
    """A dot and its spread for every ratio, a triangle where its target is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    rows = [row for row in rows if " / " in row.what]
    figure = Figure(figsize=(9, 1.5 + 0.19 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    topics = list(dict.fromkeys(row.topic for row in rows))
    for y, row in enumerate(rows):
        color = f"C{topics.index(row.topic) % 10}"
        axes.plot(row.spread, [y, y], color=color, lw=1.5)
        axes.plot(row.median, y, "o", color=color, ms=4)
        if row.target is not None:
            axes.plot(
                row.target, y, "<" if row.at_most else ">", color="k", ms=4, mfc="none", zorder=3
            )
    labels = [f"{row.topic}: {row.case}, {row.what}" for row in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=6)
    axes.set(xscale="log", ylim=(len(rows), -1))
    axes.set_xlabel("ratio of times or sizes: median and spread; ▷ at least, ◁ at most")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.axvline(1.0, color="k", lw=0.6)
    figure.savefig(path)


def alone(run, about, on_device=False):
    """Run one topic as a script.

    Parameters
    ----------
    run : callable ``quick -> iterable of Row``
    about : str
        The docstring of the script.
    on_device : bool, default=False
        Whether ``run`` takes a ``device``.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few repeats")
    if on_device:
        parser.add_argument("--device", default="cuda", help="cpu: only to exercise the code")
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    print(machine())
    print(text(HEADER))
    try:
        for row in run(**options):
            print(as_text(row), flush=True)
    except Skip as why:
        print(f"  skipped: {why}")
