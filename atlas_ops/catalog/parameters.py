"""What the catalog's rules can be tuned with: objectives, limits (`catalog.limits`) and timing, with units and reasons.

Read from the user's file by `atlas_ops.settings`; used by `catalog/faults/` to build the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from atlas_ops import promql
from atlas_ops.catalog.bounds import OwnBounds
from atlas_ops.catalog.limits import Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What users of the models that match `model` were promised."""

    model: str = "*"
    """Glob pattern over the `model` label. The first objective that matches a model counts."""
    time_to_first_token_seconds: float = 2.5
    """A first token is in time when it comes within this time: about the 2 s of MLPerf Inference for Llama 2 70B, at a
    bucket bound of vLLM."""
    time_to_first_token_target: float = 0.99
    """Share of requests whose first token has to be in time, over 30 days."""
    request_duration_seconds: float = 60.0
    """A request is fast when its answer is complete within this time. After a minute common proxies hang up (nginx's
    `proxy_read_timeout`). How long an answer may take depends on its length: raise it for models that think long, lower it
    for classifiers."""
    request_duration_target: float = 0.99
    inter_token_latency_seconds: float = 0.2
    """A token is fluent when it follows the one before within this time: MLPerf Inference's 200 ms for Llama 2 70B, which is
    about as fast as people read."""
    inter_token_latency_target: float = 0.99
    """Share of tokens that have to be fluent."""
    availability_target: float = 0.999
    """Share of requests that have to be answered, of those that no client cancelled. A guess: most services promise it."""
    queue_wait_seconds: float = 10.0
    """How long a new request may have to wait before anybody is woken. People leave a chat after about ten seconds
    without an answer (Nielsen's third limit), and a queue that long does not drain by itself."""


OUTLAST_SECONDS = 300.0
"""How long the page of a cause goes on after its last sign. Its symptoms are held back as long, and the shortest window
of a burn rate forgets in this time: so nobody is woken by the echo of what is over."""
GAP_SECONDS = 60.0
"""How long a ticket whose condition reads single values goes on without one: a few lost scrapes, or one evaluation that found
nothing, do not close it and open another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How often things are measured, and by how much every window is shortened."""

    scrape_seconds: float = 15.0
    evaluation_seconds: float = 15.0
    scale: float = 1.0
    """Every window and `for` is multiplied by this. 1 in production; the demo profile shortens them to be seen live."""

    def window(self, seconds: float) -> str:
        """Return a range of `seconds`, scaled, and never below the four scrapes that a rate needs to survive a lost one."""
        return promql.duration(self.window_seconds(seconds))

    def window_seconds(self, seconds: float) -> float:
        """Return the length of that range."""
        return max(seconds * self.scale, 4 * self.scrape_seconds)

    @property
    def unhurried_seconds(self) -> float:
        """How often rules are evaluated that nobody waits for, as those of tickets (`render.pace`)."""
        return max(self.evaluation_seconds, self.hold(120))

    def hold(self, seconds: float) -> float:
        """Return the scaled time in seconds for `for` and `keep_firing_for`."""
        return round(seconds * self.scale, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """What is told of drift."""

    page: bool = False
    """Whether what the calibrated detector (`seasonal`) finds is a page. The others write tickets in any case."""
    promql: bool = False
    """Whether recording rules compute drift of counted features, where no watcher does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """All that the rules of the catalog depend on."""

    limits: Limits = field(default_factory=Limits)
    objectives: tuple[Objective, ...] = (Objective(),)
    timing: Timing = field(default_factory=Timing)
    exporters: bool = True
    """Whether an exporter has anything to measure; False where Prometheus scrapes all servers and there are no GPUs."""
    drift: Drift = Drift()
    bounds: tuple[OwnBounds, ...] = ()
    """Bucket bounds that the dialects do not know."""

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
