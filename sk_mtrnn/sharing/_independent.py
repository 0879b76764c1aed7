"""No sharing: a recurrence for each task."""

import copy

from torch import nn

from ._base import SharedRecurrence, SharedStates, Sharing, one_each, stack_runs


class Independent(Sharing):
    """Independent networks in one fit: the baseline that sharing is measured against.

    The recurrences start from equal weights, so that none depends on the place of its task. A
    ``task_relation`` would still join them.

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> MultiTaskRNN(sharing="none")  # the same as sharing=Independent()
    MultiTaskRNN(sharing='none')
    """

    def build(self, context):
        first = context.stack()
        return Apart([first, *(copy.deepcopy(first) for _ in range(context.n_tasks - 1))])


class Apart(SharedRecurrence):
    """One recurrence a task."""

    is_apart = True

    def __init__(self, stacks):
        super().__init__()
        self.stacks = nn.ModuleList(stacks)
        self.sizes = stacks[0].sizes

    def forward(self, inputs, layout):
        inputs = one_each(inputs, len(self.stacks))
        pairs = zip(self.stacks, inputs, strict=True)
        return SharedStates(stack_runs([stack(steps, layout) for stack, steps in pairs]), None)

    def shared_parameters(self, layer):
        return []
