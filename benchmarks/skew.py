"""What helps where classes are rare: weights, draws, the focal loss and augmentation.

    python benchmarks/skew.py [--quick] [--made] [--seeds N] [--markdown] [--out DIR]

Two tasks with classes, what is said and who says it, learned in one fit from 300 spoken digits of
which three digits and two speakers are rare: a recording of a rare digit, or of a rare speaker, is
drawn for training with a tenth of the chance of others, one of both with a hundredth. A seed draws
the recordings, which classes are rare, and the initial weights. The test recordings (takes 0 to 4)
are even over all classes. Without the recordings, or with ``--made``, sequences are made instead:
curves in eight channels, one course for each of ten classes, seen through one of six sensors.

Cells are the mean of the balanced accuracy (the mean recall of the classes) over seeds ± its
standard deviation, and then the mean difference from the plain network and, in brackets, its 95 %
interval by Student's t over the paired differences. "rare" is the mean recall of the rare classes
alone. All systems have the defaults of the estimator but for what their line names.

The whole takes some five minutes of one core; ``--quick`` shows only that everything runs.
"""

import argparse
import statistics
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _multitask_report import as_markdown, as_text, interval, write_csv
from _timing import machine
from sklearn.metrics import recall_score

from sk_mtrnn import ClassificationTask, MultiTaskRNNClassifier, Ragged
from sk_mtrnn.augmentation import ChannelMask, Jitter, Scale, TimeMask, TimeWarp, WindowCrop
from sk_mtrnn.datasets import fetch_spoken_digits

N_TRAIN, RARITY = 300, 0.1
N_RARE = {"digit": 3, "speaker": 2}
PLAIN = "nothing"
ALL = [Jitter(), Scale(), TimeMask(), ChannelMask(), TimeWarp(), WindowCrop()]
SYSTEMS = {
    PLAIN: {},
    "class weights": {"class_weight": "balanced"},
    "sampler": {"sampler": "balanced"},
    "class weights, sampler": {"class_weight": "balanced", "sampler": "balanced"},
    "focal loss": {"tasks": ClassificationTask(loss="focal")},
    **{type(one).__name__: {"augmentation": [one]} for one in ALL},
    "all six": {"augmentation": ALL},
    "class weights, all six": {"class_weight": "balanced", "augmentation": ALL},
    "sampler, all six": {"sampler": "balanced", "augmentation": ALL},
    "focal loss, all six": {"tasks": ClassificationTask(loss="focal"), "augmentation": ALL},
}


class Table:
    """Scores of systems over seeds, as mean ± deviation and difference from one of them.

    Parameters
    ----------
    case : str
        What was measured.
    columns : list of str

    Attributes
    ----------
    scores : dict of system to list of rows, one a seed
    seconds, n_parameters : dict of system to float
        Median time of a fit; the sizes are not compared.
    """

    topic, against = "skew", PLAIN

    def __init__(self, case, columns):
        self.case = case
        self.columns = columns
        self.scores, self.seconds, self.n_parameters = {}, {}, {}
        self._took = {}

    def add(self, system, scores, seconds):
        self.scores.setdefault(system, []).append(scores)
        self._took.setdefault(system, []).append(seconds)
        self.seconds[system] = statistics.median(self._took[system])

    def mean(self, system):
        """Mean score in every column."""
        return np.mean(self.scores[system], axis=0)

    def intervals(self, system):
        """Mean difference, low and high of every column."""
        differences = np.subtract(self.scores[system], self.scores[self.against])
        return [interval(column) for column in differences.T]

    def header(self):
        return ["system", *self.columns, "s a fit"]

    def rows(self):
        """Cells of every system as text."""
        for system, scores in self.scores.items():
            spread = (
                np.std(scores, axis=0, ddof=1)
                if len(scores) > 1
                else np.full(len(scores[0]), np.nan)
            )
            cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(self.mean(system), spread, strict=True)]
            if system != self.against:
                cells = [
                    f"{cell}  {difference:+.3f} [{low:+.3f}, {high:+.3f}]"
                    for cell, (difference, low, high) in zip(
                        cells, self.intervals(system), strict=True
                    )
                ]
            yield [system, *cells, f"{self.seconds[system]:.1f}"]


# ------------------------------------------------------------------ data


@cache
def recordings():
    return fetch_spoken_digits(download_if_missing=False)


def spoken(rng):
    """Recordings as X, y and which are to test on; the same whatever the seed."""
    data = recordings()
    return data.data, data.target, np.asarray(data.take) < 5


def made(rng, n_channels=8, takes=30, n_test=5):
    """Sequences that look alike: a course for each of ten classes, seen through six sensors."""
    waves = np.arange(1, 4)
    phase = rng.uniform(0, 2 * np.pi, size=(10, 1, 3, n_channels))
    height = rng.normal(size=(10, 1, 3, n_channels)) / waves[:, None]
    gain = rng.lognormal(sigma=0.3, size=(6, n_channels))
    offset = 0.5 * rng.normal(size=(6, n_channels))
    parts, rows = [], []
    for digit, speaker, take in np.ndindex(10, 6, takes):
        t = np.linspace(0, np.pi, rng.integers(15, 31))[:, None, None]
        course = (height[digit] * np.sin(waves[:, None] * t + phase[digit])).sum(axis=1)
        noise = rng.normal(size=course.shape)
        parts.append(gain[speaker] * course + offset[speaker] + 1.5 * noise)
        rows.append((digit, speaker, take))
    frame = pd.DataFrame(rows, columns=["digit", "speaker", "take"])
    return Ragged.from_list(parts), frame[["digit", "speaker"]], frame["take"].to_numpy() < n_test


def skewed(load, seed, n_train):
    """Skewed training data, even test data, and the rare classes of every task."""
    rng = np.random.default_rng(seed)
    X, y, test = load(rng)
    rare = {
        task: rng.choice(np.unique(y[task]), size=n, replace=False) for task, n in N_RARE.items()
    }
    chance = np.where(test, 0.0, 1.0)
    for task, classes in rare.items():
        chance[np.isin(y[task], classes)] *= RARITY
    train = rng.choice(len(X), size=n_train, replace=False, p=chance / chance.sum())
    for task in y:  # a class without a recording cannot be learned
        lacking = np.setdiff1d(y[task], y[task].iloc[train])
        found = [np.flatnonzero(~test & (y[task] == label).to_numpy())[0] for label in lacking]
        train = np.concatenate([train, np.array(found, dtype=train.dtype)])
    return X[train], y.iloc[train], X[test], y[test], rare


# ------------------------------------------------------------------ scores


def scores_of(model, X, y, rare):
    """Balanced accuracy of every task, and mean recall of its rare classes."""
    predicted = model.predict(X)
    balanced, of_rare = [], []
    for task, classes in rare.items():
        options = {"average": "macro", "zero_division": 0}
        balanced.append(
            recall_score(y[task], predicted[task], labels=np.unique(y[task]), **options)
        )
        of_rare.append(recall_score(y[task], predicted[task], labels=classes, **options))
    return [*balanced, *of_rare]


def compare(load, name, seeds, quick):
    """Fit every system on the data of every seed."""
    columns = [*N_RARE, *(f"rare {task}" for task in N_RARE)]
    n_train = 100 if quick else N_TRAIN
    table = Table(f"{name}, balanced accuracy, {n_train} training samples", columns)
    for seed in seeds:
        X, y, X_test, y_test, rare = skewed(load, seed, n_train)
        for system, options in SYSTEMS.items():
            start = time.perf_counter()
            model = MultiTaskRNNClassifier(
                random_state=seed, n_threads=1, device="cpu", **options
            ).set_params(**({"max_epochs": 1} if quick else {}))
            model.fit(X, y)
            table.add(system, scores_of(model, X_test, y_test, rare), time.perf_counter() - start)
    return table


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two seeds, one epoch")
    parser.add_argument("--made", action="store_true", help="made sequences, not recordings")
    parser.add_argument("--seeds", type=int, default=5, help="0, 1, ...")
    parser.add_argument("--markdown", action="store_true", help="print the table as markdown too")
    parser.add_argument("--out", type=Path, help="folder of skew.csv; None: not written")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    seeds = range(2 if args.quick else args.seeds)
    load, name = (made, "made sequences") if args.made else (spoken, "spoken digits")
    if not args.made:
        try:
            recordings()
        except OSError as missing:
            print(f"made sequences instead of spoken digits: {missing}")
            load, name = made, "made sequences"
    if args.quick:
        print("quick: the numbers mean nothing")
    table = compare(load, name, seeds, args.quick)
    print(f"\n{table.case}, {len(seeds)} seeds; differences from {table.against}")
    print(as_text(table))
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        write_csv([table], args.out / "skew.csv")
        print(f"wrote {args.out / 'skew.csv'}")
    if args.markdown:
        print("\n" + as_markdown(table))


if __name__ == "__main__":
    sys.exit(main())
