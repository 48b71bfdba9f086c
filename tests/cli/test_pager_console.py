"""`atlas-ops pager` does not open its pages to strangers, and believes the names that a proxy tells on a real connection."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from atlas_ops.cli import main
from atlas_ops.stage.processes import free_port
from tests.pager.notes import runbooks
from tests.pager.rig import eventually

SECRET = "0123456789abcdef0123456789abcdef"


def arguments(folder: Path, listen: str, settings: str) -> list[str]:
    (folder / "token").write_text(f"{SECRET}\n")
    (folder / "short").write_text("hunter2")
    (folder / "atlas-ops.yaml").write_text(settings.replace("FOLDER", str(folder)))
    books = runbooks(folder / "runbooks")
    given = ["--listen", listen, "--database", str(folder / "p.db"), "--runbooks", str(books)]
    return ["pager", *given, "--config", str(folder / "atlas-ops.yaml")]


@contextmanager
def running(folder: Path, listen: str, settings: str, *more: str) -> Iterator[httpx.Client]:
    port = free_port()
    command = [sys.executable, "-m", "atlas_ops", *arguments(folder, f"{listen}:{port}", settings), *more]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:

                def answers() -> bool:
                    try:
                        return client.get("/-/ready").status_code == 200
                    except httpx.TransportError:
                        return False

                assert eventually(answers), (folder / "log").read_text()
                yield client
        finally:
            process.terminate()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_pages_that_everybody_could_reach_are_not_opened_without_a_word(
    listen: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, listen, "{}")) == 2
    said = capsys.readouterr().err
    assert "nobody would have to log in" in said
    assert "pager.console.token_file" in said
    assert not (tmp_path / "p.db").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("pager: {console: {token_file: FOLDER/short}}", "at least 16 characters"),
        ("pager: {console: {token_file: FOLDER/none}}", "cannot be read"),
        ("pager: {webhook_token_file: FOLDER/short}", "at least 16 characters"),
    ],
)
def test_a_token_that_is_none_is_told_and_not_repeated(
    settings: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, "127.0.0.1:0", settings)) == 3
    told = capsys.readouterr().err
    assert said in told
    assert "hunter2" not in told


def test_with_a_token_the_pages_may_be_reached_from_everywhere(tmp_path: Path) -> None:
    settings = "pager: {webhook_token_file: FOLDER/token, console: {token_file: FOLDER/token}}"
    with running(tmp_path, "0.0.0.0", settings) as pager:
        assert pager.get("/").status_code == 303
        assert pager.post("/webhook", content=b"{}").status_code == 401
        bearer = {"Authorization": f"Bearer {SECRET}"}
        assert pager.get("/", headers=bearer).status_code == 200
        assert pager.post("/webhook", content=b"{}", headers=bearer).status_code == 400
    assert SECRET not in (tmp_path / "log").read_text()


def test_pages_for_everybody_have_to_be_asked_for(tmp_path: Path) -> None:
    with running(tmp_path, "0.0.0.0", "{}", "--public-console", "read_only") as pager:
        assert pager.get("/").status_code == 200
        assert pager.post("/incidents/x/deeds", data={"act": "acknowledge"}).status_code == 403


def test_who_asks_is_who_opened_the_connection_whatever_a_request_says_of_it(tmp_path: Path) -> None:
    settings = "pager: {console: {user_header: X-Forwarded-User}}"
    with running(tmp_path, "127.0.0.1", settings) as pager:
        named = {"X-Forwarded-User": "jane", "X-Forwarded-For": "203.0.113.9"}
        assert "jane" in pager.get("/", headers=named).text
        assert pager.get("/", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
