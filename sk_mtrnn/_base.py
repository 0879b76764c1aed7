"""The shell the estimators share: constraints, the fit template, tags."""

import warnings
from abc import ABC, abstractmethod
from functools import wraps
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from . import _training as training
from ._early_stopping import hold_out, only_part, watched_score
from ._features import SharedStatesMixin
from ._fingerprint import fingerprint
from ._new_tasks import NewTaskMixin
from ._predictions import PredictionMixin
from ._training_set import training_set
from .augmentation import Augmentation
from .inputs import INPUT_PARAMETERS, InputEncoder
from .missing import MISSING
from .recurrence import CELLS
from .relations import RELATIONS, TaskRelation, relatedness
from .sampling import BATCHINGS, Batching
from .sequences import (
    check_same_order,
    check_sample_weight,
    read_labels,
)
from .sharing import SHARINGS, Sharing
from .tasks import Task, TaskSet
from .weighting import AGGREGATIONS, WEIGHTINGS, TaskWeighting


def _all_or_nothing(method):
    """Leave the estimator as it was if fitting is refused: a bad call loses no model."""

    @wraps(method)
    def guarded(self, *args, **kwargs):
        before = dict(self.__dict__)
        try:
            return method(self, *args, **kwargs)
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return guarded


class BaseMultiTaskRNN(PredictionMixin, NewTaskMixin, SharedStatesMixin, BaseEstimator, ABC):
    """What the three estimators have in common; see `MultiTaskRNN` for the mathematics."""

    _parameter_constraints = {
        "tasks": [str, Task, dict, None],
        "missing": [StrOptions(set(MISSING))],
        "time_feature": [Integral, str, None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "embedding_dim": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            dict,
        ],
        "unknown_rate": [Interval(Real, 0, 1, closed="left"), StrOptions({"frequency"})],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "cell": [StrOptions(set(CELLS)), callable],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"tanh", "relu"})],
        "recurrence": [StrOptions({"auto", "packed", "torch"})],
        "bidirectional": ["boolean"],
        "input_skip": ["boolean"],
        "time_delays": ["array-like", None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "pooling": [StrOptions({"last", "mean", "max", "attention"})],
        "sharing": [StrOptions(set(SHARINGS)), Sharing],
        "task_relation": [StrOptions(set(RELATIONS)), TaskRelation, None],
        "task_weights": ["array-like", dict, StrOptions(set(WEIGHTINGS)), TaskWeighting, None],
        "gradient_aggregation": [StrOptions(set(AGGREGATIONS)), HasMethods("forward"), None],
        "batching": [StrOptions(set(BATCHINGS)), Batching],
        "sampler": [StrOptions({"balanced"}), None],
        "augmentation": [Augmentation, list, tuple, None],
        "optimizer": [StrOptions(set(training.OPTIMIZERS)), callable],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions({"cosine", "plateau"}), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "standardize": ["boolean"],
        "dtype": [StrOptions({"float32", "float64"})],
        "device": [str],
        "n_threads": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "amp": ["boolean"],
        "callbacks": [list, tuple, None],
        "net_params": [dict, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # ------------------------------------------------------------------ what a leaf decides

    @property
    @abstractmethod
    def _task_types(self):
        """Types of tasks the estimator takes."""

    @property
    @abstractmethod
    def _default_type(self):
        """Type of a task `tasks` says nothing about; None infers it."""

    # ------------------------------------------------------------------ fit

    @_all_or_nothing
    def fit(self, X, y, sample_weight=None):
        """Fit the network to sequences and the labels of all tasks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, n_features) or (n_samples, n_columns), \
                Ragged, list of (T_i, n_features) or (T_i,) arrays, or panel DataFrame
            Sequences; the columns of a table are the time steps of a univariate one.
        y : array-like of shape (n_samples,), (n_samples, n_tasks) or \
                (n_samples, n_timesteps, n_tasks), DataFrame, or list of (T_i, n_tasks) arrays
            Labels. NaN, None, NA and NaT are missing ones. A cell that is an array as long as its
            sequence makes its task per-step. Lists of numbers of equal length are rows of one label
            a task.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Weights of the samples; they count for all steps of a sequence.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X, y or ``sample_weight`` is not as described; the message says which,
            what was expected and what was found.

        Warns
        -----
        ConvergenceWarning
            If the loss ceases to be finite; the last finite weights are kept.
        UserWarning
            If training is interrupted (Ctrl-C); what was learned is kept.
        """
        self._check_params()
        self._dtype = self.dtype
        again = self.warm_start and hasattr(self, "net_")
        sequences = self._read_X(X, reset=not again)
        training.check_time_delays(self.time_delays, sequences.lengths)
        labels = self._read_labels(y, sequences)
        if not again:
            self._start(labels)
        else:
            self._check_same("warm_start=True needs the same network as in the last fit")
        columns = labels.matched(self.task_names_)
        weights = self._weights(sample_weight, labels)
        seed = self._random_state.randint(np.iinfo(np.int32).max)
        part, held_out = hold_out(self, labels, seed)
        self._learn(sequences, columns, only_part(weights, part), again=again)
        targets = self._encode(columns, weights, part, sequences)
        steps, valid_data = self._inputs.encode(sequences), None
        train_data = training_set(self, sequences, steps, targets, self._task_set, part, seed)
        if len(held_out):
            watched = self._encode(columns, weights, held_out, sequences)
            valid_data = self._sequence_data(steps, watched, held_out)
        self._build(seed, targets, sequences.lengths, self.net_ if again else None)
        evaluate = watched_score(self, X, y, sequences, sample_weight, held_out)
        return self._train(train_data, valid_data, self.max_epochs, seed, evaluate)

    @_all_or_nothing
    def _partial_fit(self, X, y, classes=None, sample_weight=None):
        """One epoch over a chunk; the leaves document it."""
        self._check_params()
        if self.early_stopping:
            raise ValueError("early_stopping=True has no meaning in partial_fit; set it to False.")
        first = not hasattr(self, "net_")
        self._dtype = self.dtype if first else self._dtype
        sequences = self._read_X(X, reset=first)
        labels = self._read_labels(y, sequences)
        if first:
            self._start(labels, partial=True)
            self._task_set.declare_classes(classes)
        else:
            self._check_same("partial_fit goes on with the network it has")
            if classes is not None:
                self._task_set.check_classes(classes)
        columns = labels.matched(self.task_names_, may_lack=True)
        if all(column.missing.all() for column in columns):
            raise ValueError("y must hold at least one label, found none in this chunk.")
        weights = self._weights(sample_weight, labels)
        seed = self._random_state.randint(np.iinfo(np.int32).max)
        self._learn(sequences, columns, weights, again=not first, partial=True)
        targets = self._encode(columns, weights, np.arange(len(sequences)), sequences)
        steps, everybody = self._inputs.encode(sequences), np.arange(len(sequences))
        data = training_set(self, sequences, steps, targets, self._task_set, everybody, seed)
        if first:
            self._build(seed, targets, sequences.lengths)
        else:  # what may change from chunk to chunk
            training.update_net(self.net_, self, training.Systems.of(self, self._task_set))
        return self._train(data, None, 1, seed)

    def _check_params(self):
        self._validate_params()
        training.check_hidden_layer_sizes(self.hidden_layer_sizes)
        training.check_time_delays(self.time_delays)
        training.check_net_params(self.net_params)
        training.check_callbacks(self.callbacks)
        training.resolve_device(self.device)
        training.check_amp(self)
        training.check_decay(self)

    def _start(self, labels, partial=False):
        """Decide names and types of the tasks, and forget what an earlier fit left."""
        columns = labels.columns
        if partial and labels.layout == "frame" and isinstance(self.tasks, dict):
            later = [name for name in self.tasks if name not in labels.names]
            columns = labels.matched([*labels.names, *later], may_lack=True)
        for column in columns:
            if column.missing.all() and not partial:
                raise ValueError(
                    "y must hold at least one label for every task, found none for task "
                    f"{column.name!r}: its entries are all missing (NaN or None)."
                )
        self._task_set = TaskSet(
            columns, self.tasks, allowed=self._task_types, default=self._default_type
        )
        self.task_names_ = self._task_set.names
        self.task_types_ = self._task_set.types
        self.n_tasks_ = len(columns)
        self._labels = labels.template(columns)
        self._random_state = np.random.RandomState(
            check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        )
        self.n_iter_ = 0
        self.loss_curve_ = np.empty((0, len(columns)))
        self.task_weights_ = np.empty((0, len(columns)))
        for name in ("net_", "validation_scores_", "best_epoch_"):
            self.__dict__.pop(name, None)

    def _check_same(self, why):
        """Refuse other tasks, and other ways to read X, than those there are."""
        if fingerprint(self.tasks) != self._task_set.spec:
            raise ValueError(f"{why}, but the parameter tasks changed; found {self.tasks!r}.")
        for name, before in self._inputs.settings.items():
            value = getattr(self, name)
            if fingerprint(value) != before:
                raise ValueError(f"{why}, but the parameter {name} changed; found {value!r}.")

    def _read_X(self, X, reset):
        """X as sequences, checked; with ``reset`` by the present parameters."""
        if reset:
            self._inputs = InputEncoder(**{name: getattr(self, name) for name in INPUT_PARAMETERS})
        return self._inputs.read(self, X, reset)

    def _read_steps(self, X):
        """X as the steps that a fitted network reads."""
        return self._inputs.encode(self._read_X(X, reset=False))

    def _read_labels(self, y, sequences):
        if not self._tabular:
            check_same_order(sequences.index, y)
        return read_labels(y, sequences.lengths)

    def _weights(self, sample_weight, labels):
        """Sample weights, one column a fitted task; given by task they follow the columns of y."""
        weights = check_sample_weight(sample_weight, labels.n_samples, labels.names)
        return weights[:, labels.positions(self.task_names_)]

    def _learn(self, sequences, columns, weights, *, again, partial=False):
        """Learn scales and classes from the samples that weigh; once learned they are frozen."""
        self._task_set.learn(
            columns,
            weights,
            sequences.lengths,
            standardize=self.standardize,
            class_weight=getattr(self, "class_weight", None),
            partial=partial,
        )
        if not again:
            self._inputs.learn(sequences, weights.mean(axis=1))

    def _encode(self, columns, weights, part, sequences):
        """Encoded labels, with weights for one part of the samples only."""
        return self._task_set.encode(columns, only_part(weights, part), sequences.lengths)

    def _sequence_data(self, steps, targets=(), samples=None):
        """Data of a network; ``steps`` as the encoder gives them."""
        inputs = self._inputs
        return training.SequenceData(
            steps, inputs.mean, inputs.scale, self._dtype, targets, samples
        )

    def _build(self, seed, targets, lengths, before=None):
        """Build a net, with the weights of the one before if there is one (warm start)."""
        systems = training.Systems.of(self, self._task_set)
        related = self._relatedness(targets, lengths) if systems.needs_relatedness else None
        self.net_ = training.build_net(
            self, self._inputs, self._task_set, systems, related, seed, before
        )

    def _relatedness(self, targets, lengths):
        """How related the tasks are, (K, K); a warning if nothing is known of any two."""
        related = relatedness(targets, lengths)
        if self.n_tasks_ > 1 and np.isnan(related[~np.eye(self.n_tasks_, dtype=bool)]).all():
            warnings.warn(
                "No two tasks have labels on the same samples, so that nothing is known of how "
                "related they are: task_relation='gcn' and task_weights='relatedness' take them "
                "for unrelated. GraphConvolution(adjacency='learned') would find out.",
                UserWarning,
                stacklevel=5,
            )
        return related

    def _train(self, train_data, valid_data, epochs, seed, evaluate=None):
        """Train the net, and record what happened."""
        self.net_.module_.per_step = self._task_set.step_flags
        record = training.train(
            self.net_,
            self,
            train_data,
            valid_data,
            epochs=epochs,
            seed=seed,
            names=self.task_names_,
            evaluate=evaluate,
        )
        losses = np.reshape(record["losses"], (-1, self.n_tasks_))
        self.loss_curve_ = np.concatenate([self.loss_curve_, losses])
        task_weights = np.reshape(record["weights"], (-1, self.n_tasks_))
        self.task_weights_ = np.concatenate([self.task_weights_, task_weights])
        self.task_relation_ = training.task_relation(self.net_, train_data, self.n_threads)
        self.best_epoch_ = self.n_iter_ + record["best_epoch"]
        self.n_iter_ += len(losses)
        if valid_data is not None:
            earlier = getattr(self, "validation_scores_", np.empty(0))
            self.validation_scores_ = np.concatenate([earlier, record["scores"]])
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
