"""What fired and cannot be seen any more: the pages behind an exporter that does not answer.

When a target dies, Prometheus ends all its series at once, and every alert about it resolves: the worst all-clear there
is. So it is recorded which pages fire about what a dead exporter watched, and each rule of a page goes on with that
(`render.unseen`). The recordings belong to `ExporterDown`, whose state they tell.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Recording, Severity
from atlas_ops.catalog.parameters import Parameters

BLIND = "exporter:atlas_blind:group"
"""Exporters that do not answer, or have not for long enough to be believed."""
WATCHED = "exporter:atlas_watched:group"
"""Which hosts and models an exporter watches; while it does not answer, those that it watched before."""
UNSEEN = "exporter:atlas_unseen:group"
"""Those of them that nobody sees at the moment."""
PAGES_UNSEEN = "alert:atlas_page_unseen:firing"
"""The pages that fire about these. Whatever changes there, they may not resolve."""
SIGHT_SECONDS = 120.0
"""How long an exporter has to answer again before what it says counts: the usual window of the rates, which would be
empty or too low before."""
REMEMBERED_SECONDS = 300.0
"""How long the last word of a target counts that nobody asks any more: it was taken away, or Prometheus itself was away
for a moment and has not asked yet. Prometheus forgets what it recorded after as long."""

_JOB = f'job="{c.EXPORTER_JOB}"'
PAGE_MADE = promql.select(s.EXPORTER_COLLECTOR_SUCCESS, 'collector="page"')
"""0 while an exporter answers and hangs inside: then its page tells of itself alone."""
_SOURCES = (s.SERVER_UP, s.GPU_UP, s.HOST_OOM_KILLS, s.REQUESTS_RUNNING, s.REQUESTS_WAITING)
"""Between them, every host that an exporter tells of and every model of a server that has requests."""


def recordings(parameters: Parameters) -> tuple[Recording, ...]:
    """Return the recordings, in the order in which they read each other."""
    exporter = "on (job, instance)"
    window, memory = (parameters.timing.window(seconds) for seconds in (SIGHT_SECONDS, REMEMBERED_SECONDS))
    silent = f"min_over_time(up{{{_JOB}}}[{window}]) == 0 or last_over_time(up{{{_JOB}}}[{memory}]) == 0"
    blind = f"{silent} or min_over_time({PAGE_MADE}[{window}]) == 0"
    who = f"group by (job, instance, {c.HOST_NAME}, {c.MODEL})"
    told = " or ".join(f"{who} ({source})" for source in _SOURCES)
    of_hosts = _firing(f'{c.HOST_NAME}!=""')
    of_models = _firing(f'{c.HOST_NAME}=""', f'{c.MODEL}!=""')
    return (
        Recording(name=BLIND, expr=f"group by (job, instance) ({blind})"),
        Recording(
            name=WATCHED,
            # It goes on from its own last value, however long the exporter is away: no lookback has to be long enough.
            expr=f"{told}\nor\n{WATCHED} and {exporter} {BLIND}",
        ),
        Recording(name=UNSEEN, expr=f"{WATCHED} and {exporter} {BLIND}"),
        Recording(
            name=PAGES_UNSEEN,
            # A model has servers on many hosts: while an exporter that answers tells of it, what that says counts.
            expr=(
                f"{of_hosts} and on ({c.HOST_NAME}) {UNSEEN}\n"
                f"or\n{of_models} and on ({c.MODEL}) {UNSEEN}\n"
                f"  unless on ({c.MODEL}) ({WATCHED} unless {exporter} {BLIND})"
            ),
        ),
    )


def _firing(*matchers: str) -> str:
    return promql.select("ALERTS", 'alertstate="firing"', f'{c.SEVERITY}="{Severity.PAGE.value}"', *matchers)
