"""What a pager has to do with Slack: the way there, the buttons back, and the charts. Called by `cli.pager` and `cli.pager_parts`."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.routing import Route

from atlas_ops import settings as addresses
from atlas_ops.errors import UsageError
from atlas_ops.pager.charts.charts import Charts
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.slack.illustrator import Illustrator
from atlas_ops.pager.slack.interactions import Interactions
from atlas_ops.pager.slack.press import Presses
from atlas_ops.pager.slack.socket import Socket
from atlas_ops.pager.store.store import Store
from atlas_ops.settings import Settings

TOKEN = "SLACK_BOT_TOKEN"  # noqa: S105 - the name of the variable, not its value
APP_TOKEN = "SLACK_APP_TOKEN"  # noqa: S105 - as above
SIGNING_SECRET = "SLACK_SIGNING_SECRET"  # noqa: S105 - as above
SLACK_API = "https://slack.com/api/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Buttons:
    """How Slack tells of buttons that are pressed: over a socket, by signed requests, both, or not at all."""

    url: str
    app_token: str
    signing_secret: str

    @property
    def heard(self) -> bool:
        """Whether Slack tells of them at all; if not, messages have none."""
        return bool(self.app_token or self.signing_secret)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What works and answers for Slack beside the delivery."""

    jobs: tuple[Socket | Illustrator, ...] = ()
    routes: tuple[Route, ...] = ()


def build(
    buttons: Buttons,
    store: Store,
    slack: Slack,
    charts: Charts,
    performer: Performer,
    metrics: Metrics,
    *,
    connected: Callable[[], None],
    changed: Callable[[], None],
) -> Beside:
    """Return the parts. `connected` is called with each connection for buttons, `changed` with each chart."""
    presses = Presses(performer=performer, slack=slack)
    jobs: list[Socket | Illustrator] = [Illustrator(store, slack, charts, changed=changed)]
    if buttons.app_token:
        way = Socket(
            app_token=buttons.app_token, url=buttons.url, presses=presses, metrics=metrics, connected=connected
        )
        jobs.append(way)
    secret = buttons.signing_secret
    return Beside(jobs=tuple(jobs), routes=(Interactions.signed(secret, presses).route(),) if secret else ())


def slack_of(args: argparse.Namespace, settings: Settings) -> Slack | None:
    """Return the way to Slack; None without a token. UsageError when flags and environment do not fit together."""
    if problem := addresses.url_problem(args.slack_api_url):
        raise UsageError(f"--slack-api-url: {problem}", next_step=f"leave it out for {SLACK_API}")
    token = _secret(TOKEN, "copy the bot token (xoxb-...) again")
    if not token:
        return None
    channel = str(args.channel).strip().lstrip("#") or settings.pager.channel
    if not channel:
        raise UsageError(f"{TOKEN} is set, but no channel is named", next_step="add --channel NAME, or unset the token")
    return Slack(token=token, url=args.slack_api_url, channel=channel)


def buttons_of(args: argparse.Namespace) -> Buttons:
    """Return the way back from Slack; UsageError when what the environment holds can be no secret."""
    return Buttons(
        url=args.slack_api_url,
        app_token=_secret(APP_TOKEN, "copy the app-level token (xapp-...) again"),
        signing_secret=_secret(SIGNING_SECRET, "copy the signing secret of the app again"),
    )


def _secret(name: str, next_step: str) -> str:
    value = os.environ.get(name, "").strip()
    if value and not re.fullmatch(r"[!-~]+", value):
        raise UsageError(f"{name} holds characters that no token has", next_step=next_step)
    return value
