"""Four gases from five cheap sensors (Air Quality)
=================================================

Hourly over a year, with holes in the sensors as well as in the gases. The last quarter of the time
is the test part; what is fitted is fitted on the time before, and the parameters were chosen on the
two last quarters of that, each predicted from what precedes it. R² over the hours whose gas was
measured. To five sensors, temperature and humidity come hour of the day and weekend, which the time
of a row tells; all models get them, and one ridge the square of a sensor besides.

The networks look back only: they learn from windows of a week, a new one each day, and are then run
once over the whole series. Benzene is a smooth function of one sensor: its task reads that sensor
and its square alone, the others all that was measured. The nitrogen oxides change by factors, hence
their loss with a logarithmic link. No table is published for this split, so baselines stand beside
them.
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
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.preprocessing import SlidingWindow

X, Y = fetch_air_quality(return_X_y=True)
angle = 2 * np.pi * X.index.hour / 24
weekend = (X.index.day_of_week >= 5).astype(float)
X = X.assign(sin=np.sin(angle), cos=np.cos(angle), weekend=weekend)
MEASURED, BENZENE = list(X), "PT08.S2(NMHC)"
X = X.assign(**{f"{BENZENE} squared": X[BENZENE] ** 2})
POISSON = RegressionTask(loss="poisson")
TASKS = {
    "CO": RegressionTask(loss="poisson", features=MEASURED),
    "C6H6": RegressionTask(features=[BENZENE, f"{BENZENE} squared"]),
    "NOx": RegressionTask(loss="poisson", features=MEASURED),
    "NO2": RegressionTask(loss="poisson", features=MEASURED),
}


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


def scores(where, seed, *, n_estimators=1, width=168, **changes):
    """Fit a network, or an ensemble, to windows of the time to train on; mean over the splits."""
    options = {
        "tasks": TASKS,
        "missing": "mask",
        "sharing": "cross_stitch",
        "input_skip": True,
        "dropout": 0.2,
        "learning_rate": 0.005,
        "learning_rate_schedule": "cosine",
        "max_epochs": 60,
    }
    model = MultiTaskRNNRegressor(**{**options, **changes}, random_state=seed)
    if n_estimators > 1:
        model = DeepEnsemble(model, n_estimators, random_state=seed)
    found = []
    for past, hours in splits(where):
        cutter = SlidingWindow(width, stride=24, per_step=True).fit(X.iloc[past])
        model.fit(*cutter.windows(X.iloc[past], Y.iloc[past]))
        series = Ragged.from_list([X.iloc[: hours.stop]])
        found.append(r2(model.predict(series).iloc[0], hours))
    return np.mean(found, axis=0)


def floors():
    """Models of each gas alone, of the current row and of lagged rows."""
    rows = X[MEASURED]
    lagged = pd.concat([rows.shift(lag).add_suffix(f" {lag} h ago") for lag in range(25)], axis=1)
    [(past, hours)] = splits("test")
    ridge = make_pipeline(SimpleImputer(), StandardScaler(), Ridge())
    boosting = HistGradientBoostingRegressor(random_state=0)
    found = {}
    for name, model, table in (
        ("ridge, current row", ridge, rows),
        ("ridge, current row and square", ridge, X),
        ("ridge, 24 lags", ridge, lagged),
        ("gradient boosting, current row", boosting, rows),
        ("gradient boosting, 24 lags", boosting, lagged),
    ):
        predicted = {}
        for gas in Y:
            known = Y[gas].iloc[past].notna()
            model.fit(table.iloc[past][known], Y[gas].iloc[past][known])
            predicted[gas] = model.predict(table)
        found[name] = r2(predicted, hours)
    return found


if __name__ == "__main__":
    Study(
        __doc__,
        [*Y, "mean"],
        scores,
        published={},
        floors=floors,
        systems={"one network": {}, "ensemble of five": {"n_estimators": 5}},
        ablations={
            "last value for holes": {"missing": "forward"},
            "hard sharing": {"sharing": "hard"},
            "shared and private": {"sharing": "shared_private"},
            "all channels for all": {"tasks": {"NOx": POISSON, "NO2": POISSON}},
            "squared error": {"tasks": {**TASKS, "NOx": TASKS["CO"], "NO2": TASKS["CO"]}},
            "logarithmic link for CO": {"tasks": {**TASKS, "CO": TASKS["NOx"]}},
            "no inputs at the heads": {"input_skip": False},
            "no dropout": {"dropout": 0.0},
            "learning rate 0.01": {"learning_rate": 0.01},
            "constant learning rate": {"learning_rate_schedule": None},
            "windows of two weeks": {"width": 336},
            "LSTM": {"cell": "lstm"},
            "30 epochs": {"max_epochs": 30},
        },
        decimals=3,
    ).run()
