"""What a relation between tasks is: options, and the module they build."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from sklearn.base import BaseEstimator
from torch import nn


class RelationContext(NamedTuple):
    """What a relation knows of the tasks when it builds its module.

    Attributes
    ----------
    names : list of K hashables
    sizes : tuple of K ints
        D_k: width of the features that the head of task k would read.
    n_outputs : tuple of K ints
        C_k.
    predicted : list of K callables
        Outputs as predictions, Tensors (..., C_k) to (..., P_k): class probabilities, or the
        predicted number. Differentiable.
    relatedness : callable () -> ndarray of shape (K, K)
        Measures how related the tasks are on the training labels, when asked; NaN where unknown.
    """

    names: list
    sizes: tuple
    n_outputs: tuple
    predicted: list
    relatedness: Callable


class TaskRelation(BaseEstimator, ABC):
    """How tasks inform one another: the options of one system.

    It holds parameters, and builds the torch module when the tasks are known.

    Attributes
    ----------
    needs_relatedness : bool
        Whether it asks how related the tasks are.
    """

    needs_relatedness = False

    @abstractmethod
    def build(self, context):
        """Build the module, its parameters in float32.

        Parameters
        ----------
        context : RelationContext

        Returns
        -------
        RelationModule

        Raises
        ------
        ValueError
            If a parameter is invalid, or does not fit the tasks.
        """


class RelationModule(nn.Module, ABC):
    """What stands between the shared states and the outputs of the tasks.

    Legend: K tasks, M entries (the B sequences or the S steps of a batch), D_k features and C_k
    outputs of task k.

    Entries are independent of one another, and no parameter depends on which tasks are per step.

    Attributes
    ----------
    size : int or None
        d: width of what `features` returns for every task; None if features are left alone.
    width : int
        How many numbers an entry takes in `features`, roughly.
    needs_data : bool
        Whether `matrix` is a mean over data, which run through the module inside its context
        manager ``recording()`` first.
    """

    size = None
    needs_data = False
    width = 0

    @property
    def moves_outputs(self):
        """Whether `outputs` is one of its own, and so may change something."""
        return type(self).outputs is not RelationModule.outputs

    def features(self, features):
        """Let the tasks inform one another before their heads; called where ``size`` is not None.

        Parameters
        ----------
        features : list of K Tensors of shape (M, D_k)

        Returns
        -------
        Tensor of shape (K, M, d)
        """
        raise NotImplementedError

    def outputs(self, outputs, per_step, layout):
        """Let the tasks inform one another after their heads; by default they do not.

        Parameters
        ----------
        outputs : sequence of K Tensors of shape (M_k, C_k)
            M_k = S in packed order for a task per step, else B, the longest sequence first.
        per_step : sequence of K bools
        layout : PackedLayout

        Returns
        -------
        sequence of K Tensors of shape (M_k, C_k)
        """
        return outputs

    @abstractmethod
    def matrix(self):
        """How much each task (row) takes from each (column): ndarray (K, K), None if unknown."""

    @abstractmethod
    def shared_parameters(self):
        """List of the parameters that the outputs of all tasks depend on."""
