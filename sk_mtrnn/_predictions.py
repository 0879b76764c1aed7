"""What a fitted estimator answers: predictions of every kind, and scores."""

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import _training as training
from ._stream import StreamingPredictor, can_stream
from .sequences import assemble, split_steps


def _attends(estimator):
    fitted = hasattr(estimator, "net_")
    pooling = estimator.net_.module_.pooling if fitted else estimator.pooling
    if pooling != "attention":
        raise AttributeError(f"attention_weights needs pooling='attention', found {pooling!r}.")
    return True


def _embeds(estimator, name):
    if not len(estimator._inputs.channels.categorical):
        raise AttributeError(f"{name} is there only if a channel of X is categorical.")


class PredictionMixin:
    """Predictions of a fitted `BaseMultiTaskRNN`."""

    def predict(self, X):
        """Predict every task.

        Parameters
        ----------
        X : array-like
            Sequences, as in `fit`.

        Returns
        -------
        y : ndarray, DataFrame or list of ndarray
            In the layout of the y of `fit`: labels, or quantities in their own units. A DataFrame
            has the sample index of X where X has one.

        Raises
        ------
        ValueError
            If X is not as in `fit`.
        """
        sequences, outputs = self._outputs(X)
        return self._assemble(sequences, outputs, "decode")

    def _outputs(self, X, marginals=False):
        check_is_fitted(self, "net_")
        steps = self._read_steps(X)
        data = self._sequence_data(steps)
        return steps, training.forward(self.net_, data, self.n_threads, marginals)

    def _assemble(self, sequences, outputs, method):
        """Decode each task's outputs by one of its methods, and lay them out as y was."""
        columns = [
            getattr(task, method)(output)
            for task, output in zip(self._task_set.tasks, outputs, strict=True)
        ]
        return assemble(
            self._labels, columns, self._task_set.step_flags, sequences.offsets, sequences.index
        )

    def _predict_with_std(self, X):
        sequences, outputs = self._outputs(X)
        return tuple(self._assemble(sequences, outputs, way) for way in ("decode", "decode_std"))

    def _probabilities(self, X):
        """Class probabilities by name, for the tasks that have classes."""
        sequences, outputs = self._outputs(X, marginals=True)
        as_array, probabilities = self._labels.layout == "3d", {}
        for k, (task, output) in enumerate(zip(self._task_set.tasks, outputs, strict=True)):
            proba = task.decode_proba(output)
            if proba is not None:
                if self._task_set.per_step[k]:
                    proba = split_steps(proba, sequences.offsets, as_array)
                probabilities[self.task_names_[k]] = proba
        return probabilities

    @available_if(_attends)
    def attention_weights(self, X):
        """Weights with which ``pooling="attention"`` averages the steps, for every task.

        Parameters
        ----------
        X : array-like
            Sequences, as in `fit`.

        Returns
        -------
        list of ndarray, each of shape (T_i, n_tasks), or ndarray of shape \
                (n_samples, n_timesteps, n_tasks) if X is a table or a 3-D array
            Each column sums to one over a sequence; those of per-step tasks, which pool nothing,
            are NaN.
        """
        check_is_fitted(self, "net_")
        sequences = self._read_steps(X)
        weights = training.attention(self.net_, self._sequence_data(sequences), self.n_threads)
        weights = weights.astype(np.float64)
        weights[:, np.array(self._task_set.step_flags)] = np.nan
        as_array = self._tabular or getattr(X, "ndim", 0) == 3
        return split_steps(weights, sequences.offsets, as_array)

    @property
    def categories_(self):
        check_is_fitted(self, "net_")
        _embeds(self, "categories_")
        return self._by_channel(self._inputs.originals)

    @property
    def embeddings_(self):
        check_is_fitted(self, "net_")
        _embeds(self, "embeddings_")
        tables = iter(training.embeddings(self.net_))
        return self._by_channel(lambda _: next(tables))

    def _by_channel(self, value):
        channels = self._inputs.channels
        return {channels.names[c]: value(c) for c in channels.categorical.tolist()}

    @available_if(can_stream)
    def stream(self, n_sequences=None):
        """Predict a sequence that is still going on: one time step in, predictions out.

        Parameters
        ----------
        n_sequences : int, default=None
            How many sequences go on in lock-step. None: one, without an axis for it.

        Returns
        -------
        StreamingPredictor
            Its ``step(x)`` predicts as `predict` does for all steps so far. A later fit does not
            change it. There for hard-shared models that read forwards: not with
            ``bidirectional=True``, a callable ``cell``, a ``task_relation``, ``input_skip``,
            ``time_delays``, a task with ``layer``, ``features``, ``delay`` or ``transitions``,
            ``missing`` other than "error", ``time_feature``, or channels of categories.
        """
        return StreamingPredictor(self, n_sequences)

    def score(self, X, y, sample_weight=None):
        """Unweighted mean over the tasks of accuracy (classification) and R² (regression).

        Parameters
        ----------
        X, y
            As in `fit`. Missing labels are left out. A task without any, or without a defined
            score (R² of a single label), is left out of the mean.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If y holds no label at all.
        """
        sequences, outputs = self._outputs(X)
        labels = self._read_labels(y, sequences)
        columns = labels.matched(self.task_names_)
        weights = self._weights(sample_weight, labels)
        scores = self._task_set.scores(columns, weights, sequences.lengths, outputs)
        if not scores:
            raise ValueError("y must hold at least one label to score, found none.")
        scores = np.array(list(scores.values()))
        defined = np.isfinite(scores)  # R² of a single label is not, as scikit-learn has warned
        return float(scores[defined].mean()) if defined.any() else np.nan
