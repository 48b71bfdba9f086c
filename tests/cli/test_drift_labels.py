"""`atlas-ops drift labels` as it is called: files in, an exit code and words out."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_ops.cli import main
from atlas_ops.drift.labels.side import Rows, Side
from tests.drift.labels import made

BASELINE = ("--time", "at", "--baseline", "2024-01-01/2024-01-22")


def labels(folder: Path, of: made.Made, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the JSON."""
    output = folder / "labels.json"
    code = main(["drift", "labels", *of.written(folder), *options, "--json", str(output)])
    return code, json.loads(output.read_text()) if output.exists() else {}


def value(of: dict[str, Any], metric: str) -> float:
    return next(float(one["value"]) for one in of["metrics"] if one["metric"] == metric)


def test_a_model_that_stays_as_it_was_is_no_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = labels(tmp_path, made.classes(), *BASELINE)
    assert (code, found["verdict"]) == (0, "no worse")
    assert capsys.readouterr().out.startswith("no worse: accuracy is not worse by 5 points")
    assert len(found["windows"]) == 28


def test_a_model_that_lost_ten_points_is_worse_and_the_classes_that_suffer_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = labels(tmp_path, made.classes(worse_from=21, then=0.8), *BASELINE)
    assert code == 1
    worse = {one["metric"] for one in found["changes"] if one["worse"]}
    assert {"accuracy", "recall of yes", "precision of no"} <= worse
    assert value(found["baseline"], "accuracy") == pytest.approx(0.95, abs=0.01)
    printed = capsys.readouterr().out
    assert "WORSE: accuracy is worse by at least" in printed


def test_numbers_are_judged_by_their_errors(tmp_path: Path) -> None:
    assert labels(tmp_path, made.numbers(), *BASELINE)[0] == 0
    code, found = labels(tmp_path, made.numbers(grown_from=21, grown=1.5), *BASELINE)
    assert code == 1
    assert value(found["baseline"], "mean_absolute_error") == pytest.approx(1.0, rel=0.05)
    assert value(found["baseline"], "median_absolute_error") == pytest.approx(np.log(2), rel=0.05)
    assert value(found["now"], "mean_absolute_error") == pytest.approx(1.5, rel=0.08)


def test_labels_that_changed_are_no_pass_unless_the_latest_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each tenth label was corrected afterwards: without those, the model seems to be right always."""
    numbers = range(3_000)
    (tmp_path / "p.jsonl").write_text(
        "".join(f'{{"id": {n}, "class": {n % 2}, "at": {1.7e9 + 60 * n}}}\n' for n in numbers)
    )
    first = "".join(f'{{"id": {n}, "truth": {n % 2}, "told": {1.7e9 + 60 * n + 9}}}\n' for n in numbers)
    later = "".join(f'{{"id": {n}, "truth": {1 - n % 2}, "told": {1.75e9 - n}}}\n' for n in numbers[::10])
    (tmp_path / "l.jsonl").write_text(first + later)
    words = ["drift", "labels", str(tmp_path / "p.jsonl"), str(tmp_path / "l.jsonl"), "--key", "id", "--prediction", "class",
             "--label", "truth", "--time", "at", "--baseline", "99%"]  # fmt: skip
    assert main(words) == 3
    assert "CANNOT TELL: 10% of the identifiers" in capsys.readouterr().out
    assert main([*words, "--label-time", "told"]) == 1
    told = capsys.readouterr().out
    assert "accuracy                               3,000   90.00%" in told
    assert "300 rows have a later one of their identifier, which counts" in told


@pytest.mark.parametrize(("lacking", "code"), [(300, 0), (301, 2)])
@pytest.mark.parametrize("option", ["--time", "--label-time"])
def test_rows_without_a_time_are_left_out_if_they_are_few_and_refused_if_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, lacking: int, code: int
) -> None:
    rows = "".join(f'{{"id": {n}, "class": {n % 2}, "at": {"null" if n < lacking else 1.7e9}}}\n' for n in range(3_000))
    (tmp_path / "rows.jsonl").write_text(rows)
    files = [str(tmp_path / "rows.jsonl")] * 2
    assert main(["drift", "labels", *files, "--key", "id", "--prediction", "class", "--label", "class", "--baseline", "95%",
                 option, "at"]) == code  # fmt: skip
    said = capsys.readouterr()
    assert "300 have no time" in said.out if code == 0 else "column at: 301 of 3,000 rows have no time" in said.err


def test_a_stated_number_is_a_baseline_as_well(tmp_path: Path) -> None:
    good = made.classes(right=0.9)
    assert labels(tmp_path, good, "--time", "at", "--baseline", "90%")[0] == 0
    assert labels(tmp_path, good, "--time", "at", "--baseline", "0.99")[0] == 1
    assert labels(tmp_path, good, "--baseline", "0.99")[0] == 1, "without times as well"
    assert labels(tmp_path, made.numbers(), "--time", "at", "--baseline", "0.5")[0] == 1


def test_too_few_labels_cannot_tell_and_say_how_many_could(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = labels(tmp_path, made.classes(1200), *BASELINE)
    assert (code, found["verdict"]) == (3, "cannot tell")
    needed = found["labels_needed"]
    assert found["now"]["labels"] < needed < 3_000
    assert f"about {needed:,} labels of now" in capsys.readouterr().out
    enough = made.classes(4 * needed)  # the last of four weeks has so many
    assert labels(tmp_path, enough, *BASELINE)[0] == 0


def test_a_baseline_that_is_too_small_says_how_many_labels_it_needs(tmp_path: Path) -> None:
    code, found = labels(tmp_path, made.classes(400), *BASELINE)
    assert code == 3
    assert found["baseline_labels_needed"] > found["baseline"]["labels"]
    code, found = labels(tmp_path, made.classes(30), *BASELINE)
    assert (code, found["why"]) == (3, "the live time has less than 30 labels")
    assert found["labels_needed"] == 30


def test_without_a_baseline_nothing_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = labels(tmp_path, made.classes(1000))
    assert (code, found["verdict"], found["windows"]) == (0, "not compared", [])
    assert capsys.readouterr().out.startswith("not compared: there is no --baseline")


def test_labels_that_are_still_on_their_way_are_told_by_age_and_can_be_left_out(tmp_path: Path) -> None:
    late = made.classes(28_000)
    at = np.asarray(late.predictions["at"].cast("int64")) / 1e6
    young = late.predictions["id"][at > made.START + 25 * made.DAY]
    kept = ~np.isin(late.labels["id"], young[::2])
    late = made.Made(predictions=late.predictions, labels={name: column[kept] for name, column in late.labels.items()})
    _, found = labels(tmp_path, late, *BASELINE)
    shares = {age["from_seconds"]: age["labels"] / age["predictions"] for age in found["ages"]}
    assert shares[0.0] == pytest.approx(0.5, abs=0.2)
    assert shares[7 * made.DAY] == 1.0
    assert any("labels that come late may differ" in note for note in found["notes"])
    _, found = labels(tmp_path, late, *BASELINE, "--settled", "3.5")
    assert not any("labels that come late may differ" in note for note in found["notes"])
    assert found["now"]["end"] <= made.START + 24.5 * made.DAY


def test_a_time_without_any_label_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = made.classes(2000)
    at = np.asarray(of.predictions["at"].cast("int64")) / 1e6
    old = np.isin(of.labels["id"], of.predictions["id"][at < made.START + 21 * made.DAY])
    of = made.Made(predictions=of.predictions, labels={name: column[old] for name, column in of.labels.items()})
    page = tmp_path / "page.html"
    code, found = labels(tmp_path, of, *BASELINE, "--html", str(page))
    assert (code, found["now"]["labels"], found["labels_needed"]) == (3, 0, 30)
    assert "0 labels of" in capsys.readouterr().out


def test_one_time_of_long_ago_does_not_make_a_century_of_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = made.numbers(2000)
    at = np.asarray(of.predictions["at"].cast("int64")) / 1e6
    at[0] -= 20 * 365 * made.DAY
    of.predictions["at"] = made.times(at)
    assert labels(tmp_path, of, "--time", "at")[0] == 2
    assert "look for odd values in the time column" in capsys.readouterr().err


def test_weeks_begin_on_monday(tmp_path: Path) -> None:
    _, found = labels(tmp_path, made.classes(2000, days=20), *BASELINE[:2], "--per", "week")
    assert [one["start"] for one in found["windows"]] == [made.START + 7 * week * made.DAY for week in range(3)]


def test_the_page_has_a_plot_and_escapes_the_names_of_classes(tmp_path: Path) -> None:
    of = made.classes(3000)
    for column, side in (("said", of.predictions), ("truth", of.labels)):
        side[column] = np.where(side[column] == "odd", "<script>alert(1)</script>", side[column])
        side[column] = np.where(side[column] == "yes", "so_it_is", side[column])
    page = tmp_path / "page.html"
    labels(tmp_path, of, *BASELINE, "--html", str(page))
    written = page.read_text()
    assert "<svg" in written
    assert "<script" not in written
    assert "&lt;script&gt;" in written
    assert "recall of so_it_is" in written


def test_labels_of_a_database_give_the_same_as_those_of_a_file(tmp_path: Path) -> None:
    of = made.classes(4000)
    _, by_file = labels(tmp_path, of, *BASELINE)
    path = tmp_path / "labels.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE labels (id TEXT, truth TEXT)")
        connection.executemany(
            "INSERT INTO labels VALUES (?, ?)", list(zip(*map(list, of.labels.values()), strict=True))
        )
    connection.close()
    arguments = of.written(tmp_path)
    arguments[1] = f"sqlite:///{path}"
    output = tmp_path / "sql.json"
    assert main(["drift", "labels", *arguments, *BASELINE, "--table", "labels", "--json", str(output)]) == 0
    assert json.loads(output.read_text())["now"] == by_file["now"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--baseline", "2024-01-01/2024-01-22"], "needs --time COLUMN"),
        (["--time", "at", "--baseline", "2023-01-01/2023-02-01"], "no prediction is of the time that is baseline"),
        (["--time", "at", "--baseline", "2024-01-22/2024-01-01"], "ends before it begins"),
        (["--baseline", "much"], "expected FROM/TO"),
        (["--time", "when"], "no column is called when"),
        (["--table", "labels"], "--query and --table are for a database"),
        (["--baseline", "90%", "--margin", "6%"], "is not below the loss"),
        (["--kind", "number"], "holds text"),
        (["--threshold", "0.5"], "holds text, and --threshold is for numbers"),
        (["--baseline", "97"], "is no accuracy, which is a share"),
    ],
)
def test_mistakes_are_told_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert labels(tmp_path, made.classes(200), *options)[0] == 2
    told = capsys.readouterr().err
    assert said in told
    assert "->" in told


def test_no_identifier_and_no_label_is_told_on_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = made.classes(2000)
    of.labels["id"] = np.array([f"other-{one}" for one in of.labels["id"]])
    assert labels(tmp_path, of)[0] == 2
    told = capsys.readouterr()
    assert "no identifier is on both sides" in told.err
    assert "request-" not in told.err + told.out


def test_one_part_of_sixty_four_is_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    part = Side.part

    def measured(side: Side, number: int) -> Rows:
        sizes.append(len(part(side, number)))
        return part(side, number)

    monkeypatch.setattr(Side, "part", measured)
    labels(tmp_path, made.classes(20_000))
    assert len(sizes) == 128
    assert max(sizes) < 20_000 / 30


@pytest.mark.parametrize("option", ["--threshold", "--settled"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["p", "l", "--key", "k", "--prediction", "p", "--label", "l", "--time", "at", f"{option}={value}"]
    with pytest.raises(SystemExit) as caught:
        main(["drift", "labels", *words])
    assert caught.value.code == 2
    assert f"argument {option}: found '{value}', expected a number" in capsys.readouterr().err
