"""Tables of scores over seeds, differences with intervals, and claims checked against them."""

import csv
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def interval(values):
    """Mean of values over seeds and its 95 % interval by Student's t: (mean, low, high).

    Of differences between two systems on the same seeds this is the paired t interval. The ends
    are NaN for a single seed.
    """
    values = np.asarray(values, dtype=np.float64)
    mean, n = values.mean(), len(values)
    if n == 1:
        return float(mean), np.nan, np.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return float(mean), float(mean - half), float(mean + half)


@dataclass(frozen=True)
class Claim:
    """What was to be shown, whether it was, and the numbers it is judged by."""

    text: str
    holds: bool
    found: str

    def __str__(self):
        return f"{'PASS' if self.holds else 'MISS'}: {self.text}. Found: {self.found}"


@dataclass
class Table:
    """Scores of systems over seeds.

    Attributes
    ----------
    topic, case : str
        The part of the benchmark, and what was measured.
    columns : list of str
        What was scored.
    against : str
        The system the others are compared with.
    scores : dict of system to list of rows, one a seed
        A system that was not run on all seeds has the first of them.
    seconds, n_parameters : dict of system to number
        Median time of a fit, trainable parameters; left blank where a system is not there.
    """

    topic: str
    case: str
    columns: list
    against: str
    scores: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)
    n_parameters: dict = field(default_factory=dict)

    def mean(self, system):
        """Mean score in every column."""
        return np.mean(self.scores[system], axis=0)

    def differences(self, system):
        """Less those of the system compared with, on the same seeds: (n_seeds, n_columns)."""
        scores = np.asarray(self.scores[system])
        return scores - np.asarray(self.scores[self.against])[: len(scores)]

    def intervals(self, system):
        """Mean difference, low and high of every column."""
        return [interval(column) for column in self.differences(system).T]

    def header(self):
        extra = ["s a fit"] if self.seconds else []
        extra += ["parameters"] if self.n_parameters else []
        return ["system", *self.columns, *extra, "seeds"]

    def rows(self):
        """Cells of every system as text."""
        for system, scores in self.scores.items():
            cells = [f"{mean:.3f}" for mean in self.mean(system)]
            if system != self.against:
                ends = [
                    f" {difference:+.3f} [{_end(low)}, {_end(high)}]"
                    for difference, low, high in self.intervals(system)
                ]
                cells = [cell + end for cell, end in zip(cells, ends, strict=True)]
            extra = []
            if self.seconds:
                extra.append(f"{self.seconds[system]:.1f}" if system in self.seconds else "")
            if self.n_parameters:
                extra.append(str(self.n_parameters.get(system, "")))
            yield [system, *cells, *extra, str(len(scores))]


def _end(value):
    return "?" if np.isnan(value) else f"{value:+.3f}"


def as_text(table):
    """A table as lines, its columns in line."""
    lines = [table.header(), *table.rows()]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  " + "  ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_markdown(table):
    """A table as markdown."""
    header = table.header()
    lines = [header, ["---"] * len(header), *table.rows()]
    title = f"**{table.topic}**: {table.case}; differences from {table.against}"
    return title + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_csv(tables, path):
    """One line for every system and column."""
    names = ("topic", "case", "system", "column", "mean", "against", "difference", "low", "high")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*names, "seeds", "seconds", "n_parameters"))
        for table in tables:
            for system, scores in table.scores.items():
                triples = zip(
                    table.columns, table.mean(system), table.intervals(system), strict=True
                )
                extra = table.seconds.get(system, ""), table.n_parameters.get(system, "")
                for column, mean, compared in triples:
                    numbers = [f"{value:.6g}" for value in (mean, *compared)]
                    where = table.topic, table.case, system, column, numbers[0], table.against
                    writer.writerow((*where, *numbers[1:], len(scores), *extra))
