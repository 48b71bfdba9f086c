from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from atlas_ops.catalog.model import Panel
from atlas_ops.pager.charts.draw import draw
from atlas_ops.pager.charts.gather import MOST_LINES, Span, gather
from atlas_ops.pager.charts.picture import Line, Picture
from atlas_ops.pager.incident import Alert
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Written

NOW = 1_790_000_000.0
PANEL = Panel(
    title="KV cache in use",
    description="",
    queries=(('atlas_kv_cache_usage_ratio{model=~"$model"}', "{{model}} {{server}}"),),
    unit="percentunit",
    limit=0.9,
)
ALERT = Alert(
    fingerprint="a",
    firing=True,
    starts_at=NOW - 600,
    ends_at=None,
    labels={"alertname": "KvCachePressure", "model": "llama.3", "server": "one:8000", "node": "n1"},
    annotations={},
    generator_url="",
)
SPAN = Span(began=NOW - 600, over=None, now=NOW)


def series(value: float, **labels: str) -> Written:
    times = (np.arange(NOW - 3600, NOW + 1, 15) * 1000).astype(np.int64)
    name = "atlas_kv_cache_usage_ratio"
    return Written(Series(name, tuple(sorted(labels.items()))), times, np.full(len(times), value))


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    written = [
        series(0.97, model="llama.3", server="one:8000", host_name="n1"),
        series(0.30, model="llama.3", server="two:8000", host_name="n1"),
        series(0.99, model="llamax3", server="one:8000", host_name="n1"),
        series(math.nan, model="odd", server="nan"),
        *(series(0.1 * number, model="many", server=f"s{number}") for number in range(9)),
    ]
    with Replay.started(tmp_path_factory.mktemp("charts")) as replay:
        for body in bodies(written):
            replay.prometheus.write(body)
        yield replay


def test_a_chart_shows_what_the_alert_is_about_and_nothing_else(replay: Replay) -> None:
    picture = gather(PANEL, ALERT, SPAN, replay.prometheus)
    assert picture is not None
    (line,) = picture.lines  # neither another server nor the model whose name the dot of this one would match
    assert (line.name, set(line.values)) == ("llama.3 one:8000", {0.97})
    assert (picture.start, picture.end, picture.limit) == (NOW - 2400, NOW, 0.9)


def test_of_many_lines_the_highest_are_shown_and_the_others_counted(replay: Replay) -> None:
    picture = gather(PANEL, replace(ALERT, labels={"model": "many"}), SPAN, replay.prometheus)
    assert picture is not None
    assert len(picture.lines) == MOST_LINES
    assert picture.lines[0].name == "many s8"
    assert picture.more == 9 - MOST_LINES


@pytest.mark.parametrize("model", ["nobody's", "odd", 'x"} or up{a="'])
def test_where_prometheus_has_nothing_there_is_no_chart(replay: Replay, model: str) -> None:
    assert gather(PANEL, replace(ALERT, labels={"model": model}), SPAN, replay.prometheus) is None


def test_after_the_end_a_chart_goes_on_for_a_quarter_of_an_hour(replay: Replay) -> None:
    picture = gather(PANEL, ALERT, Span(began=NOW - 3000, over=NOW - 2000, now=NOW), replay.prometheus)
    assert picture is not None
    assert picture.end == NOW - 1100


def picture(**changes: object) -> Picture:
    lines = (Line(name="llama $x_1$ <b>", at=(NOW - 60, NOW), values=(0.5, 0.97)),)
    given = Picture(
        title="KV cache",
        unit="percentunit",
        limit=0.9,
        lines=lines,
        more=2,
        start=NOW - 600,
        end=NOW,
        began=NOW - 300,
        over=None,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def test_a_chart_reads_in_words_for_those_who_do_not_see_it() -> None:
    words = picture().words
    assert "KV cache" in words
    assert "llama $x_1$ <b>: 97 %" in words
    assert "the limit is 90 %" in words


def test_a_chart_is_drawn_as_png_and_svg_the_same_each_time() -> None:
    png, svg = draw(picture(), "png"), draw(picture(), "svg").decode()
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1080, 450)
    assert draw(picture(), "png") == png
    assert draw(picture(), "svg", dark=True).decode() != svg
    assert "<script" not in svg


def test_labels_of_any_kind_are_drawn(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    odd = Line(name="$\\frac{1}{0}$ " + "x" * 500, at=(NOW,), values=(0.0,))
    for lines in ((odd,), (replace(odd, values=(1e300,)),), (replace(odd, values=(-5.0,)),)):
        assert draw(picture(lines=lines, limit=None), "png").startswith(b"\x89PNG")
