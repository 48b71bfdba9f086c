"""What is said of a model and of each of its features. Made by `judge` and `cold_start`; published by `page`, told by `report` and the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from atlas_ops.detect.course import Course
from atlas_ops.detect.features import Feature
from atlas_ops.detect.move import Move


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one detector says of one feature at the end of the last window."""

    feature: Feature
    detector: str
    share: float
    """The score as a share of its limit: 1 and above is drift."""
    found: bool
    since: float | None
    """Since when its score has been rising (Unix seconds); None without drift."""
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What is said of one model."""

    end: float
    """End of the last window that was judged (Unix seconds)."""
    counted_until: float | None
    """End of the last window in which requests were counted; None: none were in all the days that are kept."""
    findings: tuple[Finding, ...]
    untold: Mapping[str, str]
    """{feature: why nothing can be said of it}."""
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """The findings that are drift."""
        return tuple(finding for finding in self.findings if finding.found)


def at_the_end(feature: Feature, detector: str, of: Course, moves: tuple[Move, ...]) -> Finding:
    """Return what a course says at its end."""
    return Finding(
        feature=feature,
        detector=detector,
        share=float(of.share[-1]),
        found=of.now,
        since=of.rising_since,
        moves=moves if of.now else (),
    )
