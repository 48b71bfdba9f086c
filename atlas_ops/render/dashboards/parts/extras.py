"""What only some servers do: speculate, and serve LoRA adapters."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.render.dashboards.panels import Chart, Query
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend


def accepted(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return the share of drafted tokens that were accepted."""
    good, drafted = (
        promql.sum_by(by, promql.rate(counter, WINDOW, *matchers))
        for counter in (s.SPEC_DECODE_ACCEPTED_TOKENS, s.SPEC_DECODE_DRAFT_TOKENS)
    )
    return Chart(
        key="speculation-accepted",
        title="Drafted tokens that are accepted",
        shows="Share of the tokens drafted by speculation that the model itself would have written.",
        worry="it falls to a part of what it usually is: in a full batch speculation then costs more than it saves.",
        faults=("SpeculationCollapse",),
        empty="where no server speculates",
        queries=(Query(expr=f"{good} / {drafted}", legend=legend(by)),),
        unit="percentunit",
        maximum=1.0,
        width=12,
    )


def adapters(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return LoRA adapters with running and with waiting requests."""
    told = promql.sum_by((*by, "state"), promql.select(s.LORA_ADAPTERS, *matchers))
    return Chart(
        key="lora-adapters",
        title="LoRA adapters",
        shows="Adapters that requests run with, and adapters that requests wait for.",
        worry="some wait for long while as many run as ever: they take each other's places.",
        faults=("LoraThrashing",),
        empty="where no server serves LoRA adapters",
        queries=(Query(expr=told, legend=f"{{{{state}}}} {legend(by)}"),),
        unit="short",
        width=12,
    )
