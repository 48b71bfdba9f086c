"""What the checks of a runbook found, ranked. Pure; made by `diagnosis.ask`, kept by `pager.store`, shown in messages, pages and terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum


class Standing(Enum):
    """How a cause stands after its check."""

    LIKELY = "likely"
    """There is evidence for it."""
    UNKNOWN = "unknown"
    """The check could not be made, or there was no data; `told` says which."""
    UNLIKELY = "unlikely"
    """The evidence speaks against it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One cause, after its check."""

    cause: str
    standing: Standing
    told: str
    """One sentence: the evidence with its values, or why it is not known."""
    next_step: str
    """Title of the step of the runbook that helps; empty when the check names none."""
    weight: int
    """1 to 3: how surely the cause follows from the evidence."""
    query: str
    """The PromQL that was asked, filled in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """All findings of one alert, the likeliest first. `at` is the Unix time of the questions."""

    at: float
    findings: tuple[Finding, ...]

    @property
    def likely(self) -> tuple[Finding, ...]:
        """The causes that there is evidence for."""
        return tuple(finding for finding in self.findings if finding.standing is Standing.LIKELY)

    def to_json(self) -> dict[str, object]:
        """Return what `from_json` reads."""
        return {"at": self.at, "findings": [asdict(one) | {"standing": one.standing.value} for one in self.findings]}


def ranked(findings: Sequence[Finding], at: float) -> Diagnosis:
    """Return findings as a diagnosis: likely causes by weight, then unknown ones, then those that are ruled out."""
    order = list(Standing)
    return Diagnosis(at=at, findings=tuple(sorted(findings, key=lambda one: (order.index(one.standing), -one.weight))))


def from_json(document: Mapping[str, object] | None) -> Diagnosis | None:
    """Return the diagnosis that `to_json` printed; None for None."""
    if document is None:
        return None
    found = document["findings"]
    assert isinstance(found, list)
    findings = tuple(Finding(**{**one, "standing": Standing(one["standing"])}) for one in found)
    return Diagnosis(at=float(str(document["at"])), findings=findings)
