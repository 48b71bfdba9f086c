"""EngineStalled: a server that holds requests and brings nothing out. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect, Moves
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.faults import completed
from atlas_ops.catalog.faults.availability import symptoms
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

PRESENT = "server:atlas_requests_present:sum"
FINISHED = "server:atlas_requests_finished:rate"
PROGRESS = "server:atlas_progress:rate"
_TOLD_WHEN_IDLE = "sglang"
"""Its gauges move with the steps of the engine, and every 30 s while there are none."""


def engine_stalled(parameters: Parameters) -> Fault:
    """Return the fault."""
    silent = [dialect for dialect in shipped_dialects() if _counts_at_the_end(dialect)]
    late = [dialect.runtime for dialect in silent if _is_right_when_idle(dialect)]
    blind = [dialect.runtime for dialect in silent if dialect.runtime not in late]
    others = promql.label_in(c.RUNTIME, [dialect.runtime for dialect in silent], negated=True)
    limits = parameters.limits
    return Fault(
        name="EngineStalled",
        family=Family.AVAILABILITY,
        meaning="The server holds requests, and nothing comes out of it: its engine hangs.",
        impact="Users of this server see answers freeze or never begin. Latency charts show nothing, for nothing finishes.",
        recordings=_recordings(parameters),
        rules=(
            _rule(parameters, limits.stall_seconds, others),
            _rule(parameters, limits.longest_answer_seconds, promql.label_in(c.RUNTIME, late), variant="late"),
        ),
        panel=Panel(
            title="Progress: tokens and finished requests per second",
            description="Zero while requests are present means that the engine hangs.",
            queries=(
                (promql.select(PROGRESS, 'model=~"$model"'), "progress {{model}} {{server}}"),
                (promql.select(PRESENT, 'model=~"$model"'), "requests present {{model}} {{server}}"),
            ),
            unit="short",
        ),
        why=(
            "Latency histograms are filled when a request finishes, so a hung engine is silent in every percentile. "
            "Requests present without any progress is the signature that remains. Where tokens are counted when a request "
            f"ends ({', '.join(late)}) one long answer looks the same, so there nothing may finish for longer than the "
            f"longest answer takes. Nothing is told where the gauges themselves stand still ({', '.join(blind)}): a probe "
            "sees those."
        ),
        look_alike="An idle server, its first request after that, and one long request that keeps producing tokens.",
        inhibits=(symptoms.of_engine(), symptoms.of_model()),
        scenario="engine_stalled",
    )


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    by_server = c.SERVER_LABELS
    window = parameters.timing.window(parameters.limits.stall_seconds)
    tokens = promql.rate(s.GENERATION_TOKENS, window)
    return (
        # Some runtimes tell only one of the two: Triton has no running requests, BentoML no waiting ones.
        Recording(
            name=PRESENT,
            expr=promql.sum_by(by_server, promql.together(str(s.REQUESTS_RUNNING), str(s.REQUESTS_WAITING))),
        ),
        # Neither a rejection nor a client that gives up is progress.
        Recording(name=FINISHED, expr=completed.rate(window, 'outcome=~"ok|error"')),
        # Both where both are told: a server of embeddings has a token counter that never moves.
        Recording(name=PROGRESS, expr=promql.sum_by(by_server, promql.together(tokens, FINISHED))),
    )


def _rule(parameters: Parameters, seconds: float, runtimes: str, *, variant: str = "") -> Rule:
    timing, window = parameters.timing, parameters.timing.window(seconds)
    # The recording looks back as far as the shorter of the two rules needs.
    present, progress = (promql.select(recorded, runtimes) for recorded in (PRESENT, PROGRESS))
    nothing = f"max_over_time({progress}[{window}]) == 0" if variant else f"{progress} == 0"
    return Rule(
        # Present for the whole window: progress is 0 on an idle server, and the first request may be a long one. A server
        # that was not there a window ago is still warming up.
        expr=f"min_over_time({present}[{window}]) > 0\nand {nothing}\nand {present} offset {window}",
        labels=c.SERVER_LABELS,
        severity=Severity.PAGE,
        summary=(
            "{{ $labels.server }} holds {{ $value | humanize }} requests to {{ $labels.model }} and has produced nothing for "
            f"{promql.duration(timing.hold(seconds))}."
        ),
        for_seconds=timing.hold(60),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
        variant=variant,
    )


def _counts_at_the_end(dialect: Dialect) -> bool:
    """Say whether the runtime counts the tokens that it produces, and each answer's only when that is finished."""
    entry = dialect.entry(s.GENERATION_TOKENS)
    return dialect.semantics.tokens_move is Moves.FINISH and entry is not None and bool(entry.readings)


def _is_right_when_idle(dialect: Dialect) -> bool:
    """Say whether its gauges go back to 0 when traffic ends: of the last step, or the last answer, they may not."""
    return dialect.semantics.gauges_move is Moves.LIVE or dialect.runtime == _TOLD_WHEN_IDLE
