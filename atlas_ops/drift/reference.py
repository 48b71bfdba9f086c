"""A reference: what a model's traffic is like when all is well, in one small JSON file without code in it.

Written by `atlas-ops drift fit`, read by `atlas-ops drift check` and `atlas-ops drift show`. A file of another kind, version
or model is refused with a sentence that says so; so is one whose limits mean something else than those of this atlas-ops.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atlas_ops import reference_file
from atlas_ops.detect.batch import Limits
from atlas_ops.detect.calibration import Calibration
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.embedding import Embedding
from atlas_ops.detect.features import Category, Counts, Feature, Numeric
from atlas_ops.detect.season import HOURS, Season
from atlas_ops.detect.spread import Spread
from atlas_ops.detect.statistics import Floats, Statistic, statistics
from atlas_ops.drift import reference_checks as checks
from atlas_ops.errors import ConfigError

MEANING = 2
"""What the numbers of `calibration` and `limits` mean; raised when the same numbers would be judged by otherwise, or more are needed. Servers
read only the bins of a file, which `reference_file.VERSION` is for.

2: single hours of the week have a baseline of their own, weekends their own counts, and parts without times begin at every block.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Detector:
    """A detector of another package that decides in place of `limits` when live rows are checked (`drift.alibi`)."""

    name: str
    p_value: float
    """Below it, shared by all features, is drift."""
    features: tuple[str, ...]
    rows_file: str
    """Name of the file with a sample of the rows, in the folder of the reference."""
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Everything that live traffic is compared with."""

    model: str
    made_at: float
    start: float | None
    end: float | None
    """From when to when its rows are (Unix seconds); None: the data had no times."""
    rows: int
    features: tuple[Feature, ...]
    counts: Mapping[str, Counts]
    """{feature: rows of the reference in each bin}."""
    weekends: Mapping[str, Counts] | None = None
    """{feature: rows of `usual` in each bin that lie in a weekend}; None: the data had no times."""
    time: str | None = None
    """The column of its data that held the times."""
    embeddings: tuple[Embedding, ...] = ()
    calibration: Calibration | None = None
    """None: the data had no times, or less than a day of them."""
    detector: Detector | None = None
    limits: Limits | None = None
    """By which a file of live rows is judged; None: made from no rows (`drift check` cannot tell)."""
    notes: tuple[str, ...] = ()
    """What it lacks, in sentences for people."""
    accepted_since: float | None = None
    """Since when the traffic is what somebody has accepted as usual (`drift accept`, Unix seconds); None: nobody has."""
    accepted: Mapping[str, Counts] | None = None
    """{feature: rows of that traffic in each bin}."""

    @property
    def usual(self) -> Mapping[str, Counts]:
        """Rows in each bin that live rows are compared with: those accepted last, else those that the reference was made of."""
        return self.counts if self.accepted is None else self.accepted

    def shares(self, feature: str) -> Floats:
        """Return the share of each bin, half a row added to each."""
        return smoothed(self.counts[feature])

    @property
    def watched(self) -> tuple[Statistic, ...]:
        """What is watched, in the order of the calibration's columns."""
        return tuple(one for feature in self.features for one in statistics(feature, self.shares(feature.name)))

    def feature(self, name: str) -> Feature | None:
        """Return a feature by its name."""
        return next((feature for feature in self.features if feature.name == name), None)


def write(reference: Reference, path: Path) -> None:
    """Write the file; a file that is there is replaced whole, never in part."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(json.dumps(_document(reference), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(path)


def read(path: Path, *, model: str = "", bins_only: bool = False) -> Reference:
    """Read a file; ConfigError when it is none of ours, is damaged, or is of another `model` than the one named.

    With `bins_only` nothing can be judged by what is returned, and limits of any meaning will do.
    """
    document = reference_file.load(path, model=model)
    if bins_only:
        document |= {"calibration": None, "limits": None}
    elif (meaning := document.get("meaning", 1)) != MEANING:
        raise _of_another_build(path, meaning)
    try:
        reference = _reference(document)
        checks.check(reference)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise reference_file.damaged(path, error) from error
    return reference


def _of_another_build(path: Path, meaning: object) -> ConfigError:
    newer = isinstance(meaning, int) and meaning > MEANING
    made, what_next = ("a newer", "upgrade atlas-ops, or make") if newer else ("an older", "make")
    return ConfigError(
        str(path),
        [
            f"it was made by {made} atlas-ops, whose limits mean something else (meaning {meaning!r}; this one judges by {MEANING})"
        ],
        next_step=f"{what_next} the reference again with `atlas-ops drift fit`; where servers count by this file, "
        f"`drift fit --prometheus URL --bins {path.name}` keeps its bins",
    )


def _document(reference: Reference) -> dict[str, Any]:
    return {
        "format": reference_file.FORMAT,
        "version": reference_file.VERSION,
        "meaning": MEANING,
        "model": reference.model,
        "made_at": reference.made_at,
        "start": reference.start,
        "end": reference.end,
        "rows": reference.rows,
        "time": reference.time,
        "notes": list(reference.notes),
        "accepted_since": reference.accepted_since,
        "accepted": _counts(reference.accepted),
        "weekends": _counts(reference.weekends),
        "features": [_feature(feature, reference.counts[feature.name]) for feature in reference.features],
        "embeddings": [
            {
                "name": one.name,
                "seed": one.seed,
                "centroids": one.centroids.tolist(),
                "features": [f.name for f in one.features],
            }
            for one in reference.embeddings
        ],
        "detector": None if reference.detector is None else _detector(reference.detector),
        "calibration": None if reference.calibration is None else _calibration(reference.calibration),
        "limits": None if reference.limits is None else _limits(reference.limits),
    }


def _counts(of: Mapping[str, Counts] | None) -> dict[str, Any] | None:
    return None if of is None else {name: counts.tolist() for name, counts in of.items()}


def _feature(feature: Feature, counts: Counts) -> dict[str, Any]:
    common: dict[str, Any] = {"name": feature.name, "counts": counts.tolist()}
    if isinstance(feature, Numeric):
        return {"kind": "number", **common, "edges": list(feature.edges)}
    known = (
        None
        if feature.known is None
        else base64.b64encode(np.array(sorted(feature.known), dtype="<u4").tobytes()).decode()
    )
    return {"kind": "category", **common, "names": list(feature.names), "known": known}


def _detector(detector: Detector) -> dict[str, Any]:
    return {**asdict(detector), "features": list(detector.features)}


def _calibration(calibration: Calibration) -> dict[str, Any]:
    return {
        "season": _short(calibration.season.table),
        "hours_of_week": _hours(calibration.season),
        **_spread(calibration.spread),
        "page": None if math.isinf(calibration.page) else calibration.page,
        "ticket": None if math.isinf(calibration.ticket) else calibration.ticket,
        "days": calibration.days,
    }


def _hours(season: Season) -> list[list[float]]:
    """Return what single hours of the week add: of each its number, the place of its statistic, and how much."""
    if season.added is None:
        return []
    return [[int(hour), int(place), _short(season.added[hour, place])] for hour, place in np.argwhere(season.added)]


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "timed": limits.timed,
        "lengths": list(limits.lengths),
        **_spread(limits.spread),
        "centre": [None if math.isinf(one) else one for one in limits.centre.tolist()],
        "scale": limits.scale.tolist(),
        "greatest": limits.greatest.tolist(),
        "parts": list(limits.parts),
    }


def _spread(spread: Spread) -> dict[str, Any]:
    level = {} if spread.level is None else {"level": _short(spread.level)}
    return {"wander": _short(spread.wander), "per_row": _short(spread.per_row), **level}


def _short(values: Floats) -> Any:
    return np.vectorize(lambda value: float(f"{value:.6g}"))(values).tolist() if values.size else []


def _reference(document: dict[str, Any]) -> Reference:
    features = tuple(_read_feature(entry, f"features[{place}]") for place, entry in enumerate(document["features"]))
    by_name = {feature.name: feature for feature in features}
    calibration, limits, time = document["calibration"], document.get("limits"), document.get("time")
    return Reference(
        model=checks.text(document["model"], "model"),
        made_at=checks.moment(document["made_at"], "made_at"),
        start=_read_moment(document["start"], "start"),
        end=_read_moment(document["end"], "end"),
        rows=checks.whole(document["rows"], "rows"),
        time=None if time is None else checks.text(time, "time"),
        features=features,
        counts={
            entry["name"]: checks.counts(entry["counts"], f"the counts of feature {entry['name']}")
            for entry in document["features"]
        },
        embeddings=tuple(_read_embedding(entry, by_name) for entry in document["embeddings"]),
        detector=_read_detector(document.get("detector")),
        calibration=None if calibration is None else _read_calibration(calibration),
        limits=None if limits is None else _read_limits(limits),
        notes=_read_texts(document["notes"], "notes"),
        accepted_since=_read_moment(document.get("accepted_since"), "accepted_since"),
        accepted=_read_counts(document.get("accepted"), "accepted"),
        weekends=_read_counts(document.get("weekends"), "weekends"),
    )


def _read_moment(value: Any, where: str) -> float | None:
    return None if value is None else checks.moment(value, where)


def _read_texts(values: Any, where: str) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{where}: expected a list of texts")
    return tuple(checks.text(value, f"{where}[{place}]") for place, value in enumerate(values))


def _read_counts(entry: dict[str, Any] | None, where: str) -> dict[str, Counts] | None:
    if entry is None:
        return None
    return {name: checks.counts(counts, f"the {where} counts of feature {name}") for name, counts in entry.items()}


def _read_feature(entry: dict[str, Any], where: str) -> Feature:
    name = checks.text(entry["name"], f"{where}.name")
    if entry["kind"] == "number":
        edges = checks.floats(entry["edges"], f"{where}.edges", -math.inf, math.inf)
        return Numeric(name=name, edges=tuple(edges.tolist()))
    if entry["kind"] != "category":
        raise ValueError(f"{where}.kind: expected number or category, found {entry['kind']!r}")
    names, known = _read_texts(entry["names"], f"{where}.names"), entry["known"]
    return Category(name=name, names=names, known=None if known is None else _read_hashes(known, f"{where}.known"))


def _read_hashes(known: str, where: str) -> frozenset[int]:
    try:
        return frozenset(np.frombuffer(base64.b64decode(known, validate=True), dtype="<u4").tolist())
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _read_embedding(entry: dict[str, Any], features: Mapping[str, Feature]) -> Embedding:
    name = checks.text(entry["name"], "embeddings: name")
    return Embedding(
        name=name,
        seed=checks.whole(entry["seed"], f"the seed of embedding {name}", most=2**32 - 1),
        centroids=checks.floats(entry["centroids"], f"the centroids of embedding {name}", -math.inf, math.inf),
        features=tuple(features[one] for one in entry["features"]),
    )


def _read_spread(entry: dict[str, Any], where: str) -> Spread:
    read = {name: checks.floats(entry[name], f"{where}.{name}") for name in ("wander", "per_row")}
    level = checks.floats(entry["level"], f"{where}.level") if "level" in entry else None
    return Spread(**read, level=level)


def _read_detector(entry: dict[str, Any] | None) -> Detector | None:
    if entry is None:
        return None
    name = checks.text(entry["rows_file"], "detector.rows_file")
    if Path(name).name != name:
        raise ValueError("detector.rows_file: the rows lie in another folder than the reference")
    return Detector(
        name=checks.text(entry["name"], "detector.name"),
        p_value=checks.number(entry["p_value"], "detector.p_value", 0.0, 1.0),
        features=_read_texts(entry["features"], "detector.features"),
        rows_file=name,
        sha256=checks.text(entry["sha256"], "detector.sha256"),
    )


def _read_calibration(entry: dict[str, Any]) -> Calibration:
    return Calibration(
        season=_read_season(entry),
        spread=_read_spread(entry, "calibration"),
        page=checks.threshold(entry["page"], "calibration.page"),
        ticket=checks.threshold(entry["ticket"], "calibration.ticket"),
        days=checks.number(entry["days"], "calibration.days", 0.0),
    )


def _read_season(entry: dict[str, Any]) -> Season:
    table, hours = checks.floats(entry["season"], "calibration.season"), entry["hours_of_week"]
    added = np.zeros((HOURS, table.shape[-1]))
    for at, (hour, place, value) in enumerate(hours):
        where = f"calibration.hours_of_week[{at}]"
        which = checks.whole(hour, where, HOURS - 1), checks.whole(place, where, table.shape[-1] - 1)
        added[which] = checks.number(value, where)
    return Season(table, added if hours else None)


def _read_limits(entry: dict[str, Any]) -> Limits:
    if not isinstance(entry["timed"], bool):
        raise TypeError("limits.timed: expected true or false")
    centre = [math.inf if one is None else checks.number(one, "limits.centre") for one in entry["centre"]]
    return Limits(
        timed=entry["timed"],
        lengths=tuple(checks.floats(entry["lengths"], "limits.lengths", 0.0).tolist()),
        spread=_read_spread(entry, "limits"),
        centre=np.array(centre, dtype=np.float64),
        scale=checks.floats(entry["scale"], "limits.scale", 0.0),
        greatest=checks.floats(entry["greatest"], "limits.greatest", 0.0),
        parts=tuple(checks.whole(one, "limits.parts") for one in entry["parts"]),
    )
