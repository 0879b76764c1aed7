"""What of a net may change once it is built, and what may not."""

from .._fingerprint import fingerprint
from ..recurrence import SeededDropout
from ..weighting import FixedWeights
from ._checks import check_weight_decay
from ._module import module_params

# what a new net may change that takes over weights: they keep their meaning
NOT_OF_WEIGHTS = ("dropout", "input_dropout", "recurrence", "amp", "dtype")


def check_same_network(net, estimator, systems, why, free):
    """Refuse parameters that decide another network than there is.

    Parameters
    ----------
    net : MultiTaskNet
    estimator : BaseMultiTaskRNN
        Read for its parameters.
    systems : Systems
    why : str
        Begins the message.
    free : tuple of str
        Parameters that may differ.

    Raises
    ------
    ValueError
    """
    given = module_params(estimator)
    given |= {"sharing": systems.sharing, "relation": systems.relation}
    for name, value in given.items():
        before = getattr(net, f"module__{name}")
        if name not in free and fingerprint(before) != fingerprint(value):
            name = {"relation": "task_relation"}.get(name, name)
            raise ValueError(f"{why}, but {name} changed: expected {before!r}, found {value!r}.")


def optimizer_params(estimator):
    """A str that tells the optimizer and what is passed on to skorch from others."""
    return fingerprint((estimator.optimizer, estimator.net_params))


def update_net(net, estimator, systems):
    """Let a net follow the parameters that may change between two calls of `partial_fit`.

    Those are ``learning_rate``, ``weight_decay``, ``batch_size``, ``dropout``,
    ``input_dropout``, ``batching``, ``gradient_aggregation`` and fixed ``task_weights``.

    Parameters
    ----------
    net : MultiTaskNet
    estimator : BaseMultiTaskRNN
        Read for its parameters.
    systems : Systems

    Raises
    ------
    ValueError
        If a parameter that decides the network has changed.
    """
    why = "partial_fit goes on with the network it has"
    check_same_network(net, estimator, systems, why, free=("dropout", "input_dropout"))
    if net.made_with != optimizer_params(estimator):
        raise ValueError(f"{why}, but optimizer or net_params changed.")
    _update_weighting(net, systems.weighting)
    for k, chain in net.module_.transitions.items():  # a chunk may show more of them
        task = estimator._task_set.tasks[int(k)]
        if not chain.learned and hasattr(task, "allowed_"):
            chain.allow(task.allowed_, task.allowed_start_)
    net.batching = systems.batching
    if net.aggregation is None or not net.aggregation.is_as(systems.aggregation):
        net.aggregation = systems.aggregation  # else its last solution is where the next starts
    follow(net, estimator)


def follow(net, estimator):
    """Let a net follow the rates and sizes that may change at any time.

    Parameters
    ----------
    net : MultiTaskNet
    estimator : BaseMultiTaskRNN
        Read for ``learning_rate``, ``weight_decay``, ``batch_size`` and the dropouts.
    """
    net.batch_size = estimator.batch_size
    for layer in net.module_.modules():
        if isinstance(layer, SeededDropout):
            layer.p = estimator.dropout
    for layer in net.module_.input_layers:
        layer.dropout.p = estimator.input_dropout
    ratio = estimator.learning_rate / net.lr  # groups of net_params keep their own rates
    net.lr = estimator.learning_rate
    for group in net.optimizer_.param_groups:
        group["lr"] = group.get("initial_lr", group["lr"]) * ratio
        group["initial_lr"] = group["lr"]
    check_weight_decay(type(net.optimizer_), estimator.weight_decay)
    if getattr(net, "optimizer__weight_decay", 0.0) != estimator.weight_decay:
        net.optimizer__weight_decay = estimator.weight_decay
        of_weigher = {id(parameter) for parameter in net.criterion_.parameters()}
        for group in net.optimizer_.param_groups:
            if not of_weigher.intersection(map(id, group["params"])):
                group["weight_decay"] = estimator.weight_decay


def _update_weighting(net, weighting):
    """Take over new fixed weights; a system that learns goes on as it is."""
    before = net.criterion__weighting
    if not isinstance(weighting, FixedWeights) or not isinstance(before, FixedWeights):
        if fingerprint(before) != fingerprint(weighting):
            raise ValueError(
                "partial_fit goes on with the weighting it has, but task_weights changed: expected "
                f"{before!r}, found {weighting!r}."
            )
        return
    net.criterion_.weigher.set(weighting.task_weights)
