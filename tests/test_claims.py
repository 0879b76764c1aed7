"""What the README says was measured, measured again."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn.datasets import fetch_spoken_digits

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif("SK_MTRNN_DATA" not in os.environ, reason="SK_MTRNN_DATA is not set")
def test_spoken_digits_are_told_apart_in_one_fit():
    spoken = fetch_spoken_digits(download_if_missing=False)
    test = spoken["take"] < 5
    truth = spoken.target[test].reset_index(drop=True)
    accuracy = []
    for seed in range(3):
        model = MultiTaskRNNClassifier(early_stopping=True, random_state=seed)
        model.fit(spoken.data[~test], spoken.target[~test])
        accuracy.append((model.predict(spoken.data[test]) == truth).mean())
    assert (np.mean(accuracy, axis=0) >= 0.985).all()


@pytest.mark.slow
def test_rows_with_missing_labels_are_worth_keeping():
    example = ROOT / "examples" / "plot_03_missing_labels.py"
    printed = subprocess.run(
        [sys.executable, example], capture_output=True, text=True, check=True
    ).stdout
    mean = next(line for line in printed.splitlines() if line.startswith("mean"))
    kept, dropped, _ = map(float, mean.split()[1:])
    assert kept > dropped
