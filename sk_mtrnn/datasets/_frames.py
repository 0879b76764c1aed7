"""Sequences and their labels as one table, a row for each time step."""

import numpy as np
import pandas as pd


def panel_index(lengths, time=None):
    """MultiIndex (sample, time) of sequences of those lengths; time counts from 0 if not given."""
    lengths = np.asarray(lengths)
    sample = np.repeat(np.arange(len(lengths)), lengths)
    if time is None:
        time = np.concatenate([np.arange(length) for length in lengths])
    return pd.MultiIndex.from_arrays([sample, time], names=["sample", "time"])


def panel_frame(data, time=None):
    """A `Ragged` as a DataFrame with a (sample, time) MultiIndex, as `panel_index` gives it."""
    index = panel_index(data.lengths, time)
    return pd.DataFrame(data.values, index=index, columns=list(data.feature_names))


def token_frame(sentences):
    """Lists of tokens as a DataFrame with a (sample, time) MultiIndex and one column, ``token``."""
    index = panel_index([len(sentence) for sentence in sentences])
    return pd.DataFrame({"token": [token for tokens in sentences for token in tokens]}, index=index)


def with_tasks(panel, target):
    """A panel with one column more for each task; a label of a sequence stands at all its steps."""
    sample = panel.index.get_level_values(0)
    columns = {}
    for name in target:
        per_step = isinstance(target[name].iloc[0], np.ndarray)
        labels = target[name].to_numpy()
        columns[name] = np.concatenate(list(labels)) if per_step else labels[sample]
    return panel.join(pd.DataFrame(columns, index=panel.index))
