"""The three estimators describe what they share in the same words, and all of it."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import sk_mtrnn.augmentation
import sk_mtrnn.datasets
import sk_mtrnn.ensemble
import sk_mtrnn.inspection
import sk_mtrnn.metrics
import sk_mtrnn.model_selection
import sk_mtrnn.preprocessing
import sk_mtrnn.relations
import sk_mtrnn.sampling
import sk_mtrnn.sharing
import sk_mtrnn.weighting
from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor

ESTIMATORS = [MultiTaskRNNClassifier, MultiTaskRNNRegressor, MultiTaskRNN]
DIFFERENT = {"tasks", "standardize"}  # which tasks there are, and which of them are scaled


def parameters(estimator):
    """Description of every documented parameter, by name."""
    lines = inspect.cleandoc(estimator.__doc__).splitlines()
    start, stop = lines.index("Parameters") + 2, lines.index("Attributes")
    found = {}
    for line in lines[start:stop]:
        if line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            found[name] = [kind]
        elif line:
            found[name].append(line)
    return found


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_is_documented_in_order_with_its_default(estimator):
    signature = inspect.signature(estimator).parameters
    documented = parameters(estimator)
    assert list(documented) == list(signature)
    for name, parameter in signature.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        default = documented[name][0].rpartition("default=")[2]
        assert eval(default) == parameter.default


def test_what_they_share_they_say_in_the_same_words():
    first = parameters(MultiTaskRNN)
    for estimator in ESTIMATORS:
        for name, text in parameters(estimator).items():
            if name not in DIFFERENT:
                assert text == first[name], name
        constraints = set(estimator._parameter_constraints)
        assert constraints == set(inspect.signature(estimator).parameters)


def test_every_public_name_is_documented():
    modules = [
        sk_mtrnn,
        sk_mtrnn.augmentation,
        sk_mtrnn.datasets,
        sk_mtrnn.ensemble,
        sk_mtrnn.inspection,
        sk_mtrnn.metrics,
        sk_mtrnn.model_selection,
        sk_mtrnn.preprocessing,
        sk_mtrnn.relations,
        sk_mtrnn.sampling,
        sk_mtrnn.sharing,
        sk_mtrnn.weighting,
    ]
    for module in modules:
        assert module.__doc__
        for name in module.__all__:
            documented = getattr(module, name)
            if name.isupper() and not callable(documented):
                continue  # a table of names
            assert documented.__doc__, name
            if inspect.isfunction(documented) or "__init__" in vars(documented):
                assert "Parameters" in documented.__doc__, name
            methods = [m for m, _ in inspect.getmembers(documented, inspect.isfunction)]
            for method in methods:
                if not method.startswith("_") and documented.__module__.startswith("sk_mtrnn"):
                    assert inspect.getdoc(getattr(documented, method)), f"{name}.{method}"


def test_every_python_block_of_the_readme_uses_names_that_exist():
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    public = {
        name
        for module in (sk_mtrnn, sk_mtrnn.metrics, sk_mtrnn.model_selection, sk_mtrnn.preprocessing)
        for name in module.__all__
    }
    for name in (
        "task_weight_grid",
        "multitask_scorer",
        "task_scorer",
        "MultiTaskStratifiedKFold",
        "SequenceTransformer",
        "task_scores",
    ):
        assert name in text
        assert name in public
    assert "@@" not in text


def test_optional_libraries_are_not_imported():
    """Nothing heavy comes along: neither matplotlib nor torch's compiler."""
    code = "import sys, sk_mtrnn; print({'matplotlib', 'torch._dynamo'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
