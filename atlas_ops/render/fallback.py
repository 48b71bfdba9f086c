"""The way around a pager that does not deliver: Alertmanager posts to Slack by itself. Called by `render.alertmanager`.

Alertmanager cannot route one alert by the state of another. So the fault of the pager tells each page that fires
meanwhile once more, under its own name (`catalog.faults.blindness.pager`), and that name is routed here.
"""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.render import yamltext
from atlas_ops.settings import Alertmanager
from atlas_ops.settings.own_routes import WITHOUT_PAGER

_MOST_ALERTS = 10
"""Of one message: Slack refuses longer ones, and what it refuses is lost."""
# Prometheus's labels come from model servers, so none may become a mention or a link.
_PLAIN = '| reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;"'
_NAME = f"{{{{ or .CommonLabels.{c.PAGE} .CommonLabels.alertname {_PLAIN} }}}}"
# A copy also ends when the pager delivers again, which is no all-clear.
_TITLE = (
    f'{{{{ if eq .Status "firing" }}}}FIRING: {_NAME} (told by Alertmanager itself, for the pager does not deliver)'
    f"{{{{ else if .CommonLabels.{c.PAGE} }}}}No longer told here: {_NAME} (it is over, or the pager delivers again)"
    f"{{{{ else }}}}RESOLVED: {_NAME}{{{{ end }}}}"
)
_COLOR = '{{ if eq .Status "firing" }}danger{{ else }}#888888{{ end }}'
_SAID_ALREADY = f'stringSlice "alertname" "{c.FAMILY}" "{c.PAGE}" "{c.SEVERITY}" "{c.VARIANT}"'
_TEXT = (
    f"{{{{ range $number, $alert := .Alerts }}}}{{{{ if lt $number {_MOST_ALERTS} }}}}"
    f"{{{{ $alert.Annotations.summary {_PLAIN} }}}}\n"
    f"{{{{ range ($alert.Labels.Remove ({_SAID_ALREADY})).SortedPairs }}}}"
    f"{{{{ .Name }}}}={{{{ .Value {_PLAIN} }}}} {{{{ end }}}}\n"
    "{{ $alert.Annotations.runbook_url }}\n"
    f"{{{{ end }}}}{{{{ end }}}}{{{{ if gt (len .Alerts) {_MOST_ALERTS} }}}}"
    "There are more: {{ len .Alerts }} in all.{{ end }}"
)


def receivers(alertmanager: Alertmanager) -> list[yamltext.Value]:
    """Return the receiver that posts to Slack; none where no webhook is set."""
    if not alertmanager.slack_api_url_file:
        return []
    slack: dict[str, yamltext.Value] = {
        "api_url_file": alertmanager.slack_api_url_file,
        "send_resolved": True,
        "title": _TITLE,
        "text": _TEXT,
        "color": _COLOR,
    }
    if alertmanager.slack_channel:
        slack["channel"] = alertmanager.slack_channel
    return [{"name": WITHOUT_PAGER, "slack_configs": [slack]}]


def routes(alertmanager: Alertmanager, *, pager: str, nobody: str) -> list[yamltext.Value]:
    """Return the routes of the pager's own fault and of what it does not deliver; `pager` and `nobody` are receivers."""
    fault = f'alertname="{c.PAGER_FAULT}"'
    copies: dict[str, yamltext.Value] = {
        "matchers": [fault, f'{c.VARIANT}="{c.UNDELIVERED}"'],
        "group_by": [c.PAGE, "namespace", "model", "node"],
        "receiver": WITHOUT_PAGER if alertmanager.slack_api_url_file else nobody,
    }
    if not alertmanager.slack_api_url_file:
        return [copies]
    # Its own page goes both ways: a pager that is only slow has the incident, too. What a route has taken does not fall
    # back to the root, so the second way is said as well.
    around: dict[str, yamltext.Value] = {"matchers": [fault], "receiver": WITHOUT_PAGER, "continue": True}
    return [copies, around, {"matchers": [fault], "receiver": pager}]
