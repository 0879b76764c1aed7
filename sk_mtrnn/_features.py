"""A fitted model as a feature extractor: the pooled states its tasks share."""

import pandas as pd
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import _training as training
from .sharing import SHARINGS


def has_common_state(estimator):
    """Whether there are states that belong to no single task; else an AttributeError says why."""
    sharing, net = estimator.sharing, getattr(estimator, "net_", None)
    known = SHARINGS.get(sharing) if isinstance(sharing, str) else sharing
    reason = f"found sharing={sharing!r}"
    attends = estimator.pooling == "attention"  # by queries as wide as what tasks read
    wider = estimator.input_skip or not getattr(known, "is_one_stack", False)
    common = getattr(known, "common", False) and not (attends and wider)
    if net is not None:
        common = net.module_.sharing.common_sizes is not None
        if common and net.module_.common_sizes is None:
            common = False
            reason = (
                "but a task has features of its own"
                if net.module_.inputs.any_own
                else "but with pooling='attention' every task attends to more than that state"
            )
    if not common:
        raise AttributeError(f"transform and add_task need a state all tasks share, {reason}.")
    return True


class SharedStatesMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """`transform` of a `BaseMultiTaskRNN`, where its sharing has a common state."""

    def transform(self, X):
        """Pooled states of the highest shared layer that tasks read: features for another model.

        With ``pooling="attention"`` the mean of what the per-sequence tasks that read this layer
        attend to; with ``sharing="shared_private"`` the states of the shared recurrence. There
        where all tasks share a state: "hard", and without ``pooling="attention"`` also
        "shared_private"; no task may have ``features`` of its own.

        Parameters
        ----------
        X : array-like
            Sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_units)
            In the ``dtype`` of the network; a DataFrame where ``set_output`` says so.

        Raises
        ------
        ValueError
            If X is not as in `fit`.
        """
        check_is_fitted(self, "net_")
        sequences = self._read_steps(X)
        states = training.common(self.net_, self._sequence_data(sequences), self.n_threads)
        index = sequences.index
        if index is not None and _get_output_config("transform", self)["dense"] == "pandas":
            return pd.DataFrame(
                states, index=index
            )  # of the samples, where X may have one of steps
        return states

    @property
    def _n_features_out(self):
        has_common_state(self)
        return self.net_.module_.common_sizes[self.net_.module_.top_layer]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if hasattr(self, "transform"):
            tags.transformer_tags.preserves_dtype = []
        else:
            tags.transformer_tags = None
        return tags


# after scikit-learn has wrapped it for set_output, which it does when the class is made
for _name in ("transform", "fit_transform", "get_feature_names_out"):
    _conditional = available_if(has_common_state)(getattr(SharedStatesMixin, _name))
    setattr(SharedStatesMixin, _name, _conditional)
