"""How Alertmanager reaches people by itself, while the pager does not deliver and beside it, and how to log in to its API.

Read by `settings`; the first is printed by `render.alertmanager`, the second is for the pager.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from atlas_ops.document import Section
from atlas_ops.settings.own_routes import OwnRoutes, read_own_routes

_SLACK_HOOKS = "hooks.slack.com"
"""Where Slack's webhooks are. An address that was copied without its scheme would pass for a path, and be printed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alertmanager:
    """Without a file there is no way around the pager."""

    slack_api_url_file: str = ""
    """File, on the machine of Alertmanager, that holds the address of one of Slack's incoming webhooks: a secret."""
    slack_channel: str = ""
    """Channel to post to; empty: the one that the webhook was made for."""
    own: OwnRoutes = field(default_factory=OwnRoutes)
    """The user's own routes and receivers, which work beside the pager."""
    http_config_file: str = ""
    """File, on the machine of the pager, that says how to log in at `links.alertmanager` (`atlas_ops.http_config`)."""


def read_alertmanager(section: Section) -> Alertmanager:
    """Read the section `alertmanager`."""
    default = Alertmanager()
    alertmanager = Alertmanager(
        slack_api_url_file=section.string("slack_api_url_file", default.slack_api_url_file),
        slack_channel=section.string("slack_channel", default.slack_channel),
        own=read_own_routes(section, "extra_file"),
        http_config_file=section.string("http_config_file", default.http_config_file),
    )
    if alertmanager.slack_channel and not alertmanager.slack_api_url_file:
        section.mistake("slack_channel", "expected slack_api_url_file beside it: without one nothing is posted")
    if "://" in alertmanager.slack_api_url_file or _SLACK_HOOKS in alertmanager.slack_api_url_file:
        told = "expected the path of a file that holds the webhook's address, found an address: it is a secret"
        section.mistake("slack_api_url_file", told)
    section.finish()
    return alertmanager
