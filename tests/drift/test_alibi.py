"""Our side of the adapter, against a stand-in with alibi-detect's measured behaviour; the real one is in `tests/nightly/test_alibi.py`."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from atlas_ops.cli import main
from tests.drift import data

ACCEPT = "--accept-alibi-licence"
ROWS = 5_000


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the stand-in, and forget it afterwards."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "standin"))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "alibi_detect"]:
        del sys.modules[name]


def fit(folder: Path, detector: str, *options: str, **columns: Any) -> int:
    source = data.parquet(folder / "before.parquet", {**data.rows(ROWS, seed=1), **columns})
    return main(
        ["drift", "fit", str(source), "--detector", f"alibi:{detector}", "--output", str(folder / "r.json"), *options]
    )


def check(
    folder: Path, *options: str, rows: int = ROWS, columns: Any = None, **shape: float
) -> tuple[int, dict[str, Any]]:
    live = data.parquet(folder / "now.parquet", {**data.rows(rows, seed=2, **shape), **(columns or {})})
    output = folder / "verdict.json"
    code = main(["drift", "check", str(folder / "r.json"), str(live), "--json", str(output), *options])
    return code, json.loads(output.read_text()) if output.exists() else {}


@pytest.mark.parametrize(
    ("detector", "moved"),
    [
        ("KSDrift", {"shift": 0.5}),
        ("CVMDrift", {"shift": 0.5}),
        ("ChiSquareDrift", {"rare": 0.2}),
        ("TabularDrift", {"rare": 0.2}),
        ("TabularDrift", {"shift": 0.5}),
    ],
)
def test_each_detector_judges_in_the_same_words_and_exit_codes(
    package: None, tmp_path: Path, detector: str, moved: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path, detector, ACCEPT) == 0
    assert check(tmp_path, ACCEPT)[0] == 0
    code, found = check(tmp_path, ACCEPT, **moved)
    assert (code, found["verdict"]) == (1, "drift")
    feature = found["features"][0]
    assert feature["name"] == ("length" if "shift" in moved else "tenant")
    assert feature["of_limit"] > 1
    assert feature["moves"][0]["words"].startswith(f"p-value of {detector}: ")
    capsys.readouterr()
    assert main(["drift", "show", str(tmp_path / "r.json")]) == 0
    assert f"judged by alibi-detect's {detector}, p below 0.05" in capsys.readouterr().out


def test_two_values_are_tested_by_fishers_test_and_a_third_is_told(package: None, tmp_path: Path, capsys: Any) -> None:
    assert fit(tmp_path, "FETDrift", ACCEPT) == 0
    assert check(tmp_path, ACCEPT)[0] == 0
    chance = np.random.default_rng(3)
    assert check(tmp_path, ACCEPT, columns={"ok": chance.random(ROWS) < 0.8})[0] == 1
    words = np.where(chance.random(ROWS) < 0.1, "perhaps", np.where(chance.random(ROWS) < 0.95, "True", "False"))
    capsys.readouterr()
    assert check(tmp_path, ACCEPT, columns={"ok": words})[0] == 2
    assert "column ok has more than two values now" in capsys.readouterr().err


def test_the_licence_is_told_before_anything_is_done_and_has_to_be_accepted_each_time(
    package: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path, "KSDrift") == 2
    told = capsys.readouterr().err
    assert "Business Source License 1.1" in told
    assert "load_detector() executes" in told
    assert not list(tmp_path.glob("r*"))
    assert fit(tmp_path, "KSDrift", ACCEPT) == 0
    assert check(tmp_path)[0] == 2
    assert ACCEPT in capsys.readouterr().err


def test_a_package_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path, "KSDrift", ACCEPT) == 4
    assert "atlas-ops[alibi]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--detector", "alibi:MMDDrift"], "expected one of alibi:KSDrift"),
        (["--detector", "KSDrift"], "expected one of alibi:KSDrift"),
        (["--detector", "alibi:KSDrift", "--p-value", "2"], "--p-value: found 2"),
    ],
)
def test_what_is_not_offered_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    source = data.parquet(tmp_path / "a.parquet", data.rows(ROWS, seed=1))
    assert main(["drift", "fit", str(source), "--output", str(tmp_path / "r.json"), ACCEPT, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_prometheus_has_no_rows_for_such_a_detector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--prometheus", "http://127.0.0.1:1", "--model", "m", "--output", str(tmp_path / "r.json")]
    assert main(["drift", "fit", *arguments, "--detector", "alibi:KSDrift", ACCEPT]) == 2
    assert "Prometheus has none" in capsys.readouterr().err


def test_missing_numbers_do_not_become_no_drift(package: None, tmp_path: Path) -> None:
    assert fit(tmp_path, "KSDrift", ACCEPT) == 0
    length = data.rows(ROWS, seed=2, shift=0.5)["length"]
    length[::3] = np.nan
    code, found = check(tmp_path, ACCEPT, columns={"length": length})
    assert code == 1
    assert any("1,667 of 5,000 sampled rows have a missing number" in note for note in found["notes"])


def test_categories_that_the_reference_never_had_are_drift_and_no_crash(package: None, tmp_path: Path) -> None:
    assert fit(tmp_path, "ChiSquareDrift", ACCEPT) == 0
    tenant = np.where(np.random.default_rng(3).random(ROWS) < 0.3, "newcomer", "acme")
    assert check(tmp_path, ACCEPT, columns={"tenant": tenant})[0] == 1


def test_too_few_rows_cannot_tell(package: None, tmp_path: Path) -> None:
    assert fit(tmp_path, "KSDrift", ACCEPT) == 0
    code, found = check(tmp_path, ACCEPT, rows=150)
    assert (code, found["rows_needed"]) == (3, 200)


def test_rows_of_another_file_are_not_opened(package: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(tmp_path, "KSDrift", ACCEPT) == 0
    rows = tmp_path / "r.rows.npz"
    rows.write_bytes(rows.read_bytes() + b" ")
    assert check(tmp_path, ACCEPT)[0] == 2
    assert "its SHA-256 differs" in capsys.readouterr().err
    rows.unlink()
    assert check(tmp_path, ACCEPT)[0] == 2
    assert "cannot be read" in capsys.readouterr().err


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def test_a_pickle_in_the_place_of_rows_is_not_opened_even_with_the_right_hash(
    package: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit(tmp_path, "KSDrift", ACCEPT) == 0
    np.savez(tmp_path / "r.rows.npz", rows=np.array([[_Trap()]], dtype=object))
    reference = json.loads((tmp_path / "r.json").read_text())
    reference["detector"]["sha256"] = hashlib.sha256((tmp_path / "r.rows.npz").read_bytes()).hexdigest()
    (tmp_path / "r.json").write_text(json.dumps(reference))
    assert check(tmp_path, ACCEPT)[0] == 2
    assert "holds no rows" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("change", [{"rows_file": "../r.rows.npz"}, {"features": ["nothing"]}, {"p_value": "much"}])
def test_a_reference_with_an_impossible_detector_is_damaged(
    package: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    assert fit(tmp_path, "KSDrift", ACCEPT) == 0
    reference = json.loads((tmp_path / "r.json").read_text())
    reference["detector"].update(change)
    (tmp_path / "r.json").write_text(json.dumps(reference))
    assert check(tmp_path, ACCEPT)[0] == 2
    assert "it is damaged" in capsys.readouterr().err


def test_embeddings_are_tested_by_what_they_become(package: None, tmp_path: Path) -> None:
    def vectors(shift: float) -> pa.Array:
        return pa.array(list(np.random.default_rng(1).normal(shift, 1, (ROWS, 8)).astype(np.float32)))

    assert fit(tmp_path, "KSDrift", ACCEPT, vector=vectors(0.0)) == 0
    code, found = check(tmp_path, ACCEPT, columns={"vector": vectors(1.0)})
    assert code == 1
    assert any(one["name"].startswith("vector") and one["drifted"] for one in found["features"])
