"""A real Prometheus and a real Alertmanager that want a login over TLS, and a proxy that wants a token and a tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import bcrypt
import yaml

from atlas_ops import http_config
from atlas_ops.alertmanager import Alertmanager
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.http_config import Wire
from atlas_ops.prometheus import Prometheus
from atlas_ops.stage.processes import Process, free_port, program
from tests.exporter.web.certificates import Authority
from tests.loopback import serving
from tests.pager.rig import eventually

USER, PASSWORD = "atlas", "pa55-of-the-test:with-a-colon"
TOKEN = "t0ken-of-the-test-9f8e7d6c"
TENANT = "team-a"
SECRETS = (PASSWORD, TOKEN)


@dataclass(frozen=True)
class Guarded:
    """An address that wants a login. `config` is the file that has one."""

    url: str
    config: Path

    @property
    def words(self) -> list[str]:
        """What a command is told of it."""
        return ["--prometheus", self.url, "--http-config", str(self.config)]


def written(folder: Path, document: object, name: str = "login.yml") -> Path:
    """Write a file in the format of `http_config`."""
    file = folder / name
    file.write_text(yaml.safe_dump(document))
    return file


@contextmanager
def prometheus(folder: Path) -> Iterator[Guarded]:
    """Start a Prometheus behind TLS and a password, which takes what is written to it."""
    (folder / "prometheus.yml").write_text("{}")
    more = [f"--storage.tsdb.path={folder / 'data'}", "--web.enable-remote-write-receiver"]
    command = [program("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}", *more]
    with _secured(folder, command, _prometheus_answers) as guarded:
        yield guarded


@contextmanager
def alertmanager(folder: Path) -> Iterator[Guarded]:
    """Start an Alertmanager behind TLS and a password."""
    document = {"route": {"receiver": "nobody", "group_wait": "0s"}, "receivers": [{"name": "nobody"}]}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(document))
    more = [f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
    command = [program("prometheus-alertmanager", "prometheus-alertmanager"), *more]
    with _secured(folder, [*command, f"--config.file={folder / 'alertmanager.yml'}"], _alertmanager_answers) as guarded:
        yield guarded


@contextmanager
def _secured(folder: Path, command: Sequence[str], answers: Callable[[Guarded], object]) -> Iterator[Guarded]:
    authority = Authority(folder)
    pair = authority.server()
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    tls = {"cert_file": str(pair.certificate), "key_file": str(pair.key)}
    web = {"tls_server_config": tls, "basic_auth_users": {USER: hashed}}
    (folder / "web.yml").write_text(yaml.safe_dump(web))
    (folder / "password").write_text(f"{PASSWORD}\n")
    login = {"username": USER, "password_file": str(folder / "password")}
    config = written(folder, {"basic_auth": login, "tls_config": {"ca_file": str(authority.file)}})
    address = f"127.0.0.1:{free_port()}"
    more = [f"--web.config.file={folder / 'web.yml'}", f"--web.listen-address={address}", "--log.level=warn"]
    guarded = Guarded(f"https://{address}", config)
    with Process("guarded", [*command, *more], log=folder / "log") as process:

        def ready() -> bool:
            assert process.running, process.tail()
            try:
                answers(guarded)
            except EnvironmentProblem:
                return False
            return True

        assert eventually(ready), process.tail()
        yield guarded


def client(guarded: Guarded) -> Prometheus:
    """Return a client that logs in."""
    return Prometheus(guarded.url, http_config=http_config.read(guarded.config))


def _prometheus_answers(guarded: Guarded) -> object:
    with closing(client(guarded)) as found:
        return found.query("vector(1)")


def _alertmanager_answers(guarded: Guarded) -> object:
    with closing(Alertmanager(guarded.url, http_config=http_config.read(guarded.config))) as found:
        return found.silences()


@contextmanager
def proxy(folder: Path, behind: Guarded) -> Iterator[Guarded]:
    """Serve what is behind below a path to whoever shows a token and names a tenant, and nothing to others."""
    (folder / "token").write_text(TOKEN)
    document = {
        "authorization": {"credentials_file": "token"},
        "http_headers": {"X-Scope-OrgID": {"values": [TENANT]}},
    }
    with serving(_forwarding(behind)) as url:
        yield Guarded(f"{url}/api/prom", written(folder, document))


class Handler(BaseHTTPRequestHandler):
    """Answers every GET and POST as `respond` does, and says nothing on the terminal."""

    def respond(self, body: bytes) -> None:
        """Answer a request with this body."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.respond(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_POST(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


def _forwarding(behind: Guarded) -> type[BaseHTTPRequestHandler]:
    config = http_config.read(behind.config)

    class Proxy(Handler):
        def respond(self, body: bytes) -> None:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                # As careless ones do: what was sent stands in the answer.
                self.answer(401, f"unknown: {self.headers.get('Authorization')}".encode())
            elif self.headers.get("X-Scope-OrgID") != TENANT or not self.path.startswith("/api/prom/"):
                self.answer(403, b"no org id")
            else:
                kept = {
                    name: self.headers[name] for name in ("Content-Type", "Content-Encoding") if name in self.headers
                }
                with closing(Wire("Prometheus", behind.url, config, timeout_seconds=30)) as wire:
                    found = wire.ask(self.command, self.path.removeprefix("/api/prom"), body=body, headers=kept)
                self.answer(found.status, found.body)

    return Proxy
