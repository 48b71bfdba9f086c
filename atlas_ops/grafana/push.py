"""Decides what is to be written so that a Grafana has our dashboards, each in the folder that is wanted, and writes it.

Called by `atlas_ops.cli.dashboards`. A dashboard is ours when it has our uid and our tag: what merely has the same uid is never
touched, and what is as it should be is not written again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from atlas_ops.errors import AtlasError
from atlas_ops.grafana.client import MOST_UID_CHARACTERS, Folder, Grafana, Refused, Stored
from atlas_ops.grafana.wire import Json

_GRAFANAS_OWN = frozenset({"id", "version", "refresh"})
"""Keys that say nothing of whether a dashboard is the same: Grafana counts the first two, and raises `refresh` to the shortest
that its administrator allows."""


class Verdict(Enum):
    """What became, or in a dry run would become, of a dashboard."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    """A dashboard as it should be."""

    uid: str
    title: str
    tag: str
    """The tag by which we know our own."""
    model: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one dashboard."""

    dashboard: Dashboard
    verdict: Verdict
    problem: AtlasError | None = None
    """Why it was refused."""


def folder(grafana: Grafana, title: str, *, dry_run: bool) -> tuple[Folder, bool]:
    """Return the folder of this title, and whether it is new: it is made when there is none, but for a dry run.

    One that we made counts whatever it is called now. Refused when several have the title, or it cannot be made.
    """
    wanted = Folder(uid=folder_uid(title), title=title)
    there = grafana.folders()
    called = [found for found in there if found.uid == wanted.uid] or [found for found in there if found.title == title]
    if len(called) > 1:
        uids = ", ".join(found.uid for found in called)
        raise Refused(
            f"{len(called)} folders are called {title!r} (uids {uids})",
            next_step="give another --folder, or rename one of them",
        )
    if called:
        return called[0], False
    if not dry_run:
        grafana.make_folder(wanted)
    return wanted, True


def push(
    grafana: Grafana, dashboards: Iterable[Dashboard], folder_uid: str, *, message: str, dry_run: bool
) -> Iterator[Outcome]:
    """Bring each dashboard to what it should be, and tell of it; a dry run only tells.

    What Grafana refuses is an outcome, and the next one is tried; EnvironmentProblem when Grafana is not there any more.
    """
    for dashboard in dashboards:
        try:
            verdict = _brought(grafana, dashboard, folder_uid, message=message, dry_run=dry_run)
        except Refused as problem:
            yield Outcome(dashboard=dashboard, verdict=Verdict.REFUSED, problem=problem)
        else:
            yield Outcome(dashboard=dashboard, verdict=verdict)


def folder_uid(title: str) -> str:
    """Return the uid of a folder that we make: its title, where that is one already."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", title.lower()).strip("-")
    if plain == title and len(plain) <= MOST_UID_CHARACTERS:
        return plain
    # Titles that differ in what a uid cannot hold must not end in the same folder.
    suffix = hashlib.sha256(title.encode()).hexdigest()[:8]
    return f"{plain[: MOST_UID_CHARACTERS - len(suffix) - 1]}-{suffix}".lstrip("-")


def _brought(grafana: Grafana, wanted: Dashboard, folder_uid: str, *, message: str, dry_run: bool) -> Verdict:
    stored = grafana.dashboard(wanted.uid)
    if stored is None:
        verdict, after = Verdict.CREATED, 0
    elif _same(stored, wanted, folder_uid):
        return Verdict.UNCHANGED
    else:
        _refuse_foreign(stored, wanted)
        verdict, after = Verdict.CHANGED, stored.version
    if not dry_run:
        grafana.save(wanted.model, folder_uid, after=after, message=message)
    return verdict


def _same(stored: Stored, wanted: Dashboard, folder_uid: str) -> bool:
    return stored.folder_uid == folder_uid and _told(stored.model) == _told(wanted.model)


def _told(model: Json) -> Json:
    return {key: value for key, value in model.items() if key not in _GRAFANAS_OWN}


def _refuse_foreign(stored: Stored, wanted: Dashboard) -> None:
    tags = stored.model.get("tags")
    if not isinstance(tags, list) or wanted.tag not in tags:
        raise Refused(
            f"the dashboard {str(stored.model.get('title'))!r} has this uid and is not ours: it lacks the tag {wanted.tag}",
            next_step=f"give it another uid or delete it; if it is ours, give it the tag {wanted.tag} back",
        )
    if stored.provisioned:
        raise Refused(
            "it comes from a file that Grafana reads by itself (provisioning, or the sidecar's ConfigMap) and differs, or is in another folder",
            next_step="change the file in place of pushing, or take it away first; one way in is enough",
        )
