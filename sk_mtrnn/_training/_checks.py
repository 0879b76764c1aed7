"""Parameters that are refused before anything is built."""

import inspect
from numbers import Integral

import numpy as np
import torch
from skorch.callbacks import Callback

# what the estimators' own parameters say; net_params may not say it again
_OWNED = {
    "module": "cell, hidden_layer_sizes, pooling, dropout, sharing and task_relation",
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
        if estimator.missing == "decay":
            raise ValueError(
                "amp=True must go without missing='decay', whose recurrence knows no mixed "
                "precision."
            )


def check_decay(estimator):
    """Refuse the decay of states where the recurrence is somebody else's.

    Raises
    ------
    ValueError
    """
    if estimator.missing == "decay" and callable(estimator.cell):
        raise ValueError(
            f"missing='decay' needs cell to be 'rnn', 'gru' or 'lstm', found {estimator.cell!r}."
        )


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


def check_time_delays(time_delays, lengths=None):
    """Refuse delays that are not different integers, or that reach beyond all sequences.

    Parameters
    ----------
    time_delays : object
    lengths : ndarray of shape (n_samples,), default=None
        Of the sequences, once they are known.

    Raises
    ------
    ValueError
    """
    if time_delays is None:
        return
    delays = list(time_delays)
    whole = all(isinstance(d, Integral) and not isinstance(d, bool) for d in delays)
    if not delays or not whole or len(set(delays)) < len(delays):
        raise ValueError(
            "time_delays must be None or hold at least one integer, none of them twice, found "
            f"{time_delays!r}."
        )
    if lengths is not None and min(map(abs, delays)) >= lengths.max():
        raise ValueError(
            f"time_delays must reach steps of the sequences, which have up to {lengths.max()}, "
            f"found {time_delays!r}."
        )


def check_weight_decay(optimizer, weight_decay):
    """Refuse to let weights decay by an optimizer class that knows no such thing.

    Raises
    ------
    ValueError
    """
    if weight_decay and "weight_decay" not in inspect.signature(optimizer).parameters:
        raise ValueError(
            f"weight_decay={weight_decay} has no meaning for the optimizer {optimizer!r}, which "
            "takes none."
        )
