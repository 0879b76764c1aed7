"""From the estimators' parameters to a skorch net, and through a fit."""

import copy
import inspect
from numbers import Integral

import numpy as np
import torch
from skorch.callbacks import Callback, LRScheduler, PrintLog

from .._loss import MultiTaskLoss
from .._network import MultiTaskNetwork
from ..recurrence import SeededDropout, reused_buffers
from ._callbacks import BestWeights, Clipping, EpochBar, FiniteWeights, TaskLosses
from ._net import MultiTaskNet
from ._seeding import borrowed_generators, seeded_dropout
from ._threads import threads_for
from ._turns import takes_turns

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

# what the estimators' own parameters say; net_params may not say it again
_OWNED = {
    "module": "cell, hidden_layer_sizes, pooling and dropout",
    "criterion": "tasks and task_weights",
    "optimizer": "optimizer",
    "lr": "learning_rate",
    "optimizer__lr": "learning_rate",
    "optimizer__weight_decay": "weight_decay",
    "max_epochs": "max_epochs",
    "batch_size": "batch_size",
    "train_split": "early_stopping and validation_fraction",
    "callbacks": "callbacks",
    "device": "device",
    "verbose": "verbose",
    "warm_start": "warm_start",
    "dataset": "X",
    "predict_nonlinearity": "tasks",
    "classes": "tasks",
}
_OWNED_BY_LOADER = ("batch_size", "sampler", "batch_sampler", "shuffle", "collate_fn", "generator")


def check_hidden_layer_sizes(hidden_layer_sizes):
    """Refuse sizes that are not positive integers, or none.

    Raises
    ------
    ValueError
    """
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object))
    whole = all(isinstance(size, Integral) and size > 0 for size in sizes.ravel())
    if sizes.ndim != 1 or not len(sizes) or not whole:
        raise ValueError(
            "hidden_layer_sizes must hold at least one positive integer, found "
            f"{hidden_layer_sizes!r}."
        )


def check_net_params(net_params):
    """Refuse skorch arguments that a parameter of the estimators owns.

    Raises
    ------
    ValueError
        Naming the argument and the parameter that owns it.
    """
    for name in net_params or ():
        if not isinstance(name, str):
            raise ValueError(f"net_params must have str keys, found {name!r}.")
        prefix, _, rest = name.partition("__")
        owner = _OWNED.get(name)
        if owner is None and prefix in ("module", "criterion"):
            owner = _OWNED[prefix]
        if owner is None and prefix.startswith("iterator_") and rest in _OWNED_BY_LOADER:
            owner = "batch_size and random_state"
        if owner is not None:
            raise ValueError(
                f"net_params must not hold {name!r}: it is decided by the estimator's {owner}."
            )


def check_callbacks(callbacks):
    """Refuse what is no callback.

    Raises
    ------
    ValueError
    """
    for entry in callbacks or ():
        callback = entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise ValueError(
                "callbacks must hold skorch callbacks, or pairs of a name and one, found "
                f"{entry!r}."
            )


def resolve_device(device):
    """Turn the parameter ``device`` into a torch device that is there.

    Raises
    ------
    ValueError
        If there is no such device on this machine.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device must be 'auto' or a device of this machine, found {device!r}: {error}"
        ) from error
    return str(device)


def check_amp(estimator):
    """Refuse mixed precision where there is none.

    Raises
    ------
    ValueError
    """
    if estimator.amp:
        device = resolve_device(estimator.device)
        if torch.device(device).type != "cuda":
            raise ValueError(f"amp=True needs a CUDA device, found device={device!r}.")
        if estimator.dtype != "float32":
            raise ValueError(f"amp=True needs dtype='float32', found {estimator.dtype!r}.")
        if estimator.recurrence == "packed":
            raise ValueError(
                "amp=True needs recurrence='auto' or 'torch', as the packed kernels know no mixed "
                "precision, found 'packed'."
            )


def build_net(estimator, n_features, task_set, task_weights, seed, weights=None):
    """Build a net with its initial weights.

    Parameters
    ----------
    estimator : BaseMultiTaskRNN
        Read for its parameters.
    n_features : int
    task_set : TaskSet
    task_weights : ndarray of shape (K,)
    seed : int
        Decides the initial weights.
    weights : dict of str to Tensor, default=None
        State to start from instead (warm start).

    Returns
    -------
    MultiTaskNet

    Raises
    ------
    ValueError
        If ``weights`` belong to a network of another shape.
    """
    e = estimator
    optimizer = (
        OPTIMIZERS.get(e.optimizer, e.optimizer) if isinstance(e.optimizer, str) else e.optimizer
    )
    params = {
        "module": MultiTaskNetwork,
        "module__n_features": n_features,
        "module__n_outputs": tuple(task.n_outputs for task in task_set.tasks),
        "module__per_step": task_set.step_flags,
        **{f"module__{name}": value for name, value in _module_params(e).items()},
        "criterion": MultiTaskLoss,
        "criterion__losses": [task.losses for task in task_set.tasks],
        "criterion__task_weights": task_weights,
        "optimizer": optimizer,
        "lr": e.learning_rate,
        "batch_size": e.batch_size,
        "train_split": None,
        "device": resolve_device(e.device),
        "verbose": max(e.verbose - 1, 0),
        "callbacks__print_log": PrintLog(keys_ignored="task_losses") if e.verbose > 1 else None,
        **_optimizer_params(e, optimizer),
    }
    params.update(e.net_params or {})
    with borrowed_generators(seed):
        net = MultiTaskNet(**params).initialize()
    net.scaler = torch.amp.GradScaler("cuda") if e.amp else None
    if weights is not None:
        try:
            net.module_.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                "warm_start=True needs the same network as in the last fit, but its parameters, "
                f"its tasks or the classes changed: {error}"
            ) from error
    return net


def _optimizer_params(e, optimizer):
    accepted = inspect.signature(optimizer).parameters
    params = {}
    if "weight_decay" in accepted:
        params["optimizer__weight_decay"] = e.weight_decay
    elif e.weight_decay:
        raise ValueError(
            f"weight_decay={e.weight_decay} has no meaning for the optimizer {optimizer!r}, which "
            "takes none."
        )
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
        ``"losses"`` (list of K floats an epoch), ``"scores"`` (one float an epoch) and
        ``"best_epoch"`` of this call, counted from 1 (0 if no epoch was completed).
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
    foreign = _runs_foreign_code(estimator)  # takes turns anyway, as it borrows the generators
    with (
        borrowed_generators(seed, borrow=foreign),
        seeded_dropout(net.module_, seed, net.device),
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
        "scores": scores,
        "best_epoch": best_epoch,
    }


def update_net(net, estimator, task_weights):
    """Let a net follow the parameters that may change between two calls of `partial_fit`.

    Those are ``learning_rate``, ``weight_decay``, ``batch_size``, ``dropout`` and
    ``task_weights``.

    Parameters
    ----------
    net : MultiTaskNet
    estimator : BaseMultiTaskRNN
        Read for its parameters.
    task_weights : ndarray of shape (K,)

    Raises
    ------
    ValueError
        If a parameter that decides the network has changed.
    """
    for name, value in _module_params(estimator).items():
        if getattr(net, f"module__{name}") != value and name != "dropout":
            raise ValueError(
                f"partial_fit goes on with the network it has, but {name} changed: expected "
                f"{getattr(net, f'module__{name}')!r}, found {value!r}."
            )
    net.criterion_.task_weights.copy_(torch.as_tensor(task_weights))
    net.batch_size = estimator.batch_size
    for layer in net.module_.modules():
        if isinstance(layer, SeededDropout):
            layer.p = estimator.dropout
    ratio = estimator.learning_rate / net.lr  # groups of net_params keep their own rates
    net.lr = estimator.learning_rate
    for group in net.optimizer_.param_groups:
        group["lr"] = group.get("initial_lr", group["lr"]) * ratio
        group["initial_lr"] = group["lr"]
    if getattr(net, "optimizer__weight_decay", 0.0) != estimator.weight_decay:
        net.optimizer__weight_decay = estimator.weight_decay
        for group in net.optimizer_.param_groups:
            group["weight_decay"] = estimator.weight_decay


def _module_params(e):
    """The parameters that decide the recurrence and its precision."""
    return {
        "cell": e.cell,
        "activation": e.activation,
        "recurrence": e.recurrence,
        "amp": e.amp,
        "hidden_layer_sizes": tuple(np.atleast_1d(e.hidden_layer_sizes).tolist()),
        "bidirectional": e.bidirectional,
        "dropout": e.dropout,
        "pooling": e.pooling,
        "dtype": getattr(torch, e.dtype),
    }


def _runs_foreign_code(e):
    """Whether training calls code that is not known to leave the global generators alone."""
    given = (e.cell, e.optimizer, e.scoring)
    return any(map(callable, given)) or bool(e.callbacks) or bool(e.net_params)


def _schedule(e, epochs, validated):
    if e.learning_rate_schedule == "cosine":
        return LRScheduler("CosineAnnealingLR", T_max=epochs)
    if e.learning_rate_schedule == "plateau":
        return LRScheduler(
            "ReduceLROnPlateau",
            monitor="valid_loss" if validated else "train_loss",
            factor=0.5,
            patience=max(0, e.n_iter_no_change // 2 - 1),  # torch waits for one more
            threshold=e.tol,
            threshold_mode="abs",
        )
    return None
