"""How a pager logs in to Prometheus and Alertmanager, as its settings say. Called by `cli.pager`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atlas_ops import http_config
from atlas_ops.errors import ConfigError
from atlas_ops.http_config import HttpConfig
from atlas_ops.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Logins:
    """None: anybody may ask."""

    prometheus: HttpConfig | None = None
    alertmanager: HttpConfig | None = None

    @classmethod
    def read(cls, settings: Settings) -> Logins:
        """Read the files that the settings name; ConfigError with the mistakes of both."""
        found: list[HttpConfig | None] = []
        errors: list[ConfigError] = []
        for file in (settings.prometheus.http_config_file, settings.alertmanager.http_config_file):
            try:
                found.append(http_config.read(Path(file)) if file else None)
            except ConfigError as error:
                errors.append(error)
        if errors:
            raise ConfigError.of_all("http_config_file", errors)
        return cls(prometheus=found[0], alertmanager=found[1])
