"""A task that was never seen: a new head on a fitted model."""

import copy

import numpy as np
import pandas as pd
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import _training as training
from ._early_stopping import hold_out, only_part
from ._features import has_common_state
from ._training_set import training_set
from .sequences import check_same_order, check_sample_weight, read_labels
from .tasks import Task, TaskSet


class NewTaskMixin:
    """`add_task` of a `BaseMultiTaskRNN`."""

    @available_if(has_common_state)
    def add_task(self, X, y, *, name=None, task=None, freeze_trunk=True, sample_weight=None):
        """Learn one more task, by a new head on the states that all tasks share.

        It is trained for ``max_epochs`` on these samples alone, and from then on the last column of
        y and of all predictions: a 1-D y becomes two columns, a DataFrame gains one. It stands
        beside the ``task_relation``, and weighs 1; in later fits what ``task_weights`` says, where
        a list may leave it out. `clone` knows nothing of it: it copies parameters, and this is
        something learned. Early stopping watches the loss. There where all tasks share a state, as
        for `transform`.

        Parameters
        ----------
        X : array-like
            Sequences, as in `fit`; as few as 20 may do while the trunk is frozen.
        y : array-like of shape (n_samples,), DataFrame of one column, or per-step labels
            Labels of the new task, in any layout of `fit`.
        name : object, default=None
            The task's name. None: that of y, or the position of its column.
        task : str, Task or None, default=None
            What it is, as in ``tasks``.
        freeze_trunk : bool, default=True
            Whether everything but the new head stays as it is: then the tasks there were predict
            bit for bit as before. Else the shared recurrence is trained on as well, for the new
            task alone; the heads there were stay.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y holds more than one task, a name is in use or missing, or the new column does not
            fit beside the others.
        """
        check_is_fitted(self, "net_")
        self._check_params()
        self._check_new(name, task, freeze_trunk)
        sequences = self._read_X(X, reset=False)
        if not self._tabular:
            check_same_order(sequences.index, y)
        labels = read_labels(y, sequences.lengths)
        column = self._new_column(labels, y, name)
        task_set = TaskSet(
            [column], {column.name: task}, allowed=self._task_types, default=self._default_type
        )
        if task_set.tasks[0].features is not None:
            raise ValueError(
                f"features of task {column.name!r} must be None, as a new task reads what all "
                f"tasks share, found {task_set.tasks[0].features!r}."
            )
        template = self._labels.with_column(column)  # refuses what does not fit
        weights = check_sample_weight(sample_weight, labels.n_samples, [column.name])
        random_state = copy.deepcopy(self._random_state)  # a refused task draws nothing
        seed = random_state.randint(np.iinfo(np.int32).max)
        part, held_out = hold_out(self, labels, seed)
        task_set.learn(
            [column],
            only_part(weights, part),
            sequences.lengths,
            standardize=self.standardize,
            class_weight=self._class_weight_for(column),
        )
        joined = self._task_set.joined(task_set)

        steps = self._inputs.encode(sequences)

        def targets(samples):
            known = only_part(weights, samples)
            return [
                *self._task_set.unlabelled(sequences.lengths),
                *task_set.encode([column], known, sequences.lengths),
            ]

        train_data = training_set(self, sequences, steps, targets(part), joined, part, seed)
        valid_data = None
        if len(held_out):
            valid_data = self._sequence_data(steps, targets(held_out), held_out)
        extended = training.ExtendedNet(self.net_, self, joined, freeze_trunk, seed)
        record = training.train(
            extended.net,
            self,
            train_data,
            valid_data,
            epochs=self.max_epochs,
            seed=seed,
            names=joined.names,
        )
        extended.release()
        self.net_, self._task_set, self._labels = extended.net, joined, template
        self.task_names_, self.task_types_ = joined.names, joined.types
        self.n_tasks_, self._random_state = len(joined), random_state
        self._record_new_task(record)
        return self

    def _check_new(self, name, task, freeze_trunk):
        try:
            hash(name)
        except TypeError:
            raise ValueError(f"name must be hashable, found {name!r}.") from None
        if not (task is None or isinstance(task, Task) or task in self._task_types):
            raise ValueError(
                f"task must be None, one of {list(self._task_types)} or a task object, found "
                f"{task!r}."
            )
        if not isinstance(freeze_trunk, (bool, np.bool_)):
            raise ValueError(f"freeze_trunk must be a bool, found {freeze_trunk!r}.")

    def _new_column(self, labels, y, name):
        if len(labels.columns) != 1:
            raise ValueError(
                f"y must hold the labels of one task, found {len(labels.columns)} columns."
            )
        column = labels.columns[0]
        if column.missing.all():
            raise ValueError("y must hold at least one label, found none.")
        framed = self._labels.layout == "frame"
        if name is None and isinstance(y, pd.Series):
            name = y.name
        if name is None and isinstance(y, pd.DataFrame):
            name = column.name
        if name is None and framed:
            raise ValueError(
                "name must be given, as the tasks have names and y has none; found None."
            )
        name = self.n_tasks_ if name is None else name
        if name in self.task_names_:
            raise ValueError(
                f"name must be a new one, found {name!r}; the tasks are {self.task_names_}."
            )
        return column.renamed(name)

    def _class_weight_for(self, column):
        """The estimator's ``class_weight``; of a dict what names classes of the column."""
        class_weight = getattr(self, "class_weight", None)
        if not isinstance(class_weight, dict):
            return class_weight
        known = set(column.labelled.tolist())
        return {c: weight for c, weight in class_weight.items() if c in known} or None

    def _record_new_task(self, record):
        """A column for the new task in what was recorded, NaN before it was there."""
        n_epochs = len(record["losses"])
        for attribute, rows in (
            ("loss_curve_", record["losses"]),
            ("task_weights_", record["weights"]),
        ):
            before = getattr(self, attribute)
            after = np.full((len(before) + n_epochs, self.n_tasks_), np.nan)
            after[: len(before), :-1] = before
            if n_epochs:
                after[len(before) :, -1] = np.array(rows)[:, -1]
            setattr(self, attribute, after)
        self.best_epoch_ = self.n_iter_ + record["best_epoch"]
        self.n_iter_ += n_epochs
        if record["scores"]:
            earlier = getattr(self, "validation_scores_", np.empty(0))
            self.validation_scores_ = np.concatenate([earlier, record["scores"]])
