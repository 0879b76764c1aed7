"""Which estimators can be inspected."""

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._base import BaseMultiTaskRNN


def network_of(estimator):
    """The multi-task estimator itself, or the one that a Pipeline ends in.

    Raises
    ------
    ValueError
        If it is something else.
    """
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(last, BaseMultiTaskRNN):
        raise ValueError(
            "estimator must be a MultiTaskRNN, MultiTaskRNNClassifier or MultiTaskRNNRegressor, or "
            f"a Pipeline that ends in one, found {estimator!r}."
        )
    return last


def fitted_network(estimator):
    """The same, fitted.

    Raises
    ------
    ValueError
        If it is something else; if it is not fitted, a NotFittedError.
    """
    network = network_of(estimator)
    check_is_fitted(network, "net_")
    return network
