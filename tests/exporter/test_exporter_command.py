"""`atlas-ops exporter` as a process: its flags, its page, its end, and hostile servers beside a good one."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_ops import cli
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import runtime_ids
from atlas_ops.catalog.signals import SIGNALS
from atlas_ops.cli import exporter_settings
from atlas_ops.errors import UsageError
from atlas_ops.settings import Server
from tests.exporter.command import config, running, states
from tests.exporter.fake_server import Behaviour, answer, closed_port, drip, hang, raw, serving
from tests.exporter.pages import parsed, text_of
from tests.exporter.web.certificates import Authority
from tests.exporter.web.rig import ask, trusting, web_config
from tests.exporter.web.test_basic_auth import HASH, PASSWORD, basic

GOOD = text_of("vllm/kv-pressure-1")
RUNTIMES = ", ".join(runtime_ids())


def test_three_runtimes_are_served_on_one_page_that_promtool_accepts() -> None:
    pages = [answer(text_of(capture)) for capture in ("vllm/kv-pressure-1", "triton/load_during", "bentoml/fail_after")]
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serving(page)) for page in pages]
        flags = [word for server in servers for word in ("--server", f"{server.url}/metrics")]
        exporter = stack.enter_context(running(*flags, environment={"NODE_NAME": "gpu-node-7"}))
        assert exporter.greeting == f"atlas-ops exporter: {exporter.url} (servers: 3)\n"
        text = exporter.text()
    found = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    page = parsed(text)
    assert set(states(page).values()) == {"ok"}
    known = {name for signal in SIGNALS for name in signal.series}
    assert set(page.names) <= known
    running_requests = {dict(x.labels)["runtime"]: x.value for x in page.of(s.REQUESTS_RUNNING.name)}
    assert running_requests == {"vllm": 9, "bentoml": 0}
    assert {dict(x.labels)["host_name"] for x in page.of(s.REQUESTS.name)} == {"gpu-node-7"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_when_it_is_asked_to_while_a_server_hangs(number: signal.Signals, tmp_path: Path) -> None:
    with (
        serving(hang) as server,
        running("--config", config(tmp_path, [server], interval_seconds=0.01, timeout_seconds=0.2)) as exporter,
    ):
        exporter.process.send_signal(number)
        _, said = exporter.process.communicate(timeout=30)
    assert exporter.process.returncode == 0
    assert "Traceback" not in said


HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "html": (answer("<html><body>sign in</body></html>", headers="Content-Type: text/html"), "unparsable"),
    "hang": (hang, "timeout"),
    "header drip": (drip(b"HTTP/1.1 200 OK\r\n", b"X"), "timeout"),
    "50 MB": (answer(b"a 1\n" * 12_500_000), "unparsable"),
    "garbage": (raw(bytes(range(256)) * 100), "unparsable"),
    "redirect loop": (answer("", status=302, headers="Location: /metrics"), "unparsable"),
    "closes mid-body": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + GOOD[:2000].encode()), "unparsable"),
    "10,000 models": (
        answer("".join(f'vllm:num_requests_running{{model_name="m{n}"}} 1\n' for n in range(10_000))), "ok",
    ),
    "a million series": (answer("".join(f"a{n} 1\n" for n in range(1_000_000))), "unparsable"),
    "script": (answer('vllm:num_requests_running{model_name="<script>\\"} 1\\n"} 5\n'), "ok"),
    "secret": (answer("", status=401), "unauthorized"),
    "no page": (answer("", status=404), "disabled"),
}  # fmt: skip


def test_hostile_servers_have_their_states_and_harm_no_other(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        hostile = {name: stack.enter_context(serving(behaviour)) for name, (behaviour, _) in HOSTILE.items()}
        good = stack.enter_context(serving(answer(GOOD)))
        file = config(tmp_path, [*hostile.values(), good], interval_seconds=0.5, timeout_seconds=3)
        exporter = stack.enter_context(running("--config", file))
        page = exporter.page()
        found = states(page)
        assert {name: found[server.address] for name, server in hostile.items()} == {
            name: state for name, (_, state) in HOSTILE.items()
        }
        assert found[good.address] == "ok"
        asked = [request for request in good.requests if request.startswith("GET /metrics ")]
        assert len(asked) > 1, "it was asked again while the first round of others still hung"
        requests = {dict(x.labels)["server"]: x.value for x in page.of(s.REQUESTS_RUNNING.name) if len(x.labels)}
        assert requests[good.address] == 9
        models = [dict(x.labels)["model"] for x in page.of(s.REQUESTS_RUNNING.name)]
        assert len(models) == 65 + 1 + 1
        assert '<script>"} 1\n' in models
        memory = page.of(s.EXPORTER_MEMORY.name)[0].value
    assert memory < 400_000_000, "a bound, far above the usual 30 MB: nothing hostile may grow without one"


def test_a_port_in_use_is_told_before_any_server_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, serving(answer(GOOD)) as server:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert cli.main(["exporter", "--listen", address, "--server", server.url]) == 4
        assert not server.requests
    said = capsys.readouterr().err
    assert f"{address} is in use" in said
    assert "->" in said


def test_every_mistake_of_the_flags_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--listen", "nowhere", "--server", "http://127.0.0.1:1=vlm", "--server", "ftp://x", "--server", "http://a:1",
             "--server", "http://a:1"]  # fmt: skip
    assert cli.main(["exporter", *flags]) == 2
    said = capsys.readouterr().err
    assert "4 mistakes" in said
    assert "--listen: expected HOST:PORT" in said
    assert f"unknown runtime 'vlm'; known ones: {RUNTIMES}" in said
    assert "ftp://x" in said
    assert "http://a:1 is given twice" in said


def test_a_page_that_is_named_in_two_ways_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["http://a:1", "http://a:1/metrics", "http://b:1=trtllm_serve", "http://b:1/prometheus/metrics",
             "http://b:1/metrics"]  # fmt: skip
    assert cli.main(["exporter", *(word for flag in flags for word in ("--server", flag))]) == 2
    said = capsys.readouterr().err
    assert "2 mistakes" in said
    assert "--server: http://a:1 and http://a:1/metrics are the same page" in said
    assert "--server: http://b:1 and http://b:1/prometheus/metrics are the same page" in said
    file = tmp_path / "mine.yaml"
    file.write_text("servers:\n  - {url: 'http://a:1/'}\n  - {url: 'http://a:1', runtime: vllm}\n")
    assert cli.main(["exporter", "--config", str(file)]) == 2
    assert "the settings file: http://a:1/ and http://a:1 are the same page" in capsys.readouterr().err


def test_mistakes_show_no_secret_of_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    twice = ("--server", "http://a:1/m?token=s3cret&model=b")
    assert cli.main(["exporter", *twice, *twice, "--server", "ftp://x?api_key=s3cret"]) == 2
    said = capsys.readouterr().err
    assert "http://a:1/m?token=***&model=b is given twice" in said
    assert "found 'ftp://x?api_key=***'" in said
    assert "s3cret" not in said


def test_mistakes_of_the_file_are_told_with_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("servers:\n  - {url: 'http://127.0.0.1:1', runtime: vlm}\n")
    assert cli.main(["exporter", "--config", str(file)]) == 3
    assert f"line 2: servers[0].runtime: expected one of {RUNTIMES}" in capsys.readouterr().err


def test_a_web_config_file_asks_for_tls_and_a_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.server()
    file = web_config(
        tmp_path,
        f"tls_server_config: {{cert_file: {pair.certificate.name}, key_file: {pair.key.name}}}\n"
        f"basic_auth_users: {{prometheus: {HASH.decode()}}}\n",
    )
    with running("--web-config", str(file)) as exporter:
        assert exporter.url.startswith("https://")
        with contextlib.closing(exporter.client(trusting(authority.file))) as client:
            assert [ask(client, path=path).status for path in ("/metrics", "/-/healthy")] == [401, 401]
            assert ask(client, Authorization=basic("prometheus", PASSWORD)).status == 200


def test_mistakes_of_the_web_config_file_are_told_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = web_config(tmp_path, "tls_server_config:\n  cert_file: none.crt\n  key_file: none.key\n")
    assert cli.main(["exporter", "--listen", "127.0.0.1:0", "--web-config", str(file)]) == 3
    said = capsys.readouterr().err
    assert "line 2: tls_server_config.cert_file: " in said
    assert "line 3: tls_server_config.key_file: " in said


@pytest.mark.parametrize(
    ("flag", "url", "runtime"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", ""),
        ("http://127.0.0.1:8000=vllm", "http://127.0.0.1:8000", "vllm"),
        ("http://127.0.0.1:8000/metrics?model=a", "http://127.0.0.1:8000/metrics?model=a", ""),
        ("http://127.0.0.1:8000/metrics?model=a=vllm", "http://127.0.0.1:8000/metrics?model=a", "vllm"),
        ("https://[::1]:8000/m=triton", "https://[::1]:8000/m", "triton"),
    ],
)
def test_a_server_is_read_from_its_flag(flag: str, url: str, runtime: str) -> None:
    assert exporter_settings.servers_from_flags([flag]) == (Server(url=url, runtime=runtime),)


@pytest.mark.parametrize("flag", ["", "=vllm", "127.0.0.1:8000", "http://u:hunter2@h:1", "http://h:1=vlm"])
def test_a_flag_that_is_no_server_is_refused(flag: str) -> None:
    with pytest.raises(UsageError) as raised:
        exporter_settings.servers_from_flags([flag])
    assert "hunter2" not in str(raised.value)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    with serving(answer(GOOD)) as server:
        file = tmp_path / "atlas-ops.yaml"
        file.write_text(
            f"exporter: {{listen: '127.0.0.1:{closed_port()}'}}\nservers: [{{url: 'http://127.0.0.1:{closed_port()}'}}]\n"
        )
        with running("--config", str(file), "--server", server.url) as exporter:
            assert states(exporter.page()) == {server.address: "ok"}


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(["exporter", "--help"])
    assert raised.value.code == 0
    said = capsys.readouterr().out
    for word in (
        "--server http://127.0.0.1:8000",
        "127.0.0.1:9464",
        "starting",
        "unparsable",
        "exit codes",
        "bentoml",
        " vllm.\nAn address without a path",
    ):
        assert word in said


def test_the_exporter_does_not_pay_for_other_commands() -> None:
    code = "import sys, atlas_ops.cli.exporter; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    foreign = {
        "bcrypt",
        "pynvml",
        "slack_sdk",
        "sqlalchemy",
        "grafanalib",
        "prometheus_api_client",
        "starlette",
        "numpy",
        "requests",
    }
    assert foreign.isdisjoint(loaded)
