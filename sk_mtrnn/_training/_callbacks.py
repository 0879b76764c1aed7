"""Between epochs: losses by task, early stopping, weights that stay finite, progress."""

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from tqdm.auto import tqdm

from ._known import HeldOutPass, copy_weights


class Diverged(Exception):
    """The loss is no longer finite."""


class TaskLosses(Callback):
    """Write each epoch's loss of every task into the history, and forget its batches.

    The history of a batch costs as much memory as a few labels; over millions of batches that would
    be more than the data.

    Parameters
    ----------
    names : list of str
        One a task, for the printed table.
    """

    def __init__(self, names):
        self.names = names

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) > 1:
            net.history[-2]["batches"] = []

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        batches = net.history[-1, "batches"]
        batches = [batch for batch in batches if "train_task_losses" in batch]
        sizes = np.array([batch["train_batch_size"] for batch in batches], dtype=float)
        losses = _mean([batch["train_task_losses"] for batch in batches], sizes)
        losses[~dataset_train.has_labels] = np.nan  # a task without labels has no loss, not none
        net.history.record("task_losses", losses.tolist())
        weigher = net.criterion_.weigher
        if "train_task_weights" in batches[0]:
            weights = _mean([batch["train_task_weights"] for batch in batches], sizes)
        else:
            weights = np.array(weigher.fixed, dtype=float)
        weights[np.isnan(losses)] = np.nan
        net.history.record("task_weights", weights.tolist())
        plain = 1.0 if weigher.fixed is None else weigher.fixed
        net.history.record("plain_loss", float(np.sum(plain * np.nan_to_num(losses))))
        weigher.after_epoch(losses)
        for name, loss in zip(self.names, net.history[-1, "task_losses"], strict=True):
            net.history.record(f"{name} loss", loss)

    def on_train_end(self, net, **kwargs):
        if len(net.history):
            net.history[-1]["batches"] = []


def _mean(rows, weights):
    """Weighted mean of every column over the rows where it is not NaN; NaN if it is everywhere."""
    rows = np.array(rows)
    weights = np.where(np.isnan(rows), 0.0, weights[:, None])
    total = weights.sum(0)
    mean = np.full(rows.shape[1], np.nan)
    return np.divide((weights * np.nan_to_num(rows)).sum(0), total, out=mean, where=total > 0)


class BestWeights(Callback):
    """Say when the held-out score no longer rises, and go back to the best weights at the end.

    Parameters
    ----------
    patience : int
        Epochs in a row without a gain of ``tol``.
    tol : float
    evaluate : callable ``() -> float`` or None
        The held-out score, higher is better. None: minus the weighted loss.
    """

    def __init__(self, patience, tol, evaluate):
        self.patience = patience
        self.tol = tol
        self.evaluate = evaluate

    def on_train_begin(self, net, **kwargs):
        self.best_, self.best_epoch_, self.weights_ = -np.inf, 0, None
        self.mark_, self.waited_, self.scores_ = -np.inf, 0, []
        self.pass_ = None

    def on_batch_end(self, net, training=None, y_pred=None, **kwargs):
        if training or self.evaluate is None:
            return
        if self.pass_ is None:
            self.pass_ = HeldOutPass(net)
        self.pass_.add(y_pred)

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        held_out, self.pass_ = self.pass_, None
        loss = net.history[-1, "valid_loss"]
        if not np.isfinite(loss):  # before anybody scores what is no prediction any more
            raise Diverged
        if self.evaluate is None:
            score = -loss
        else:
            with held_out.reused(dataset_valid):
                score = self.evaluate()
        self.scores_.append(score)
        net.history.record("validation_score", score)
        if score > self.best_:
            self.best_, self.best_epoch_, self.weights_ = (
                score,
                len(self.scores_),
                copy_weights(net),
            )
        if score > self.mark_ + self.tol:
            self.mark_, self.waited_ = score, 0
        else:
            self.waited_ += 1

    @property
    def stop_(self):
        """Whether training has come to its end."""
        return self.waited_ >= self.patience

    def on_train_end(self, net, **kwargs):
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)
        # neither weights nor data outlive training
        self.weights_ = self.evaluate = self.pass_ = None


class Clipping(Callback):
    """`torch.nn.utils.clip_grad_norm_` over all weights of the network.

    What weighs the tasks is left out: clipped where gradients are long, it would not learn the mean
    over the batches. On the CPU, where looking at a number costs nothing, gradients that are short
    enough are not multiplied by one.

    Parameters
    ----------
    max_norm : float
    """

    def __init__(self, max_norm):
        self.max_norm = max_norm

    def on_grad_computed(self, net, **kwargs):
        learned = [p for p in net.module_.parameters() if p.grad is not None]
        norm = get_total_norm([p.grad for p in learned])
        if norm.device.type != "cpu" or not norm.item() + 1e-6 <= self.max_norm:
            clip_grads_with_norm_(learned, self.max_norm, norm)


class FiniteWeights(Callback):
    """Keep weights to fall back to, should the loss cease to be finite.

    Attributes
    ----------
    epoch_ : int or None
        How many epochs the net had seen when its weights were those that were restored.
    """

    def on_train_begin(self, net, **kwargs):
        self.epoch_ = None
        self.kept_ = [(len(net.history), copy_weights(net))]

    def on_epoch_begin(self, net, **kwargs):
        now = (len(net.history) - 1, copy_weights(net))
        self.kept_ = [now, *self.kept_[:1], self.kept_[-1]]

    def on_train_end(self, net, **kwargs):
        self.kept_ = []

    def restore(self, net, dataset):
        """Load the newest kept weights under which every training loss is finite."""
        net.optimizer_.state.clear()  # its moments are no longer finite
        for epoch, weights in self.kept_:
            self.epoch_ = epoch
            net.module_.load_state_dict(weights)
            if is_finite(net, net.get_iterator(dataset, training=False)):
                return


def is_finite(net, batches):
    """Whether outputs and losses are finite on some batches."""
    for inputs, targets in batches:
        outputs = net.evaluation_step((inputs, targets))
        targets = [target.to(net.device) for target in targets]
        losses = net.criterion_.per_task(outputs, targets)
        if not all(torch.isfinite(values).all() for values in (*outputs, losses)):
            return False
    return True


class EpochBar(Callback):
    """A progress bar over the epochs, which shows the losses of the tasks.

    Parameters
    ----------
    names : list of str
    """

    def __init__(self, names):
        self.names = names

    def on_train_begin(self, net, **kwargs):
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        losses = zip(self.names, net.history[-1, "task_losses"], strict=True)
        self.bar_.set_postfix({name: f"{loss:.4g}" for name, loss in losses}, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        del self.bar_
