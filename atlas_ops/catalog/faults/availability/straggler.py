"""ReplicaStraggler: one replica that is slower than the others of its model. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity, Signal
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

GPU_KIND = "host:atlas_gpu_kind:info"
PACE = "server:atlas_pace:mean_seconds"
PACE_BY_KIND = "server:atlas_pace_by_gpu_kind:mean_seconds"
LOAD = "server:atlas_load:rate"
SLOWNESS = "server:atlas_slowness:ratio_to_peers"
_WINDOW_SECONDS = 300.0
_PEERS = (c.RUNTIME, c.MODEL, c.K8S_NAMESPACE)
_KIND = "name"
_FEWEST = 3
"""Of two servers nobody can say which one is at fault: the median lies between them."""


def replica_straggler(parameters: Parameters) -> Fault:
    """Return the fault."""
    timing, limits = parameters.timing, parameters.limits
    window, limit = timing.window(limits.straggler_seconds), promql.number(limits.straggler_slowness_ratio)
    return Fault(
        name="ReplicaStraggler",
        family=Family.AVAILABILITY,
        meaning="One replica takes clearly longer for its work than the others of the model, without having more of it.",
        impact="The share of requests that lands there is slow, which shows in the tail of the model and not in its median.",
        recordings=_recordings(parameters),
        rules=(
            Rule(
                # Slow in every single five minutes; one that was not there a window ago is still warming up.
                expr=f"min_over_time({SLOWNESS}[{window}]) > {limit}\nand {SLOWNESS} offset {window}",
                labels=c.SERVER_LABELS,
                severity=Severity.TICKET,
                summary=(
                    '{{ $labels.server }} takes {{ $value | printf "%.1f" }} times as long as its peers for the same work '
                    "of {{ $labels.model }}."
                ),
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            ),
        ),
        panel=Panel(
            title="Slowness of replicas against their peers",
            description="Time for each token (or request) by the median of the model's servers on the same kind of GPU.",
            queries=((promql.select(SLOWNESS, 'model=~"$model"'), "{{model}} {{server}}"),),
            unit="short",
            limit=limits.straggler_slowness_ratio,
        ),
        why=(
            "What a replica needs for a token is compared with the median of its peers: the servers of the same model in "
            f"the same namespace, in nodes with the same kind of GPU, of which there must be {_FEWEST}. A node with several "
            "kinds, or whose GPUs nobody knows, counts as a kind of its own. Whoever does more work than the median is "
            "allowed to be slower by as much. Where a runtime tells no time between tokens, the mean time of a request "
            "stands in for it."
        ),
        look_alike="Uneven load: a replica that gets more tokens to work on than its peers, and an older GPU among newer ones.",
        scenario="replica_straggler",
    )


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    peers = ", ".join(_PEERS)
    kinds = f"group by ({c.HOST_NAME}, {_KIND}) ({s.GPU_INFO})"
    median = f"quantile by ({peers}, {_KIND}) (0.5, {PACE_BY_KIND})"
    enough = f"count by ({peers}, {_KIND}) ({PACE_BY_KIND}) >= {_FEWEST}"
    slowness = f"{PACE_BY_KIND} / on ({peers}, {_KIND}) group_left () ({median} and {enough})"
    load = f"{LOAD} / on ({peers}) group_left () quantile by ({peers}) (0.5, {LOAD})"
    return (
        Recording(name=GPU_KIND, expr=f"{kinds}\nand on ({c.HOST_NAME}) count by ({c.HOST_NAME}) ({kinds}) == 1"),
        Recording(name=PACE, expr=_pace(parameters)),
        Recording(
            name=PACE_BY_KIND,
            expr=(
                f"{PACE} * on ({c.HOST_NAME}) group_left ({_KIND}) {GPU_KIND}\n"
                f"or ({PACE} unless on ({c.HOST_NAME}) {GPU_KIND})"
            ),
        ),
        Recording(name=LOAD, expr=_load(parameters)),
        Recording(
            name=SLOWNESS,
            expr=f"{promql.sum_by(c.SERVER_LABELS, slowness)}\n/ clamp_min({load}, 1)",
        ),
    )


def _pace(parameters: Parameters) -> str:
    """Return PromQL for seconds per token, or per request of runtimes that tell no time between tokens."""
    tokens, requests = (_mean(parameters, histogram) for histogram in (s.INTER_TOKEN_LATENCY, s.REQUEST_DURATION))
    return f"{tokens}\nor ({requests} unless on ({c.RUNTIME}, {c.MODEL}) {s.INTER_TOKEN_LATENCY}_count)"


def _mean(parameters: Parameters, histogram: Signal) -> str:
    window = parameters.timing.window(_WINDOW_SECONDS)
    enough = promql.number(round(parameters.limits.straggler_tokens / _WINDOW_SECONDS, 6))
    total, count = (
        promql.sum_by(c.SERVER_LABELS, promql.rate(f"{histogram}_{part}", window)) for part in ("sum", "count")
    )
    return f"{total} / ({count} >= {enough})"


def _load(parameters: Parameters) -> str:
    """Return PromQL for the tokens that come in and go out in a second, or the requests where no tokens are told."""
    window = parameters.timing.window(_WINDOW_SECONDS)
    prompt, produced, finished = (
        promql.sum_by(c.SERVER_LABELS, promql.rate(counter, window, *matchers))
        for counter, matchers in (
            (s.PROMPT_TOKENS, ()),
            (s.GENERATION_TOKENS, ()),
            (s.REQUESTS, ('outcome="ok"',)),
        )
    )
    return f"({prompt} + {produced})\nor {produced}\nor {finished}"
