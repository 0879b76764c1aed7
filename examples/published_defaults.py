"""One set of defaults over six data sets
======================================

The estimators of the six scripts beside this one, stripped of what was chosen for their training:
what is left is what the data ask for (which channel is what, tasks, holes, directions). Each set of
training parameters below is then scored on the validation parts of all six. A default has to serve
data that nobody has searched over, so the last column counts: the mean rank.

scikit-learn's suite sets limits. Dropout is left at zero in all: with it a sample of weight two and
the same sample twice are not one, as other units are dropped. With a cosine, 0.003 and 0.005 do not
fit the suite's regression data in 50 epochs, and with 0.01 and 0.005 float32 misses the check that
predictions do not depend on batch mates, to 1e-7, by rounding.
"""

import argparse
import importlib

import numpy as np
from scipy.stats import rankdata

from sk_mtrnn import MultiTaskRNN

MEASURES = {
    "snips": ("sentence", lambda row: row[2]),
    "physionet2012": ("mean AUC", lambda row: 100 * row[-1]),
    # without "universal", which is a part of "feats"
    "universal_dependencies": ("mean of tags", lambda row: np.mean(np.delete(row, 2))),
    "spoken_digits": ("mean accuracy", np.mean),
    "cmapss": ("-RMSE", lambda row: -row[0]),
    "air_quality": ("mean R²", lambda row: 100 * row[-1]),
}
TRAINING = (
    "hidden_layer_sizes",
    "dropout",
    "input_dropout",
    "learning_rate",
    "learning_rate_schedule",
    "max_epochs",
    "batch_size",
    "weight_decay",
    "augmentation",
)
CANDIDATES = {
    "0.01": {"learning_rate": 0.01, "learning_rate_schedule": None},
    "0.01, cosine": {"learning_rate": 0.01, "learning_rate_schedule": "cosine"},
    "0.005, cosine": {"learning_rate": 0.005, "learning_rate_schedule": "cosine"},
    "0.003, cosine": {"learning_rate": 0.003, "learning_rate_schedule": "cosine"},
}


def main():
    """Score every candidate on every data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one epoch, two candidates")
    arguments = parser.parse_args()
    given = MultiTaskRNN().get_params()
    plain = {name: given[name] for name in TRAINING}
    candidates = CANDIDATES
    if arguments.quick:
        plain["max_epochs"] = 1
        candidates = dict(list(CANDIDATES.items())[:2])
    found = {}
    for data, (measure, of) in MEASURES.items():
        scores = importlib.import_module(f"published_{data}").scores
        for name, changes in candidates.items():
            rows = [scores("valid", s, **{**plain, **changes}) for s in range(arguments.seeds)]
            found[data, name] = np.mean([of(row) for row in rows])
            print(f"{data:24}{measure:>14}  {name:16}{found[data, name]:8.2f}", flush=True)
    ranks = [rankdata([-found[data, name] for name in candidates]) for data in MEASURES]
    for name, rank in zip(candidates, np.mean(ranks, axis=0), strict=True):
        print(f"{'all six':24}{'mean rank':>14}  {name:16}{rank:8.2f}")


if __name__ == "__main__":
    main()
