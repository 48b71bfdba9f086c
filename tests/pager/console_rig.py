"""A pager with its console, as a browser and as a script meet it. For the tests of the console."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from atlas_ops.alertmanager import Alertmanager
from atlas_ops.catalog import build_catalog
from atlas_ops.pager import webhook
from atlas_ops.pager.access.gate import Gate, Public
from atlas_ops.pager.access.proxy import Proxy
from atlas_ops.pager.access.token import Token
from atlas_ops.pager.app import Pager
from atlas_ops.pager.charts.charts import Charts
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console.incident_page import Sight
from atlas_ops.pager.console.routes import Console
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.store.store import Store
from atlas_ops.stage.processes import Process, free_port, program
from tests.pager.lists import open_incidents, past_incidents
from tests.pager.notes import body, runbooks
from tests.pager.rig import serving

SECRET = "correct-horse-battery-staple"
NOWHERE = "http://127.0.0.1:1"
"""Nothing listens there, so nothing can be asked."""


@dataclass(kw_only=True)
class Scene:
    """A served pager. `asked` counts how often a diagnosis was wished for."""

    store: Store
    client: httpx.Client
    performer: Performer
    asked: int = 0

    def hear(self, *alerts: dict[str, object], group: str = "one", ago: float = 0.0) -> str:
        """Take a webhook that came a while ago, seconds, and return the incident that it is about."""
        at = time.time() - ago
        self.store.inbox.accept(webhook.parse(body(*alerts, group=group)), at)
        heads = (*open_incidents(self.store), *past_incidents(self.store))
        return next(head.id for head in heads if head.heard_at == at)

    def page(self, address: str) -> str:
        """Return a page that is there."""
        answer = self.client.get(address)
        assert answer.status_code == 200, answer.text
        return answer.text

    def press(self, incident: str, act: str, **fields: str) -> httpx.Response:
        """Open the page of an incident and press a button of it, as a browser does."""
        shown = hidden(self.client.get(f"/incidents/{incident}").text)
        return self.client.post(f"/incidents/{incident}/deeds", data={**shown, "act": act, **fields})

    def log_in(self, name: str = "Jane", token: str = SECRET) -> httpx.Response:
        """Log in as a person does."""
        form = {**hidden(self.client.get("/login").text), "name": name, "token": token}
        return self.client.post("/login", data=form)


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the last form of a page that has each."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


@contextmanager
def scene(
    folder: Path,
    *,
    token: bool = False,
    header: str = "",
    proxies: tuple[str, ...] = (),
    public: Public = Public.NOTHING,
    webhook_token: bool = False,
    external: str = "http://pager.test",
    alertmanager: str = NOWHERE,
    prometheus: str = NOWHERE,
    acting: bool = True,
    books: Path | None = None,
) -> Iterator[Scene]:
    """Serve a pager with an empty database until this is left. `books`: where its runbooks lie, if not the usual two."""
    store = Store(folder / "pager.db")
    metrics, waiting = Metrics(), Alertmanager(alertmanager, timeout_seconds=2.0)
    performer = Performer(store, waiting, metrics, changed=lambda: None)
    charts = Charts(catalog=build_catalog(), prometheus_url=prometheus)
    composer = Composer(runbooks=books or runbooks(folder / "runbooks"), pager_url=external, charts=charts)
    found: list[Scene] = []

    def again() -> None:
        found[0].asked += 1

    console = Console(
        store=store,
        composer=composer,
        gate=Gate(
            external=external,
            token=Token(SECRET) if token else None,
            proxy=Proxy(header, proxies) if header else None,
            public=public,
        ),
        performer=performer if acting else None,
        sight=Sight(charts=charts, again=again),
    )
    shown = Token(SECRET) if webhook_token else None
    pager = Pager(store=store, console=console, metrics=metrics, delivery=None, wake=lambda: None, token=shown)
    try:
        with serving(pager.app()) as client:
            found.append(Scene(store=store, client=client, performer=performer))
            yield found[0]
    finally:
        waiting.close()
        store.close()


@contextmanager
def measuring(folder: Path, series: dict[str, tuple[float, dict[str, str]]]) -> Iterator[str]:
    """Start a real Prometheus that has these series, {name: (value, labels)}, and return its address."""
    rules = [{"record": name, "expr": f"vector({value})", "labels": labels} for name, (value, labels) in series.items()]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "interval": "1s", "rules": rules}]}))
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"]}))
    address = f"127.0.0.1:{free_port()}"
    command = [program("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}", "--log.level=error"]
    with Process("prometheus", command, log=folder / "prometheus.log") as process:
        process.wait_until_ready(f"http://{address}/-/ready")
        yield f"http://{address}"


def key() -> str:
    """Return what makes a deed of a script the same deed when it is sent again."""
    return secrets.token_hex(8)
