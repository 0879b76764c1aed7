"""Four gases from five cheap sensors (Air Quality)
=================================================

Hourly over a year, with holes in the sensors as well as in the gases. The last quarter of the time
is the test part; what is fitted is fitted on the time before, and the parameters were chosen on the
two last quarters of that, each predicted from what precedes it. R² over the hours whose gas was
measured. To five sensors, temperature and humidity come hour of the day and weekend, which the time
of a row tells; all models get them.

The networks look back only: they learn from windows of a week, a new one each day, and are then run
once over the whole series. Concentrations are positive and change by factors, hence the loss with a
logarithmic link. No table is published for this split, so baselines stand beside them.
"""

import numpy as np
import pandas as pd
from _published import Study
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNNRegressor, Ragged, RegressionTask
from sk_mtrnn.datasets import fetch_air_quality
from sk_mtrnn.preprocessing import SlidingWindow

X, Y = fetch_air_quality(return_X_y=True)
angle = 2 * np.pi * X.index.hour / 24
weekend = (X.index.day_of_week >= 5).astype(float)
X = X.assign(sin=np.sin(angle), cos=np.cos(angle), weekend=weekend)


def splits(where):
    """Pairs of the hours to train on and those to score, in sixteenths of the time."""
    for past, end in {"test": [(12, 16)], "valid": [(6, 9), (9, 12)]}[where]:
        yield slice(0, len(X) * past // 16), slice(len(X) * past // 16, len(X) * end // 16)


def r2(predicted, hours):
    """R² of every gas over the hours at which it was measured, and their mean."""
    found = []
    for gas in Y:
        truth = Y[gas].to_numpy()[hours]
        known = ~np.isnan(truth)
        found.append(r2_score(truth[known], predicted[gas][hours][known]))
    return [*found, np.mean(found)]


def scores(where, seed, *, width=168, **changes):
    """Fit a network to windows of the time to train on, and score it; mean over the splits."""
    options = {
        "tasks": RegressionTask(loss="poisson"),
        "missing": "mask",
        "sharing": "cross_stitch",
        "input_skip": True,
        "dropout": 0.2,
        "learning_rate": 0.005,
        "learning_rate_schedule": "cosine",
        "max_epochs": 60,
    }
    model = MultiTaskRNNRegressor(**{**options, **changes}, random_state=seed)
    found = []
    for past, hours in splits(where):
        cutter = SlidingWindow(width, stride=24, per_step=True).fit(X.iloc[past])
        model.fit(*cutter.windows(X.iloc[past], Y.iloc[past]))
        series = Ragged.from_list([X.iloc[: hours.stop]])
        found.append(r2(model.predict(series).iloc[0], hours))
    return np.mean(found, axis=0)


def floors():
    """Models of each gas alone, of the current row and of lagged rows."""
    lagged = pd.concat([X.shift(lag).add_suffix(f" {lag} h ago") for lag in range(25)], axis=1)
    [(past, hours)] = splits("test")
    ridge = make_pipeline(SimpleImputer(), StandardScaler(), Ridge())
    boosting = HistGradientBoostingRegressor(random_state=0)
    found = {}
    for name, model, rows in (
        ("ridge, current row", ridge, X),
        ("ridge, 24 lags", ridge, lagged),
        ("gradient boosting, current row", boosting, X),
        ("gradient boosting, 24 lags", boosting, lagged),
    ):
        predicted = {}
        for gas in Y:
            known = Y[gas].iloc[past].notna()
            model.fit(rows.iloc[past][known], Y[gas].iloc[past][known])
            predicted[gas] = model.predict(rows)
        found[name] = r2(predicted, hours)
    return found


if __name__ == "__main__":
    Study(
        __doc__,
        [*Y, "mean"],
        scores,
        published={},
        floors=floors,
        ablations={
            "last value for holes": {"missing": "forward"},
            "hard sharing": {"sharing": "hard"},
            "no sharing": {"sharing": "none"},
            "no inputs at the heads": {"input_skip": False},
            "no dropout": {"dropout": 0.0},
            "learning rate 0.01": {"learning_rate": 0.01},
            "constant learning rate": {"learning_rate_schedule": None},
            "windows of two weeks": {"width": 336},
            "LSTM": {"cell": "lstm"},
            "squared error": {"tasks": RegressionTask()},
            "30 epochs": {"max_epochs": 30},
        },
        decimals=3,
    ).run()
