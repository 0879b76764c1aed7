"""A picture of a matrix of tasks."""

import numpy as np
import pandas as pd

from ._estimators import fitted_network
from ._plotting import axes_for


class TaskRelationDisplay:
    """A matrix with one row and one column a task, as a heat map with its numbers.

    It is recommended to use `from_estimator` or `from_matrix`, which draw at once.

    Parameters
    ----------
    matrix : array-like of shape (n_tasks, n_tasks)
        May hold NaN.
    task_names : sequence of length n_tasks

    Attributes
    ----------
    image_ : matplotlib AxesImage
    texts_ : ndarray of shape (n_tasks, n_tasks)
        The numbers, matplotlib Text.
    colorbar_ : matplotlib Colorbar or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    gradient_similarity, task_relatedness : Matrices to draw.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mtrnn.inspection import TaskRelationDisplay, task_relatedness
    >>> y = pd.DataFrame({"digit": [1, 2, 3, 4], "odd": [True, False, True, False]})
    >>> display = TaskRelationDisplay.from_matrix(task_relatedness(y))
    >>> display.texts_[0, 1].get_text()
    '0.71'
    """

    def __init__(self, matrix, task_names):
        self.matrix = matrix
        self.task_names = task_names

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, cmap=None, values_format=".2f", colorbar=True):
        """Draw ``task_relation_`` of a fitted estimator: row k is what task k takes from others.

        Parameters
        ----------
        estimator : fitted MultiTaskRNN, MultiTaskRNNClassifier or MultiTaskRNNRegressor
            Or a Pipeline that ends in one. A task of `add_task` stands beside the relation and is
            left out.
        ax, cmap, values_format, colorbar
            As in `plot`.

        Returns
        -------
        TaskRelationDisplay

        Raises
        ------
        ValueError
            If the estimator has no relation.
        """
        network = fitted_network(estimator)
        matrix = network.task_relation_
        if matrix is None:
            raise ValueError(
                "estimator must have a relation between its tasks, but its task_relation_ is None; "
                f"found task_relation={network.task_relation!r}."
            )
        display = cls(matrix, network.task_names_[: len(matrix)])
        return display.plot(ax, cmap=cmap, values_format=values_format, colorbar=colorbar)

    @classmethod
    def from_matrix(
        cls, matrix, *, task_names=None, ax=None, cmap=None, values_format=".2f", colorbar=True
    ):
        """Draw a matrix.

        Parameters
        ----------
        matrix : DataFrame or array-like of shape (n_tasks, n_tasks)
            Such as `gradient_similarity` and `task_relatedness` return.
        task_names : sequence of length n_tasks, default=None
            None: the columns of a DataFrame, else numbers from 0.
        ax, cmap, values_format, colorbar
            As in `plot`.

        Returns
        -------
        TaskRelationDisplay

        Raises
        ------
        ValueError
            If the matrix is not square, or there are not as many names.
        """
        values = np.asarray(matrix, dtype=np.float64)
        if values.ndim != 2 or len(values) != values.shape[1]:
            raise ValueError(
                f"matrix must have one row and one column a task, found shape {values.shape}."
            )
        if task_names is None:
            framed = isinstance(matrix, pd.DataFrame)
            task_names = list(matrix.columns) if framed else list(range(len(values)))
        if len(task_names) != len(values):
            raise ValueError(
                f"task_names must name the {len(values)} tasks of matrix, found "
                f"{len(task_names)} names."
            )
        display = cls(values, task_names)
        return display.plot(ax, cmap=cmap, values_format=values_format, colorbar=colorbar)

    def plot(self, ax=None, *, cmap=None, values_format=".2f", colorbar=True):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None: those of a new figure.
        cmap : str or matplotlib Colormap, default=None
            None: "viridis" from 0 on; "coolwarm", with 0 in its middle, where a number is negative.
        values_format : str, default=".2f"
            Format of the numbers.
        colorbar : bool, default=True

        Returns
        -------
        TaskRelationDisplay
        """
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        matrix = np.asarray(self.matrix, dtype=np.float64)
        known = matrix[np.isfinite(matrix)]
        largest, signed = max(np.abs(known), default=0.0), (known < 0).any()
        self.image_ = self.ax_.imshow(
            matrix,
            cmap=cmap or ("coolwarm" if signed else "viridis"),
            vmin=-largest if signed else 0.0,
            vmax=largest or 1.0,
        )
        self.texts_ = np.empty(matrix.shape, dtype=object)
        for (row, column), value in np.ndenumerate(matrix):
            self.texts_[row, column] = self.ax_.text(
                column,
                row,
                format(value, values_format),
                ha="center",
                va="center",
                color=self._ink(value),
            )
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=self.ax_) if colorbar else None
        names, places = [str(name) for name in self.task_names], range(len(matrix))
        self.ax_.set(xticks=places, yticks=places, xticklabels=names, yticklabels=names)
        return self

    def _ink(self, value):
        """Black on light colours, white on dark ones; behind NaN is the paper."""
        if not np.isfinite(value):
            return "black"
        red, green, blue, _ = self.image_.cmap(self.image_.norm(value))
        light = 0.299 * red + 0.587 * green + 0.114 * blue
        return "black" if light > 0.5 else "white"
