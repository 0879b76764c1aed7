"""The skorch net: its steps, its batches, and what ends training."""

import contextlib
import math
import warnings
from functools import partial

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from torch.utils.data import DataLoader

from ..recurrence import reused_buffers
from ..sampling import MixedBatching, training_batches
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
    batching = MixedBatching()
    aggregation = None  # of the tasks' gradients, where not their losses are summed
    penalizes = True  # whether what the network adds to the loss counts
    made_with = None  # what its optimizer was made with
    foreign = False  # whether its module runs code that may draw from the global generators
    scaler = None  # of the loss, for mixed precision
    takes_turns = False

    def get_split_datasets(self, X, y=None, **fit_params):
        return X

    def get_iterator(self, dataset, training=False):
        size = self.batch_size
        if not training and len(dataset):
            width = self.module_.input_layers[0].spec.width + self.module_.width
            fitting = _INFERENCE_NUMBERS // (int(dataset.lengths.max()) * width)
            size = min(max(fitting, 1), _INFERENCE_SAMPLES)
        params = self.get_params_for("iterator_train" if training else "iterator_valid")
        loader = self.iterator_train if training else self.iterator_valid
        if training:
            labelled = self._served(dataset) if self.batching.one_task else None
            sampler = training_batches(
                self.batching, dataset.probabilities, dataset.lengths, labelled, size, self.rng
            )
        else:
            sampler = LengthBatches(dataset.lengths, size)
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

    def _served(self, dataset):
        """Which samples have labels of which task; none of one that weighs nothing."""
        fixed = self.criterion_.weigher.fixed
        labelled = dataset.labelled()
        return labelled if fixed is None else labelled & (fixed != 0)

    def infer(self, x, **fit_params):
        return self.module_(x.to(self.device))

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.criterion_(self._task_losses(y_pred, y_true))

    def train_step(self, batch, **fit_params):
        step = super().train_step(batch, **fit_params)
        self.criterion_.weigher.after_step(partial(self._losses_now, batch))
        return step

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        inputs, targets = batch
        y_pred = self.infer(inputs, **fit_params)
        losses = self._task_losses(y_pred, targets)
        penalty = y_pred.penalty
        y_pred = y_pred.detach()  # or it would hold the buffers of its graph beyond the next step
        loss, weights = self._weigh(losses, targets)
        if penalty is not None and self.penalizes:
            loss = loss + penalty
        if self.aggregation is not None:
            self._aggregate(losses, targets, penalty)
        elif self.scaler is None:
            loss.backward()
        else:
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer_)  # before anybody looks at the gradients
        step = self._record(losses, loss, y_pred, "train", weights)
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

    def _weigh(self, losses, targets):
        """The number to minimise, and the weights of the tasks in it if they are not fixed."""
        if self.criterion_.weigher.fixed is not None and not self.batching.one_task:
            return self.criterion_(losses), None
        labelled = self.criterion_.labelled(targets).to(self.device)
        loss = self.criterion_(losses, labelled, self.module_.shared_parameters())
        (weights,) = torch.autograd.grad(loss, losses, retain_graph=True)
        return loss, weights.masked_fill(~labelled, torch.nan)

    def _aggregate(self, losses, targets, penalty):
        """Gradients of the tasks brought into agreement, instead of their sum."""
        weights = torch.as_tensor(self.criterion_.weigher.fixed).to(losses)
        shared = self.module_.shared_parameters()
        known = {id(parameter) for parameter in shared}
        own = [p for p in self.module_.parameters() if id(p) not in known and p.requires_grad]
        labelled = self.criterion_.labelled(targets).to(self.device)
        if penalty is not None:
            penalty.backward(retain_graph=True)
        self.aggregation.backward(weights * losses, labelled, shared, own)

    def _losses_now(self, batch):
        """Losses of a batch by the present weights, without a graph."""
        with torch.no_grad():
            return self._task_losses(self.infer(batch[0]), batch[1])

    def _record(self, losses, loss, y_pred, part, weights=None):
        """Write the losses into the history: after the backward pass, in one copy from a device.

        ``weights`` are NaN for tasks without labels in the batch.
        """
        numbers = [losses.detach(), loss.detach()[None]]
        numbers = torch.cat(numbers if weights is None else [*numbers, weights]).cpu()
        task_losses = numbers[: len(losses)]
        if weights is not None:
            weights = numbers[len(losses) + 1 :]
            self.history.record_batch(f"{part}_task_weights", weights.tolist())
            if self.batching.one_task:
                task_losses = task_losses.masked_fill(weights.isnan(), torch.nan)
        self.history.record_batch(f"{part}_task_losses", task_losses.tolist())
        return {"loss": numbers[len(losses)], "y_pred": y_pred}

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


def forward(net, dataset, n_threads, marginals=False):
    """Run a net over a data set, batch by batch.

    Parameters
    ----------
    net : MultiTaskNet
    dataset : SequenceData
        Over all samples of its Ragged.
    n_threads : int or "auto"
        As in `threads_for`.
    marginals : bool, default=False
        What becomes of tasks whose steps are linked, see `MultiTaskNetwork.decoded`.

    Returns
    -------
    list of ndarray, each of shape (n_samples, C_k) or (sum_T, C_k)
        Outputs of every task, in the order of the samples.
    """
    known = known_batches(net, dataset)
    in_turn = None if known is None else iter(known)

    def compute(batch):
        outputs = net.evaluation_step(batch) if in_turn is None else next(in_turn)
        if not net.module_.transitions:
            return outputs
        with torch.no_grad():
            outputs = [output.to(net.device) for output in outputs]
            return net.module_.decoded(outputs, batch[0].to(net.device).layout, marginals)

    return _collect(net, dataset, n_threads, compute, net.module_.per_step)


def attention(net, dataset, n_threads):
    """Attention weights of every task over every step: an ndarray of shape (sum_T, K)."""

    def attend(batch):
        with torch.no_grad():
            return (net.module_.attention(batch[0].to(net.device)),)

    net.module_.eval()
    return _collect(net, dataset, n_threads, attend, per_step=(True,))[0]


def common(net, dataset, n_threads):
    """Pooled common states: an ndarray of shape (n_samples, D)."""

    def read(batch):
        with torch.no_grad():
            return (net.module_.common(batch[0].to(net.device)),)

    net.module_.eval()
    return _collect(net, dataset, n_threads, read, per_step=(False,))[0]


def task_relation(net, dataset, n_threads):
    """The matrix of the relation between tasks, (K, K) or None; over data where it needs some."""
    relation = net.module_.relation
    if relation.needs_data:
        dataset = dataset.unaltered()
        with relation.recording():
            for _ in _passes(net, dataset, n_threads, net.evaluation_step):
                pass
    return relation.matrix()


def _passes(net, dataset, n_threads, compute):
    """What ``compute`` gives for every batch, with the positions of its samples."""
    loader = net.get_iterator(dataset, training=False)
    with threads_for(net, n_threads), reused_buffers(), borrowed_generators(0, net.foreign):
        for positions, batch in zip(loader.sampler, loader, strict=True):
            yield positions, compute(batch)


def _collect(net, dataset, n_threads, compute, per_step):
    """What ``compute`` gives for every batch, each row put where its sample or step stands."""
    arrays = None
    n_rows = {True: len(dataset.sequences.values), False: len(dataset)}
    passes = contextlib.closing(_passes(net, dataset, n_threads, compute))  # gives all back at once
    with passes as batches:
        for positions, tensors in batches:
            parts = [part.cpu().numpy() for part in tensors]
            order = dataset.order(positions)
            if arrays is None:
                arrays = [
                    np.empty((n_rows[steps], part.shape[1]), dtype=part.dtype)
                    for steps, part in zip(per_step, parts, strict=True)
                ]
            for array, part, steps in zip(arrays, parts, per_step, strict=True):
                array[order.rows if steps else order.samples] = part
    return arrays
