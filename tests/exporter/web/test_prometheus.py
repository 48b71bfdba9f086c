"""A real Prometheus against the real command: OpenMetrics over TLS with its own certificate and a password."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from atlas_ops.stage.processes import Process, free_port, program
from tests.exporter.collectors import await_that
from tests.exporter.command import running
from tests.exporter.web.certificates import Authority
from tests.exporter.web.rig import web_config
from tests.exporter.web.test_basic_auth import HASH, PASSWORD


def secured(folder: Path, authority: Authority) -> Path:
    pair = authority.server()
    section = {
        "cert_file": pair.certificate.name,
        "key_file": pair.key.name,
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": authority.file.name,
        "client_allowed_sans": ["prometheus"],
    }
    return web_config(
        folder, yaml.safe_dump({"tls_server_config": section, "basic_auth_users": {"prometheus": HASH.decode()}})
    )


def scrape_configuration(folder: Path, authority: Authority, target: str) -> Path:
    client = authority.client("prometheus")
    job = {
        "job_name": "atlas-exporter",
        "scheme": "https",
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "static_configs": [{"targets": [target]}],
        "basic_auth": {"username": "prometheus", "password": PASSWORD},
        "tls_config": {
            "ca_file": str(authority.file), "cert_file": str(client.certificate), "key_file": str(client.key),
        },
    }  # fmt: skip
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    return file


def value(url: str, query: str) -> float | None:
    with contextlib.suppress(urllib.error.URLError, ConnectionError):
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=5) as response:
            found = json.load(response)["data"]["result"]
            return float(found[0]["value"][1]) if found else None
    return None


def test_prometheus_scrapes_over_tls_with_its_certificate_and_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    web = secured(tmp_path, authority)
    with running("--web-config", str(web)) as exporter:
        target = urllib.parse.urlsplit(exporter.url).netloc
        port = free_port()
        command = [
            program("prometheus", "prometheus"),
            f"--config.file={scrape_configuration(tmp_path, authority, target)}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with Process("prometheus", command, log=tmp_path / "prometheus.log", environment={}):
            url = f"http://127.0.0.1:{port}"
            await_that(lambda: value(url, 'up{job="atlas-exporter"}') == 1)
            await_that(lambda: (value(url, "atlas_exporter_scrapes_total") or 0) >= 2)
            refused = 'sum(atlas_exporter_refused_requests_total{reason=~"tls|unauthorized"})'
            assert value(url, refused) == 0
