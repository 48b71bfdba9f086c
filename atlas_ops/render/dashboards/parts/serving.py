"""The rows that a model and one of its servers have in common: requests, promises, and the work behind them."""

from __future__ import annotations

from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Row
from atlas_ops.render.dashboards.parts import cache, latency, queue, requests, tokens


def rows(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> tuple[Row, ...]:
    """Return them, from what users see to what causes it."""
    return _requests(parameters, by, *matchers), _latency(parameters, by, *matchers), _work(parameters, by, *matchers)


def _requests(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Row:
    return Row(
        key="requests",
        title="Requests",
        panels=(
            requests.by_outcome(*matchers),
            requests.present(by, *matchers),
            requests.rejected(parameters, by, *matchers),
        ),
    )


def _latency(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Row:
    return Row(
        key="latency",
        title="As fast as promised?",
        panels=(
            *(latency.within(wait, parameters, by, *matchers) for wait in latency.PROMISED),
            latency.means(by, *matchers, width=12),
            queue.predicted_wait(parameters, by, *matchers, width=12),
        ),
    )


def _work(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Row:
    return Row(
        key="work",
        title="Tokens, batches and caches",
        panels=(
            tokens.per_second(by, *matchers),
            tokens.per_request(by, *matchers),
            queue.batch_size(by, *matchers),
            cache.usage(parameters, by, *matchers),
            cache.preemptions(by, *matchers),
            cache.prefix_hits(by, *matchers),
        ),
    )
