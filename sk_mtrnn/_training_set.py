"""What a network is trained on: which samples, how often each, and how they vary."""

import numpy as np

from . import _training as training
from .augmentation import resolve_augmentation
from .sampling import balanced_probabilities


def training_set(estimator, sequences, steps, targets, task_set, samples, seed):
    """Make the data of a fit.

    Parameters
    ----------
    estimator : BaseMultiTaskRNN
        Read for ``sampler`` and ``augmentation``, and what it learned of X.
    sequences : Ragged
        X as it was read.
    steps : Ragged
        The same, encoded.
    targets : list of EncodedLabels
    task_set : TaskSet
        Whose labels they are.
    samples : ndarray of int
        Those that take part.
    seed : int
        Decides how they vary.

    Returns
    -------
    SequenceData

    Raises
    ------
    ValueError
        If an augmentation does not fit the channels of X, or no task has classes to balance.
    """
    inputs = estimator._inputs
    data = estimator._sequence_data(steps, targets, samples)
    if estimator.sampler == "balanced":
        memberships = task_set.memberships(targets, sequences.lengths, samples)
        if not memberships:
            raise ValueError(
                "sampler='balanced' makes classes even, but no task has any: expected at least one "
                f"classification task, found {list(task_set.types.values())}."
            )
        data.probabilities = balanced_probabilities(memberships, n_samples=len(samples))
    augmentations = resolve_augmentation(estimator.augmentation)
    if augmentations:
        channels = inputs.for_augmentation()
        for augmentation in augmentations:
            augmentation.check(channels)
        rng = np.random.default_rng([seed, 1])
        data.variation = training.Variation(sequences, augmentations, channels, inputs.encode, rng)
    return data
