"""Graph convolution: every task takes in the features of the tasks next to it."""

from numbers import Integral

import numpy as np
import pandas as pd
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from ._base import RelationModule, TaskRelation
from ._task_layer import TaskLayer


class GraphConvolution(TaskRelation):
    """A graph with one node a task; layers of convolution over it.

    Every task k first gets features of its own from the state z_k its head would read,

        h_k = tanh(W_k z_k + b_k)

    and the rows h_k of H (K, d), d the widest z_k, then pass ``n_layers`` times through

        H' = relu(H Θ + Â H),   Â = D^(-1/2) (A + I) D^(-1/2)

    with A (K, K) the adjacency of the tasks, D the diagonal matrix of the row sums of A + I, and Θ
    (d, d) learned, one a layer. The heads read the rows of the last H.

    Parameters
    ----------
    adjacency : {"mutual_info", "learned"} or array-like of shape (K, K), default="mutual_info"
        "mutual_info": A_ij is the relatedness of tasks i and j, measured on the training labels as
        in `task_relatedness` (but the types of the tasks say which labels are classes), and 0 where
        it is not known; in `partial_fit` and warm starts that of the first chunk or fit. "learned":
        A_ij = A_ji = sigmoid(a_ij), a_ij learned from 0. An array must be nonnegative; a DataFrame
        names the tasks in its rows and columns. The diagonal counts as 0, since A + I adds it.
    n_layers : int, default=1

    Notes
    -----
    Deviation from Kipf & Welling: their layer is relu(Â H Θ), which sends what a task knows itself
    through the same Θ as what it hears. Here Θ acts on a task's own features, and those of its
    neighbours arrive as they are. Where A is not symmetric, D still holds the row sums. Θ starts
    as they draw it (Glorot & Bengio 2010).

    References
    ----------
    Kipf & Welling (2017), "Semi-Supervised Classification with Graph Convolutional Networks",
    ICLR, equation 2.

    Examples
    --------
    >>> from sk_mtrnn.relations import GraphConvolution
    >>> GraphConvolution(adjacency=[[0, 1], [1, 0]], n_layers=2)
    GraphConvolution(adjacency=[[0, 1], [1, 0]], n_layers=2)
    """

    _parameter_constraints = {
        "adjacency": [StrOptions({"mutual_info", "learned"}), "array-like"],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, adjacency="mutual_info", n_layers=1):
        self.adjacency = adjacency
        self.n_layers = n_layers

    @property
    def needs_relatedness(self):
        return isinstance(self.adjacency, str) and self.adjacency == "mutual_info"

    def build(self, context):
        self._validate_params()
        return GCN(context.sizes, self._adjacency(context), self.n_layers)

    def _adjacency(self, context):
        """A as an array (K, K); None if it is learned."""
        if isinstance(self.adjacency, str) and self.adjacency == "learned":
            return None
        if isinstance(self.adjacency, str):
            adjacency = np.nan_to_num(context.relatedness(), nan=0.0)
            np.fill_diagonal(adjacency, 0.0)  # A + I adds it
            return adjacency
        return _read_adjacency(self.adjacency, context.names)


def _read_adjacency(adjacency, names):
    """A given adjacency as an array (K, K), a DataFrame's rows and columns in the tasks' order."""
    if isinstance(adjacency, pd.DataFrame):
        for found in (list(adjacency.index), list(adjacency.columns)):
            if len(found) != len(names) or set(found) != set(names):
                raise ValueError(
                    f"adjacency must name the tasks {names} in its rows and columns, found {found}."
                )
        adjacency = adjacency.loc[names, names]
    try:
        adjacency = np.asarray(adjacency, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"adjacency must hold numbers: {error}") from error
    if adjacency.shape != (len(names), len(names)):
        raise ValueError(
            "adjacency must have one row and one column for each task, expected shape "
            f"({len(names)}, {len(names)}), found {adjacency.shape}."
        )
    refused = adjacency[~(np.isfinite(adjacency) & (adjacency >= 0))]
    if len(refused):
        raise ValueError(f"adjacency must be nonnegative and finite, found {refused[0]}.")
    return adjacency * (1 - np.eye(len(names)))


def _normalize(adjacency):
    """Â of an adjacency: Tensors (K, K) to (K, K)."""
    connected = adjacency + torch.eye(len(adjacency)).to(adjacency)  # A + I
    scale = connected.sum(1).rsqrt()  # [K], diagonal of D^(-1/2)
    return scale[:, None] * connected * scale


class GCN(RelationModule):
    """The module of `GraphConvolution`.

    Legend: K tasks, M entries, D_k input width of task k, d its widest.

    Parameters
    ----------
    sizes : sequence of K ints
        D_k.
    adjacency : ndarray of shape (K, K) or None
        None: learned.
    n_layers : int

    Attributes
    ----------
    theta : ParameterList of Tensors of shape (d, d)
    edges : Parameter of shape (K (K - 1) / 2,) or None
        a_ij of the pairs i < j, row by row.
    """

    def __init__(self, sizes, adjacency, n_layers):
        super().__init__()
        self.task_layer = TaskLayer(sizes)
        self.size = d = self.task_layer.size
        self.width = 2 * len(sizes) * d
        self.theta = nn.ParameterList(
            nn.init.xavier_uniform_(torch.empty(d, d)) for _ in range(n_layers)
        )
        fixed, edges = None, None
        if adjacency is None:
            edges = nn.Parameter(torch.zeros(len(sizes) * (len(sizes) - 1) // 2))
        else:  # in double precision until the module gets its dtype
            fixed = _normalize(torch.tensor(adjacency, dtype=torch.float64))
        self.register_parameter("edges", edges)
        self.register_buffer("fixed", fixed)

    def propagation(self):
        """Â, a Tensor of shape (K, K)."""
        if self.edges is None:
            return self.fixed
        n_tasks = len(self.task_layer.layers)
        rows, columns = torch.triu_indices(n_tasks, n_tasks, 1, device=self.edges.device)
        above = self.edges.new_zeros(n_tasks, n_tasks)
        above = above.index_put((rows, columns), torch.sigmoid(self.edges))
        return _normalize(above + above.T)

    def features(self, features):
        h = self.task_layer(features)  # [K, M, d]
        propagation = self.propagation().to(h.dtype)
        for theta in self.theta:
            h = torch.relu(h @ theta + torch.tensordot(propagation, h, dims=1))
        return h

    def matrix(self):
        """Â as it is now: ndarray of shape (K, K)."""
        return self.propagation().detach().cpu().numpy().copy()

    def shared_parameters(self):
        return [*self.theta] if self.edges is None else [*self.theta, self.edges]
