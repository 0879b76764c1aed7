"""Batches of samples that were drawn first."""

from ._balanced import draw
from ._base import TaskBatch


def training_batches(batching, probabilities, lengths, labelled, batch_size, rng):
    """Cut the samples of an epoch into batches, see `Batching.batches`.

    Parameters
    ----------
    batching : Batching
    probabilities : ndarray of shape (n_samples,) or None
        With which an epoch draws as many samples as there are; None: each is there once.
    lengths, labelled, batch_size, rng
        As in `Batching.batches`; ``labelled`` may be None where no batch serves one task.

    Returns
    -------
    iterable with a length
    """
    if probabilities is None:
        return batching.batches(lengths, labelled, batch_size, rng)
    return _DrawnBatches(batching, probabilities, lengths, labelled, batch_size, rng)


class _DrawnBatches:
    def __init__(self, batching, probabilities, lengths, labelled, batch_size, rng):
        self.batching = batching
        self.probabilities = probabilities
        self.lengths = lengths
        self.labelled = labelled
        self.batch_size = batch_size
        self.rng = rng

    def __len__(self):
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self):
        drawn = draw(self.probabilities, len(self.lengths), self.rng)
        labelled = None if self.labelled is None else self.labelled[drawn]
        batches = self.batching.batches(self.lengths[drawn], labelled, self.batch_size, self.rng)
        for batch in batches:
            if isinstance(batch, TaskBatch):
                yield batch._replace(samples=drawn[batch.samples])
            else:
                yield drawn[batch]
