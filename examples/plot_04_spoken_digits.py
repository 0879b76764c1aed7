"""Who says which digit?
======================

The Free Spoken Digit Dataset: 3000 recordings of 7 to 141 log-mel frames. Digit and speaker from
one network, in one fit, with the defaults and early stopping; takes 0 to 4 of every speaker and
digit are the test set. A logistic regression on each recording's mean and standard deviation stands
beside it.
"""

import argparse
import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn.datasets import fetch_spoken_digits

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--data-home", help="folder of the recordings; fetched there if missing")
parser.add_argument("--seeds", type=int, default=3)
arguments = parser.parse_args()

# %%
# Ragged sequences of 20 log-mel values a frame.
spoken = fetch_spoken_digits(data_home=arguments.data_home)
X, y = spoken.data, spoken.target
test = spoken["take"] < 5
print(f"{X}: {np.sum(~test)} to train on, {np.sum(test)} to test")
truth = y[test].reset_index(drop=True)

# %%
# What a model without sequences reaches.
moments = np.array([np.concatenate([frames.mean(0), frames.std(0)]) for frames in X])
linear = make_pipeline(
    StandardScaler(), MultiOutputClassifier(LogisticRegression(max_iter=2000))
).fit(moments[~test], y[~test].astype(str))
correct = linear.predict(moments[test]) == truth.astype(str).to_numpy()
print(f"{'':34}digit   speaker")
print(
    f"{'logistic regression on moments':34}{correct[:, 0].mean():.3f}   {correct[:, 1].mean():.3f}"
)

# %%
# One network for both.
accuracy = []
for seed in range(arguments.seeds):
    start = time.perf_counter()
    model = MultiTaskRNNClassifier(early_stopping=True, random_state=seed).fit(X[~test], y[~test])
    seconds = time.perf_counter() - start
    accuracy.append((model.predict(X[test]) == truth).mean())
    digit, speaker = accuracy[-1]["digit"], accuracy[-1]["speaker"]
    print(
        f"{f'multi-task GRU, seed {seed}':34}{digit:.3f}   {speaker:.3f}   "
        f"{model.n_iter_} epochs, {seconds:.0f} s"
    )
mean = np.mean(accuracy, axis=0)
print(f"{'multi-task GRU, mean':34}{mean[0]:.3f}   {mean[1]:.3f}")
