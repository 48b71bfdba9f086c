"""What a real Prometheus makes of pages by the rules of native mode is what the exporter makes of the same pages."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.reading import Decoding, Entry, Reading
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.parse import Page
from atlas_ops.exporter.prepare import prepare
from atlas_ops.settings import Native
from tests.exporter.dialects import native
from tests.exporter.dialects.test_native_names import RUNTIMES
from tests.exporter.pages import CAPTURES, parsed, runtime_of, text_of, told
from tests.exporter.test_captures import has_series
from tests.render.native import made
from tests.render.native.odd_pages import ODD_PAGES
from tests.render.native.rig import Target, prometheus

DIALECTS = {dialect.runtime: dialect for dialect in shipped_dialects()}
PAGES = {capture: (runtime_of(capture), text_of(capture)) for capture in CAPTURES}
PAGES |= {f"{runtime}/newest": (runtime, native.page(runtime)) for runtime in RUNTIMES}
PAGES |= {
    f"{runtime}/made": (runtime, made.page(dialect))
    for runtime, dialect in DIALECTS.items()
    if runtime not in {known for known, _ in PAGES.values()}
}
PAGES |= {page: (runtime_of(page), text) for page, text in ODD_PAGES.items()}
"""Of every runtime at least one: {name: (runtime, text)}."""

NOT_IN_PROMQL = (Decoding.LABEL_PRODUCT, Decoding.LABEL_LISTS)
OF_THE_SERVER = {signal.name for signal in (s.SERVER_UP, s.SERVER_SCRAPE_STATE, s.SERVER_INFO)}
"""What does not come of a page, or not of what is on it."""
PLACED = {c.K8S_POD: "p", c.K8S_NAMESPACE: "n", c.HOST_NAME: "h"}
"""What Prometheus knows of a target."""

Key = tuple[str, tuple[tuple[str, str], ...]]
Samples = dict[Key, float]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Samples]:
    """Everything that was recorded, by page."""
    natives = [Native(runtime=runtime, job=f"job of {runtime}") for runtime in DIALECTS]
    targets = [
        Target(instance=page, job=f"job of {runtime}", text=text, labels={"pod": "p", "namespace": "n", "node": "h"})
        for page, (runtime, text) in PAGES.items()
    ]
    found: dict[str, Samples] = {page: {} for page in PAGES}
    with prometheus(tmp_path_factory.mktemp("prometheus"), natives, targets) as client:
        for point in client.query('{__name__=~"atlas_.*", job=""}'):
            labels = dict(point.labels)
            found[labels[c.SERVER]][_key(labels.pop("__name__"), labels)] = point.value
    return found


@pytest.mark.parametrize("page", PAGES)
def test_native_mode_records_what_the_exporter_tells(page: str, recorded: dict[str, Samples]) -> None:
    mine = {key: value for key, value in recorded[page].items() if key[0] not in OF_THE_SERVER}
    expected = _expected(page)
    assert mine.keys() ^ expected.keys() == set()
    assert mine == pytest.approx(expected)


@pytest.mark.parametrize("page", PAGES)
def test_a_server_whose_page_is_of_its_runtime_is_up(page: str, recorded: dict[str, Samples]) -> None:
    states = {
        dict(labels)["state"]: value
        for (name, labels), value in recorded[page].items()
        if name == s.SERVER_SCRAPE_STATE.name
    }
    assert states == {state: float(state == "ok") for state in c.SCRAPE_STATES}
    assert [value for (name, _), value in recorded[page].items() if name == s.SERVER_UP.name] == [1]


def _expected(page: str) -> Samples:
    """What the exporter tells, without what Prometheus cannot know."""
    runtime, text = PAGES[page]
    dialect = DIALECTS[runtime]
    counted = prepare(dialect, parsed(text), LeftOut(dialect))
    assert counted is not None
    used = {entry.signal.name: _used(entry, counted) for entry in dialect.entries}
    speaks = told(text, runtime=runtime)
    missing = {signal for signal, found in speaks.resolved().items() if not found}
    samples: Samples = {}
    for sample in speaks.samples:
        labels = dict(sample.labels)
        about = labels.get("signal", sample.signal.name)
        if about in missing and sample.signal is s.SIGNAL_RESOLVED:
            samples[_key(sample.signal.name, {**labels, **PLACED, c.SERVER: page})] = 0
        elif about not in missing and used.get(about) and not _odd_bound(used[about][0], labels.get("le", "+Inf")):
            samples[_key(sample.signal.name + sample.part, {**labels, **PLACED, c.SERVER: page})] = sample.value
    return samples


def _used(entry: Entry, page: Page) -> list[Reading]:
    """The readings of which Prometheus has a series; a family that is declared and has none is not kept."""
    expressible = [reading for reading in entry.readings if reading.decoding not in NOT_IN_PROMQL]
    return [r for r in expressible if any(has_series(page, name, r.where) for name in (r.metric, f"{r.metric}_count"))]


def _odd_bound(reading: Reading, bound: str) -> bool:
    """Whether a bucket has a bound that somebody chose, in another unit than the signal's: it cannot be rewritten."""
    return reading.scale != 1 and bound != "+Inf" and float(bound) not in reading.bounds


def _key(name: str, labels: dict[str, str]) -> Key:
    # Prometheus 2 keeps the text of a bound as it was scraped.
    bound = {"le": str(float(labels["le"]))} if "le" in labels else {}
    return name, tuple(sorted({**labels, **bound}.items()))
