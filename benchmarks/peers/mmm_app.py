"""PyMC-Marketing's MMM of weekly totals on standard input, in its own environment.

In: ``{"weeks": ["2024-01-01", …], "touches": {channel: [a week's, …]}, "conversions": […],
"draws": 400}``; out: ``{"total": {channel: conversions}, "seconds": …}``. Its defaults: geometric
adstock (at most eight weeks), logistic saturation, yearly seasonality of two terms.
"""

import contextlib
import io
import json
import sys
import time

import pandas as pd
from pymc_marketing.mmm import MMM, GeometricAdstock, LogisticSaturation


def main() -> None:
    asked = json.load(sys.stdin)
    channels = sorted(asked["touches"])
    data = pd.DataFrame({"week": pd.to_datetime(asked["weeks"]), **asked["touches"]})
    model = MMM(
        date_column="week",
        channel_columns=channels,
        target_column="y",
        adstock=GeometricAdstock(l_max=8),
        saturation=LogisticSaturation(),
        yearly_seasonality=2,
    )
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        model.fit(
            data,
            pd.Series(asked["conversions"], name="y", dtype=float),
            draws=asked["draws"],
            tune=asked["draws"],
            chains=2,
            cores=1,
            random_seed=1,
            progressbar=False,
        )
        by_week = model.compute_mean_contributions_over_time()
    seconds = time.perf_counter() - began
    json.dump(
        {"total": {name: float(by_week[name].sum()) for name in channels}, "seconds": seconds},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
