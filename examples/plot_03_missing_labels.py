"""Labels that are missing, and why not to drop their rows
========================================================

Two related tasks; for one of them 80 % of the labels are lost. Dropping the rows without that label
is what one must do elsewhere. Here they stay: the other task's labels go on teaching the shared
trunk. Shown over five seeds, beside a model of the one task alone.

How much that helps depends on how much there is to learn from the other task: these inputs are
noisy, so that the trunk needs many sequences. With --noise 0.3 the few labelled rows nearly
suffice, and little is gained.
"""

import argparse

import numpy as np
from sklearn.base import clone
from sklearn.metrics import r2_score

from sk_mtrnn import MultiTaskRNNRegressor
from sk_mtrnn.datasets import make_multitask_sequences

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="two seeds and few epochs")
parser.add_argument("--noise", type=float, default=0.6, help="noise of inputs and labels")
arguments = parser.parse_args()
quick = arguments.quick

names = ["missing stay", "rows dropped", "one task alone"]
scores = {name: [] for name in names}
for seed in range(2 if quick else 5):
    # %%
    # Sequences of 15 to 30 steps whose two targets share their latent dynamics.
    X, y = make_multitask_sequences(
        1000,
        (15, 30),
        n_features=8,
        tasks={"rare": "regression", "frequent": "regression"},
        relatedness=0.95,
        noise=arguments.noise,
        random_state=seed,
    )
    train, test = np.arange(500), np.arange(500, 1000)
    lost = np.random.default_rng(seed).random(500) < 0.8
    y_train = y.iloc[train].copy()
    y_train.loc[lost, "rare"] = np.nan
    kept = train[~lost]

    # %%
    # The same estimator three times.
    model = MultiTaskRNNRegressor(max_epochs=5 if quick else 40, random_state=seed)
    fits = {
        "missing stay": clone(model).fit(X[train], y_train),
        "rows dropped": clone(model).fit(X[kept], y.iloc[kept]),
        "one task alone": clone(model).fit(X[kept], y.iloc[kept][["rare"]]),
    }
    for name, fitted in fits.items():
        rare = fitted.predict(X[test])["rare"]
        scores[name].append(r2_score(y["rare"].iloc[test], rare))

# %%
# R² of the task that lost its labels, on 500 sequences not trained on.
print(f"labels of the rare task in training: {len(kept)} of 500")
print("seed  " + "  ".join(f"{name:>14}" for name in names))
for seed, row in enumerate(zip(*scores.values(), strict=True)):
    print(f"{seed:4}  " + "  ".join(f"{score:14.3f}" for score in row))
print("mean  " + "  ".join(f"{np.mean(scores[name]):14.3f}" for name in names))
wins = np.sum(np.array(scores["missing stay"]) > scores["rows dropped"])
print(f"keeping the rows wins {wins} of {len(scores['missing stay'])} times")
