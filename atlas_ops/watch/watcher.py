"""One round over all references: what Prometheus has counted of each model, judged. Called by `cli.watch` every five minutes.

Models do not wait for each other's troubles: one whose reference or counts cannot be had is told as such, and the others go on. All times
are Prometheus's, so the clock of this machine may be wrong.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from atlas_ops.detect.season import DAY
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.drift import words
from atlas_ops.drift.reference import Reference
from atlas_ops.errors import AtlasError, DataError, EnvironmentProblem
from atlas_ops.prometheus import Prometheus
from atlas_ops.watch.finding import Finding, Judgement
from atlas_ops.watch.judge import judge
from atlas_ops.watch.past import PAST, Past
from atlas_ops.watch.shelf import Kept, Shelf

LATE_SECONDS = 60.0
"""How long after its end a window is complete: the last scrape in it has been stored by then, also where samples are handed on."""
_UNREACHED = "not reached in this round: the questions about other models took too long"
_UNCOUNTED = (
    f"no server has counted a request of it for {PAST / DAY:.0f} days: where the model has another name now, or is gone, make a new "
    "reference or take this one away"
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one reference. While Prometheus does not answer, the last judgement stands; a problem is told beside it.

    So is one of some features alone, and that nobody asks anything of the model any more.
    """

    file: str
    """Name of the reference's file."""
    model: str
    reference: str = ""
    """What the reference is called, so that a new one can be told from the one before."""
    judgement: Judgement | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What came of a round. `at` is Prometheus's time at its begin (Unix seconds); None: Prometheus did not say."""

    outcomes: tuple[Outcome, ...]
    at: float | None
    seconds: float
    problem: str = ""
    """Why no model could be asked about."""


class Watcher:
    """Keeps the counts of the last days of every model of a folder of references."""

    def __init__(self, folder: Path, client: Prometheus, *, clock: Callable[[], float] | None = None) -> None:
        """`clock` says what time it is; without it Prometheus does."""
        self._shelf, self._client = Shelf(folder), client
        self._clock = clock or self._time_of_prometheus
        self._pasts: dict[Path, Past] = {}
        self._last: dict[Path, Outcome] = {}

    def round(self, *, most_seconds: float = STEP) -> Round:
        """Judge every model; those that are not reached within `most_seconds` come first in the next round."""
        began = time.monotonic()
        found: dict[Path, Outcome] = {}
        at, problem = None, ""
        try:
            shelf = self._shelf.look()
            found = {kept.path: self._before(kept) for kept in shelf}
            at = self._clock()
        except AtlasError as error:
            problem = error.message
            found = {path: replace(before, problem=problem) for path, before in (found or self._last).items()}
        else:
            end = (at - LATE_SECONDS) // STEP * STEP
            for kept in sorted(shelf, key=lambda one: _waiting(found[one.path])):
                late = time.monotonic() - began > most_seconds
                before = found[kept.path]
                found[kept.path] = replace(before, problem=_UNREACHED) if late else self._outcome(kept, end)
            self._pasts = {path: past for path, past in self._pasts.items() if path in found}
        if not found:
            _log.error("nothing is judged: %s", problem or f"{self._shelf.folder} holds no reference (*.json)")
        _told(self._last, found)
        self._last = found
        outcomes = tuple(found[path] for path in sorted(found))
        return Round(outcomes=outcomes, at=at, seconds=time.monotonic() - began, problem=problem)

    def _before(self, kept: Kept) -> Outcome:
        """Return what was said of a reference last; nothing when it is new."""
        before = self._last.get(kept.path)
        return replace(before, problem="") if before else Outcome(file=kept.path.name, model=kept.model)

    def _outcome(self, kept: Kept, end: float) -> Outcome:
        """Return what is said of one reference up to `end`."""
        file, model = kept.path.name, kept.model
        if kept.reference is None:
            return Outcome(file=file, model=model, problem=kept.problem)
        outcome = Outcome(file=file, model=model)
        try:
            outcome = replace(outcome, reference=_called(kept.reference, kept.path))
            past = self._past(kept.path, kept.reference)
            windows = past.until(end)
            judgement = judge(kept.reference, windows, past.misfits)
            problems = [kept.problem, *past.misfits.values(), "" if _counted(windows) else _UNCOUNTED]
            return replace(outcome, judgement=judgement, problem="; ".join(filter(None, problems)))
        except DataError as error:
            return replace(outcome, problem=str(error))
        except AtlasError as error:
            return replace(self._before(kept), problem=error.message)
        except Exception:  # noqa: BLE001 - a mistake of ours in one model must not stop the others
            _log.exception("%s: the round of %s failed", file, model)
            return replace(outcome, problem="an error of atlas-ops itself; the log has it")

    def _past(self, path: Path, reference: Reference) -> Past:
        past = self._pasts.get(path)
        if past is None or (past.model, past.features) != (reference.model, reference.features):
            past = self._pasts[path] = Past(self._client, reference.model, reference.features)
        return past

    def _time_of_prometheus(self) -> float:
        points = self._client.query("vector(time())")
        if not points:
            raise EnvironmentProblem(f"Prometheus at {self._client.url} does not say what time it is")
        return points[0].value


def _counted(windows: Windows) -> bool:
    return any(of.any() for of in windows.counts.values())


def _called(reference: Reference, path: Path) -> str:
    accepted = f", accepted since {words.moment(reference.accepted_since)}" if reference.accepted_since else ""
    return f"{path.stem} of {words.moment(reference.made_at)}{accepted}"


def _waiting(outcome: Outcome) -> float:
    """Return until when a model has been judged: the one that has waited longest comes first."""
    return outcome.judgement.end if outcome.judgement is not None else 0.0


def _told(before: dict[Path, Outcome], now: dict[Path, Outcome]) -> None:
    """Log each problem, every time, and each drift that begins or ends."""
    for path, outcome in now.items():
        if outcome.problem:
            _log.error("%s: model %s: %s", outcome.file, outcome.model, outcome.problem)
        known = {_key(one) for one in _drifted(before.get(path))}
        found = {_key(one): one for one in _drifted(outcome)}
        for key in found.keys() - known:
            one = found[key]
            said = "; ".join(words.told(one.feature, one.moves))
            _log.warning("%s: %s has drifted (%s, %.2f of its limit): %s", outcome.model, *key, one.share, said)
        for key in known - found.keys():
            _log.info("%s: %s has not drifted any more (%s)", outcome.model, *key)


def _drifted(outcome: Outcome | None) -> Iterable[Finding]:
    return outcome.judgement.drifted if outcome is not None and outcome.judgement is not None else ()


def _key(finding: Finding) -> tuple[str, str]:
    return finding.feature.name, finding.detector
