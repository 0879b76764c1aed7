"""The module: packed inputs, shared recurrence, pooling, relations between tasks, heads."""

import copy
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from ._built import built
from ._heads import Heads, Outputs
from ._reading import Reading
from .inputs import InputLayer
from .recurrence import RecurrentStack, SeededDropout
from .relations import RelationContext, RelationModule
from .sharing import SharedRecurrence, SharingContext, TaskInputs


class MultiTaskNetwork(nn.Module):
    """A recurrence shared in one way or another, and one linear head per task.

    Legend: S steps in all, B sequences, F inputs, D state width, C_k outputs of task k.

    Heads start small, a tenth of `torch.nn.Linear` and without bias: close to the average
    prediction, where the first steps are those of all tasks alike. Heads of equal shape start
    equal, so that a hard-shared network depends neither on the order of its tasks nor, before
    training, on their number.

    Parameters
    ----------
    inputs : InputSpec
        What the columns of a step are.
    tasks : sequence of TaskSpec
    per_step : tuple of bool
        Which tasks are read off every step rather than off the pooled sequence.
    cell, activation, hidden_layer_sizes, bidirectional, dropout, time_delays
        As in `RecurrentStack`; dropout acts before the heads as well.
    input_dropout : float, default=0.0
        As in `InputLayer`.
    sharing : Sharing
    relation : TaskRelation
    relatedness : ndarray of shape (K, K), or None
        How related the tasks are; None if nobody asks.
    pooling : {"last", "mean", "max", "attention"}
    input_skip : bool
        Whether heads see x beside the states.
    dtype : torch.dtype
    recurrence : {"auto", "packed", "torch"}, default="auto"
        What computes the recurrence.
    amp : bool, default=False
        Whether the recurrence computes in float16 (CUDA); all else stays in ``dtype``.
    """

    def __init__(
        self,
        inputs,
        tasks,
        per_step,
        cell,
        activation,
        hidden_layer_sizes,
        bidirectional,
        dropout,
        pooling,
        sharing,
        relation,
        relatedness,
        dtype,
        recurrence="auto",
        amp=False,
        time_delays=None,
        input_skip=False,
        input_dropout=0.0,
    ):
        super().__init__()
        n_features = inputs.width

        def stack(sizes=hidden_layer_sizes):
            return RecurrentStack(
                cell,
                activation,
                n_features,
                sizes,
                bidirectional,
                dropout,
                recurrence,
                time_delays,
                inputs.n_gaps,
            )

        self.n_related = n_tasks = len(tasks)  # those added later stand beside the relation
        self.n_features = n_features
        self.tasks = list(tasks)
        self.inputs = TaskInputs(n_features, [task.channels for task in tasks])
        context = SharingContext(n_tasks, n_features, tuple(hidden_layer_sizes), stack)
        self.sharing = built(sharing, context, SharedRecurrence)
        first = InputLayer(inputs, input_dropout)
        n_layers = n_tasks if self.sharing.is_apart and inputs.tables else 1
        self.input_layers = nn.ModuleList(
            [first, *(copy.deepcopy(first) for _ in range(n_layers - 1))]
        )
        self.input_skip = input_skip
        self.pooling = pooling
        self.readings = nn.ModuleList()
        by_layer = {}
        for k, task in enumerate(tasks):
            by_layer.setdefault(task.layer % len(hidden_layer_sizes), []).append(k)
        for layer, members in sorted(by_layer.items()):
            size = self.sharing.sizes[layer] + input_skip * n_features
            self.readings.append(Reading(tuple(members), layer, pooling, size, input_skip))
        widths = {k: reading.size for reading in self.readings for k in reading.tasks}
        context = RelationContext(
            [task.name for task in tasks],
            tuple(widths[k] for k in range(n_tasks)),
            tuple(task.n_outputs for task in tasks),
            [task.predicted for task in tasks],
            lambda: relatedness,
        )
        self.relation = built(relation, context, RelationModule)
        self.dropout = SeededDropout(dropout)
        seed = int(torch.randint(2**31 - 1, ()))  # as the last: the heads draw on their own
        self.heads = nn.ModuleList()
        if self.relation.size is None:
            for reading in self.readings:
                self._add_heads(reading.size, reading.tasks, seed)
        else:
            self._add_heads(self.relation.size, tuple(range(n_tasks)), seed)
        self.transitions = nn.ModuleDict()
        for k, task in enumerate(tasks):
            self._add_transitions(k, task)
        self.per_step = per_step
        self.amp = amp
        self.to(dtype)

    def _add_heads(self, size, tasks, seed):
        heads = Heads(size, [self.tasks[k].n_outputs for k in tasks], tasks)
        heads.reset(0.1 * size**-0.5, seed)
        self.heads.append(heads)

    def _add_transitions(self, k, task):
        chain = task.build_transitions()
        if chain is not None:
            self.transitions[str(k)] = chain

    def add_task(self, task, per_step, seed):
        """Add a task that reads the common states; what is there computes as before.

        Parameters
        ----------
        task : TaskSpec
        per_step : bool
        seed : int
        """
        layer = task.layer % len(self.sharing.common_sizes)
        size = self.sharing.common_sizes[layer] + self.input_skip * self.n_features
        members = (len(self.tasks),)
        self.tasks.append(task)
        example = self.heads[0].weight
        reading = Reading(members, layer, self.pooling, size, self.input_skip, common=True)
        self.readings.append(reading)
        self._add_heads(size, members, seed)
        self._add_transitions(members[0], task)
        self.per_step = (*self.per_step, per_step)
        reading.to(example)
        self.heads[-1].to(example)
        self.transitions.to(example)

    @property
    def per_step(self):
        """Which tasks are read off every step; no parameter depends on it."""
        return self._per_step

    @per_step.setter
    def per_step(self, per_step):
        self._per_step = tuple(per_step)
        self._wanted = [self._wanted_of(heads.tasks) for heads in self.heads]

    def _wanted_of(self, tasks):
        """Of some tasks, those per sequence and, by their delay, those per step."""
        pooled = tuple(k for k in tasks if not self._per_step[k])
        by_delay = {}
        for k in tasks:
            if self._per_step[k]:
                by_delay.setdefault(self.tasks[k].delay, []).append(k)
        return pooled, {delay: tuple(group) for delay, group in by_delay.items()}

    @property
    def common_sizes(self):
        """D of the common states, layer by layer; None where there are none to pool."""
        wider = self.input_skip or self.sharing.sizes != self.sharing.common_sizes
        attends = self.pooling == "attention" and wider  # by queries as wide as what tasks read
        return None if self.inputs.any_own or attends else self.sharing.common_sizes

    @property
    def top_layer(self):
        """The highest layer that tasks read."""
        return max(reading.layer for reading in self.readings if not reading.common)

    @property
    def stacks(self):
        """All recurrences in it."""
        return [module for module in self.modules() if isinstance(module, RecurrentStack)]

    @property
    def is_plain(self):
        """Whether all outputs are read off the last states of one recurrence over X as it is."""
        top = len(self.sharing.sizes) - 1
        alone = self.relation.size is None and not self.relation.moves_outputs
        return (
            self.sharing.is_one_stack
            and alone
            and not self.input_skip
            and self.input_layers[0].is_plain
            and not self.transitions
            and self.stacks[0].front is None
            and all((t.layer, t.channels, t.delay) == (top, None, 0) for t in self.tasks)
        )

    def shared_parameters(self):
        """Parameters which the losses of all tasks go through; none without a shared recurrence."""
        shared = self.sharing.shared_parameters(min(reading.layer for reading in self.readings))
        related = self.relation.shared_parameters() if self.n_related == len(self.tasks) else []
        return [*self.input_layers.parameters(), *shared, *related] if shared else []

    @property
    def width(self):
        """How many numbers a step takes on its way, at most."""
        return sum(max(stack.sizes) for stack in self.stacks) + self.relation.width

    def _read(self, inputs):
        """What the recurrence reads: a list of 1 or K Tensors of shape (S, F)."""
        return self.inputs([layer(inputs.steps) for layer in self.input_layers])

    def _shared(self, inputs, layout):
        """What the recurrence gives: SharedStates."""
        if not self.amp:
            return self.sharing(inputs, layout)
        with torch.autocast("cuda", dtype=torch.float16):
            shared = self.sharing(inputs, layout)
        dtype = inputs[0].dtype
        layers = [states.to(dtype) for states in shared.layers]
        common = shared.common and [states.to(dtype) for states in shared.common]
        return shared._replace(layers=layers, common=common)

    def forward(self, inputs):
        """Run a batch.

        Parameters
        ----------
        inputs : PackedInputs
            ``steps`` (S, F) and their ``layout``.

        Returns
        -------
        Outputs
            A tuple of K Tensors, (S, C_k) for per-step tasks, else (B, C_k); rows in packed order.
        """
        layout, own = inputs.layout, self._read(inputs)
        shared = self._shared(own, layout)
        read = [reading.states(shared, own, layout) for reading in self.readings]
        groups, sources = {}, self._sources(read, layout)
        for heads, wanted, features in zip(self.heads, self._wanted, sources, strict=True):
            pooled, by_delay = wanted
            if by_delay:
                steps = self.dropout(features(pooled=False))  # [P, S, D]
                for delay, tasks in by_delay.items():
                    for group, output in heads.read(steps, tasks).items():
                        groups[group] = layout.shift(output, delay, dim=1)
            if pooled:
                groups.update(heads.read(self.dropout(features(pooled=True)), pooled))
        outputs = Outputs.of(groups, [task.n_outputs for task in self.tasks])
        if self.relation.moves_outputs:
            related = self.relation.outputs(outputs[: self.n_related], self.per_step, layout)
            outputs = Outputs([*related, *outputs[self.n_related :]])
        outputs.penalty = shared.penalty
        outputs.linked = {
            int(k): partial(chain.losses, layout=layout)
            for k, chain in self.transitions.items()
            if chain.learned and self.per_step[int(k)]
        }
        return outputs

    def decoded(self, outputs, layout, marginals):
        """Outputs of a batch, of tasks with linked steps as scores that tell sequences.

        Parameters
        ----------
        outputs : sequence of K Tensors
            As `forward` gives them.
        layout : PackedLayout
        marginals : bool
            Whether those tasks are to have log p(y_t | x), rather than the likeliest sequence: 1 at
            its labels and 0 elsewhere.

        Returns
        -------
        list of K Tensors
        """
        outputs = list(outputs)
        for k, chain in self.transitions.items():
            k, emissions = int(k), outputs[int(k)]
            if not self.per_step[k]:  # no label has been seen yet
                continue
            if marginals:
                outputs[k] = chain.marginals(emissions, layout)
            else:
                path = chain.viterbi(emissions, layout)
                outputs[k] = F.one_hot(path, emissions.shape[1]).to(emissions.dtype)
        return outputs

    def _sources(self, read, layout):
        """For each of the heads what gives the features they read: ``(pooled) -> (P, M, D)``."""
        sources = [
            partial(reading.features, *states, layout)
            for reading, states in zip(self.readings, read, strict=True)
        ]
        if self.relation.size is None:
            return sources
        related = [
            s for s, reading in zip(sources, self.readings, strict=True) if not reading.common
        ]
        return [partial(self._related, related), *sources[len(related) :]]

    def _related(self, sources, pooled):
        """Features of all related tasks at once, of one kind of entries: (K, M, d)."""
        features = {}
        for reading, source in zip(self.readings, sources, strict=False):
            own = source(pooled).expand(len(reading.tasks), -1, -1)
            features.update(zip(reading.tasks, own, strict=True))
        return self.relation.features([features[k] for k in sorted(features)])

    def attention(self, inputs):
        """Attention of every task to every step of a batch: a Tensor of shape (S, K)."""
        layout, own = inputs.layout, self._read(inputs)
        shared, columns = self._shared(own, layout), {}
        for reading in self.readings:
            states, _ = reading.states(shared, own, layout)
            weights = layout.unpad(reading.pooling.attention(states, layout))  # [S, tasks]
            columns.update(zip(reading.tasks, weights.unbind(1), strict=True))
        return torch.stack([columns[k] for k in range(len(self.tasks))], dim=1)

    def common(self, inputs):
        """Pooled common states of the highest layer that is read: a Tensor of shape (B, D).

        Where every task attends on its own, the mean over the per-sequence tasks that read this
        layer, or if there are none over all that do.
        """
        layout, own = inputs.layout, self._read(inputs)
        states, final = self._shared(own, layout).common[self.top_layer]
        (reading,) = (
            reading
            for reading in self.readings
            if reading.layer == self.top_layer and not reading.common
        )
        pooled = reading.pooling(states, final, layout)  # [1 or K, B, D]
        whole = [i for i, k in enumerate(reading.tasks) if not self.per_step[k]]
        return (pooled[whole] if whole and len(pooled) > 1 else pooled).mean(0)


class PackedInputs:
    """The inputs of a batch: ``steps``, a Tensor of shape (S, F), and their ``layout``."""

    def __init__(self, steps, layout):
        self.steps = steps
        self.layout = layout

    def __len__(self):
        return len(self.layout)

    def to(self, device):
        """Return the batch on a device."""
        if self.steps.device == torch.device(device):
            return self
        return PackedInputs(self.steps.to(device), self.layout.to(device))
