"""The gradient of every task's loss on the parameters that all tasks share."""

import contextlib

import numpy as np
import torch

from ..recurrence import reused_buffers
from ..sequences import LengthBatches
from ._seeding import borrowed_generators
from ._threads import threads_for


def task_gradients(net, dataset, n_threads):
    """Gradients of the K task losses over a whole data set, dropout and mixed precision off.

    With L_k(B) the loss of task k in a batch B of the n samples, as `MultiTaskLoss` has it, the
    gradient of L_k is Σ_B |B| / n · ∇ L_k(B), whatever the batches. The net stays as it is.

    Parameters
    ----------
    net : MultiTaskNet
        Its tasks share parameters.
    dataset : SequenceData
    n_threads : int or "auto"
        As in `threads_for`.

    Returns
    -------
    ndarray of shape (K, P), float64
        On all P numbers of ``shared_parameters()``, side by side; NaN for a task without labels.
    """
    shared = net.module_.shared_parameters()
    n_tasks, n_shared = len(dataset.has_labels), sum(parameter.numel() for parameter in shared)
    gradients = torch.zeros(n_tasks, n_shared, dtype=torch.float64, device=net.device)
    with (
        _differentiable(net.module_, shared),
        threads_for(net, n_threads),
        reused_buffers(),
        borrowed_generators(0, net.foreign),
    ):
        for batch in LengthBatches(dataset.lengths, net.batch_size):  # of which there is memory for
            inputs, targets = dataset[batch]
            losses = net._task_losses(net.infer(inputs), targets)
            share = len(batch) / len(dataset)
            for k in net.criterion_.labelled(targets).nonzero().flatten().tolist():
                parts = torch.autograd.grad(
                    losses[k], shared, retain_graph=True, allow_unused=True, materialize_grads=True
                )
                gradients[k] += share * torch.cat([part.flatten() for part in parts]).double()
    gradients = gradients.cpu().numpy()
    gradients[~dataset.has_labels] = np.nan
    return gradients


@contextlib.contextmanager
def _differentiable(module, shared):
    """Let a module compute as in prediction, but with a graph; then put it back as it was."""
    modes = [(part, part.training) for part in module.modules()]
    learning = [(parameter, parameter.requires_grad) for parameter in shared]
    amp = module.amp
    module.eval()
    module.amp = False  # float16 would lose small gradients
    for parameter in shared:  # frozen ones as well
        parameter.requires_grad_()
    try:
        # cuDNN has no backward pass outside training mode
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter, learns in learning:
            parameter.requires_grad_(learns)
        module.amp = amp
