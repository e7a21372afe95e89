"""ChannelAttribution's Markov model of paths on standard input, in its own environment.

In: ``{"paths": [[unit, …], …], "converted": [0 or 1, …], "order": 1}``; out: ``{"total": {unit:
conversions}, "seconds": …}``. Nothing of ours is imported: the package is under the GPL.
"""

import contextlib
import io
import json
import sys
import time

import ChannelAttribution
import pandas as pd


def main() -> None:
    asked = json.load(sys.stdin)
    paths = [" > ".join(f"u{unit}" for unit in path) for path in asked["paths"]]
    data = pd.DataFrame({"path": paths, "conversions": asked["converted"]})
    data["null"] = 1 - data["conversions"]
    grouped = data.groupby("path", as_index=False).sum()
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        found = ChannelAttribution.markov_model(
            grouped, "path", "conversions", var_null="null", order=asked["order"], flg_pro=False
        )
    seconds = time.perf_counter() - began
    total = dict(zip(found["channel_name"], found["total_conversions"], strict=True))
    json.dump(
        {"total": {name[1:]: float(value) for name, value in total.items()}, "seconds": seconds},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
