"""The only part of `instrument` that knows OpenTelemetry: instruments of the provider of the server, or of one of our own.

Histograms are recorded as requests end (about 15 µs each); everything else is read when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, NoOpMeter, Observation
from opentelemetry.sdk import metrics as sdk

from atlas_ops import __version__
from atlas_ops.instrument import names
from atlas_ops.instrument.failures import Failures
from atlas_ops.instrument.outcome import OUTCOMES, Outcome
from atlas_ops.instrument.tally import Tally

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_SCOPE = "atlas_ops.instrument"

Provider: TypeAlias = MeterProvider
"""What takes metrics, in OpenTelemetry's words."""

Tallies = Mapping[str, Tally]
"""The tally of each model, by its name; may grow."""


class Recorder:
    """The histograms of one model."""

    def __init__(self, histograms: Histograms, model: str, operation: str) -> None:
        self._histograms = histograms
        self._attributes = {
            names.MODEL: model,
            names.OPERATION: operation,
            names.PROVIDER: names.OUR_PROVIDER,
        }
        self._by_outcome = {
            outcome: self._attributes if outcome == "ok" else {**self._attributes, names.ERROR_TYPE: outcome}
            for outcome in OUTCOMES
        }

    def duration(self, seconds: float, outcome: Outcome) -> None:
        """Take how long a request took."""
        self._histograms.duration.record(seconds, self._by_outcome[outcome])

    def queue_time(self, seconds: float) -> None:
        """Take how long a request stood in line."""
        self._histograms.queue_time.record(seconds, self._attributes)

    def first_token(self, seconds: float) -> None:
        """Take how long after its request a first token came."""
        self._histograms.first_token.record(seconds, self._attributes)

    def per_token(self, seconds: float) -> None:
        """Take the mean time between two tokens of an answer."""
        self._histograms.per_token.record(seconds, self._attributes)

    def tokens(self, prompt: int, generated: int) -> None:
        """Take how many tokens a request had."""
        self._histograms.prompt_tokens.record(prompt, self._attributes)
        self._histograms.generated_tokens.record(generated, self._attributes)


class Histograms:
    """The histograms of all models."""

    def __init__(self, meter: Meter, duration_bounds: Sequence[float] = names.DURATION_BOUNDS) -> None:
        self.duration = _histogram(meter, replace(names.DURATION, bounds=tuple(duration_bounds)))
        self.queue_time = _histogram(meter, names.QUEUE_TIME)
        self.first_token = _histogram(meter, names.FIRST_TOKEN)
        self.per_token = _histogram(meter, names.PER_TOKEN)
        self.prompt_tokens = _histogram(meter, names.PROMPT_TOKENS)
        self.generated_tokens = _histogram(meter, names.GENERATED_TOKENS)


def provider_of_the_server() -> Provider | None:
    """Return what the server has given to `opentelemetry.metrics.set_meter_provider`; None when it has not."""
    provider = metrics.get_meter_provider()
    return provider if isinstance(provider, sdk.MeterProvider) else None


def provider_of_a_page(registry: CollectorRegistry) -> Provider:
    """Return a provider of our own, whose metrics stand in `registry`, and nowhere else."""
    # Here, because a server that pushes needs neither.
    from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415

    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    return sdk.MeterProvider(metric_readers=[reader], shutdown_on_exit=False)


def meter_of(provider: Provider) -> Meter:
    """Return the meter that all our instruments belong to."""
    return provider.get_meter(_SCOPE, __version__)


def meter_of_nothing() -> Meter:
    """Return a meter whose instruments forget what they are told."""
    return NoOpMeter(_SCOPE)


def publish(meter: Meter, tallies: Tallies, failures: Failures) -> None:
    """Have the numbers of the tallies read whenever somebody looks."""
    for reading in names.READINGS:
        create = meter.create_observable_counter if reading.counter else meter.create_observable_gauge
        create(reading.name, [_callback(reading, tallies)], reading.unit, reading.help)
    meter.create_observable_counter(
        names.FAILURES, [lambda _: (Observation(failures.count),)], "{failure}", names.FAILURES_HELP
    )


def _callback(reading: names.Reading, tallies: Tallies) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(value, {names.MODEL: model, **attributes})
            for model, tally in tuple(tallies.items())
            for value, attributes in reading.read(tally)
        ]

    return observe


def _histogram(meter: Meter, metric: names.Distribution) -> Histogram:
    # Without bounds of its own, a histogram of seconds would have the SDK's, which are meant for milliseconds.
    return meter.create_histogram(
        metric.name, metric.unit, metric.help, explicit_bucket_boundaries_advisory=metric.bounds
    )
