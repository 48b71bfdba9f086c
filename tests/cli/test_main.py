"""`atlas-ops`: what becomes of an exception that no command expected."""

from __future__ import annotations

import pytest

from atlas_ops.cli import build, main


def raising(error: BaseException) -> object:
    def run(_: object) -> int:
        raise error

    return run


def test_a_bug_has_an_exit_code_that_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "run", raising(ZeroDivisionError("division by zero")))
    assert main(["build"]) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("atlas-ops build: ZeroDivisionError is a bug of atlas-ops")


def test_a_stop_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(build, "run", raising(KeyboardInterrupt()))
    assert main(["build"]) == 130
    monkeypatch.setattr(build, "run", raising(SystemExit(5)))
    with pytest.raises(SystemExit, match="5"):
        main(["build"])
    assert capsys.readouterr().err == ""


def test_the_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "  70  " in capsys.readouterr().out
