"""A picture of a `multitask_report`."""

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from ._plotting import axes_for
from ._report import multitask_report

_COLUMNS = ("difference", "low", "high")


class MultiTaskReportDisplay:
    """Difference of every task's score, together less alone, with its confidence interval.

    It is recommended to use `from_estimator` or `from_report`, which draw at once.

    Parameters
    ----------
    report : DataFrame
        As `multitask_report` returns it.

    Attributes
    ----------
    errorbar_ : matplotlib ErrorbarContainer
        A point a task, at its difference, and a bar from ``low`` to ``high``; the first task is at
        the top.
    zero_line_ : matplotlib Line2D
        Where sharing changes nothing.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> from sk_mtrnn.datasets import make_multitask_sequences
    >>> from sk_mtrnn.inspection import MultiTaskReportDisplay, multitask_report
    >>> X, y = make_multitask_sequences(60, random_state=0)
    >>> model = MultiTaskRNN(hidden_layer_sizes=(8,), max_epochs=2, random_state=0)
    >>> report = multitask_report(model, X, y, cv=2)
    >>> display = MultiTaskReportDisplay.from_report(report)
    >>> display.ax_.get_xlabel()
    'Score together less alone'
    """

    def __init__(self, report):
        self.report = report

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        cv=None,
        n_repeats=1,
        scoring=None,
        confidence=0.95,
        n_jobs=None,
        random_state=None,
        ax=None,
    ):
        """Compute the report of an estimator and draw it; it is the attribute ``report``.

        Parameters
        ----------
        estimator, X, y, cv, n_repeats, scoring, confidence, n_jobs, random_state
            As in `multitask_report`.
        ax : matplotlib Axes, default=None
            None: those of a new figure.

        Returns
        -------
        MultiTaskReportDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")  # before the long computation
        report = multitask_report(
            estimator,
            X,
            y,
            cv=cv,
            n_repeats=n_repeats,
            scoring=scoring,
            confidence=confidence,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        return cls.from_report(report, ax=ax)

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw a report.

        Parameters
        ----------
        report : DataFrame
            As `multitask_report` returns it.
        ax : matplotlib Axes, default=None
            None: those of a new figure.

        Returns
        -------
        MultiTaskReportDisplay

        Raises
        ------
        ValueError
            If it is something else.
        """
        columns = list(getattr(report, "columns", ()))
        if not set(_COLUMNS) <= set(columns):
            raise ValueError(
                f"report must be a DataFrame with the columns {list(_COLUMNS)}, as "
                "multitask_report returns it, found "
                f"{columns if columns else type(report).__name__}."
            )
        return cls(report).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None: those of a new figure.

        Returns
        -------
        MultiTaskReportDisplay
        """
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        difference, low, high = (self.report[name].to_numpy() for name in _COLUMNS)
        places = np.arange(len(self.report))
        self.errorbar_ = self.ax_.errorbar(
            difference,
            places,
            xerr=[difference - low, high - difference],
            fmt="o",
            capsize=4,
        )
        self.zero_line_ = self.ax_.axvline(0.0, color="gray", linestyle="--")
        self.ax_.set(
            xlabel="Score together less alone",
            yticks=places,
            yticklabels=[str(name) for name in self.report.index],
        )
        self.ax_.set_ylim(len(places) - 0.5, -0.5)
        return self
