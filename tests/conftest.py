import os

# before scikit-learn or scipy is imported: switches on the array API checks of the check suite
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

# a busy machine is slow at times, which says nothing of what is tested
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


@pytest.fixture
def ragged():
    """Forty sequences of 2 features, of 3 to 11 steps."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(rng.integers(3, 12), 2)) for _ in range(40)]


@pytest.fixture
def mixed_labels(ragged):
    """One task of each kind: classes and quantities, one a sequence and one a time step."""
    return pd.DataFrame(
        {
            "sign": ["up" if x[:, 0].sum() > 0 else "down" for x in ragged],
            "level": [1000 + 10 * x[:, 1].mean() for x in ragged],
            "positive": [(x[:, 1] > 0).astype(int) for x in ragged],
            "total": [x[:, 0].cumsum() for x in ragged],
        }
    )
