"""Faults of availability: a model does not answer at all."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect, Moves
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

PRESENT = "server:atlas_requests_present:sum"
PROGRESS = "server:atlas_progress:rate"


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family."""
    return (_engine_stalled(parameters), _model_server_down(parameters))


def _engine_stalled(parameters: Parameters) -> Fault:
    timing, by_server = parameters.timing, c.SERVER_LABELS
    window = timing.window(parameters.limits.stall_seconds)
    running = promql.sum_by(by_server, str(s.REQUESTS_RUNNING))
    waiting = promql.sum_by(by_server, str(s.REQUESTS_WAITING))
    tokens = promql.sum_by(by_server, promql.rate(s.GENERATION_TOKENS, window))
    # Neither a rejection nor a client that gives up is progress.
    finished = promql.sum_by(by_server, promql.rate(s.REQUESTS, window, 'outcome=~"ok|error"'))
    # Where even tokens are counted when a request ends, one long answer looks like a hung engine.
    silent = "|".join(d.runtime for d in shipped_dialects() if d.semantics.tokens_move is Moves.FINISH and _speaks(d))
    present = promql.select(PRESENT, f'runtime!~"{silent}"')
    return Fault(
        name="EngineStalled",
        family=Family.AVAILABILITY,
        meaning="The server holds requests, and nothing comes out of it: its engine hangs.",
        impact="Users of this server see answers freeze or never begin. Latency charts show nothing, for nothing finishes.",
        recordings=(
            # Some runtimes tell only one of the two: Triton has no running requests, BentoML no waiting ones.
            Recording(name=PRESENT, expr=f"({running} + {waiting})\nor {running}\nor {waiting}"),
            # Both where both are told: a server of embeddings has a token counter that never moves.
            Recording(name=PROGRESS, expr=f"({tokens} + {finished})\nor {tokens}\nor {finished}"),
        ),
        rules=(
            Rule(
                # Present for the whole window: progress is 0 on an idle server, and the first request may be a long one.
                expr=f"min_over_time({present}[{window}]) > 0 and {PROGRESS} == 0",
                labels=by_server,
                severity=Severity.PAGE,
                summary=(
                    "{{ $labels.server }} holds {{ $value | humanize }} requests to {{ $labels.model }} and has produced nothing for "
                    f"{promql.duration(timing.hold(parameters.limits.stall_seconds))}."
                ),
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            ),
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
            "Requests present without any progress is the signature that remains. Runtimes that count tokens only when a "
            f"request ends ({silent.replace('|', ', ')}) are left out: one long answer would look the same. A probe sees theirs."
        ),
        look_alike="An idle server, its first request after that, and one long request that keeps producing tokens.",
        inhibits=(
            Inhibition(targets=("QueueBacklog", "KvCachePressure"), equal=("server", "model")),
            Inhibition(targets=("TimeToFirstTokenSloBurn",), equal=("namespace", "model")),
        ),
        scenario="engine_stalled",
    )


def _speaks(dialect: Dialect) -> bool:
    """Say whether the runtime counts the tokens that it produces."""
    entry = dialect.entry(s.GENERATION_TOKENS)
    return entry is not None and bool(entry.readings)


def _model_server_down(parameters: Parameters) -> Fault:
    timing, identity = parameters.timing, c.SERVER_IDENTITY
    gone = promql.select(s.SERVER_SCRAPE_STATE, 'state=~"unreachable|timeout|unparsable"')
    return Fault(
        name="ModelServerDown",
        family=Family.AVAILABILITY,
        meaning="The server does not answer the exporter: it refuses, hangs, or sends something that is no metrics page.",
        impact="Requests to this server fail; the replicas that are left carry its load.",
        rules=(
            Rule(
                expr=f"max by ({', '.join(identity)}) ({gone}) == 1",
                labels=identity,
                severity=Severity.PAGE,
                summary="Model server {{ $labels.server }} ({{ $labels.runtime }}) has not answered for a minute or more.",
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(60),
            ),
        ),
        panel=Panel(
            title="Servers that answer",
            description="1: the last scrape worked. The state says why one did not.",
            queries=((str(s.SERVER_UP), "{{server}}"),),
            unit="short",
        ),
        why=(
            "A minute of failed scrapes outlasts a lost packet and a quick restart. A server that has never answered yet "
            "is starting, not down; a page that is switched off or locked is a ticket, not an outage."
        ),
        look_alike="One lost scrape, and a new server that is still loading its model.",
        inhibits=(Inhibition(targets=("QueueBacklog", "KvCachePressure", "EngineStalled"), equal=("server",)),),
    )
