"""What must never change a prediction, and what must change nothing else."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from sk_mtrnn import (
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
)

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}
EXACT = {**SMALL, "dtype": "float64"}
NETWORKS = [
    {"cell": "rnn"},
    {"cell": "rnn", "activation": "relu", "pooling": "mean"},
    {"cell": "gru", "pooling": "attention", "bidirectional": True},
    {"cell": "lstm", "pooling": "max", "hidden_layer_sizes": (6, 5)},
    {"cell": torch.nn.GRU, "bidirectional": True, "hidden_layer_sizes": (6, 5)},
]


def raw(model, X):
    """Every output of a fitted model as one vector a sample."""
    prediction = model.predict(X)
    proba = model.predict_proba(X)
    rows = []
    for i in range(len(X)):
        parts = [np.ravel(proba[name][i]) for name in proba]
        parts += [np.ravel(prediction[n].iloc[i]) for n in ("level", "total")]
        rows.append(np.concatenate(parts))
    return rows


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("float64", 1e-12)])
def test_batch_mates_and_padding_never_change_a_prediction(
    ragged, mixed_labels, network, dtype, atol
):
    mixed_labels["level"] -= 1000  # absolute tolerances ask for numbers of order one
    model = MultiTaskRNN(**{**SMALL, **network, "dtype": dtype}).fit(ragged, mixed_labels)
    together = raw(model, ragged)
    alone = [raw(model, [x])[0] for x in ragged]
    few = [row for start in range(0, 40, 7) for row in raw(model, ragged[start : start + 7])]
    padded = Ragged.from_list(ragged).to_padded(fill_value=1e6)
    cut = raw(model, Ragged.from_padded(padded, [len(x) for x in ragged]))
    for other in (alone, few, cut):
        for found, expected in zip(other, together, strict=True):
            scale = np.maximum(1.0, np.abs(expected))
            assert (np.abs(found - expected) / scale).max() <= atol


def gradients(model, data, positions):
    """Sum of the gradients of several batches, each weighed by its share of the samples."""
    net = model.net_
    net.module_.train()
    net.module_.zero_grad()
    for batch in positions:
        inputs, targets = data[np.asarray(batch)]
        losses = net.criterion_.per_task(net.module_(inputs), targets)
        (net.criterion_(losses) * len(batch) / len(data)).backward()
    return [p.grad.clone() for p in net.module_.parameters() if p.grad is not None]


def training_data(model, X, y, weights=None):
    """X and y as the training loop would read them."""
    from sk_mtrnn.sequences import check_sample_weight, read_labels, validate_sequences

    sequences = validate_sequences(model, X, reset=False)
    columns = read_labels(y, sequences.lengths).matched(model.task_names_)
    weights = check_sample_weight(weights, len(sequences), model.task_names_)
    targets = model._encode(columns, weights, np.arange(len(sequences)), sequences)
    return model._sequence_data(sequences, targets)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_any_partition_into_batches_has_the_same_mean_gradient(ragged, mixed_labels, network):
    """The gradient of a batch is unbiased: averaged over an epoch it is that of all data."""
    mixed_labels.loc[:25, "sign"] = None
    mixed_labels.loc[10:, "level"] = np.nan
    mixed_labels.loc[5:20, "total"] = None
    model = MultiTaskRNN(**{**EXACT, **network}).fit(ragged, mixed_labels)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, size=(40, 4))
    data = training_data(model, ragged, mixed_labels, weights)
    whole = gradients(model, data, [range(40)])
    rng = np.random.default_rng(1)
    for size in (1, 7, 20):
        order = rng.permutation(40)
        parts = [order[start : start + size] for start in range(0, 40, size)]
        for found, expected in zip(gradients(model, data, parts), whole, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_loss_is_the_formula_of_the_docstring(ragged, mixed_labels):
    mixed_labels.loc[:25, "sign"] = None
    mixed_labels.loc[5:20, "total"] = None
    weights = np.random.default_rng(0).uniform(0.5, 2.0, size=40)
    model = MultiTaskRNN(**EXACT, task_weights=[0.5, 2.0, 1.0, 3.0], standardize=False)
    model.fit(ragged, mixed_labels, sample_weight=weights)
    data = training_data(model, ragged, mixed_labels, weights)
    inputs, targets = data[np.arange(40)]
    criterion = model.net_.criterion_
    with torch.no_grad():
        losses = criterion.per_task(model.net_.module_.eval()(inputs), targets)
    prediction, proba = model.predict(ragged), model.predict_proba(ragged)
    sign = [
        (w, -np.log(p[list(model.classes_["sign"]).index(label)]))
        for w, p, label in zip(weights, proba["sign"], mixed_labels["sign"], strict=True)
        if isinstance(label, str)
    ]
    level = list(zip(weights, (mixed_labels["level"] - prediction["level"]) ** 2, strict=True))
    positive = [
        (w, -np.log(p[t, label]))
        for w, p, labels in zip(weights, proba["positive"], mixed_labels["positive"], strict=True)
        for t, label in enumerate(labels)
    ]
    total = [
        (w, (label - found) ** 2)
        for w, labels, row in zip(weights, mixed_labels["total"], prediction["total"], strict=True)
        if labels is not None
        for label, found in zip(labels, row, strict=True)
    ]
    expected = [
        sum(w * loss for w, loss in task) / sum(w for w, _ in task)
        for task in (sign, level, positive, total)
    ]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(
        float(criterion(losses)), np.dot([0.5, 2.0, 1.0, 3.0], expected), rtol=1e-10
    )


def test_an_unlabelled_entry_has_exactly_zero_gradient(ragged, mixed_labels):
    mixed_labels.loc[7, "sign"] = None
    mixed_labels.loc[7, "level"] = np.nan
    mixed_labels.at[7, "positive"] = None
    steps = mixed_labels.at[7, "total"].copy()
    steps[1] = np.nan
    mixed_labels.at[7, "total"] = steps
    model = MultiTaskRNN(**EXACT).fit(ragged, mixed_labels)
    inputs, targets = training_data(model, ragged, mixed_labels)[np.array([7])]
    outputs = [o.detach().requires_grad_() for o in model.net_.module_(inputs)]
    losses = model.net_.criterion_.per_task(outputs, targets)
    model.net_.criterion_(losses).backward()
    for output in outputs[:3]:
        assert (output.grad == 0).all()
    assert (outputs[3].grad[1] == 0).all()
    assert (outputs[3].grad[[0, 2]] != 0).all()


def test_what_stands_in_a_missing_label_never_matters(ragged):
    y = np.array([[len(x), x.sum()] for x in ragged])
    y[::3, 0] = np.nan
    as_none = y.astype(object)
    as_none[::3, 0] = None
    found = [MultiTaskRNNRegressor(**SMALL).fit(ragged, v).predict(ragged) for v in (y, as_none)]
    np.testing.assert_array_equal(*found)


def test_permuted_samples_give_permuted_predictions(ragged, mixed_labels):
    model = MultiTaskRNN(**SMALL).fit(ragged, mixed_labels)
    order = np.random.default_rng(0).permutation(40)
    permuted = model.predict([ragged[i] for i in order])
    expected = model.predict(ragged).iloc[order].reset_index(drop=True)
    for name in ("sign", "positive"):
        assert list(map(str, permuted[name])) == list(map(str, expected[name]))
    np.testing.assert_allclose(permuted["level"], expected["level"], rtol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_permuted_tasks_give_permuted_columns(ragged, mixed_labels, pooling):
    names = ["total", "sign", "positive", "level"]
    weights = dict(zip(names, [1.0, 2.0, 0.5, 3.0], strict=True))
    model = MultiTaskRNN(**EXACT, task_weights=weights, pooling=pooling)
    first = model.fit(ragged, mixed_labels).predict(ragged)
    second = clone(model).fit(ragged, mixed_labels[names]).predict(ragged)
    assert list(second.columns) == names
    np.testing.assert_allclose(second["level"], first["level"], rtol=1e-9)
    for found, expected in zip(second["total"], first["total"], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_one_task_equals_the_single_task_model(ragged, mixed_labels):
    """A task of weight 1 among tasks of weight 0 is the model of that task alone."""
    for name in mixed_labels:
        weights = {other: float(other == name) for other in mixed_labels}
        among = MultiTaskRNN(**EXACT, task_weights=weights).fit(ragged, mixed_labels)
        alone = MultiTaskRNN(**EXACT).fit(ragged, mixed_labels[[name]])
        k = list(mixed_labels).index(name)
        np.testing.assert_allclose(among.loss_curve_[:, k], alone.loss_curve_[:, 0], rtol=1e-10)


def test_a_single_column_is_the_one_dimensional_task(ragged):
    y = np.array([len(x) > 6 for x in ragged]).astype(int)
    flat = MultiTaskRNNClassifier(**SMALL).fit(ragged, y)
    column = MultiTaskRNNClassifier(**SMALL).fit(ragged, y[:, None])
    np.testing.assert_array_equal(flat.predict(ragged), column.predict(ragged).ravel())
    np.testing.assert_array_equal(flat.predict_proba(ragged), column.predict_proba(ragged))


def test_the_mixed_estimator_is_the_specialised_one(ragged):
    y = np.array([[len(x) > 6, x[0, 0] > 0] for x in ragged]).astype(int)
    mixed = MultiTaskRNN(**SMALL).fit(ragged, y)
    special = MultiTaskRNNClassifier(**SMALL).fit(ragged, y)
    np.testing.assert_array_equal(mixed.predict(ragged), special.predict(ragged))
    for k, proba in enumerate(special.predict_proba(ragged)):
        np.testing.assert_array_equal(mixed.predict_proba(ragged)[k], proba)


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", "quantile", "gaussian"]
)
def test_units_of_inputs_and_targets_only_change_units(ragged, loss):
    from sk_mtrnn import RegressionTask

    y = np.array([[x.mean(), x[:, 0].sum()] for x in ragged])
    model = MultiTaskRNNRegressor(tasks=RegressionTask(loss=loss), **EXACT)
    plain = model.fit(ragged, y).predict(ragged)
    scaled = clone(model).fit([1000 * x - 7 for x in ragged], 50 * y + 3)
    np.testing.assert_allclose(scaled.predict([1000 * x - 7 for x in ragged]), 50 * plain + 3)


def test_poisson_predicts_counts_in_their_units(ragged):
    """Counts c times as large scale the loss by c, which Adam does not see but for its ε."""
    from sk_mtrnn import RegressionTask

    y = np.array([len(x) for x in ragged])
    model = MultiTaskRNNRegressor(
        tasks=RegressionTask(loss="poisson"), max_epochs=60, max_grad_norm=None, random_state=0
    )
    learned = clone(model).fit(ragged, y)
    assert (learned.predict(ragged) > 0).all()
    assert learned.score(ragged, y) > 0.8
    model.set_params(max_epochs=5, dtype="float64", net_params={"optimizer__eps": 1e-30})
    few, many = (clone(model).fit(ragged, c * y) for c in (1, 1000))
    np.testing.assert_allclose(many.predict(ragged), 1000 * few.predict(ragged), rtol=1e-6)


def test_a_large_offset_of_the_inputs_costs_no_digits(ragged):
    y = np.array([x[:, 0].sum() for x in ragged])
    shifted = [x + 1e9 for x in ragged]
    plain = MultiTaskRNNRegressor(**SMALL).fit(ragged, y).predict(ragged)
    far = MultiTaskRNNRegressor(**SMALL).fit(shifted, y).predict(shifted)
    np.testing.assert_allclose(far, plain, rtol=0, atol=1e-3)


def test_prediction_is_the_most_probable_class(ragged, mixed_labels):
    model = MultiTaskRNN(**SMALL).fit(ragged, mixed_labels)
    prediction, proba = model.predict(ragged), model.predict_proba(ragged)
    np.testing.assert_array_equal(
        prediction["sign"], model.classes_["sign"][proba["sign"].argmax(axis=1)]
    )
    np.testing.assert_allclose(proba["sign"].sum(axis=1), 1.0)
    for labels, p in zip(prediction["positive"], proba["positive"], strict=True):
        np.testing.assert_array_equal(labels, model.classes_["positive"][p.argmax(axis=1)])


def test_every_container_of_the_same_sequences_is_the_same_data():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(30, 6, 2))
    y = np.array([[x[0, 0] > 0, x[-1, 1] > 0] for x in array]).astype(int)
    index = pd.MultiIndex.from_product([range(30), range(6)])
    objects = np.empty(30, dtype=object)
    objects[:] = list(array)
    forms = [
        array,
        list(array),
        tuple(array),
        array.tolist(),
        objects,
        pd.Series(list(array)),
        Ragged.from_padded(array),
        pd.DataFrame(array.reshape(-1, 2), index=index, columns=["a", "b"]),
    ]
    expected = MultiTaskRNNClassifier(**SMALL).fit(array, y).predict_proba(array)
    for form in forms:
        model = MultiTaskRNNClassifier(**SMALL).fit(form, y)
        assert model.n_features_in_ == 2
        for other in (form, array):
            for found, wanted in zip(model.predict_proba(other), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_a_table_is_its_rows_as_univariate_sequences():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 6))
    y = table.sum(axis=1)
    first = MultiTaskRNNRegressor(**SMALL).fit(table, y)
    second = MultiTaskRNNRegressor(**SMALL).fit(list(table), y)
    np.testing.assert_array_equal(first.predict(table), second.predict(table))
    assert (first.n_features_in_, second.n_features_in_) == (6, 1)
    np.testing.assert_allclose(first.predict([table[3]]), first.predict(table)[3:4], rtol=1e-5)


def test_three_dimensional_labels_are_lists_of_per_step_labels():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(30, 6, 2))
    y = (array > 0).astype(int)
    whole = MultiTaskRNNClassifier(**SMALL).fit(array, y)
    listed = MultiTaskRNNClassifier(**SMALL).fit(list(array), list(y))
    assert whole.predict(array).shape == (30, 6, 2)
    assert whole.predict_proba(array)[0].shape == (30, 6, 2)
    np.testing.assert_array_equal(whole.predict(array), np.stack(listed.predict(list(array))))
    assert whole.score(array, y) == listed.score(list(array), list(y))


def test_rows_of_zero_weight_and_repeated_rows_mean_what_they_say(ragged):
    y = np.array([[x.mean(), x[:, 0].sum()] for x in ragged])
    model = MultiTaskRNNRegressor(**{**EXACT, "batch_size": 200, "max_epochs": 5})
    weights = np.random.default_rng(0).integers(0, 3, size=40)
    repeated = np.repeat(np.arange(40), weights)
    weighted = clone(model).fit(ragged, y, sample_weight=weights).predict(ragged)
    per_task = np.column_stack([weights, weights])
    by_task = clone(model).fit(ragged, y, sample_weight=per_task).predict(ragged)
    again = clone(model).fit([ragged[i] for i in repeated], y[repeated]).predict(ragged)
    np.testing.assert_allclose(weighted, again, rtol=1e-8)
    np.testing.assert_array_equal(weighted, by_task)
