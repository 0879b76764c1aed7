"""What the displays share."""

from sklearn.utils._optional_dependencies import check_matplotlib_support


def axes_for(display, ax=None):
    """The axes given to `plot`, or those of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_matplotlib_support(f"{type(display).__name__}.plot")
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def draw_by_epoch(ax, values, names):
    """A line a task through its numbers of every epoch: (n_epochs, K) to a list of K lines."""
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(values) + 1)
    lines = [
        ax.plot(epochs, column, marker=".", label=str(name))[0]  # a lone epoch is a point
        for name, column in zip(names, values.T, strict=True)
    ]
    ax.set_xlabel("Epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return lines
