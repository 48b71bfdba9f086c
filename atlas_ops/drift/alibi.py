"""Detectors of alibi-detect, run by the same commands. The only module that imports it: an extra, `atlas-ops[alibi]`.

Called by `drift.detector`. Signatures and results are those of alibi-detect 0.13.0. Its own saving and loading are not used at all: they
unpickle whatever the files name. NaN makes its p-values NaN, which it takes for no drift, so rows with missing numbers never come here;
a category that neither side has makes its chi-square test fail, so categories are numbered by those that there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlas_ops.detect.features import Category, Feature
from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.reference import Detector
from atlas_ops.errors import DataError, EnvironmentProblem

LICENCE = """\
alibi-detect is not part of atlas-ops, and since 0.11.5 its licence is the Business Source License 1.1: use in production needs a licence
from Seldon Technologies; without one it is for tests, development and comparison alone. Its own load_detector() executes whatever
code lies in the files that it is given, so never load its artefacts from elsewhere; atlas-ops does not use it, and keeps a
sample of your rows beside the reference instead."""
ACCEPT = "--accept-alibi-licence"
NUMBERS, CATEGORIES, PAIRS = "numbers", "categories", "categories with two values"
DETECTORS = {
    "KSDrift": (NUMBERS,),
    "CVMDrift": (NUMBERS,),
    "ChiSquareDrift": (CATEGORIES,),
    "TabularDrift": (NUMBERS, CATEGORIES),
    "FETDrift": (PAIRS,),
}
"""{name: features that it can test}. The others need PyTorch or TensorFlow, and most a model of one's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a detector says: for each feature its p-value, below which threshold is drift, and whether it calls that drift."""

    p_values: dict[str, float]
    threshold: float
    drift: bool


def predicted(detector: Detector, features: Sequence[Feature], then: Floats, now: Floats) -> Found:
    """Ask a detector about rows of its features, shape (rows, features); EnvironmentProblem when the package cannot be imported."""
    categories = [place for place, feature in enumerate(features) if isinstance(feature, Category)]
    then, now = then.copy(), now.copy()
    sizes = {}
    for place in categories:
        known, codes = np.unique(np.concatenate([then[:, place], now[:, place]]), return_inverse=True)
        then[:, place], now[:, place] = np.split(codes, [len(then)])
        sizes[place] = len(known)
        if detector.name == "FETDrift" and len(known) > 2:
            raise DataError(
                f"column {features[place].name} has more than two values now, and {detector.name} tests two",
                next_step="choose alibi:ChiSquareDrift",
            )
    options: dict[str, Any] = {"p_val": detector.p_value}
    if detector.name in ("ChiSquareDrift", "TabularDrift") and sizes:
        options["categories_per_feature"] = sizes
    if detector.name == "FETDrift":
        options["alternative"] = "two-sided"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the many packages that it imports
        said = getattr(_module(), detector.name)(then, **options).predict(now)["data"]
    p_values = [float(one) for one in np.atleast_1d(said["p_val"])]
    named = dict(zip((feature.name for feature in features), p_values, strict=True))
    return Found(p_values=named, threshold=float(said["threshold"]), drift=bool(said["is_drift"]))


def _module() -> Any:
    try:
        from alibi_detect import cd  # noqa: PLC0415 - 250 MB of memory
    except ImportError as error:
        raise EnvironmentProblem(
            f"alibi-detect cannot be imported: {error}", next_step="pip install 'atlas-ops[alibi]'"
        ) from error
    return cd
