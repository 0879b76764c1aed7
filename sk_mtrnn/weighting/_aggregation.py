"""How K gradients become one: the aggregators of TorchJD, safe against what batches hold."""

import copy
import sys
import warnings

import torch

_NEGLIGIBLE = 1e-30  # a gradient that much smaller than the largest is 0
_CAGRAD_C = 0.5

# each given torchjd.aggregation and the number of gradients
_BUILDERS = {
    "upgrad": lambda torchjd, n: torchjd.UPGrad(),
    "pcgrad": lambda torchjd, n: torchjd.PCGrad(),
    "mgda": lambda torchjd, n: torchjd.MGDA(),
    "cagrad": lambda torchjd, n: torchjd.CAGrad(c=_CAGRAD_C),
    "nashmtl": lambda torchjd, n: torchjd.NashMTL(n_tasks=n),
    "imtlg": lambda torchjd, n: torchjd.IMTLG(),
    "aligned_mtl": lambda torchjd, n: torchjd.AlignedMTL(),
}

AGGREGATIONS = tuple(_BUILDERS)


def resolve_aggregation(gradient_aggregation):
    """Make what the parameter ``gradient_aggregation`` means.

    Parameters
    ----------
    gradient_aggregation : str or torchjd.aggregation.Aggregator
        A name in `AGGREGATIONS`, or an object, which is copied.

    Returns
    -------
    GradientAggregation

    Raises
    ------
    ValueError
        If it is neither.
    ImportError
        If it is a name, and TorchJD or a solver it needs is not installed.
    """
    if isinstance(gradient_aggregation, str) and gradient_aggregation in _BUILDERS:
        _build(gradient_aggregation, 2)  # what is missing is missed now, not in the first batch
        return GradientAggregation(gradient_aggregation)
    torchjd = sys.modules.get("torchjd.aggregation")  # loaded, if there is an object of its classes
    if torchjd is not None and isinstance(gradient_aggregation, torchjd.Aggregator):
        return GradientAggregation(copy.deepcopy(gradient_aggregation))
    raise ValueError(
        f"gradient_aggregation must be one of {sorted(AGGREGATIONS)} or an Aggregator of "
        f"torchjd.aggregation, found {gradient_aggregation!r}."
    )


def _build(name, n):
    """TorchJD's aggregator of a name, for n gradients."""
    try:
        import torchjd.aggregation

        return _BUILDERS[name](torchjd.aggregation, n)
    except ImportError as error:
        raise ImportError(
            f"gradient_aggregation={name!r} computes with TorchJD and its solvers: "
            'pip install "sk_mtrnn[balance]"'
        ) from error


class GradientAggregation:
    """Combines the gradients of the tasks on the parameters they share.

    The rows of J are the gradients of the K weighted losses on the shared parameters; their
    gradient becomes A(J) instead of the sum of the rows. Parameters of single tasks get the plain
    gradient of their loss.

    ==============  ===========================================================================
    "upgrad"        every row projected onto the cone of directions that increase no loss; mean
                    (Quinton & Rey 2024)
    "pcgrad"        every row, less what opposes other rows, one by one in random order; sum
                    (Yu et al. 2020)
    "mgda"          the shortest convex combination (Désidéri 2012; Sener & Koltun 2018)
    "cagrad"        best for the worst-off task within c = 0.5 times the mean's length around the
                    mean (Liu et al. 2021)
    "nashmtl"       the Nash bargaining solution, of length 1 at most (Navon et al. 2022)
    "imtlg"         equal projections onto all rows (Liu et al. 2021, "IMTL")
    "aligned_mtl"   rows turned until they are orthogonal and equally long; mean
                    (Senushkin et al. 2023)
    ==============  ===========================================================================

    Parameters
    ----------
    aggregator : str or torchjd.aggregation.Aggregator
        A name in `AGGREGATIONS`, or an object that is used as it is.

    Notes
    -----
    Rows of tasks that have no label in the batch, and rows that are 0 (a task of weight 0, or at
    its minimum), are left out: with them "mgda" and "cagrad" would stand still and "nashmtl" fail.
    A lone row is its own aggregate. J with entries that are not finite is summed, so that training
    notices.

    Named aggregators other than "nashmtl", all of which fulfil A(cJ) = c A(J), are given J with
    largest entry 1 and in float64: TorchJD takes a J below 0.01 in norm for 0. "nashmtl" starts
    from its last solution for the same tasks. "imtlg" can be much longer than its rows where they
    nearly cancel, and "nashmtl" solves a program of its own for every batch, some ten milliseconds.

    An object is given J as it is; one with a preference for each task (a ``pref_vector``) needs
    labels of all tasks in every batch.

    References
    ----------
    Quinton & Rey (2024), "Jacobian Descent for Multi-Objective Optimization", arXiv:2406.16232,
    whose library TorchJD computes all of them and names their papers.
    """

    def __init__(self, aggregator):
        self.aggregator = aggregator
        self._built = {}

    def is_as(self, other):
        """Whether another one, or None, was made from the same name."""
        named = isinstance(self.aggregator, str) and other is not None
        return named and self.aggregator == other.aggregator

    def backward(self, losses, labelled, shared, own):
        """Add the gradients of a batch to ``.grad``.

        Parameters
        ----------
        losses : Tensor of shape (K,)
            Weighted; with graph.
        labelled : Tensor of shape (K,), bool
            Which tasks have a label in the batch.
        shared, own : list of Parameter
            Those of all tasks, and those of single tasks.
        """
        tasks = labelled.nonzero().flatten().tolist()
        parts = [losses[k] for k in tasks]
        if not parts:
            return
        if len(parts) == 1 or not shared:
            torch.autograd.backward(sum(parts), inputs=[*shared, *own])
            return
        jacobian = _jacobian(parts, shared, retain_graph=bool(own))
        if own:
            torch.autograd.backward(sum(parts), inputs=own)
        gradient = self.aggregate(jacobian, tasks)
        sizes = [parameter.numel() for parameter in shared]
        for parameter, part in zip(shared, gradient.split(sizes), strict=True):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad += part.view_as(parameter)

    def aggregate(self, jacobian, tasks):
        """A(J) of the rows that are not 0.

        Parameters
        ----------
        jacobian : Tensor of shape (n, P)
        tasks : list of n ints
            Whose rows they are.

        Returns
        -------
        Tensor of shape (P,)
        """
        sizes = jacobian.abs().amax(1)
        if not sizes.isfinite().all():
            return jacobian.sum(0)
        moving = sizes > _NEGLIGIBLE * sizes.max()
        jacobian = jacobian[moving]
        if len(jacobian) < 2:
            return jacobian.sum(0)
        if not isinstance(self.aggregator, str):
            return self.aggregator(jacobian)
        tasks = tuple(task for task, moves in zip(tasks, moving.tolist(), strict=True) if moves)
        return self._by_name(jacobian, tasks)

    def _by_name(self, jacobian, tasks):
        """A(J), J without a row of 0."""
        if tasks not in self._built:
            self._built[tasks] = _build(self.aggregator, len(tasks))
        aggregator = self._built[tasks]
        if self.aggregator == "nashmtl":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # cvxpy: of speed, and of every rough solution
                return aggregator(jacobian)
        scale = jacobian.abs().max().double()
        return (scale * aggregator(jacobian.double() / scale)).to(jacobian.dtype)


def _jacobian(losses, parameters, retain_graph):
    """Gradients of n losses on all parameters: a Tensor of shape (n, P)."""
    from torchjd.autojac import jac

    # one by one: the recurrences' backward passes by hand know no batch of gradients
    parts = jac(losses, parameters, retain_graph=retain_graph, parallel_chunk_size=1)
    return torch.cat([part.flatten(1) for part in parts], dim=1)
