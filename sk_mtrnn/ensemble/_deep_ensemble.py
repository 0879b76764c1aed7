"""Networks of one kind from several seeds, averaged."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from ..inspection._estimators import network_of
from ..metrics import task_scores
from ..sequences import assemble, read_labels


def _members_have(name):
    """Whether the members have a method; else the AttributeError of the one that lacks it."""

    def check(ensemble):
        getattr(getattr(ensemble, "estimators_", [ensemble.estimator])[0], name)
        return True

    return check


class DeepEnsemble(MetaEstimatorMixin, BaseEstimator):
    """Deep ensemble: networks of one kind, trained from different seeds and averaged.

    With M members and p_m, μ_m, σ_m what member m predicts of a task for an entry (a sequence or a
    time step), the ensemble predicts as a uniform mixture of them

      classification:  p* = Σ_m p_m / M,  and as label the class of the greatest p*
      regression:      μ* = Σ_m μ_m / M,  σ*² = Σ_m (σ_m² + μ_m²) / M - μ*²

    (Lakshminarayanan et al. 2017, section 2.4), where σ_m is 0 for tasks whose loss is not
    "gaussian". All members see all the data; they differ by what their seeds decide: initial
    weights, order of samples, dropout, and with ``early_stopping`` the held-out part. The paper's
    adversarial training is left out.

    Parameters
    ----------
    estimator : MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor or Pipeline
        What is cloned for each member; a Pipeline must end in one of the others. The ensemble is a
        classifier or regressor to scikit-learn if this is.
    n_estimators : int, default=5
        M.
    n_jobs : int or None, default=None
        Members fitted at the same time, as everywhere in scikit-learn; it changes no result.
    random_state : int, RandomState or None, default=None
        Draws a seed for every parameter of each member that is named ``random_state``, those of
        nested objects and pipeline steps included; what they are in ``estimator`` does not matter.

    Attributes
    ----------
    estimators_ : list of estimator
        The fitted members.
    classes_ : ndarray, list of ndarray or dict
        As that of the members, if they have one.
    n_tasks_ : int
        Number of tasks.
    task_names_ : list
        Columns of y; their indices where y has no names.
    task_types_ : dict of task name to str
        "classification" or "regression".
    n_features_in_ : int
        As that of the members.
    feature_names_in_ : ndarray of str
        As that of the members, where X has names.

    See Also
    --------
    MultiTaskRNN : The usual member.

    Notes
    -----
    Where the members decode labels jointly, as with the transitions of `ClassificationTask`, the
    ensemble averages the probabilities of each step and takes the best class of each step alone:
    its labels need not be a sequence that the transitions allow.

    Members trained for the median or a quantile predict the mean of theirs, and σ* is then their
    spread.

    References
    ----------
    Lakshminarayanan, Pritzel & Blundell (2017), "Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles", NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn import MultiTaskRNNRegressor
    >>> from sk_mtrnn.ensemble import DeepEnsemble
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 12), 2)) for _ in range(100)]
    >>> y = np.array([[x[:, 0].mean(), x[-1, 1]] for x in X])
    >>> ensemble = DeepEnsemble(MultiTaskRNNRegressor(), n_estimators=3, random_state=0)
    >>> ensemble = ensemble.fit(X[:80], y[:80])
    >>> mean, std = ensemble.predict(X[80:], return_std=True)
    >>> mean.shape, std.shape
    ((20, 2), (20, 2))
    >>> ensemble.score(X[80:], y[80:]) > 0.8
    True
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    __metadata_request__fit = {"sample_weight": UNUSED}  # whether to weigh is said on the estimator

    def __init__(self, estimator, n_estimators=5, *, n_jobs=None, random_state=None):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, **fit_params):
        """Fit all members to the same data.

        Parameters
        ----------
        X, y
            As the estimator's ``fit`` takes them.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Weights of the samples; in a Pipeline handed to the last step.
        **fit_params : dict
            Passed on to ``fit`` of every member, or routed to it where metadata routing is enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not as described, or the estimator refuses the data.
        """
        self._validate_params()
        network_of(self.estimator)
        params = self._params_of_members(sample_weight, fit_params)
        members = self._unfitted_members()
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit)(member, X, y, params) for member in members
        )
        return self

    def _params_of_members(self, sample_weight, fit_params):
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", sample_weight=sample_weight, **fit_params)
            return routed.estimator.fit
        if sample_weight is None:
            return fit_params
        name = "sample_weight"
        if isinstance(self.estimator, Pipeline):
            name = f"{self.estimator.steps[-1][0]}__{name}"
        return {**fit_params, name: sample_weight}

    def _unfitted_members(self):
        # None moves numpy's global generator by one draw, whatever the number of seeds
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.RandomState(seed)
        members = [clone(self.estimator) for _ in range(self.n_estimators)]
        for member in members:
            names = [
                name
                for name in sorted(member.get_params())
                if name == "random_state" or name.endswith("__random_state")
            ]
            seeds = {name: rng.randint(np.iinfo(np.int32).max) for name in names}
            member.set_params(**seeds)
        return members

    def predict(self, X, return_std=False):
        """Predict every task.

        Parameters
        ----------
        X : array-like
            Sequences, as in `fit`.
        return_std : bool, default=False
            Whether to return standard deviations too.

        Returns
        -------
        y : ndarray, DataFrame or list of ndarray
            In the layout of the y of `fit`: the class of the greatest mean probability, or the mean
            of the members' quantities.
        std : same layout
            σ* in the units of y, NaN for classification tasks. Only if ``return_std``.

        Raises
        ------
        ValueError
            If X is not as in `fit`, or ``return_std`` is asked of classification tasks alone.
        """
        check_is_fitted(self)
        types = self.task_types_
        if return_std and "regression" not in types.values():
            raise ValueError(
                "return_std=True needs a regression task, found classification tasks only."
            )
        # where all tasks are classification the first member tells the layout, and no more
        members = self.estimators_ if "regression" in types.values() else self.estimators_[:1]
        answers = [_answer(member, X, return_std) for member in members]
        layouts = [[read_labels(part) for part in answer] for answer in answers]
        classes, probabilities = {}, {}
        if "classification" in types.values():
            classes = self._by_name(self.classes_)
            probabilities = self._by_name(self.predict_proba(X))
        means, stds = [], []
        for k, (name, kind) in enumerate(types.items()):
            if kind == "classification":
                best = _flat(probabilities[name]).argmax(axis=1)
                means.append(classes[name][best])
                stds.append(np.full(len(best), np.nan))
            else:
                mean, std = _mixture([[part.columns[k] for part in parts] for parts in layouts])
                means.append(mean)
                stds.append(std)
        y = _laid_out(means, layouts[0][0], answers[0][0])
        return (y, _laid_out(stds, layouts[0][0], answers[0][0])) if return_std else y

    @available_if(_members_have("predict_proba"))
    def predict_proba(self, X):
        """Mean class probabilities of every classification task.

        Parameters
        ----------
        X : array-like
            Sequences, as in `fit`.

        Returns
        -------
        ndarray, list or dict
            In the form ``predict_proba`` of the members has; columns as in ``classes_``.

        Raises
        ------
        ValueError
            If X is not as in `fit`.
        """
        check_is_fitted(self)
        return _mean([member.predict_proba(X) for member in self.estimators_])

    def score(self, X, y, sample_weight=None):
        """Unweighted mean over the tasks of accuracy (classification) and R² (regression).

        Parameters
        ----------
        X, y
            As in `fit`. Missing labels are left out. A task without any, or without a defined
            score (R² of a single label), is left out of the mean.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If y holds no label at all.
        """
        check_is_fitted(self)
        metrics = {
            name: "r2" if kind == "regression" else "accuracy"
            for name, kind in self.task_types_.items()
        }
        table = task_scores(self, X, y, metrics=metrics, sample_weight=sample_weight)
        if not table["n_labels"].any():
            raise ValueError("y must hold at least one label to score, found none.")
        return float(table["score"].mean())  # pandas leaves NaN out

    def _by_name(self, answers):
        """Answers of every classification task, by its name."""
        if isinstance(answers, dict):
            return answers
        names = self.task_names_
        return dict(zip(names, [answers] if len(names) == 1 else answers, strict=True))

    @property
    def _first(self):
        check_is_fitted(self)
        return self.estimators_[0]

    @property
    def classes_(self):
        return self._first.classes_

    @property
    def n_features_in_(self):
        return self._first.n_features_in_

    @property
    def feature_names_in_(self):
        return self._first.feature_names_in_

    @property
    def n_tasks_(self):
        return network_of(self._first).n_tasks_

    @property
    def task_names_(self):
        return network_of(self._first).task_names_

    @property
    def task_types_(self):
        return network_of(self._first).task_types_

    def get_metadata_routing(self):
        """Metadata routing: what ``fit`` gets goes to ``fit`` of the members.

        Returns
        -------
        MetadataRouter
        """
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=to_fit)
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimators_")

    def __sklearn_tags__(self):
        tags, of_member = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = of_member.estimator_type
        tags.classifier_tags = of_member.classifier_tags
        tags.regressor_tags = of_member.regressor_tags
        tags.target_tags = of_member.target_tags
        tags.input_tags = of_member.input_tags
        return tags


def _fit(member, X, y, params):
    return member.fit(X, y, **params)


def _answer(member, X, return_std):
    """Predictions, and standard deviations if asked for."""
    if not return_std:
        return (member.predict(X),)
    with config_context(enable_metadata_routing=False):  # a Pipeline would take it for metadata
        return member.predict(X, return_std=True)


def _mixture(members):
    """Mean and standard deviation of a mixture.

    Each member gives its column of means and, if it was asked, that of its standard deviations,
    where a missing one is 0.
    """
    mu = np.stack([mean.values for mean, *_ in members])  # [n_members, n_entries]
    sigma = np.zeros(mu.shape)
    for m, (_, *stds) in enumerate(members):
        for std in stds:
            sigma[m, ~std.missing] = std.labelled
    # Σ (σ_m² + μ_m²) / M - μ*², without the cancellation
    return mu.mean(axis=0), np.sqrt((sigma**2).mean(axis=0) + mu.var(axis=0))


def _laid_out(columns, layout, like):
    """Columns of the tasks in the layout of a member's prediction."""
    per_step = [bool(column.per_step) for column in layout.columns]
    offsets = np.arange(layout.n_samples + 1) if layout.offsets is None else layout.offsets
    index = like.index if isinstance(like, pd.DataFrame) else None
    return assemble(layout, columns, per_step, offsets, index)


def _mean(parts):
    """Mean over the members of equally nested dicts and lists of arrays."""
    if isinstance(parts[0], dict):
        return {name: _mean([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], list):
        return [_mean(list(entry)) for entry in zip(*parts, strict=True)]
    return np.mean(parts, axis=0)


def _flat(proba):
    """Probabilities of one task as (n, C) or (sum_T, C)."""
    if isinstance(proba, list):
        return np.concatenate(proba)
    return proba.reshape(-1, proba.shape[-1])
