"""Published counters go on, whatever becomes of the processes behind a page; restarts and workers are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from atlas_ops.exporter import ledger
from atlas_ops.exporter.continuity import Continuity
from atlas_ops.exporter.models import MAX_LABEL_LENGTH
from atlas_ops.exporter.translate import Translator
from atlas_ops.exporter.workers import PAGES_TO_LEAVE, PAGES_TO_RETURN
from tests.exporter.pages import Told, parsed, series, translator

NOW = 1_795_420_000.0
"""When the exporter reads the first page, in Unix time."""


class Server:
    """What is published of a server, page by page; the exporter reads one every 15 s."""

    def __init__(self, runtime: str = "vllm") -> None:
        self.now = NOW
        self.translator: Translator = translator(parsed(""), runtime=runtime)
        self.translator.continuity = Continuity(self.translator.dialect, "s", lambda: self.now)

    def read(self, text: str) -> Told:
        samples = self.translator.translate(parsed(text))
        self.now += 15
        return Told(samples, {})

    def tokens(self, *pages: str) -> list[float]:
        """The published tokens of model m after each page."""
        return [self.read(page).value(s.GENERATION_TOKENS, model="m") for page in pages]

    @property
    def restarts(self) -> int:
        return self.translator.continuity.restarts

    @property
    def workers(self) -> int:
        return self.translator.continuity.workers


def page(*, start: float | None = None, created: float | None = None, **tokens: float) -> str:
    """A page of a server with these tokens for each model; `start` in seconds before or after the first page."""
    text = "".join(series("vllm:generation_tokens_total", value, model_name=model) for model, value in tokens.items())
    text += "".join(series("vllm:num_requests_running", 1, model_name=model) for model in tokens)
    if start is not None:
        text += f"process_start_time_seconds {NOW + start!r}\n"
    if created is not None:
        text += f'vllm:generation_tokens_created{{model_name="m"}} {NOW + created!r}\n'
    return text


# --- restarts ---------------------------------------------------------------------------------------------------------


def test_a_server_that_runs_on_has_not_restarted() -> None:
    server = Server()
    assert server.tokens(page(m=0), page(m=5), page(m=5), page(m=9)) == [0, 5, 5, 9]
    assert server.restarts == 0


def test_a_later_start_time_is_a_restart_even_when_the_counters_have_caught_up() -> None:
    server = Server()
    assert server.tokens(page(start=-100, m=5), page(start=10, m=7), page(start=10, m=9)) == [5, 12, 14]
    assert server.restarts == 1
    assert server.workers == 1


def test_a_start_time_that_is_computed_anew_from_the_time_of_the_boot_is_no_restart() -> None:
    server = Server()
    assert server.tokens(page(start=-99.5, m=5), page(start=-98.5, m=6), page(start=-99.5, m=7)) == [5, 6, 7]
    assert server.restarts == 0
    assert server.workers == 1


def test_counters_that_fall_are_a_restart_where_there_is_no_start_time() -> None:
    server = Server()
    assert server.tokens(page(m=5), page(m=2), page(m=4), page(m=1)) == [5, 7, 9, 10]
    assert server.restarts == 2


def test_a_page_without_models_in_between_hides_no_restart() -> None:
    server = Server()
    assert server.tokens(page(m=5)) == [5]
    assert not server.read(series("vllm:num_requests_running", 0, model_name="m")).has(s.GENERATION_TOKENS)
    assert server.tokens(page(m=0), page(m=9)) == [5, 14]
    assert server.restarts == 1


def test_one_model_that_is_loaded_again_is_no_restart_of_the_server_and_goes_on() -> None:
    server = Server()
    assert server.tokens(page(m=5, b=5), page(m=0, b=6), page(m=3, b=7)) == [5, 5, 8]
    assert server.restarts == 0


def test_models_that_come_back_one_after_the_other_are_one_restart() -> None:
    server = Server()
    assert server.tokens(page(m=5, b=5), page(m=0), page(m=1, b=0), page(m=2, b=1)) == [5, 5, 6, 7]
    assert server.restarts == 1


def test_a_clock_of_the_server_that_was_set_back_hides_no_restart() -> None:
    server = Server()
    after = [page(start=-500, m=number) for number in range(PAGES_TO_RETURN + 2)]
    assert server.tokens(page(start=-100, m=5), *after) == [5, 5, 6, 7, 8, 9, 10]
    assert server.restarts == 1
    assert server.workers == 1


def test_a_counter_that_was_declared_anew_and_has_no_series_yet_stays_where_it_was() -> None:
    server = Server("bentoml")
    before = series("bentoml_service_request_total", 100, service_name="m", endpoint="/a", http_response_code="200")
    before += series("bentoml_service_request_in_progress", 0, service_name="m", endpoint="/a")
    fresh = "# TYPE bentoml_service_request_total counter\n"
    fresh += series("bentoml_service_request_in_progress", 0, service_name="m", endpoint="/a")
    told = [server.read(text).value(s.REQUESTS, outcome="ok") for text in (before, fresh, before.replace("100", "1"))]
    assert told == [100, 100, 101], "0 in between would make 101 new requests of one"


def test_a_part_of_a_sum_that_is_gone_after_a_restart_does_not_take_its_count_with_it() -> None:
    server = Server("triton")
    ok = series("nv_inference_request_success", 50, model="m", version="1")
    failed = series("nv_inference_request_failure", 7, model="m", version="1", reason="OTHER")
    pages = (ok + failed, ok.replace("50", "0"), ok + failed.replace("7", "1"))
    told = [server.read(text).values(s.REQUESTS, "outcome")["error"] for text in pages[:1]]
    assert told == [7]
    assert server.read(pages[1]).value(s.REQUESTS, outcome="error") == 7
    assert server.read(pages[2]).value(s.REQUESTS, outcome="error") == 8


def test_a_model_with_two_names_or_a_very_long_one_goes_on_after_a_restart() -> None:
    server = Server()
    for name, value, told in (("m", 5, 5), ("m", 1, 6), ("m" * 300, 5, 5), ("m" * 300, 1, 6)):
        text = series("vllm:generation_tokens_total", value, model="/weights", model_name=name)
        assert server.read(text).value(s.GENERATION_TOKENS, model=name[:MAX_LABEL_LENGTH]) == told


def test_a_histogram_whose_bounds_are_others_after_a_restart_begins_anew() -> None:
    def latency(start: float, **counts: int) -> str:
        text = f"process_start_time_seconds {NOW + start!r}\n" + series("vllm:num_requests_running", 1, model_name="m")
        for bound, count in counts.items():
            text += series("vllm:e2e_request_latency_seconds_bucket", count, model_name="m", le=bound)
        return text + series("vllm:e2e_request_latency_seconds_count", max(counts.values()), model_name="m")

    server = Server()
    server.read(latency(-100, **{"0.3": 5, "1.0": 8, "+Inf": 9}))
    told = server.read(latency(10, **{"0.5": 1, "1.0": 2, "+Inf": 3}))
    assert told.values(s.REQUEST_DURATION, "le", "_bucket") == {"0.5": 1, "1.0": 2, "+Inf": 3}
    told = server.read(latency(25, **{"0.5": 0, "1.0": 0, "+Inf": 1}))
    assert told.values(s.REQUEST_DURATION, "le", "_bucket") == {"0.5": 1, "1.0": 2, "+Inf": 4}, "the same bounds go on"


def test_a_value_that_is_no_number_for_a_while_loses_nothing() -> None:
    server = Server()
    nonsense, endless, below = page(m=float("nan")), page(m=float("inf")), page(m=-1)
    assert server.tokens(page(m=5), nonsense, page(m=6), nonsense, page(m=1)) == [5, 5, 6, 6, 7]
    assert server.tokens(endless, page(m=2), below, page(m=3)) == [7, 8, 8, 9]


# --- several processes ------------------------------------------------------------------------------------------------


def test_processes_that_take_turns_are_added_up_and_counted_once_the_first_returns() -> None:
    server = Server()
    one, other = page(start=-100, m=60), page(start=-94, m=230)
    assert server.tokens(one, other) == [60, 60], "what the other had counted before it was seen is not new"
    assert server.workers == 1
    assert server.tokens(one, one, other.replace("230", "233"), one) == [60, 60, 63, 63]
    assert server.workers == 2
    assert server.restarts == 0


def test_processes_that_started_in_the_same_second_are_told_apart() -> None:
    server = Server()
    one, other = page(start=-100, m=60), page(start=-99.97, m=230)
    assert server.tokens(one, other, one, other, one) == [60] * 5
    assert (server.workers, server.restarts) == (2, 0)


def test_processes_of_one_tick_are_told_apart_by_when_their_series_were_created() -> None:
    server = Server()
    one, other = page(start=-100, created=-90, m=60), page(start=-100, created=-89.5, m=230)
    assert server.tokens(one, other, one, other, one) == [60] * 5
    assert (server.workers, server.restarts) == (2, 0)


def test_processes_of_one_tick_are_told_apart_by_the_id_that_opentelemetry_gives_them() -> None:
    server = Server()
    one, other = (
        page(start=-100, m=value) + series("target_info", 1, service_instance_id=str(value)) for value in (60, 230)
    )
    assert server.tokens(one, other, one, other, one) == [60] * 5
    assert (server.workers, server.restarts) == (2, 0)


def test_a_process_whose_first_series_appears_is_no_second_process() -> None:
    server = Server()
    server.read(series("vllm:num_requests_running", 0, model_name="m") + f"process_start_time_seconds {NOW - 9}\n")
    assert server.tokens(page(start=-9, created=3, m=4), page(start=-9, created=3, m=6)) == [4, 6]
    assert (server.workers, server.restarts) == (1, 0)


def test_the_time_of_the_oldest_series_tells_of_a_restart_where_there_is_no_start_time() -> None:
    server = Server()
    assert server.tokens(page(created=-50, m=5), page(created=10, m=7)) == [5, 12]
    assert server.restarts == 1


def test_a_process_that_is_replaced_among_several_counts_from_its_start() -> None:
    server = Server()
    one, other = page(start=-100, m=60), page(start=-94, m=230)
    server.tokens(one, other, one)
    assert server.tokens(page(start=40, m=4), one, page(start=40, m=5)) == [64, 64, 65]


def test_a_process_that_is_no_longer_heard_of_is_no_worker_and_what_it_counted_stays() -> None:
    server = Server()
    one, other = page(start=-100, m=60), page(start=-94, m=230)
    server.tokens(one, other, one, other.replace("230", "240"))
    assert server.tokens(*[one] * (PAGES_TO_LEAVE + 2))[-1] == 70
    assert server.workers == 1
    assert server.tokens(page(start=server.now - NOW - 1, m=1)) == [71]
    assert server.restarts == 1, "the only one that is left was replaced"


# --- memory -----------------------------------------------------------------------------------------------------------


def test_made_up_series_fill_no_memory() -> None:
    server = Server()
    for page in range(9):
        names = (f"m{page}_{number}" for number in range(3_000))
        server.read("".join(series("vllm:generation_tokens_total", 1, model_name=name) for name in names))
    book = next(iter(server.translator.continuity._ledger._books.values()))
    assert sum(map(len, book.gone.values())) <= ledger.MAX_GONE


def test_replicas_that_come_and_go_fill_no_memory_and_nothing_that_they_counted_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "MAX_GONE", 3)
    monkeypatch.setattr(ledger, "MAX_OFFSETS", 2)
    server = Server()
    replicas = (page(m=5).replace("model_name", f'replica="{number}",model_name') for number in range(30))
    assert server.tokens(*replicas) == [5 * number for number in range(1, 31)]
    for number in range(1, 11):
        text = page(m=1, start=server.now - NOW - 1).replace("model_name", f'r="{number}",model_name')
        assert server.tokens(text) == [150 + number], "each is a new process"
    assert sum(map(len, server.translator.continuity._ledger._offsets.values())) <= 4


def test_made_up_processes_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_SERIES", 10)
    server = Server()
    for number in range(9):
        assert server.tokens(page(start=-100 - 9 * number, m=5, a=0, b=0, c=0)) == [5]
    assert sum(book.series for book in server.translator.continuity._ledger._books.values()) <= 10
    assert server.tokens(page(start=-100, m=7), page(start=-100, m=8)) == [5, 6], "one that was forgotten joins anew"


# --- any sequence of pages --------------------------------------------------------------------------------------------

BOUNDS = ("0.3", "1.0", "+Inf")


@dataclass
class Process:
    """A process with two engines that counts, and prints what is not hidden."""

    start: float
    stopped: list[int] = field(default_factory=lambda: [0, 0])
    aborted: list[int] = field(default_factory=lambda: [0, 0])
    refused: int = 0
    buckets: list[list[int]] = field(default_factory=lambda: [[0, 0, 0], [0, 0, 0]])

    def work(self, amounts: Sequence[int]) -> None:
        for engine in (0, 1):
            stopped, aborted, quick, slow = amounts[4 * engine : 4 * engine + 4]
            self.stopped[engine] += stopped
            self.aborted[engine] += aborted
            more = (quick, quick + slow, stopped + quick + slow)
            self.buckets[engine] = [was + new for was, new in zip(self.buckets[engine], more, strict=True)]
        self.refused += amounts[8]

    def text(self, hidden: Sequence[bool]) -> str:
        text = series("vllm:num_requests_running", 1, model_name="m") + f"process_start_time_seconds {self.start!r}\n"
        for engine in (0, 1):
            labels = {"model_name": "m", "engine": str(engine)}
            if not hidden[3 * engine]:
                text += series("vllm:request_success_total", self.stopped[engine], **labels, finished_reason="stop")
            if not hidden[3 * engine + 1]:
                text += series("vllm:request_success_total", self.aborted[engine], **labels, finished_reason="length")
            if not hidden[3 * engine + 2]:
                name = "vllm:e2e_request_latency_seconds"
                for bound, value in zip(BOUNDS, self.buckets[engine], strict=True):
                    text += series(f"{name}_bucket", value, **labels, le=bound)
                text += series(f"{name}_sum", self.buckets[engine][2], **labels)
                text += series(f"{name}_count", self.buckets[engine][2], **labels)
        if not hidden[6]:
            text += series("vllm:admission_rejections_total", self.refused, model_name="m")
        return text


@dataclass(frozen=True)
class Step:
    """One page of one process, after some work or as a new process in its place."""

    process: int
    restarts: bool
    work: tuple[int, ...]
    hidden: tuple[bool, ...]


def steps(processes: int, *, restarts: bool, hides: bool) -> st.SearchStrategy[list[Step]]:
    return st.lists(
        st.builds(
            Step,
            process=st.integers(0, processes - 1),
            restarts=st.booleans() if restarts else st.just(value=False),
            work=st.tuples(*[st.integers(0, 9)] * 9),
            hidden=st.tuples(*[st.sampled_from([False, False, False, True]) if hides else st.just(value=False)] * 7),
        ),
        max_size=12,
    )


def counters(told: Told) -> dict[tuple[str, str, object], float]:
    return {
        (sample.signal.name, sample.part, sample.labels): sample.value
        for sample in told.samples
        if sample.signal.type is SignalType.COUNTER or sample.part
    }


def cumulative(told: Told) -> bool:
    buckets = list(told.values(s.REQUEST_DURATION, "le", "_bucket").values())
    counts = [sample.value for sample in told.matching(s.REQUEST_DURATION, "_count")]
    return buckets == sorted(buckets) and buckets[-1:] == counts


@given(st.integers(1, 3).flatmap(lambda number: steps(number, restarts=True, hides=True)), st.booleans())
@settings(deadline=None, max_examples=100)
def test_published_counters_never_fall_and_histograms_stay_cumulative(path: list[Step], tells_start: bool) -> None:
    server = Server()
    processes = [Process(NOW - 100 - number) for number in range(3)]
    highest: dict[tuple[str, str, object], float] = {}
    for step in path:
        if step.restarts:
            processes[step.process] = Process(server.now - 1 + step.process / 100)
        processes[step.process].work(step.work)
        text = processes[step.process].text(step.hidden)
        told = server.read(text if tells_start else text.replace("process_start_time_seconds", "other_seconds"))
        published = counters(told)
        assert not [key for key, value in published.items() if value < highest.get(key, 0.0)]
        assert cumulative(told)
        highest |= published


@given(steps(1, restarts=False, hides=False))
@settings(deadline=None, max_examples=50)
def test_of_one_process_that_runs_on_the_native_values_are_published(path: list[Step]) -> None:
    server, process = Server(), Process(NOW - 100)
    for step in path:
        process.work(step.work)
        told = server.read(process.text(step.hidden))
        assert told.value(s.REQUESTS, outcome="ok") == sum(process.stopped) + sum(process.aborted)
        assert told.value(s.REQUESTS, outcome="rejected") == process.refused
        buckets = [sum(values) for values in zip(*process.buckets, strict=True)]
        assert list(told.values(s.REQUEST_DURATION, "le", "_bucket").values()) == buckets
    assert server.restarts == 0
