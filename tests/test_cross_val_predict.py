"""Out-of-fold predictions in every layout, of a stand-in estimator that knows missing labels."""

import numpy as np
import pandas as pd
import pytest
from made_labels import make_labels, make_steps
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold
from sklearn.model_selection import cross_val_predict as sklearn_cross_val_predict
from sklearn.multioutput import MultiOutputClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sk_mtrnn.model_selection import MultiTaskStratifiedKFold, cross_val_predict
from sk_mtrnn.sequences import Ragged, assemble, offsets_of, read_labels, split_steps


class Trees(BaseEstimator):
    """One tree per task on its labelled entries: any layout of y, as the estimators promise it."""

    def __init__(self, regression=(), proba_as="list"):
        self.regression = regression
        self.proba_as = proba_as

    def fit(self, X, y):
        sequences = self._read(X)
        self.labels_ = read_labels(y, sequences.lengths)
        self.n_missing_ = sum(column.missing.sum() for column in self.labels_.columns)
        self.trees_ = []
        for column in self.labels_.columns:
            tree = (
                DecisionTreeRegressor if column.name in self.regression else DecisionTreeClassifier
            )
            inputs = self._inputs(sequences, column.per_step)[~column.missing]
            self.trees_.append(tree(max_depth=3, random_state=0).fit(inputs, column.labelled))
        classes = {
            column.name: tree.classes_
            for column, tree in self._columns()
            if column.name not in self.regression
        }
        one = len(classes) == 1
        self.classes_ = next(iter(classes.values())) if one else list(classes.values())
        if self.proba_as == "dict":
            self.classes_ = classes
        return self

    def _read(self, X):
        if isinstance(X, Ragged):
            return X
        if isinstance(X, (list, pd.Series)):
            return Ragged.from_list(X)
        return Ragged.from_padded(X)

    def _inputs(self, sequences, per_step):
        if per_step:
            return sequences.values
        starts = sequences.offsets[:-1]
        return np.add.reduceat(sequences.values, starts) / sequences.lengths[:, None]

    def _columns(self):
        return zip(self.labels_.columns, self.trees_, strict=True)

    def predict(self, X):
        sequences = self._read(X)
        found = [
            tree.predict(self._inputs(sequences, column.per_step))
            for column, tree in self._columns()
        ]
        per_step = [column.per_step for column in self.labels_.columns]
        index = getattr(X, "index", None) if not isinstance(X, list) else None
        return assemble(self.labels_, found, per_step, sequences.offsets, index=index)

    def predict_proba(self, X):
        sequences = self._read(X)
        found = {}
        for column, tree in self._columns():
            if column.name in self.regression:
                continue
            proba = tree.predict_proba(self._inputs(sequences, column.per_step))
            if column.per_step:
                as_array = self.labels_.layout == "3d"
                proba = split_steps(proba, sequences.offsets, as_array=as_array)
            found[column.name] = proba
        if self.proba_as == "dict":
            return found
        return next(iter(found.values())) if len(found) == 1 else list(found.values())

    def predict_log_proba(self, X):
        return np.log(self.predict_proba(X) + 1e-9)


@pytest.fixture(scope="module")
def table():
    X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
    return X, np.column_stack([y, y > 0])


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize("cv", [KFold(4), KFold(4, shuffle=True, random_state=0)])
def test_complete_labels_give_what_scikit_learn_gives(table, method, cv):
    X, y = table
    for estimator, target in (
        (LogisticRegression(), y[:, 0]),
        (DecisionTreeClassifier(random_state=0), y),
        (MultiOutputClassifier(LogisticRegression()), y),
    ):
        ours = cross_val_predict(estimator, X, target, cv=cv, method=method)
        theirs = sklearn_cross_val_predict(estimator, X, target, cv=cv, method=method)
        assert type(ours) is type(theirs)
        for our, their in zip(ours, theirs, strict=True):  # tasks or samples
            np.testing.assert_array_equal(our, their)


def test_an_integer_is_the_number_of_stratified_folds(table):
    X, y = table
    tree = DecisionTreeClassifier(random_state=0)
    for cv, n_splits in ((None, 5), (3, 3)):
        expected = cross_val_predict(tree, X, y, cv=MultiTaskStratifiedKFold(n_splits))
        np.testing.assert_array_equal(cross_val_predict(tree, X, y, cv=cv), expected)


def test_splits_may_be_given_as_an_iterable(table):
    X, y = table
    tree = DecisionTreeClassifier(random_state=0)
    splits = KFold(3).split(X)
    np.testing.assert_array_equal(
        cross_val_predict(tree, X, y, cv=splits), cross_val_predict(tree, X, y, cv=KFold(3))
    )


class Recorder(Trees):
    """Remembers how many missing labels each `fit` has seen."""

    seen: list = []  # shared by the clones

    def fit(self, X, y):
        super().fit(X, y)
        self.seen.append(int(self.n_missing_))
        return self


def test_missing_labels_reach_fit_as_missing():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 2, (60, 2)).astype(float)
    y[rng.random(y.shape) < 0.3] = np.nan
    y[:4] = np.nan  # rows without any label
    Recorder.seen.clear()
    proba = cross_val_predict(Recorder(), X, y, cv=KFold(3), method="predict_proba")
    assert [p.shape for p in proba] == [(60, 2), (60, 2)]
    assert sum(Recorder.seen) == 2 * np.isnan(y).sum()
    for p in proba:
        np.testing.assert_allclose(p.sum(axis=1), 1)
    predictions = cross_val_predict(Trees(), X, y, cv=KFold(3))
    assert predictions.shape == (60, 2)
    assert not np.isnan(predictions).any()

    Recorder.seen.clear()  # the reason why ours exists
    theirs = sklearn_cross_val_predict(Recorder(), X, y, cv=KFold(3), method="predict_proba")
    assert sum(Recorder.seen) == 0
    assert [p.shape for p in theirs] == [(60, 3), (60, 3)]


def by_hand(estimator, X, y, cv, method="predict"):
    """One (test indices, predictions) a fold."""
    for train, test in cv.split(np.zeros(len(X))):
        fitted = clone(estimator).fit([X[i] for i in train], [y[i] for i in train])
        yield test, getattr(fitted, method)([X[i] for i in test])


def test_ragged_labels_come_back_as_a_list_in_order():
    X, y = make_steps(30)
    cv = KFold(3, shuffle=True, random_state=0)
    whole = cross_val_predict(Trees(), X, y, cv=cv)
    assert [steps.shape for steps in whole] == [steps.shape for steps in y]
    for test, expected in by_hand(Trees(), X, y, cv):
        for sample, steps in zip(test, expected, strict=True):
            np.testing.assert_array_equal(whole[sample], steps)


def test_ragged_probabilities_of_one_and_of_several_tasks():
    X, y = make_steps(30)
    cv = KFold(3, shuffle=True, random_state=0)
    two = cross_val_predict(Trees(), X, y, cv=cv, method="predict_proba")
    assert [len(task) for task in two] == [30, 30]
    one = cross_val_predict(Trees(), X, [steps[:, 0] for steps in y], cv=cv, method="predict_proba")
    assert [steps.shape for steps in one] == [(len(steps), 3) for steps in y]
    for found, expected in zip(one, two[0], strict=True):
        np.testing.assert_array_equal(found, expected)
    named = cross_val_predict(Trees(proba_as="dict"), X, y, cv=cv, method="predict_proba", n_jobs=2)
    assert list(named) == [0, 1]
    np.testing.assert_array_equal(np.concatenate(named[1]), np.concatenate(two[1]))


def test_as_many_samples_in_a_fold_as_tasks_is_no_ambiguity():
    X, y = make_steps(4)
    y = [np.arange(len(steps)) % 2 for steps in y]
    one = cross_val_predict(Trees(), X, y, cv=KFold(2), method="predict_proba")
    assert [steps.shape for steps in one] == [(len(steps), 2) for steps in y]
    both = [np.column_stack([steps, 1 - steps]) for steps in y]
    two = cross_val_predict(Trees(), X, both, cv=KFold(2), method="predict_proba")
    assert [len(task) for task in two] == [4, 4]
    assert [steps.shape for steps in two[1]] == [(len(steps), 2) for steps in y]


def test_three_dimensional_labels_come_back_in_three_dimensions():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 7, 2)), rng.integers(0, 2, (20, 7, 2))
    assert cross_val_predict(Trees(), X, y, cv=4).shape == (20, 7, 2)
    proba = cross_val_predict(Trees(), X, y, cv=4, method="predict_proba")
    assert [p.shape for p in proba] == [(20, 7, 2)] * 2
    one = cross_val_predict(Trees(), X, y[:, :, :1], cv=KFold(4), method="predict_proba")
    predictions = cross_val_predict(Trees(), X, y, cv=KFold(4))
    np.testing.assert_array_equal(one.argmax(axis=-1), predictions[..., 0])


def test_a_frame_comes_back_with_the_index_of_x_or_of_y():
    y = make_labels(50).set_axis([f"row {i}" for i in range(50)])
    X = np.random.default_rng(0).normal(size=(50, 3))
    trees = Trees(regression=["score"])
    cv = MultiTaskStratifiedKFold(3, shuffle=True, random_state=0)
    from_y = cross_val_predict(trees, X, y, cv=cv)
    assert list(from_y.columns) == ["stage", "score", "grade"]
    pd.testing.assert_index_equal(from_y.index, y.index)
    index = pd.Index(np.arange(50)[::-1])
    sequences = pd.Series(list(X[:, :, None]), index=index)
    from_x = cross_val_predict(trees, sequences, y, cv=cv)
    pd.testing.assert_index_equal(from_x.index, index)
    pd.testing.assert_frame_equal(from_x.set_axis(y.index), from_y)
    train, test = next(cv.split(X, y))
    first = clone(trees).fit(X[train], y.iloc[train]).predict(X[test])
    pd.testing.assert_frame_equal(from_y.iloc[test].reset_index(drop=True), first)


def test_per_step_cells_of_a_frame():
    X, steps = make_steps(24)
    y = pd.DataFrame({"sleep": [s[:, 0] for s in steps], "sex": [i % 2 for i in range(24)]})
    whole = cross_val_predict(Trees(), X, y, cv=3)
    assert [len(cell) for cell in whole["sleep"]] == [len(x) for x in X]
    proba = cross_val_predict(Trees(proba_as="dict"), X, y, cv=3, method="predict_proba")
    assert [p.shape[0] for p in proba["sleep"]] == [len(x) for x in X]
    assert proba["sex"].shape == (24, 2)


def test_an_absent_class_gets_probability_zero_and_a_warning():
    X = np.arange(12.0)[:, None]
    y = pd.DataFrame({"a": [0, 1] * 6, "b": ["u", "v"] * 5 + ["u", "rare"]})
    with pytest.warns(RuntimeWarning, match=r"Task 'b': class 'rare' is absent .* fold\(s\) \[2\]"):
        a, b = cross_val_predict(Trees(), X, y, cv=KFold(3), method="predict_proba")
    assert (a.shape, b.shape) == ((12, 2), (12, 3))
    assert (b[8:, 0] == 0).all()  # sorted: rare, u, v
    np.testing.assert_allclose(b.sum(axis=1), 1)
    with pytest.warns(RuntimeWarning, match="Task 'b': class 'rare'"):
        log = cross_val_predict(Trees(), X, y["b"], cv=KFold(3), method="predict_log_proba")
    assert (log[8:, 0] == np.finfo(np.float64).min).all()
    steps = [np.array([label, "u"], dtype=object) for label in y["b"]]
    sequences = list(np.repeat(X, 2, axis=1))
    with pytest.warns(RuntimeWarning, match="Task 0: class 'rare'"):
        ragged = cross_val_predict(Trees(), sequences, steps, cv=KFold(3), method="predict_proba")
    assert [p.shape for p in ragged] == [(2, 3)] * 12
    assert ragged[-1][0, 0] == 0


class Weighted(Recorder):
    """Checks that it got the weights of its own training rows."""

    def fit(self, X, y, sample_weight=None, scale=None):
        np.testing.assert_array_equal(sample_weight, np.asarray(X)[:, 0])
        assert scale == [1, 2]
        return super().fit(X, y)


def test_fit_parameters_are_cut_to_the_training_part(table):
    X, y = table
    params = {"sample_weight": X[:, 0], "scale": [1, 2]}
    assert cross_val_predict(Weighted(), X, y, params=params, cv=3).shape == (90, 2)
    with config_context(enable_metadata_routing=True):
        routed = Weighted().set_fit_request(sample_weight=True, scale=True)
        assert cross_val_predict(routed, X, y, params=params, cv=3).shape == (90, 2)


def test_groups_reach_the_splitter_where_routing_is_enabled(table):
    X, y = table
    groups = np.arange(90) % 7
    given = cross_val_predict(Trees(), X, y, cv=GroupKFold(3).split(X, y, groups))
    with config_context(enable_metadata_routing=True):
        routed = cross_val_predict(Trees(), X, y, cv=GroupKFold(3), params={"groups": groups})
    np.testing.assert_array_equal(routed, given)


def test_cross_val_predict_leaves_the_estimator_unfitted(table):
    X, y = table
    trees = Trees()
    cross_val_predict(trees, X, y, cv=2)
    assert not hasattr(trees, "trees_")


def test_cross_val_predict_errors(table):
    X, y = table
    with pytest.raises(ValueError, match=r"method must be one of predict, .* found 'transform'"):
        cross_val_predict(Trees(), X, y, method="transform")
    with pytest.raises(ValueError, match=r"only works for partitions: .* each of the 90 samples"):
        cross_val_predict(Trees(), X, y, cv=[(np.arange(45), np.arange(45, 90))])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_val_predict(Trees(), X, y[:-1])


def test_time_steps_of_a_sequence_are_never_cut_apart():
    X, y = make_steps(30)
    ragged = Ragged(np.concatenate(X), offsets_of([len(x) for x in X]))
    listed = cross_val_predict(Trees(), X, y, cv=3)
    packed = cross_val_predict(Trees(), ragged, y, cv=3)
    for one, other in zip(listed, packed, strict=True):
        np.testing.assert_array_equal(one, other)
