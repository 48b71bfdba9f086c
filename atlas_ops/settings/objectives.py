"""What users were promised: the list `objectives` of the settings, and the bucket bounds that it is judged at.

Read by `settings`. A promise that no rule could ever hold a server to is refused here, not found out in the next outage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import bounds as buckets
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.bounds import OwnBounds
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Objective
from atlas_ops.document import Section
from atlas_ops.settings.servers import Server

MINIMUM_TARGET = 0.931
"""Below it the page for a burn rate of 14.4 would need more than all requests to be bad."""

JUDGED: Mapping[str, Signal] = {
    "time_to_first_token_seconds": s.TIME_TO_FIRST_TOKEN,
    "request_duration_seconds": s.REQUEST_DURATION,
    "inter_token_latency_seconds": s.INTER_TOKEN_LATENCY,
}
"""Keys of an objective that are judged at a bucket bound of the runtime, and the histogram that has it."""
_TARGETS = (
    "time_to_first_token_target",
    "request_duration_target",
    "inter_token_latency_target",
    "availability_target",
)
_ANY_TEXT, _ANY_LETTER = "\0", "\1"
"""Stand for the wildcards of a pattern that another one is held against; no name of a model has them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedModels:
    """The models that the file names."""

    runtimes: Mapping[str, str]
    """Name of the model: id of the runtime that serves it, empty where the file does not say."""
    complete: bool
    """Whether there can be no others, so that a pattern which fits none of them is a slip of the pen."""


def named_models(servers: Sequence[Server], *, others: bool) -> NamedModels:
    """Return the models that servers and probes name; `others` says whether servers may be found that nobody named.

    A probe names one of the models of its server, which may have more: adapters, or a whole repository. Only `model` of the
    server is told of pages that name none, and is then the only one.
    """
    runtimes = {probe.model: server.runtime for server in servers for probe in server.probes}
    runtimes |= {server.model: server.runtime for server in servers if server.model}
    complete = bool(servers) and all(server.model for server in servers) and not others
    return NamedModels(runtimes=runtimes, complete=complete)


def read_objectives(root: Section, models: NamedModels, own: Sequence[OwnBounds]) -> tuple[Objective, ...]:
    """Read the list; whatever no pattern takes has the default objective. `own` are the user's own bucket bounds."""
    given = [(section, _objective(section)) for section in root.sections("objectives")]
    objectives = [objective for _, objective in given]
    for position, (section, objective) in enumerate(given):
        for key, mistake in _mistakes(section, objective, objectives[:position], models, own):
            section.mistake(key, mistake)
    if all(objective.model != "*" for objective in objectives):
        objectives.append(Objective())
    return tuple(objectives)


def read_bounds(root: Section, runtimes: Sequence[str]) -> tuple[OwnBounds, ...]:
    """Read the bucket bounds that the user has given a runtime; `runtimes` are the ids of the dialects that there are."""
    given: dict[tuple[str, str], OwnBounds] = {}
    for section in root.sections("bounds"):
        own = OwnBounds(
            runtime=section.string("runtime", choices=runtimes, required=True),
            signal=section.string("signal", choices=[signal.name for signal in JUDGED.values()], required=True),
            seconds=section.numbers("seconds", rising=True),
        )
        section.finish()
        if not section.has("seconds"):
            section.mistake("seconds", "is missing; expected the bounds as numbers that rise, without +Inf")
        if (own.runtime, own.signal) in given:
            section.mistake("signal", f"the bounds of {own.signal} on {own.runtime} are given twice")
        given[own.runtime, own.signal] = own
    return tuple(own for own in given.values() if own.runtime and own.signal and own.seconds)


def _objective(section: Section) -> Objective:
    default = Objective()
    numbers = {key: section.number(key, getattr(default, key), above=0) for key in (*JUDGED, "queue_wait_seconds")}
    targets = {key: section.number(key, getattr(default, key), above=MINIMUM_TARGET, below=1) for key in _TARGETS}
    objective = Objective(model=section.string("model", required=True) or default.model, **numbers, **targets)
    section.finish()
    return objective


def _mistakes(
    section: Section,
    objective: Objective,
    earlier: Sequence[Objective],
    models: NamedModels,
    own: Sequence[OwnBounds],
) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong with it)."""
    if section.has("model"):
        yield from (("model", mistake) for mistake in _unmatched(objective.model, earlier, models))
    taken = [one.model for one in earlier]
    mine = {
        runtime: model
        for model, runtime in models.runtimes.items()
        if _fits(objective.model, model) and not any(_fits(pattern, model) for pattern in taken)
    }
    for key, signal in JUDGED.items():
        if section.has(key):
            yield from ((key, mistake) for mistake in _unjudged(signal, getattr(objective, key), mine, own))


def _unmatched(pattern: str, earlier: Sequence[Objective], models: NamedModels) -> Iterator[str]:
    """Say why a pattern can match no model."""
    for one in earlier:
        if one.model == pattern:
            yield f"two objectives for the pattern {pattern!r}; the second never counts"
            return
        if _takes_all(one.model, pattern):
            yield f"{pattern!r} never counts, for the earlier pattern {one.model!r} takes all of it; put this one first"
            return
    if models.complete and not any(_fits(pattern, model) for model in models.runtimes) and pattern != "*":
        known = ", ".join(sorted(models.runtimes))
        yield (
            f"{pattern!r} fits none of the models that this file names ({known}); mend it, or leave `model` out at a server "
            "whose page names its models itself"
        )


def _unjudged(signal: Signal, seconds: float, mine: Mapping[str, str], own: Sequence[OwnBounds]) -> Iterator[str]:
    """Say why a threshold cannot be judged: on no runtime at all, or on one that the file names for its models."""
    judged = buckets.in_force(signal, seconds, own)
    known = buckets.known(signal, own)
    if not judged.by_runtime:
        told = "; ".join(f"{runtime}: {_range(histograms)}" for runtime, histograms in known.items())
        yield f"no runtime has buckets around {seconds:g} s, so nothing could ever be judged by it ({told})"
        return
    for runtime in judged.out_of_range:
        if runtime in mine:
            yield (
                f"{runtime}, which serves {mine[runtime]}, has no buckets around {seconds:g} s ({_range(known[runtime])}); if "
                "yours has others, give them under `bounds`"
            )


def _range(histograms: Sequence[tuple[float, ...]]) -> str:
    return " or ".join(f"{bounds[0]:g} to {bounds[-1]:g} s" for bounds in histograms)


def _fits(pattern: str, model: str) -> bool:
    return re.fullmatch(promql.glob_regex(pattern), model, re.DOTALL) is not None


def _takes_all(earlier: str, later: str) -> bool:
    """Say whether every name that the later pattern fits is one that the earlier pattern fits; False when that is not sure."""
    if "[" in earlier or "[" in later:
        return not set(later) & set("*?[") and _fits(earlier, later)
    whole = "".join({"*": ".*", "?": f"[^{_ANY_TEXT}]"}.get(letter, re.escape(letter)) for letter in earlier)
    text = later.replace("*", _ANY_TEXT).replace("?", _ANY_LETTER)
    return re.fullmatch(whole, text, re.DOTALL) is not None
