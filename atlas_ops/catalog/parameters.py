"""What the catalog's rules can be tuned with: objectives, limits and timing, each with unit, default and reason.

Read from the user's file by `atlas_ops.settings`; used by `catalog/faults/` to build the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from atlas_ops import promql


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitInfo:
    """What a user has to know about a limit before changing it."""

    unit: str
    above: float
    below: float
    reason: str


def _limit(default: float, unit: str, above: float, below: float, reason: str) -> float:
    # dataclasses.field is typed as its default, which is what a reader of Limits sees.
    info = LimitInfo(unit=unit, above=above, below=below, reason=reason)
    value: float = field(default=default, metadata={"limit": info})
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Thresholds that are the same for every model. Each is a setting under `limits:`."""

    kv_cache_usage_ratio: float = _limit(
        0.9, "ratio", 0, 1,
        "a busy vLLM runs at 0.9 and above in good health, so usage alone never pages: it counts only together with "
        "preemptions and waiting requests, which show that the cache, not the traffic, sets the pace",
    )  # fmt: skip
    preempted_requests_ratio: float = _limit(
        0.05, "preemptions for each finished request", 0, 100,
        "the odd preemption is how a full cache is meant to work; one request in twenty computed again is time that the "
        "waiting ones feel (a guess: public rule sets page on the first preemption, and are silenced for it)",
    )  # fmt: skip
    throttled_time_ratio: float = _limit(
        0.1, "ratio of time", 0, 1,
        "a tenth of the time held down by heat costs tokens that users notice; single short events do not",
    )  # fmt: skip
    clock_loss_ratio: float = _limit(
        0.1, "ratio of the maximum SM clock", 0, 1,
        "heat that costs less than a tenth of the clock is how parts are meant to run at their limit",
    )  # fmt: skip
    stall_seconds: float = _limit(
        120, "seconds", 0, 86_400,
        "must be longer than the longest healthy pause between two tokens, or two finished requests where a runtime "
        "counts no tokens; a prefill of 100k tokens takes tens of seconds",
    )  # fmt: skip
    slo_minimum_slow_requests: float = _limit(
        10, "slow requests in the long window", 0, 1e9,
        "on a quiet model a few slow answers are a burn rate of their own, and the first ones after a cold start are slow",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What users of the models that match `model` were promised."""

    model: str = "*"
    """Glob pattern over the `model` label. The first objective that matches a model counts."""
    time_to_first_token_seconds: float = 2.5
    """A request is fast when its first token comes within this time. Must be a bucket bound of the runtime."""
    time_to_first_token_target: float = 0.99
    """Share of requests that have to be fast, over 30 days."""
    queue_wait_seconds: float = 10.0
    """How long a new request may have to wait before anybody is woken. People leave a chat after about ten seconds
    without an answer (Nielsen's third limit), and a queue that long does not drain by itself."""


OUTLAST_SECONDS = 300.0
"""How long the page of a cause goes on after its last sign. Its symptoms are held back as long, and the shortest window
of a burn rate forgets in this time: so nobody is woken by the echo of what is over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How often things are measured, and by how much every window is shortened."""

    scrape_seconds: float = 15.0
    evaluation_seconds: float = 15.0
    scale: float = 1.0
    """Every window and `for` is multiplied by this. 1 in production; the demo profile shortens them to be seen live."""

    def window(self, seconds: float) -> str:
        """Return a range of `seconds`, scaled, and never below the four scrapes that a rate needs to survive a lost one."""
        return promql.duration(max(seconds * self.scale, 4 * self.scrape_seconds))

    def hold(self, seconds: float) -> float:
        """Return the scaled time in seconds for `for` and `keep_firing_for`."""
        return round(seconds * self.scale, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """All that the rules of the catalog depend on."""

    limits: Limits = field(default_factory=Limits)
    objectives: tuple[Objective, ...] = (Objective(),)
    timing: Timing = field(default_factory=Timing)

    def pattern(self, objective: Objective) -> str:
        """Return the pattern of an objective where there are several to be told apart, else an empty text."""
        return objective.model if len(self.objectives) > 1 else ""

    def by_model(self) -> tuple[tuple[Objective, str], ...]:
        """Return each objective with the PromQL matchers of the models that it, and no earlier one, is for."""
        patterns = [objective.model for objective in self.objectives]
        return tuple(
            (objective, promql.glob_matcher("model", objective.model, excluding=patterns[:position]))
            for position, objective in enumerate(self.objectives)
        )
