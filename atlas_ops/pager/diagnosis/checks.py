"""The checks in the front matter of a runbook: what to ask Prometheus, and what the answer says about the cause.

Read by `diagnosis.worker` and `atlas-ops diagnose`, and proved by `atlas_ops.check.runbook_checks`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from atlas_ops.document import Document, Section
from atlas_ops.pager.diagnosis.units import UNITS
from atlas_ops.pager.runbooks import front_matter

MOST_CHECKS = 8
"""Each is a query while a page waits; more than this is a dashboard."""
CAUSE_LENGTH, TOLD_LENGTH = 80, 300
_WHEN = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(-?[0-9.]+(?:e-?[0-9]+)?)\s*\Z")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class When:
    """The comparison that makes a value evidence, such as `> 1.5`."""

    sign: str
    number: float

    def holds(self, value: float) -> bool:
        """Say whether a value is evidence."""
        return _COMPARE[self.sign](value, self.number)

    def nearest(self, value: float) -> float:
        """Return a key: the value that has the greatest one says most."""
        if self.sign in ("==", "!="):
            return abs(value - self.number) if self.sign == "!=" else -abs(value - self.number)
        return -value if self.sign.startswith("<") else value


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One cause, and the question that tells whether it is the one."""

    cause: str
    query: str
    """PromQL with placeholders of the alert's labels."""
    when: When
    unit: str
    evidence: str
    """What is told when a sample satisfies `when`: a sentence with `{{value}}` and labels of the sample."""
    against: str
    """What is told when none does; empty: the cause is unlikely."""
    next_step: str
    """The title of a step of the runbook."""
    weight: int
    empty_says_no: bool
    """Whether an empty result rules the cause out; otherwise it leaves it unknown."""
    runtimes: tuple[str, ...]
    """Of which runtimes' alerts it is asked; empty: of all."""


def read(text: str, file: str) -> tuple[Check, ...]:
    """Return the checks of a runbook's Markdown; ConfigError with every mistake in its front matter."""
    yaml = front_matter.front(text)
    if not yaml:
        return ()
    document = Document(yaml, file)
    root = document.root
    checks = tuple(_checks(root))
    root.finish()
    document.close(next_step="mend these lines; runbooks/README.md says what a check is made of")
    return checks


def _checks(root: Section) -> Iterator[Check]:
    causes: set[str] = set()
    for number, section in enumerate(root.sections("checks")):
        check = _check(section)
        if check.cause in causes:
            section.mistake("cause", f"{check.cause!r} is there twice")
        if number == MOST_CHECKS:
            section.mistake("cause", f"expected at most {MOST_CHECKS} checks")
        causes.add(check.cause)
        yield check


def _check(section: Section) -> Check:
    weight = section.integer("weight", 2)
    if weight not in (1, 2, 3):
        section.mistake("weight", f"expected 1, 2 or 3, found {weight}")
    check = Check(
        cause=_sentence(section, "cause", CAUSE_LENGTH, required=True),
        query=section.string("query", required=True).strip(),
        when=_when(section),
        unit=section.string("unit", "number", choices=tuple(UNITS)),
        evidence=_sentence(section, "evidence", TOLD_LENGTH, required=True),
        against=_sentence(section, "against", TOLD_LENGTH),
        next_step=section.string("next"),
        weight=weight,
        empty_says_no=section.string("empty", "unknown", choices=("unknown", "no")) == "no",
        runtimes=section.strings("runtimes"),
    )
    section.finish()
    return check


def _when(section: Section) -> When:
    text = section.string("when", required=True)
    found = _WHEN.match(text)
    try:
        number = float(found[2]) if found else math.nan
    except ValueError:
        number = math.nan
    if found and not math.isnan(number):
        return When(found[1], number)
    if text:
        section.mistake("when", f'expected a comparison and a number, such as "> 1.5", found {text!r}')
    return When(">", 0.0)


def _sentence(section: Section, key: str, longest: int, *, required: bool = False) -> str:
    text = " ".join(section.string(key, required=required).split())
    if len(text) > longest:
        section.mistake(key, f"expected at most {longest} characters, found {len(text)}")
    if text.endswith("."):
        section.mistake(key, "expected a sentence without its full stop")
    return text
