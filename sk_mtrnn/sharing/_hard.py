"""One recurrence for all tasks."""

from ._base import SharedRecurrence, SharedStates, Sharing, run_each


class HardSharing(Sharing):
    """Hard sharing: one trunk, one head per task (Caruana 1997).

    References
    ----------
    Caruana (1997), "Multitask Learning", Machine Learning 28.

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> from sk_mtrnn.sharing import HardSharing
    >>> MultiTaskRNN(sharing=HardSharing())  # what "hard", the default, stands for
    MultiTaskRNN(sharing=HardSharing())
    """

    common = True
    is_one_stack = True

    def build(self, context):
        return OneTrunk(context.stack())


class OneTrunk(SharedRecurrence):
    """A single recurrence; where tasks have inputs of their own, one run for each of them."""

    is_one_stack = True

    def __init__(self, stack):
        super().__init__()
        self.stack = stack
        self.sizes = self.common_sizes = stack.sizes

    def forward(self, inputs, layout):
        layers = run_each(self.stack, inputs, layout)
        return SharedStates(layers, layers if len(inputs) == 1 else None)

    def shared_parameters(self, layer):
        return self.stack.parameters_below(layer)
