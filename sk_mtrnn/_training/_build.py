"""From the estimators' parameters to a skorch net, and through a fit."""

import contextlib
import copy
import inspect

import numpy as np
import torch
from skorch.callbacks import LRScheduler, PrintLog

from .._loss import MultiTaskLoss
from .._network import MultiTaskNetwork
from ..recurrence import reused_buffers
from ._callbacks import BestWeights, Clipping, EpochBar, FiniteWeights, TaskLosses
from ._checks import check_weight_decay, resolve_device
from ._module import module_params, task_specs
from ._net import MultiTaskNet
from ._seeding import borrowed_generators, is_foreign, seeded_draws
from ._threads import threads_for
from ._turns import takes_turns
from ._update import NOT_OF_WEIGHTS, check_same_network, optimizer_params

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

_LISTS = ["task_losses", "task_weights"]  # of the history, which no line of a log has room for


def build_net(estimator, inputs, task_set, systems, relatedness, seed, before=None):
    """Build a net with its initial weights.

    Parameters
    ----------
    estimator : BaseMultiTaskRNN
        Read for its parameters.
    inputs : InputEncoder
        Read for what the steps hold.
    task_set : TaskSet
    systems : Systems
    relatedness : ndarray of shape (K, K), or None
        How related the tasks are; None if no system asks.
    seed : int
        Decides the initial weights.
    before : MultiTaskNet, default=None
        Whose weights to start from instead (warm start).

    Returns
    -------
    MultiTaskNet

    Raises
    ------
    ValueError
        If ``before`` is another network, or if two systems do not go together.
    """
    e = estimator
    if before is not None:
        why = "warm_start=True needs the same network as in the last fit"
        check_same_network(before, e, systems, why, free=NOT_OF_WEIGHTS)
    specs = task_specs(e, inputs, task_set)
    n_first = len(specs) - task_set.n_added
    related = None if relatedness is None else relatedness[:n_first, :n_first]
    optimizer = (
        OPTIMIZERS.get(e.optimizer, e.optimizer) if isinstance(e.optimizer, str) else e.optimizer
    )
    params = {
        "module": MultiTaskNetwork,
        "module__inputs": inputs.spec,
        "module__tasks": specs[:n_first],
        "module__per_step": task_set.step_flags[:n_first],
        "module__relatedness": related,
        **{f"module__{name}": value for name, value in module_params(e).items()},
        "module__sharing": systems.sharing,
        "module__relation": systems.relation,
        "criterion": MultiTaskLoss,
        "criterion__losses": [task.losses for task in task_set.tasks],
        "criterion__trims": [task.trim for task in task_set.tasks],
        "criterion__weighting": systems.weighting,
        "criterion__names": task_set.names,
        "criterion__likelihoods": np.array([task.likelihood for task in task_set.tasks]),
        "criterion__relatedness": relatedness,
        "optimizer": optimizer,
        "lr": e.learning_rate,
        "batch_size": e.batch_size,
        "train_split": None,
        "device": resolve_device(e.device),
        "verbose": max(e.verbose - 1, 0),
        "callbacks__print_log": PrintLog(keys_ignored=_LISTS) if e.verbose > 1 else None,
        **_optimizer_params(e, optimizer),
    }
    params |= {k: v for k, v in (e.net_params or {}).items() if k != "optimizer__param_groups"}
    with borrowed_generators(seed):
        net = MultiTaskNet(**params).initialize()
    net.scaler = torch.amp.GradScaler("cuda") if e.amp else None
    for spec, per_step in zip(specs[n_first:], task_set.step_flags[n_first:], strict=True):
        net.module_.add_task(spec, per_step, seed)
    if task_set.n_added:
        net.initialize_optimizer()
    net.batching, net.aggregation = systems.batching, systems.aggregation
    net.made_with = optimizer_params(e)
    net.foreign = callable(e.cell) or is_foreign(systems.sharing) or is_foreign(systems.relation)
    systems.check_shared(e, net.module_)
    if before is not None:
        _load_state(net, before)
    return net


def _load_state(net, before):
    try:
        net.module_.load_state_dict(before.module_.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True needs the same network as in the last fit, but its parameters, "
            f"its tasks or the classes changed: {error}"
        ) from error
    if net.criterion_.weigher.fixed is None:  # what is given is what counts
        with contextlib.suppress(RuntimeError):  # of another weighting
            net.criterion_.load_state_dict(before.criterion_.state_dict())


def _optimizer_params(e, optimizer):
    check_weight_decay(optimizer, e.weight_decay)
    accepted = inspect.signature(optimizer).parameters
    params = {}
    if "weight_decay" in accepted:
        params["optimizer__weight_decay"] = e.weight_decay
        # what weighs the tasks is no weight of the network
        groups = (e.net_params or {}).get("optimizer__param_groups", [])
        params["optimizer__param_groups"] = [*groups, ("weigher.*", {"weight_decay": 0.0})]
    given = e.net_params or {}
    if "fused" in accepted and isinstance(e.optimizer, str) and "optimizer__foreach" not in given:
        params["optimizer__fused"] = True
    if e.optimizer == "sgd" and "optimizer__momentum" not in given:  # as scikit-learn's MLP
        params |= {"optimizer__momentum": 0.9, "optimizer__nesterov": True}
    return params


def train(net, estimator, train_data, valid_data, *, epochs, seed, names, evaluate=None):
    """Run a net over data for some epochs.

    Parameters
    ----------
    net : MultiTaskNet
        Keeps its weights and the state of its optimizer.
    estimator : BaseMultiTaskRNN
        Read for its parameters.
    train_data, valid_data : SequenceData
        ``valid_data`` None: no early stopping.
    epochs : int
    seed : int
        Decides order of samples and dropout.
    names : list
        Names of the tasks.
    evaluate : callable, default=None
        Held-out score for early stopping, see `BestWeights`.

    Returns
    -------
    dict
        ``"losses"`` and ``"weights"`` (a list of K floats an epoch), ``"scores"`` (one float an
        epoch) and ``"best_epoch"`` of this call, counted from 1 (0 if no epoch was completed).
    """
    before = len(net.history)
    names = [str(name) for name in names]
    best = BestWeights(estimator.n_iter_no_change, estimator.tol, evaluate)
    finite = FiniteWeights()
    callbacks = {"task_losses": TaskLosses(names), "finite_weights": finite}
    if valid_data is not None:
        callbacks["best_weights"] = best
    if estimator.max_grad_norm is not None:
        callbacks["clipping"] = Clipping(estimator.max_grad_norm)
    schedule = _schedule(estimator, epochs, valid_data is not None)
    if schedule is not None and epochs > 1:  # after one epoch there is nothing left to lower
        callbacks["schedule"] = schedule
    if estimator.verbose == 1:
        callbacks["bar"] = EpochBar(names)
    # instances are used as they are by skorch; a fit changes no parameter
    net.callbacks = [*callbacks.items(), *copy.deepcopy(list(estimator.callbacks or []))]
    net.max_epochs = epochs
    net.initialize_callbacks()
    net.rng = np.random.default_rng(seed)
    spread = None if net.batching.one_task else torch.from_numpy(train_data.has_labels)
    net.criterion_.weigher.spread = None if spread is None else spread.to(net.device)
    # foreign code takes turns anyway, as it borrows the generators
    foreign = _runs_foreign_code(estimator, net, train_data)
    with (
        borrowed_generators(seed, borrow=foreign),
        seeded_draws((net.module_, net.criterion_), seed, net.device),
        threads_for(net, estimator.n_threads),
        reused_buffers(),
    ):
        net.takes_turns = not foreign and takes_turns(net, train_data)
        net.partial_fit((train_data, valid_data))
    net.rng = None
    completed = [row for row in net.history.to_list()[before:] if "task_losses" in row]
    scores = best.scores_ if valid_data is not None else []
    best_epoch = len(completed) if finite.epoch_ is None else finite.epoch_ - before
    if scores:  # then the best weights are those that were kept in the end
        best_epoch = best.best_epoch_
    return {
        "losses": [row["task_losses"] for row in completed],
        "weights": [row["task_weights"] for row in completed],
        "scores": scores,
        "best_epoch": best_epoch,
    }


def _runs_foreign_code(e, net, data):
    """Whether training calls code that is not known to leave the global generators alone."""
    given = (e.optimizer, e.scoring)
    augmentations = () if data.variation is None else data.variation.augmentations
    tasks = [getattr(loss, "__self__", loss) for loss in net.criterion_.losses]
    return (
        net.foreign
        or any(map(callable, given))
        or bool(e.callbacks or e.net_params or e.gradient_aggregation is not None)
        or any(map(is_foreign, (net.batching, net.criterion_.weigher, *tasks, *augmentations)))
    )


def _schedule(e, epochs, validated):
    if e.learning_rate_schedule == "cosine":
        # skorch would count the epochs before, of which a net that learns one more task has some
        return LRScheduler("CosineAnnealingLR", T_max=epochs, last_epoch=-1)
    if e.learning_rate_schedule == "plateau":
        return LRScheduler(
            "ReduceLROnPlateau",
            monitor="valid_loss" if validated else "plain_loss",
            factor=0.5,
            patience=max(0, e.n_iter_no_change // 2 - 1),  # torch waits for one more
            threshold=e.tol,
            threshold_mode="abs",
        )
    return None
