"""`atlas-ops capacity`: what its command line refuses, and price tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_ops.capacity import prices
from atlas_ops.cli import main
from atlas_ops.errors import DataError

NOWHERE = "http://127.0.0.1:1"


def capacity(*words: object) -> int:
    return main(["capacity", "--prometheus", NOWHERE, *map(str, words)])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--forecast", "30%"], "growth with its sign"),
        (["--forecast", "much"], "found 'much'"),
        (["--forecast", "0"], "above 0"),
        (["--forecast", "nan"], "found 'nan'"),
        (["--forecast=-100%"], "found '-100%'"),
        (["--forecast", ""], "found ''"),
        (["--days", "0"], "--days: found 0"),
        (["--model", ""], "empty pattern"),
        (["--prices", "/nowhere/prices.yaml"], "cannot be read"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_asked(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert capacity(*words) == 2
    assert told in capsys.readouterr().err


def test_an_address_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", "--prometheus", "prometheus:9090"]) == 2
    assert "--prometheus" in capsys.readouterr().err


def test_a_prometheus_that_does_not_answer_is_a_problem_of_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity("--forecast", "+30%") == 4
    assert NOWHERE in capsys.readouterr().err


@pytest.mark.parametrize(("missing", "extra"), [("numpy", "drift"), ("matplotlib", "charts")])
def test_an_extra_that_is_missing_is_named(
    missing: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("atlas_ops.cli.machine.find_spec", lambda name: None if name == missing else object())
    assert capacity("--html", "capacity.html") == 4
    assert f"pip install 'atlas-ops[{extra}]'" in capsys.readouterr().err


def test_all_mistakes_of_a_price_table_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(
        "currency: euros\n"
        "gpus:\n"
        "  - {name: NVIDIA*, per_hour: 2}\n"
        "  - {name: NVIDIA H100*, per_hour: -3}\n"
        "  - {nam: A100, per_hour: cheap}\n"
        "  - {name: MI300X}\n"
        "price: 4\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as caught:
        prices.read(file)
    told = str(caught.value)
    for mistake in (
        "line 1: currency: expected a code of three letters such as EUR, found 'euros'",
        "line 4: gpus[1].per_hour: expected a number above 0",
        "line 4: gpus[1].name: 'NVIDIA H100*' never counts, for the earlier pattern 'NVIDIA*' takes it",
        "line 5: gpus[2].name: is missing",
        "gpus[2].nam: unknown key; did you mean 'name'?",
        "gpus[2].per_hour: expected a number, found 'cheap'",
        "line 6: gpus[3].per_hour: is missing",
        "line 7: price: unknown key",
    ):
        assert mistake in told


def test_an_empty_price_table_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)currency: is missing.*expected at least one entry"):
        prices.read(file)


def test_the_first_pattern_that_fits_is_the_price(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(
        "currency: USD\ngpus:\n  - {name: NVIDIA H100 PCIe, per_hour: 2}\n  - {name: NVIDIA H100*, per_hour: 3}\n",
        encoding="utf-8",
    )
    table = prices.read(file)
    names = ("NVIDIA H100 PCIe", "NVIDIA H100 80GB HBM3", "NVIDIA L4")
    assert [table.per_hour(name) for name in names] == [2, 3, None]
