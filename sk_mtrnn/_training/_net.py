"""The skorch net: its steps, its batches, and what ends training."""

import contextlib
import math
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from torch.utils.data import DataLoader

from ..recurrence import reused_buffers
from ..sequences import LengthBatches
from ._batches import Batches
from ._callbacks import Diverged, is_finite
from ._known import known_batches
from ._seeding import borrowed_generators
from ._threads import threads_for
from ._turns import epochs_in_turns

# without gradients: what is fastest, however training cuts its batches, in memory that is bounded
_INFERENCE_SAMPLES = 512
_INFERENCE_NUMBERS = 1 << 23  # inputs and states of one layer, however long the sequences are


class MultiTaskNet(NeuralNet):
    """`skorch.NeuralNet` over `SequenceData`.

    `fit_loop` takes the pair (training data, validation data or None) as X. ``rng`` shuffles, and
    ``takes_turns`` says whether epochs wait for their turn; the training room sets both before each
    fit.
    """

    rng = None
    scaler = None  # of the loss, for mixed precision
    takes_turns = False

    def get_split_datasets(self, X, y=None, **fit_params):
        return X

    def get_iterator(self, dataset, training=False):
        size = self.batch_size
        if not training and len(dataset):
            width = dataset.sequences.n_features + self.module_.recurrence.output_size
            fitting = _INFERENCE_NUMBERS // (int(dataset.lengths.max()) * width)
            size = min(max(fitting, 1), _INFERENCE_SAMPLES)
        params = self.get_params_for("iterator_train" if training else "iterator_valid")
        loader = self.iterator_train if training else self.iterator_valid
        sampler = LengthBatches(dataset.lengths, size, self.rng if training else None)
        if loader is DataLoader and not params:
            return Batches(dataset, sampler)
        return loader(
            dataset,
            sampler=sampler,
            batch_size=None,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # else DataLoader draws a seed from torch's global one
            **params,
        )

    def infer(self, x, **fit_params):
        return self.module_(x.to(self.device))

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.criterion_(self._task_losses(y_pred, y_true))

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        inputs, targets = batch
        y_pred = self.infer(inputs, **fit_params)
        losses = self._task_losses(y_pred, targets)
        y_pred = y_pred.detach()  # or it would hold the buffers of its graph beyond the next step
        loss = self.criterion_(losses)
        if self.scaler is None:
            loss.backward()
        else:
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer_)  # before anybody looks at the gradients
        step = self._record(losses, loss, y_pred, "train")
        if not math.isfinite(step["loss"].item()):  # raised before the optimizer moves the weights
            raise Diverged
        return step

    def _step_optimizer(self, step_fn):
        if self.scaler is None:
            return super()._step_optimizer(step_fn)
        step_fn()
        self.scaler.step(self.optimizer_)  # not if a gradient was too large for float16
        self.scaler.update()

    def validation_step(self, batch, **fit_params):
        self._set_training(False)
        inputs, targets = batch
        with torch.no_grad():
            y_pred = self.infer(inputs, **fit_params)
            losses = self._task_losses(y_pred, targets)
            return self._record(losses, self.criterion_(losses), y_pred, "valid")

    def _task_losses(self, y_pred, targets):
        targets = [target.to(self.device) for target in targets]
        return self.criterion_.per_task(y_pred, targets)

    def _record(self, losses, loss, y_pred, part):
        """Write the losses into the history: after the backward pass, in one copy from a device."""
        numbers = torch.cat([losses.detach(), loss.detach()[None]]).cpu()
        self.history.record_batch(f"{part}_task_losses", numbers[:-1].tolist())
        return {"loss": numbers[-1], "y_pred": y_pred}

    def _set_training(self, training=True):
        # a walk over all modules, at every batch: only where it changes something
        if self.module_.training != training or self.criterion_.training != training:
            super()._set_training(training)

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        dataset, _ = X
        try:
            n_epochs = self.max_epochs if epochs is None else epochs
            with contextlib.closing(epochs_in_turns(n_epochs, self.takes_turns)) as turns:
                for _ in turns:
                    super().fit_loop(X, y, epochs=1, **fit_params)
                    if any(getattr(callback, "stop_", False) for _, callback in self.callbacks_):
                        break
            longest = np.argsort(-dataset.lengths, kind="stable")[: self.batch_size]
            if not is_finite(self, [dataset[longest]]):  # the likeliest to overflow
                raise Diverged
        except Diverged:
            dict(self.callbacks_)["finite_weights"].restore(self, dataset)
            warnings.warn(
                f"The loss ceased to be finite in epoch {len(self.history)}; training stopped and "
                "the last finite weights are kept. A smaller learning_rate or max_grad_norm may "
                "help.",
                ConvergenceWarning,
                stacklevel=2,
            )
        except KeyboardInterrupt as interrupt:
            if not _raised_by_skorch(interrupt):
                warnings.warn(
                    f"Training was interrupted in epoch {len(self.history)}; what was learned so "
                    "far is kept.",
                    UserWarning,
                    stacklevel=2,
                )
        finally:
            self._renew_scaler()
        return self

    def _renew_scaler(self):
        """Forget the step that was broken off; a GradScaler could do nothing more after it."""
        if self.scaler is not None:
            device, scale = torch.device(self.device).type, self.scaler.get_scale()
            self.scaler = torch.amp.GradScaler(device, init_scale=scale)


def _as_it_is(batch):
    return batch


def _raised_by_skorch(interrupt):
    """Whether a callback of skorch ended training, which it does by a KeyboardInterrupt."""
    trace = interrupt.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_globals.get("__name__", "").startswith("skorch.callbacks")


def forward(net, dataset, n_threads):
    """Run a net over a data set, batch by batch.

    Parameters
    ----------
    net : MultiTaskNet
    dataset : SequenceData
        Over all samples of its Ragged.
    n_threads : int or "auto"
        As in `threads_for`.

    Returns
    -------
    list of ndarray, each of shape (n_samples, C_k) or (sum_T, C_k)
        Raw outputs of every task, in the order of the samples.
    """
    known, compute = known_batches(net, dataset), net.evaluation_step
    if known is not None:
        in_turn = iter(known)

        def compute(batch):
            return next(in_turn)

    return _collect(net, dataset, n_threads, compute, net.module_.per_step)


def attention(net, dataset, n_threads):
    """Attention weights of every task over every step: an ndarray of shape (sum_T, K)."""

    def attend(batch):
        with torch.no_grad():
            return (net.module_.attention(batch[0].to(net.device)),)

    net.module_.eval()
    return _collect(net, dataset, n_threads, attend, per_step=(True,))[0]


def _collect(net, dataset, n_threads, compute, per_step):
    """What ``compute`` gives for every batch, each row put where its sample or step stands."""
    arrays = None
    n_rows = {True: len(dataset.sequences.values), False: len(dataset)}
    loader = net.get_iterator(dataset, training=False)
    foreign = callable(net.module__cell)  # somebody else's module may draw in prediction too
    with threads_for(net, n_threads), reused_buffers(), borrowed_generators(0, borrow=foreign):
        for positions, batch in zip(loader.sampler, loader, strict=True):
            parts = [part.cpu().numpy() for part in compute(batch)]
            order = dataset.order(positions)
            if arrays is None:
                arrays = [
                    np.empty((n_rows[steps], part.shape[1]), dtype=part.dtype)
                    for steps, part in zip(per_step, parts, strict=True)
                ]
            for array, part, steps in zip(arrays, parts, per_step, strict=True):
                array[order.rows if steps else order.samples] = part
    return arrays
