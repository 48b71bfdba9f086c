"""How many requests are slower than each bucket bound, and whether that is more than chance makes of what is allowed.

Used by `usual` and `regression` (against earlier days) and by `canary` (against the stable servers of now). Everything is a
share above a bucket bound, which is exact; a percentile read from buckets is not. Judged are first tokens where the runtime
tells them, since they depend least on how much was asked for, and whole requests elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.limits import Limits

TRACK = "track"
"""Releases are not told apart: a label of a pod says which it is, and may be another one at every deployment."""
SIGNAL = "signal"
"""Label that says which latency is judged."""
BY_LATENCY = (*c.MODEL_LABELS, SIGNAL)
BY_BOUND = (*BY_LATENCY, "le")
ALL = 'le="+Inf"'
"""Matcher of the counts of all requests. None is slower than this bound, so it is judged like any other."""
ON = f"on ({', '.join(BY_LATENCY)})"
ON_MODEL = f"on ({', '.join(c.MODEL_LABELS)})"
WHAT = '{{ if eq $labels.signal "time_to_first_token" }}first token{{ else }}whole request{{ end }}'
"""The latency that an alert is about, in a summary."""


def counts(window: str) -> str:
    """Return the growth of the histogram that is judged, by model, track and bound."""
    by = (*c.MODEL_LABELS, TRACK)
    first_token, whole = (
        promql.sum_by((*by, "le"), with_track(promql.increase(f"{signal}_bucket", window), f"{signal}_count"))
        for signal in (s.TIME_TO_FIRST_TOKEN, s.REQUEST_DURATION)
    )
    tokens = promql.sum_by(c.MODEL_LABELS, f"{s.TIME_TO_FIRST_TOKEN}_count")
    judged = (
        promql.label_replace(first_token, SIGNAL, "time_to_first_token"),
        promql.label_replace(f"{whole}\n  unless {ON_MODEL} {tokens} > 0", SIGNAL, "request_duration"),
    )
    # Prometheus 2 writes the bound 1 as the page does, 3 as 1.0: one text, so that an upgrade costs no history.
    return promql.label_replace("\nor\n".join(judged), "le", "$1", "le", "(.+)[.]0")


def with_track(growth: str, untold: str = "") -> str:
    """Return a growth of every server with its track, as far as it is told.

    Servers of which it is not are left out, or kept where they have a series of `untold`.
    """
    server = ", ".join(c.SERVER_IDENTITY)
    # Two exporters may tell of one server, which has one track all the same.
    told = f"topk by ({server}) (1, {s.SERVER_RELEASE_INFO})"
    known = f"({told} or on ({server}) group by ({server}) ({untold}))" if untold else told
    return f"{growth} * on ({server}) group_left ({TRACK}) {known}"


Counted = Callable[[str], str]
"""Writes counts by bound with a further matcher, `ALL` or none."""


def recorded(name: str, *matchers: str) -> Counted:
    """Return the counts of a recording."""
    return lambda bounds: promql.select(name, bounds, *matchers)


def share(counted: Counted) -> str:
    """Return the share of requests slower than each bound."""
    return f"1 - {counted('')} / ignoring (le) group_left () {counted(ALL)}"


def least(counted: Counted, measured: str, *, window: str, part: str) -> str:
    """Return the smallest share in the parts of a window: what is over before the window is, is in none of them all.

    `measured` selects the counts, which have to have been there a window ago: a server that has just started is slow for a
    while, and would have few parts or only one.
    """
    return f"min_over_time(({share(counted)})[{window}:{part}])\n  and {ON} {measured} offset {window}"


def in_tail(shares: str, limits: Limits) -> str:
    """Return the shares of the bounds that are far enough out, none of them smaller than can be judged."""
    least, most = promql.number(limits.regression_least_share), promql.number(limits.regression_most_share)
    return f"clamp_min({shares}, {least}) <= {most}"


def deviations(counted: Counted, *, allowed: str, known: str) -> str:
    """Return by how many standard deviations more requests than `allowed` were slower than each bound.

    `allowed` is a share by bound, and `known` the number of requests that it is known from:
    (slow - allowed) / sqrt(allowed * (1 + requests / known)), where the last factor is for how well it is known.
    """
    every = counted(ALL)
    slow = f"{every} - {ON} group_right () {counted('')}"
    expected = f"{allowed} * {ON} group_left () {every}"
    return f"(({slow}) - {expected})\n  / sqrt({expected} * {ON} group_left () (1 + {every} / {ON} {known}))"
