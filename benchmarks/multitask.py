"""What multi-task learning gains, and what it costs.

    python benchmarks/multitask.py [--quick] [--only PART ...] [--out DIR] [--markdown] [--seeds N]

Four parts. Every cell is a mean over seeds of scores on test data, then the mean difference from
the system the table names and, in brackets, its 95 % interval: Student's t over the differences
seed by seed (paired), where a seed draws the data (of real data, the split) and initial weights
anew. Claims are printed as PASS or MISS, whatever comes out.

sharing: three regression tasks, two with a label a sequence and one with labels at single steps,
learned from 100 synthetic sequences with 25 labels a task, related by 0.9 or not at all. All
systems have the defaults: 64 hidden units (each expert and each private recurrence too), 50 epochs.
The number of labels, out of 100, 50 and 25, is the one setting that was chosen, for all systems, on
seeds that are not used here. Noise, epochs and early stopping were tried there too, and left at the
defaults.

weighting: two tasks of unit scale share a network of 32 units with a third whose labels are noise
to one half and a thousand times as large, and nothing scales them (``standardize=False``). A system
protects the two where they lose no more than 0.1 R² against the same network without the third.
All run with their defaults, 50 epochs. NashMTL takes minutes a fit and runs on the first two seeds
only.

real: digit strokes and spoken digits, 300 training samples each, three seeds, defaults, 50 epochs.
Spoken digits are looked for where the environment variable SK_MTRNN_DATA says.

cost: ten tasks in one fit against a fit for each, alternating, on one thread.

A few of the systems need TorchJD; without it, or without the recordings, a line says what was left
out. The whole takes some 25 minutes of one core; ``--quick``, under a minute, shows only that
everything runs: its claims mean nothing.
"""

import argparse
import statistics
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from _multitask_report import Claim, Table, as_markdown, as_text, interval, write_csv
from _timing import alternate, clocked, machine
from sklearn.model_selection import train_test_split

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor
from sk_mtrnn.datasets import fetch_spoken_digits, load_digit_strokes, make_multitask_sequences
from sk_mtrnn.metrics import task_scores
from sk_mtrnn.weighting import AGGREGATIONS, WEIGHTINGS

EPOCHS = 50
COMMON = {"n_threads": 1, "device": "cpu"}


class Runs:
    """Fits and scores systems, seed by seed, into a table.

    Parameters
    ----------
    table : Table
    """

    def __init__(self, table):
        self.table = table
        self._seconds = {}

    def fit(self, system, model, X, y):
        """Fit, and note how long it took and how large the network is."""
        start = time.perf_counter()
        model.fit(X, y)
        self._seconds.setdefault(system, []).append(time.perf_counter() - start)
        self.table.seconds[system] = statistics.median(self._seconds[system])
        parameters = model.net_.module_.parameters()
        self.table.n_parameters[system] = sum(p.numel() for p in parameters)
        return model

    def add(self, system, scores):
        self.table.scores.setdefault(system, []).append(list(map(float, scores)))


def scores_of(model, X, y):
    """Accuracy or R² of every task."""
    metrics = {
        name: "r2" if kind == "regression" else "accuracy"
        for name, kind in model.task_types_.items()
    }
    return task_scores(model, X, y, metrics=metrics)["score"].to_numpy()


# sharing ------------------------------------------------------------------------------------------

SYSTEMS = ("none", "hard", "shared_private", "cross_stitch", "mmoe")
SHARING_TASKS = {"a": "regression", "b": "regression", "c": "regression_per_step"}
N_TRAIN, N_STEPS, N_LABELS = 100, 20, 25


def sharing_data(relatedness, seed):
    """Sequences of which the first 100 are to train on; labels thinned out, and all labels."""
    missing = {task: 1 - N_LABELS / N_TRAIN for task in "ab"}
    missing["c"] = 1 - N_LABELS / (N_TRAIN * N_STEPS)
    options = {"tasks": SHARING_TASKS, "relatedness": relatedness, "random_state": seed}
    X, y = make_multitask_sequences(N_TRAIN + 1000, N_STEPS, 8, **options)
    _, thinned = make_multitask_sequences(
        N_TRAIN + 1000, N_STEPS, 8, missing_labels=missing, **options
    )
    return X, thinned, y


def sharing(quick, seeds):
    """Yield the tables and claims about ways of sharing."""
    tables = {}
    for relatedness in (0.9, 0.0):
        case = f"relatedness {relatedness}, R² on 1000 sequences, {N_LABELS} labels a task"
        table = Table("sharing", case, [*SHARING_TASKS, "mean"], "none")
        runs = Runs(table)
        for seed in seeds:
            X, thinned, y = sharing_data(relatedness, seed)
            for system in SYSTEMS:
                model = MultiTaskRNNRegressor(
                    sharing=system,
                    max_epochs=2 if quick else EPOCHS,
                    random_state=seed,
                    **COMMON,
                )
                runs.fit(system, model, X[:N_TRAIN], thinned[:N_TRAIN])
                scores = scores_of(model, X[N_TRAIN:], y[N_TRAIN:])
                runs.add(system, [*scores, np.mean(scores)])
        tables[relatedness] = table
        yield table
    found = dict(zip(SHARING_TASKS, tables[0.9].intervals("hard"), strict=False))
    yield Claim(
        "related by 0.9, hard sharing beats none on every task, the interval clear of zero",
        all(low > 0 for _, low, _ in found.values()),
        ", ".join(f"{task} {d:+.3f} [{lo:+.3f}, {hi:+.3f}]" for task, (d, lo, hi) in found.items()),
    )
    for system in ("shared_private", "cross_stitch", "mmoe"):
        d, low, high = tables[0.0].intervals(system)[-1]
        yield Claim(
            f"unrelated, {system} loses no more than 0.02 R² to none, in the mean over tasks",
            d >= -0.02,
            f"{d:+.3f} [{low:+.3f}, {high:+.3f}]",
        )


# weighting ----------------------------------------------------------------------------------------

FACTOR, PROTECTED, LOSS_ALLOWED, LOSS_NEEDED = 1000, ["a", "b"], 0.1, 0.3
N_NASH = 2


def weighting_data(seed):
    """Sequences with two tasks of unit scale and a third that is noisy and large."""
    tasks = dict.fromkeys([*PROTECTED, "large"], "regression")
    X, y = make_multitask_sequences(
        1300, N_STEPS, 8, tasks=tasks, relatedness=0.5, random_state=seed
    )
    noise = np.random.default_rng(seed).standard_normal(len(y))
    y["large"] = FACTOR * (y["large"] + noise)
    return X, y


def weighting(quick, seeds):
    """Yield the table of all systems beside a dominating task, and the claims."""
    case = f"a task {FACTOR} times as large beside two, R² on 1000 sequences"
    table = Table("weighting", case, ["protected", "dominating"], "without the others")
    runs = Runs(table)

    def fit(system, seed, X, y, **options):
        model = MultiTaskRNNRegressor(
            hidden_layer_sizes=(32,),
            max_epochs=1 if quick else EPOCHS,
            standardize=False,
            random_state=seed,
            **options,
            **COMMON,
        )
        runs.fit(system, model, X[:300], y[:300])
        return scores_of(model, X[300:], y[300:])

    for seed in seeds:
        X, y = weighting_data(seed)
        few = fit("without the others", seed, X, y[PROTECTED])
        large = fit("without the others", seed, X, y[["large"]])
        runs.add("without the others", [few.mean(), large.mean()])
        systems = {"equal weights": {}}
        systems |= {name: {"task_weights": name} for name in WEIGHTINGS}
        systems |= {name: {"gradient_aggregation": name} for name in AGGREGATIONS}
        for system, options in systems.items():
            if system == "nashmtl" and seed not in seeds[:N_NASH]:
                continue
            try:
                scores = fit(system, seed, X, y, **options)
            except ImportError as missing:
                if seed == seeds[0]:
                    yield f"left out: {system}: {missing}"
                continue
            runs.add(system, [scores[:-1].mean(), scores[-1]])
    # that line holds two networks, so that time and size of one would mislead
    del table.seconds["without the others"], table.n_parameters["without the others"]
    yield table
    lost = {system: -table.differences(system).mean(axis=0)[0] for system in table.scores}
    yield Claim(
        f"equal weights lose more than {LOSS_NEEDED} R² on the protected tasks",
        lost["equal weights"] > LOSS_NEEDED,
        f"{lost['equal weights']:.3f}",
    )
    for kind, names, needed in (("weightings", WEIGHTINGS, 3), ("aggregators", AGGREGATIONS, 2)):
        if not lost.keys() & set(names):
            continue
        good = [name for name in names if lost.get(name, np.inf) <= LOSS_ALLOWED]
        yield Claim(
            f"at least {needed} {kind} lose no more than {LOSS_ALLOWED} R²",
            len(good) >= needed,
            ", ".join(f"{name} {lost[name]:.3f}" for name in good) or "none",
        )


# real ---------------------------------------------------------------------------------------------

REAL_SYSTEMS = {
    "none": {"sharing": "none"},
    "hard": {},
    "shared_private": {"sharing": "shared_private"},
    "mmoe": {"sharing": "mmoe"},
    "chain": {"task_relation": "chain"},
}


def strokes(seed):
    """300 digit strokes to train on, the other 1497 to test."""
    X, y = load_digit_strokes(return_X_y=True)
    train, test = train_test_split(np.arange(len(X)), train_size=300, random_state=seed)
    return X[train], y.iloc[train], X[test], y.iloc[test]


def spoken(seed):
    """300 recordings of takes 5 to 49 to train on, the 300 of takes 0 to 4 to test."""
    data = fetch_spoken_digits(download_if_missing=False)
    test = np.flatnonzero(data.take < 5)
    train = np.random.default_rng(seed).choice(np.flatnonzero(data.take >= 5), 300, replace=False)
    return data.data[train], data.target.iloc[train], data.data[test], data.target.iloc[test]


def real(quick, seeds):
    """Yield a table for each real data set."""
    for name, load, tasks in (
        ("digit strokes", strokes, {"ink": "regression"}),
        ("spoken digits", spoken, None),
    ):
        try:
            splits = {seed: load(seed) for seed in seeds[: 1 if quick else 3]}
        except OSError as missing:
            yield f"left out: {name}: {missing}"
            continue
        columns = [
            f"{task} (R²)" if task in (tasks or ()) else task
            for task in splits[seeds[0]][1].columns
        ]
        table = Table("real", f"{name}, 300 training samples, accuracy or R²", columns, "none")
        runs = Runs(table)
        for seed, (X, y, X_test, y_test) in splits.items():
            for system, options in REAL_SYSTEMS.items():
                model = MultiTaskRNN(
                    tasks=tasks,
                    max_epochs=1 if quick else EPOCHS,
                    random_state=seed,
                    **options,
                    **COMMON,
                )
                runs.fit(system, model, X, y)
                runs.add(system, scores_of(model, X_test, y_test))
        yield table


# cost ---------------------------------------------------------------------------------------------


def cost(quick, seeds):
    """Yield what one fit of ten tasks takes of the time of ten fits."""
    X, y = make_multitask_sequences(
        200 if quick else 1000,
        N_STEPS,
        12,
        tasks={f"task {k}": "regression" for k in range(10)},
        random_state=seeds[0],
    )
    model = MultiTaskRNNRegressor(max_epochs=1 if quick else 5, random_state=0, **COMMON)

    def apart():
        for task in y:
            model.fit(X, y[[task]])

    ways = {"one fit": clocked(lambda: model.fit(X, y)), "ten fits": clocked(apart)}
    ways["one fit"]()  # warm up
    times = alternate(ways, 2 if quick else 7)
    seconds = {name: float(np.median(values)) for name, values in times.items()}
    ratio, low, high = interval(times["one fit"] / times["ten fits"])
    median = float(np.median(times["one fit"] / times["ten fits"]))
    yield (
        f"one hard-shared fit of ten tasks {seconds['one fit']:.2f} s, ten fits "
        f"{seconds['ten fits']:.2f} s (medians of {len(times['one fit'])} alternating runs, "
        f"{len(X)} sequences, 64 units, {model.max_epochs} epochs, {COMMON['n_threads']} torch "
        f"thread); ratio: median {median:.3f}, mean {ratio:.3f} [{low:.3f}, {high:.3f}]"
    )
    yield Claim(
        "ten tasks in one fit take at most 1/6 of the time of ten fits",
        median <= 1 / 6,
        f"{median:.3f}",
    )


PARTS = {"sharing": sharing, "weighting": weighting, "real": real, "cost": cost}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few seeds and epochs")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, help="folder of multitask.csv; None: not written")
    parser.add_argument("--markdown", action="store_true", help="print the tables as markdown too")
    parser.add_argument("--seeds", type=int, default=10, help="0, 1, ...; real uses the first 3")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    if find_spec("torchjd") is None:
        print("TorchJD is not installed: no gradient aggregation")
    if args.quick:
        print("quick: the claims mean nothing")
    seeds = list(range(2 if args.quick else args.seeds))
    results = []
    for name in args.only or PARTS:
        start = time.perf_counter()
        print(f"\n{name}", flush=True)
        for result in PARTS[name](args.quick, seeds):
            results.append(result)
            if isinstance(result, Table):
                print(f"\n  {result.case}; differences from {result.against}")
                print(as_text(result) + "\n", flush=True)
            else:
                print(f"  {result}", flush=True)
        print(f"  {time.perf_counter() - start:.0f} s", flush=True)
    tables = [result for result in results if isinstance(result, Table)]
    claims = [result for result in results if isinstance(result, Claim)]
    print(f"\n{sum(claim.holds for claim in claims)} of {len(claims)} claims hold")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        write_csv(tables, args.out / "multitask.csv")
        print(f"wrote {args.out / 'multitask.csv'}")
    if args.markdown:
        print()
        for result in results:
            print(as_markdown(result) if isinstance(result, Table) else f"- {result}", end="\n\n")


if __name__ == "__main__":
    sys.exit(main())
