"""`atlas-ops drift` as it is called: files in, an exit code and words out."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from atlas_ops.cli import main
from tests.drift import data

ROWS = 20_000


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference without times."""
    return _fitted(tmp_path_factory.mktemp("plain"), data.rows(ROWS, seed=1))


@pytest.fixture(scope="module")
def weekly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference of four weeks."""
    return _fitted(tmp_path_factory.mktemp("weekly"), data.timed(40_000, 28, seed=1))


def _fitted(folder: Path, columns: dict[str, Any]) -> Path:
    source, output = data.parquet(folder / "ref.parquet", columns), folder / "ref.json"
    assert main(["drift", "fit", str(source), "--model", "fraud", "--output", str(output)]) == 0
    return output


def _checked(reference: Path, folder: Path, columns: dict[str, Any], *options: str) -> int:
    return main(["drift", "check", str(reference), str(data.parquet(folder / "live.parquet", columns)), *options])


def test_other_rows_of_the_same_world_are_no_drift_however_many(plain: Path, tmp_path: Path) -> None:
    assert _checked(plain, tmp_path, data.rows(5_000, seed=2)) == 0
    assert _checked(plain, tmp_path, data.rows(200_000, seed=3)) == 0


def test_a_shift_is_drift_and_is_said_in_words(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _checked(plain, tmp_path, data.rows(5_000, seed=2, shift=0.3)) == 1
    told = capsys.readouterr().out
    assert told.startswith("DRIFT: 1 of 4 features moved (5,000 live rows)")
    assert re.search(r"values are higher by 0\.\d+ standard deviations$", told, re.MULTILINE)


def test_a_category_that_grows_is_named_with_its_share_and_the_usual_one(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _checked(plain, tmp_path, data.rows(5_000, seed=2, rare=0.15)) == 1
    assert re.search(r"^tenant .* 1\d % are 'zorn', (4|5)\.\d % are usual$", capsys.readouterr().out, re.MULTILINE)


def test_too_few_rows_cannot_tell_and_say_how_many_can(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _checked(plain, tmp_path, data.rows(60, seed=2)) == 3
    needed = re.search(r"at least ([\d,]+) live rows are needed", capsys.readouterr().out)
    assert needed
    assert _checked(plain, tmp_path, data.rows(int(needed[1].replace(",", "")) + 50, seed=2)) == 0


def test_no_rows_cannot_tell(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = pa.table(data.rows(10, seed=1)).slice(0, 0)
    assert _checked(plain, tmp_path, {name: empty.column(name) for name in empty.column_names}) == 3
    assert "there are no live rows" in capsys.readouterr().out


def test_a_night_is_compared_with_nights_and_drift_is_dated(
    weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = data.MONDAY + 35 * data.DAY + 15 * 3_600.0
    assert _checked(weekly, tmp_path, data.timed(1_500, 0.25, seed=4, start=night)) == 0
    start = data.MONDAY + 35 * data.DAY
    calm, odd = (
        data.timed(2_000, 1, seed=5, start=start),
        data.timed(2_000, 1, seed=6, start=start + data.DAY, shift=0.5),
    )
    both = {name: pa.concat_arrays([pa.array(calm[name]), pa.array(odd[name])]) for name in calm}
    capsys.readouterr()
    assert _checked(weekly, tmp_path, both) == 1
    assert re.search(r"since 2024-02-0(5 2[0-3]|6 0)", capsys.readouterr().out)


def test_a_short_history_does_not_call_a_saturday_drift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = _fitted(tmp_path, data.timed(10_000, 5, seed=1))
    saturday = data.timed(4_000, 1, seed=2, start=data.MONDAY + 5 * data.DAY, shift=0.3)
    assert _checked(reference, tmp_path, saturday) == 3
    assert "more hours of history could tell" in capsys.readouterr().out
    assert _checked(reference, tmp_path, data.timed(4_000, 1, seed=2, start=data.MONDAY + 5 * data.DAY, shift=2.0)) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"length": None}, "column length is missing"),
        ({"length": ["long"] * 1_000}, "column length: expected numbers, found text"),
        (
            {"tenant": np.arange(1_000.0)},
            "column tenant: expected categories such as 'acme', 'bolt', 'zorn', found numbers",
        ),
        ({"ok": [[1.0]] * 1_000}, "column ok: expected categories such as 'True', 'False', found lists of numbers"),
    ],
)
def test_another_schema_is_a_data_error(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], told: str
) -> None:
    columns = {name: column for name, column in {**data.rows(1_000, seed=2), **change}.items() if column is not None}
    written = tmp_path / "drift.json"
    assert _checked(plain, tmp_path, columns, "--json", str(written)) == 2
    assert told in capsys.readouterr().err
    assert not written.exists()


def test_a_new_column_is_noted_and_not_looked_at(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _checked(plain, tmp_path, {**data.rows(5_000, seed=2), "extra": np.zeros(5_000)}) == 0
    assert "note: not in the reference, and not looked at: extra" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (np.full(2_000, np.nan), "100 % are missing"),
        (np.full(2_000, np.inf), "100 % lie above the reference's range"),
        (np.full(2_000, 1e9), "100 % lie above the reference's range"),
        (pa.nulls(2_000), "100 % are missing"),
    ],
)
def test_a_column_that_is_empty_infinite_or_stuck_is_drift_with_a_reason(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], column: Any, words: str
) -> None:
    assert _checked(plain, tmp_path, {**data.rows(2_000, seed=2), "length": column}) == 1
    assert words in capsys.readouterr().out


def test_new_categories_by_the_thousand_are_one_line(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = [f"tenant {place}" for place in range(100_000)]
    assert _checked(plain, tmp_path, {**data.rows(100_000, seed=2), "tenant": new}) == 1
    assert "100 % are of categories that the reference never had" in capsys.readouterr().out


def test_times_in_the_future_are_refused_and_times_that_go_backwards_are_noted(
    weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _checked(weekly, tmp_path, data.timed(1_000, 1, seed=2, start=time.time() + data.DAY)) == 2
    assert "in the future" in capsys.readouterr().err
    start = data.MONDAY + 35 * data.DAY
    later, earlier = data.timed(2_000, 1, seed=5, start=start + data.DAY), data.timed(2_000, 1, seed=6, start=start)
    data.parquet(tmp_path / "1.parquet", later)
    data.parquet(tmp_path / "2.parquet", earlier)
    assert main(["drift", "check", str(weekly), str(tmp_path / "1.parquet"), str(tmp_path / "2.parquet")]) == 0
    assert "the times go backwards" in capsys.readouterr().out


def test_a_reference_that_is_none_damaged_or_of_another_model_is_a_data_error(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = data.rows(1_000, seed=2)
    damaged = tmp_path / "damaged.json"
    damaged.write_text(plain.read_text()[:2_000])
    assert _checked(damaged, tmp_path, columns) == 2
    assert _checked(tmp_path / "nowhere.json", tmp_path, columns) == 2
    assert _checked(plain, tmp_path, columns, "--model", "chat") == 2
    assert "the reference of the model 'fraud', not of 'chat'" in capsys.readouterr().err


def test_the_json_says_what_the_terminal_says(plain: Path, tmp_path: Path) -> None:
    written = tmp_path / "drift.json"
    assert _checked(plain, tmp_path, data.rows(5_000, seed=2, shift=0.3), "--json", str(written)) == 1
    document = json.loads(written.read_text())
    assert (document["format"], document["version"], document["verdict"]) == ("atlas-ops drift check", 1, "drift")
    first = document["features"][0]
    assert (first["name"], first["drifted"], sum(first["live"])) == ("length", True, 5_000)
    assert len(first["bins"]) == len(first["live"]) == len(first["reference"])
    assert any(move["words"].startswith("values are higher by") for move in first["moves"])


def test_pages_ask_nothing_of_the_network_and_escape_what_comes_from_data(tmp_path: Path) -> None:
    columns = {**data.rows(2_000, seed=1), "<script>alert(1)</script>": np.random.default_rng(1).normal(size=2_000)}
    columns["tenant"] = np.where(columns["tenant"] == "zorn", "<img src=http://evil.example/x>", columns["tenant"])
    reference, shown, checked = _fitted(tmp_path, columns), tmp_path / "show.html", tmp_path / "check.html"
    assert main(["drift", "show", str(reference), "--html", str(shown)]) == 0
    columns["tenant"] = np.full(2_000, "<img src=http://evil.example/x>")
    assert _checked(reference, tmp_path, columns, "--html", str(checked)) == 1
    for page in (shown.read_text(), checked.read_text()):
        tags = _tags(page)
        assert [name for name, _ in tags].count("svg") == 5
        assert not {"script", "img", "link", "iframe", "image"} & {name for name, _ in tags}
        links = [value for _, attributes in tags for key, value in attributes if key in ("src", "href", "xlink:href")]
        assert all(str(link).startswith("#") for link in links)
        assert not re.search(r"url\((?!#)|@import", page)


def _tags(page: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    found: list[tuple[str, list[tuple[str, str | None]]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, attrs))  # type: ignore[method-assign]
    parser.handle_startendtag = parser.handle_starttag  # type: ignore[method-assign]
    parser.feed(page)
    return found


def test_show_prints_bins_with_bars_and_what_the_reference_lacks(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "show", str(plain)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^  acme +6\d % +█{30,40}$", told, re.MULTILINE)
    assert "note: the data has no times" in told


def test_a_missing_file_or_column_is_said_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "ref.json"
    assert main(["drift", "fit", str(tmp_path / "no.csv"), "--output", str(output)]) == 2
    source = data.parquet(tmp_path / "a.parquet", data.rows(1_000, seed=1))
    assert main(["drift", "fit", str(source), "--time", "when", "--output", str(output)]) == 2
    assert "no column is called when" in capsys.readouterr().err
    assert not output.exists()


def test_a_column_empty_in_one_file_and_wrong_in_another_is_a_data_error(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    for name, column in (("a", pa.nulls(1_000)), ("b", ["long"] * 1_000)):
        data.parquet(live / f"{name}.parquet", {**data.rows(1_000, seed=2), "length": column})
    assert main(["drift", "check", str(plain), str(live)]) == 2
    assert "b.parquet: it does not fit the reference: column length: expected numbers" in capsys.readouterr().err


def test_an_empty_column_of_csv_is_drift_as_one_of_parquet_is(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {**data.rows(2_000, seed=2), "length": pa.nulls(2_000), "tenant": pa.nulls(2_000)}
    assert main(["drift", "check", str(plain), str(data.csv(tmp_path / "live.csv", columns))]) == 1
    assert capsys.readouterr().out.count("100 % are missing") == 2


def test_one_text_that_is_no_time_hides_no_drift_and_many_are_refused(
    weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = data.timed(2_000, 1, seed=5, start=data.MONDAY + 35 * data.DAY, shift=1.0)
    texts = [str(moment) for moment in columns["at"].to_pylist()]
    assert _checked(weekly, tmp_path, {**columns, "at": ["n/a", *texts[1:]]}) == 1
    assert "note: rows without a time are left out: 1" in capsys.readouterr().out
    assert _checked(weekly, tmp_path, {**columns, "at": ["n/a"] * 300 + texts[300:]}) == 2
    assert "column at: 300 of 2,000 rows have no time in it, more than 10 %" in capsys.readouterr().err


def test_with_times_it_is_rows_a_day_that_are_needed_and_so_many_can_tell(
    weekly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, written = data.MONDAY + 35 * data.DAY, tmp_path / "drift.json"
    assert _checked(weekly, tmp_path, data.timed(300, 6, seed=5, start=start), "--json", str(written)) == 3
    told = re.search(r"at least ([\d,]+) live rows a day are needed", capsys.readouterr().out)
    assert told
    a_day = int(told[1].replace(",", ""))
    assert json.loads(written.read_text())["rows_needed"] == pytest.approx(6 * a_day, rel=0.02)
    assert _checked(weekly, tmp_path, data.timed(6 * a_day, 6, seed=7, start=start)) == 0


def test_a_short_reference_is_called_short_and_not_one_that_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = _fitted(tmp_path, data.rows(1_000, seed=1))
    _checked(reference, tmp_path, data.rows(2_000, seed=2))
    told = capsys.readouterr().out
    assert "the reference has so few rows (1,000) that a shift" in told
    assert "moves so much" not in told


def test_vectors_of_another_length_are_told_by_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = np.random.default_rng(1)
    reference = _fitted(tmp_path, {"vector": list(chance.normal(size=(2_000, 3)))})
    assert _checked(reference, tmp_path, {"vector": list(chance.normal(size=(1_000, 5)))}) == 1
    assert "note: 1,000 vectors of vector have 5 numbers and not 3: they count as missing" in capsys.readouterr().out


@pytest.mark.parametrize("timed", [False, True])
def test_a_column_that_never_varied_is_no_drift_until_it_does(tmp_path: Path, timed: bool) -> None:
    def rows(size: int, days: int, first: str, start: float = data.MONDAY) -> dict[str, Any]:
        kind = np.where(np.arange(size) % 4 == 0, first, "stop")
        return {"kind": kind, **({"at": data.timed(size, days, seed=1, start=start)["at"]} if timed else {})}

    reference = _fitted(tmp_path, rows(40_000, 28, "stop"))
    live = data.MONDAY + 28 * data.DAY
    assert _checked(reference, tmp_path, rows(4_000, 1, "stop", live)) == 0
    assert _checked(reference, tmp_path, rows(4_000, 1, "length", live)) == 1


def test_a_name_of_a_column_is_one_line_of_a_message_and_never_told_raw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\x1b[31m\nERROR: all is lost"
    reference = _fitted(tmp_path, {name: np.arange(500.0)})
    assert _checked(reference, tmp_path, {name: np.array([f"word {place}" for place in range(500)])}) == 2
    assert (
        main(["drift", "fit", str(tmp_path / "live.parquet"), "--model", "m", "--columns", name + "x", "--output", "x"])
        == 2
    )
    document = json.loads(reference.read_text(encoding="utf-8"))
    document["features"] *= 2
    reference.write_text(json.dumps(document), encoding="utf-8")
    assert main(["drift", "show", str(reference)]) == 2
    told = capsys.readouterr()
    assert told.err.count(r"a\x1b[31m\nERROR: all is lost") >= 3
    assert "\x1b" not in told.err + told.out
    assert "\nERROR" not in told.err + told.out


def test_a_long_category_has_no_bin_and_control_characters_are_never_printed_raw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = np.random.default_rng(1).choice(["L" * 50_000, "\x1b[31mred\nline\u202e", "plain"], 2_000)
    reference = _fitted(tmp_path, {"a\x1bb": odd})
    assert reference.stat().st_size < 50_000
    assert "values of more than 200 characters count as other" in capsys.readouterr().out
    assert main(["drift", "show", str(reference)]) == 0
    assert _checked(reference, tmp_path, {"a\x1bb": odd[odd != "plain"]}) == 1
    told = capsys.readouterr().out
    assert r"\x1b[31mred\nline\u202e" in told
    assert not {"\x1b", "\u202e"} & set(told)
