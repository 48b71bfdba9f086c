"""`atlas-ops` as it is, but for the paces of its delivery: tests cannot wait for a message per second.

Run as `python -m tests.pager.quick_pager pager ...` by `tests.pager.chaos`.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from atlas_ops.cli import main, pager_parts, pager_slack
from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.store import outbox

TIMEOUT_SECONDS = 2
SETTLE_SECONDS = 4.0
LEASE_SECONDS = 5.0
OWN_MESSAGES = 30
"""Some incidents have messages of their own, and some are gathered."""


def quick(**_: object) -> Pace:
    """Return the pace of a Slack that never tires."""
    return Pace(
        per_second=200,
        burst=20,
        every=0.1,
        first_retry=0.1,
        last_retry=1.0,
        pause=0.3,
        refused=1.0,
        settle=SETTLE_SECONDS,
        look=0.1,
        own_messages=OWN_MESSAGES,
        storm_every=0.5,
    )


if __name__ == "__main__":
    parts: Any = pager_parts
    parts.Pace = quick
    slack: Any = pager_slack
    slack.Slack = functools.partial(Slack, timeout_seconds=TIMEOUT_SECONDS)
    outbox.LEASE_SECONDS = LEASE_SECONDS
    sys.exit(main())
