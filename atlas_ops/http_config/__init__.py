"""How to log in to an address: credentials and TLS in the format of Prometheus's `http_config`, and the wire that uses them.

The file is the one that `promtool` and `amtool` take with --http.config.file. Used by `atlas_ops.prometheus`,
`atlas_ops.alertmanager` and whatever else asks one of the two; named by --http-config and by `http_config_file` of the settings.
"""

from atlas_ops.http_config.config import HttpConfig
from atlas_ops.http_config.reading import read
from atlas_ops.http_config.wire import Answer, LoginRefused, Wire

__all__ = ["Answer", "HttpConfig", "LoginRefused", "Wire", "read"]
