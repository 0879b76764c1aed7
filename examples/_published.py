"""What the examples on published data sets share: options, tables, ablations."""

import argparse
import time

import numpy as np


class Study:
    """Scores of one estimator over seeds, beside what others published.

    Parameters
    ----------
    doc : str
        The script's docstring; its first line describes the command.
    columns : sequence of str
        What is scored.
    scores : callable ``(part, seed, **changes) -> sequence of floats``
        Fits with a seed, and changed parameters, and scores on a part of the data, "valid" or
        "test".
    published : dict of str to sequence of float or None
        Rows to stand beside.
    floors : callable ``() -> dict of str to sequence of floats``, default=None
        Rows of simple models, computed here.
    ablations : dict of str to dict, default=None
        Changes, one at a time, that ``--ablation`` scores on the validation part.
    systems : dict of str to dict, default={"sk_mtrnn": {}}
        What is scored on the test part, as changes.
    seeds : int, default=5
    unit : str, default="seed"
        What a seed is: "fold" where it chooses one.
    decimals : int, default=1
    """

    def __init__(
        self,
        doc,
        columns,
        scores,
        published,
        floors=None,
        ablations=None,
        systems=None,
        seeds=5,
        unit="seed",
        decimals=1,
    ):
        self.columns = list(columns)
        self.scores = scores
        self.published = published
        self.floors = floors
        self.ablations = ablations or {}
        self.systems = systems or {"sk_mtrnn": {}}
        self.unit = unit
        self.decimals = decimals
        parser = argparse.ArgumentParser(description=doc.splitlines()[0])
        parser.add_argument("--seeds", type=int, default=seeds)
        parser.add_argument("--epochs", type=int, help="of every fit; the script's own without")
        parser.add_argument("--quick", action="store_true", help="one seed, one epoch")
        parser.add_argument(
            "--ablation", action="store_true", help="score one change at a time, on validation"
        )
        parser.add_argument(
            "--sharing", action="store_true", help="score every way of sharing, on test"
        )
        self.arguments = parser.parse_args()
        if self.arguments.quick:
            self.arguments.seeds = self.arguments.epochs = 1

    def run(self):
        """Print the table that the options ask for."""
        if self.arguments.ablation:
            self._head(f"validation, mean of the {self.unit}s")
            for name, changes in {"as above": {}, **self.ablations}.items():
                self._seeds(name, "valid", changes)
            return
        if self.arguments.sharing:
            self._head("test, mean ± standard deviation")
            for sharing in ("none", "hard", "shared_private", "mmoe"):
                self._seeds(sharing, "test", {"sharing": sharing})
            self._seeds("hard, chain", "test", {"task_relation": "chain"})
            return
        self._head("test")
        for name, row in (self.floors() if self.floors else {}).items():
            self._row(name, row)
        for name, row in self.published.items():
            self._row(name, row)
        for name, changes in self.systems.items():
            self._seeds(name, "test", changes, each=True)

    def _seeds(self, name, part, changes, each=False):
        if self.arguments.epochs:
            changes = {"max_epochs": self.arguments.epochs, **changes}
        rows, start = [], time.perf_counter()
        for seed in range(self.arguments.seeds):
            begun = time.perf_counter()
            rows.append(self.scores(part, seed, **changes))
            if each:
                self._row(f"{name}, {self.unit} {seed}", rows[-1], time.perf_counter() - begun)
        seconds = (time.perf_counter() - start) / len(rows)
        label = f"{name}, {len(rows)} {self.unit}s" if each else name
        spread = np.std(rows, axis=0, ddof=1) if len(rows) > 1 else None
        self._row(label, np.mean(rows, axis=0), seconds, spread)

    def _head(self, title):
        columns = "".join(f"{column:>14}" for column in self.columns)
        print(f"{title:34}{columns}   s a {self.unit}")

    def _row(self, name, row, seconds=None, spread=None):
        cells = []
        for i, value in enumerate(row):
            cell = "" if value is None else f"{value:.{self.decimals}f}"
            if spread is not None:
                cell += f" ± {spread[i]:.{self.decimals}f}"
            cells.append(f"{cell:>14}")
        ending = "" if seconds is None else f"{seconds:11.0f}"
        print(f"{name:34}" + "".join(cells) + ending, flush=True)
