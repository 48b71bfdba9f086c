"""A stand-in for Grafana, and the command run against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from atlas_ops import cli
from tests.grafana.standin import TOKEN, GrafanaStandIn

Push = Callable[..., tuple[int, str, str]]


@pytest.fixture
def grafana() -> Iterator[GrafanaStandIn]:
    with GrafanaStandIn().running() as standin:
        yield standin


@pytest.fixture
def push(grafana: GrafanaStandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Push:
    """Run the command; it returns exit code, stdout and stderr."""
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    monkeypatch.delenv("GRAFANA_TOKEN_FILE", raising=False)

    def run(*words: str, url: str = "") -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(["dashboards", "push", "--url", url or grafana.url, *words])
        said = capsys.readouterr()
        assert TOKEN not in said.out + said.err
        return code, said.out, said.err

    return run
