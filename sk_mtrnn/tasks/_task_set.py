"""All tasks of one fit: columns of labels to encoded targets, network outputs back to columns."""

import copy
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._fingerprint import fingerprint
from ..sequences import offsets_of
from ._resolve import resolve_tasks, spread_class_weight


class EncodedLabels(NamedTuple):
    """The labels of one task as its loss reads them.

    Attributes
    ----------
    values : ndarray of shape (n_samples,) or (sum_T,)
        Anything where there is no label.
    weights : ndarray, same shape
        0 where an entry takes no part.
    per_step : bool
    loss_key : hashable
        As in `Task`.
    delay : int, default=0
        As in `Task`.
    """

    values: np.ndarray
    weights: np.ndarray
    per_step: bool
    loss_key: object
    delay: int = 0


class TaskSet:
    """One learned task object for each column of y.

    Parameters
    ----------
    columns : list of Column
        The labels of the first fit.
    tasks, allowed, default
        As in `resolve_tasks`.

    Attributes
    ----------
    names : list
    tasks : list of Task
    per_step : list of bool or None
        None while nothing tells: no label of that task has been seen yet.
    spec : str
        Hash of the parameter ``tasks`` they were made from.
    n_added : int
        How many of them, the last ones, came later.
    """

    def __init__(self, columns, tasks, *, allowed, default):
        self.names = [column.name for column in columns]
        self.tasks = resolve_tasks(tasks, columns, allowed=allowed, default=default)
        self.per_step = [column.per_step for column in columns]
        self.spec = fingerprint(tasks)
        self.n_added = 0
        self._followers = [
            task for task in self.tasks if task.get_params().get("class_weight", False) is None
        ]

    def __len__(self):
        return len(self.tasks)

    def joined(self, other):
        """A TaskSet of these tasks and, behind them, those of another."""
        joined = copy.copy(self)
        for attribute in ("names", "tasks", "per_step", "_followers"):
            setattr(joined, attribute, getattr(self, attribute) + getattr(other, attribute))
        joined.n_added = self.n_added + len(other)
        return joined

    def unlabelled(self, lengths):
        """Encoded labels where no entry has any.

        Parameters
        ----------
        lengths : ndarray of shape (n_samples,)

        Returns
        -------
        list of EncodedLabels
        """
        encoded = []
        for task, per_step in zip(self.tasks, self.step_flags, strict=True):
            shape = int(lengths.sum()) if per_step else len(lengths)
            values = np.zeros(shape, dtype=task.encoded_dtype)
            encoded.append(EncodedLabels(values, np.zeros(shape), per_step, task.loss_key))
        return encoded

    @property
    def step_flags(self):
        """Which tasks are per step; one that is not known yet counts as per sequence."""
        return tuple(bool(per_step) for per_step in self.per_step)

    @property
    def types(self):
        """Type of every task, by name."""
        return dict(zip(self.names, (task.type_name for task in self.tasks), strict=True))

    @property
    def classes(self):
        """Classes of every task that has some, by name."""
        named = zip(self.names, self.tasks, strict=True)
        return {name: task.classes_ for name, task in named if hasattr(task, "classes_")}

    def declare_classes(self, classes):
        """Tell the tasks their classes before any label is seen.

        Parameters
        ----------
        classes : dict by name, list in task order, or for a single task its classes

        Raises
        ------
        ValueError
            If a task that has classes is not told any, or ``classes`` does not match the tasks.
        """
        for name, task, given in self._classes_by_task(classes):
            task.declare_classes(given, name=name)

    def check_classes(self, classes):
        """Refuse classes other than those declared first.

        Raises
        ------
        ValueError
        """
        for name, task, given in self._classes_by_task(classes):
            known = getattr(task, "classes_", None)
            if known is not None and given is not None and set(given) != set(known.tolist()):
                raise ValueError(
                    "classes is not the same as on the first call to partial_fit: for task "
                    f"{name!r} expected {known.tolist()}, found {list(given)}."
                )

    def _classes_by_task(self, classes):
        if isinstance(classes, dict):
            unknown = [name for name in classes if name not in self.names]
            if unknown:
                raise ValueError(
                    f"classes names the unknown task {unknown[0]!r}; the tasks are {self.names}."
                )
            given = [classes.get(name) for name in self.names]
        elif classes is None:
            given = [None] * len(self)
        elif not isinstance(classes, Iterable) or isinstance(classes, str):
            raise ValueError(
                f"classes must be a list in task order or a dict by task name, found {classes!r}."
            )
        elif len(self) == 1 and not any(np.ndim(entry) for entry in classes):
            given = [classes]
        else:
            given = list(classes)
        if len(given) != len(self):
            raise ValueError(
                f"classes must hold one list of classes for each of the {len(self)} tasks, found "
                f"{len(given)}."
            )
        for name, entry in zip(self.names, given, strict=True):
            if entry is not None and (isinstance(entry, str) or not isinstance(entry, Iterable)):
                raise ValueError(
                    f"classes of task {name!r} must be a list of its classes, found {entry!r}."
                )
        return zip(self.names, self.tasks, given, strict=True)

    def learn(self, columns, weights, lengths, *, standardize, class_weight, partial=False):
        """Learn what is not learned yet: classes and scales, which stay, and class weights.

        Parameters
        ----------
        columns : list of Column
        weights : ndarray of shape (n_samples, n_tasks)
            0 for samples that take no part.
        lengths : ndarray of shape (n_samples,)
        standardize : bool
        class_weight : dict, "balanced" or None
            For the tasks that set none themselves.
        partial : bool, default=False
            Whether tasks may be without labels for now.

        Raises
        ------
        ValueError
            If a task has no label that counts (unless ``partial``), or changes between labels per
            step and per sequence.
        """
        to_weigh = []
        for k, (column, task) in enumerate(zip(columns, self.tasks, strict=True)):
            known = ~column.missing
            entries = _entry_weights(column, weights[:, k], lengths, task.delay)[known]
            if known.any():
                self._check_kind(k, column)
                self.per_step[k] = column.per_step
            if not entries.any():
                if partial:
                    continue
                raise ValueError(
                    f"Task {column.name!r} has too few samples to train on: every labelled entry "
                    "has sample_weight 0 or is held out for early stopping"
                    + (
                        f", or delay={task.delay} reaches beyond its sequence."
                        if task.delay
                        else "."
                    )
                )
            labels = column.values[known]
            if not task.learned:
                task.learn(labels, entries, name=column.name, standardize=standardize)
            to_weigh.append((task, labels, entries, column.name))
            if task.transitions is not None:
                given = _entry_weights(column, weights[:, k], lengths)[known]
                _learn_transitions(task, column, known, given, lengths)
        spread_class_weight(class_weight, self.tasks, self._followers)
        for task, labels, entries, name in to_weigh:
            task.weigh_classes(labels, entries, name=name)

    def _check_kind(self, k, column):
        kinds = {True: "per time step", False: "per sequence"}
        before = self.per_step[k]
        if before is not None and before != column.per_step:
            raise ValueError(
                f"Task {column.name!r} had labels {kinds[before]} before, and "
                f"{kinds[column.per_step]} now."
            )
        if self.tasks[k].transitions is not None and not column.per_step:
            raise ValueError(
                f"transitions of task {column.name!r} must be None, as its labels are "
                f"{kinds[False]} and follow no other, found {self.tasks[k].transitions!r}."
            )
        if self.tasks[k].delay and not column.per_step:
            raise ValueError(
                f"delay of task {column.name!r} must be 0, as its labels are {kinds[False]}, found "
                f"{self.tasks[k].delay}."
            )

    def encode(self, columns, weights, lengths):
        """Encode labels, class weights multiplied into the weights.

        Parameters
        ----------
        columns, weights, lengths
            As in `learn`.

        Returns
        -------
        list of EncodedLabels

        Raises
        ------
        ValueError
            If a label is none the task can encode.
        """
        encoded = []
        for k, (column, task) in enumerate(zip(columns, self.tasks, strict=True)):
            known, name = ~column.missing, column.name
            shape = int(lengths.sum()) if self.per_step[k] else len(lengths)
            values, entries = np.zeros(shape, dtype=task.encoded_dtype), np.zeros(shape)
            if known.any():
                labels = column.values[known]
                given = _entry_weights(column, weights[:, k], lengths, task.delay)[known]
                if given.any():
                    values[known] = task.encode(labels, name=name)
                    entries[known] = task.label_weights(labels, given, name=name)
            encoded.append(
                EncodedLabels(values, entries, self.step_flags[k], task.loss_key, task.delay)
            )
        return encoded

    def memberships(self, encoded, lengths, samples):
        """Share of every class among the labels of each sample that weigh.

        Parameters
        ----------
        encoded : list of EncodedLabels
        lengths : ndarray of shape (n_samples,)
        samples : ndarray of int
            Those that are asked for.

        Returns
        -------
        list of sparse arrays of shape (len(samples), n_classes)
            One for each task with classes; rows without label are 0.
        """
        memberships = []
        for task, labels in zip(self.tasks, encoded, strict=True):
            if not hasattr(task, "classes_"):
                continue
            owner = np.arange(len(lengths))
            owner = np.repeat(owner, lengths) if labels.per_step else owner
            weighs = labels.weights != 0
            ones = np.ones(int(weighs.sum()))
            shape = (len(lengths), task.n_outputs)
            counts = sparse.csr_array((ones, (owner[weighs], labels.values[weighs])), shape=shape)
            total = np.maximum(counts.sum(axis=1), 1)
            memberships.append(sparse.csr_array(sparse.diags_array(1 / total) @ counts)[samples])
        return memberships

    def scores(self, columns, weights, lengths, outputs):
        """Each task's own score on its labelled entries; tasks without any are left out.

        Parameters
        ----------
        columns, weights, lengths
            As in `learn`.
        outputs : list of ndarray, each of shape (n_samples or sum_T, n_outputs)

        Returns
        -------
        dict of name to float
        """
        scores = {}
        for k, (column, task, output) in enumerate(zip(columns, self.tasks, outputs, strict=True)):
            known = ~column.missing
            if known.any():
                self._check_kind(k, column)
                given = _entry_weights(column, weights[:, k], lengths)[known]
                predicted = task.decode(output[known])
                scores[column.name] = task.score(column.values[known], predicted, given)
        return scores


def _learn_transitions(task, column, known, entries, lengths):
    """Show a task its labels as sequences; ``entries`` are the weights of the known ones."""
    values = np.zeros(len(known), dtype=task.encoded_dtype)
    values[known] = task.encode(column.values[known], name=column.name)
    weighs = np.zeros(len(known), dtype=bool)
    weighs[known] = entries > 0
    task.learn_transitions(values, weighs, offsets_of(lengths))


def _entry_weights(column, weights, lengths, delay=0):
    """Weights of a task's entries from those of the samples; 0 where t + delay is no step."""
    if not column.per_step:
        return weights
    entries = np.repeat(weights, lengths)
    if delay:
        starts = np.cumsum(lengths) - lengths
        read = np.arange(len(entries)) - np.repeat(starts, lengths) + delay
        entries[(read < 0) | (read >= np.repeat(lengths, lengths))] = 0
    return entries
