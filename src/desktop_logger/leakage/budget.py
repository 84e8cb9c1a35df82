"""The budget: how much each profile may leak, and the gate that holds every change to it.

``config/leakage-budget.toml`` names, for each profile and metric, ``at_most`` (or ``at_least`` for what the data must
stay good for). A figure over its budget fails; so does a profile or a figure without budget, and a budget that nothing
measures (unless its section is marked missing), so that the gate cannot be passed by not looking.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence

from desktop_logger.errors import UsageError
from desktop_logger.records.profiles import PROFILES

from .measuring import Figure, Missing

Budget = dict[str, dict[str, dict[str, float]]]


def load(path: str) -> Budget:
    """Profile → metric → ``at_most``/``at_least``. Raises ``UsageError`` naming what is wrong."""
    try:
        with open(path, "rb") as file:
            raw = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    if raw.keys() != PROFILES.keys():
        raise UsageError(f"{path}: needs a table for each profile and no other: {', '.join(PROFILES)}")
    for profile, metrics in raw.items():
        if not isinstance(metrics, dict):
            raise UsageError(f"{path}: {profile}: needs a table of metrics")
        for metric, limits in metrics.items():
            if not isinstance(limits, dict) or not limits.keys() <= {"at_most", "at_least"} or not limits:
                raise UsageError(f"{path}: {profile}.{metric}: needs at_most or at_least")
            for limit in limits.values():
                if type(limit) not in (int, float) or not math.isfinite(limit):
                    raise UsageError(f"{path}: {profile}.{metric}: a limit is a number, not {limit!r}")
    return raw


def over(figures: Sequence[Figure], missing: Sequence[Missing], budget: Budget) -> list[str]:
    """What is over budget, in words; empty when everything holds."""
    measured = {(one.profile, one.metric): one.value for one in figures}
    found = []
    for profile, metrics in budget.items():
        for metric, limits in metrics.items():
            value = measured.get((profile, metric))
            if value is None:
                if not missing:
                    found.append(f"{profile}: {metric}: nothing measures it")
                continue
            if math.isnan(value):
                found.append(f"{profile}: {metric}: what was measured is no number")
            if value > limits.get("at_most", float("inf")):
                found.append(f"{profile}: {metric}: {value:.3f} is over the budget of {limits['at_most']:g}")
            if value < limits.get("at_least", float("-inf")):
                found.append(f"{profile}: {metric}: {value:.3f} is under the least of {limits['at_least']:g}")
    for profile, metric in measured:
        if profile in budget and metric not in budget[profile]:
            found.append(f"{profile}: {metric}: has no budget")
    return found
