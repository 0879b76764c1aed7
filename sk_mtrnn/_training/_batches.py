"""Batches of a data set, one after another, without what a DataLoader does besides."""


class Batches:
    """What `torch.utils.data.DataLoader` gives for ``batch_size=None`` and its default options.

    Parameters
    ----------
    dataset : SequenceData
    sampler : LengthBatches
    """

    def __init__(self, dataset, sampler):
        self.dataset = dataset
        self.sampler = sampler

    def __len__(self):
        return len(self.sampler)

    def __iter__(self):
        return map(self.dataset.__getitem__, self.sampler)
