"""The few calls of Grafana's HTTP API that it takes to put dashboards into a folder, and what each of its refusals means.

Called by `push`. Grafana's documentation of these calls: "Dashboard API", "Folder API" and "Folder/Dashboard Search API".
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from atlas_ops.errors import AtlasError
from atlas_ops.grafana.wire import Answer, Json, Wire

MOST_UID_CHARACTERS = 40
MOST_MESSAGE_CHARACTERS = 500
_PAGE, _MOST_PAGES = 5000, 20
"""The most hits that Grafana gives at a time, and how often it is asked for more."""
_CONFLICTS = (409, 412)
_AGAIN = "run the command again: it reads what is there by then"
_NEXT_STEPS = {
    "version-mismatch": _AGAIN,
    "name-exists": "rename or delete the other dashboard of this title, or give another --folder",
    "plugin-dashboard": "give the plugin's dashboard another uid: ours would take its place",
}
"""{`status` of a refusal with 412: what to do}."""


class Refused(AtlasError):
    """Grafana understood a call and did not do it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder of dashboards."""

    uid: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A dashboard as Grafana has it."""

    model: Json
    version: int
    """Counts how often it was saved; a save that does not name the latest is refused."""
    folder_uid: str
    """Empty at the top level."""
    provisioned: bool
    """Whether it comes from a file that Grafana reads by itself; then it cannot be saved."""


class Grafana:
    """One Grafana, and what the token's account may do in it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def version(self) -> str:
        """Return its version, empty where it hides it; EnvironmentProblem when it is no Grafana. No token is sent."""
        answer = self._wire.ask("/api/health", secret=False)
        if "database" not in answer.fields:
            raise self._wire.problem(
                f"HTTP {answer.status} to /api/health, and no word of a database: this is not Grafana",
                "check --url, with the path below which Grafana is served",
            )
        return str(answer.fields.get("version", ""))

    def folders(self) -> tuple[Folder, ...]:
        """Return every folder that the account may see.

        Asked for by its uid, a folder that is not there is forbidden to an Editor, as is one that he may not see.
        """
        found: list[Folder] = []
        for page in range(1, _MOST_PAGES + 1):
            answer = self._wire.ask(f"/api/search?type=dash-folder&limit={_PAGE}&page={page}")
            if answer.status != 200 or not isinstance(answer.body, list):
                raise _refused(answer, "folders cannot be looked for")
            found += [_folder(hit) for hit in answer.body if isinstance(hit, dict)]
            if len(answer.body) < _PAGE:
                break
        return tuple(found)

    def make_folder(self, folder: Folder) -> None:
        """Make a folder at the top level, unless there is one with its uid that the search has not found yet."""
        answer = self._wire.tell("/api/folders", {"uid": folder.uid, "title": folder.title})
        what = f"the folder {folder.title!r} cannot be made"
        if answer.status in _CONFLICTS:
            if self._wire.ask(f"/api/folders/{quote(folder.uid, safe='')}").status != 200:
                raise _refused(
                    answer, what, "let the service account see that folder (folders:read), or give another --folder"
                )
        else:
            _fields(answer, what)

    def dashboard(self, uid: str) -> Stored | None:
        """Return the dashboard with this uid."""
        answer = self._wire.ask(f"/api/dashboards/uid/{quote(uid, safe='')}")
        if answer.status == 404:
            return None
        found = _fields(answer, "it cannot be read")
        model, meta = found.get("dashboard"), found.get("meta")
        if not isinstance(model, dict) or not isinstance(meta, dict):
            raise Refused(
                "what Grafana has is no dashboard", next_step="look at it in Grafana, and delete it if it is broken"
            )
        return Stored(
            model=model,
            version=_number(model.get("version")),
            folder_uid=str(meta.get("folderUid") or ""),
            provisioned=bool(meta.get("provisioned")),
        )

    def save(self, model: Json, folder_uid: str, *, after: int, message: str) -> None:
        """Store a dashboard as the version after the one named; 0: as a new one.

        Never with `overwrite`: that would also undo what somebody saved in between, and up to Grafana 11 take the place of
        another dashboard of the folder that has the same title.
        """
        body = {
            "dashboard": {**model, "id": None, "version": after},
            "folderUid": folder_uid,
            "message": message[:MOST_MESSAGE_CHARACTERS],
            "overwrite": False,
        }
        _fields(self._wire.tell("/api/dashboards/db", body), "it cannot be saved")


def _fields(answer: Answer, what: str) -> Json:
    if answer.status != 200:
        raise _refused(answer, what)
    return answer.fields


def _refused(answer: Answer, what: str, next_step: str = "") -> Refused:
    return Refused(f"{what}: {answer.message} (HTTP {answer.status})", next_step=next_step or _next_step(answer))


def _next_step(answer: Answer) -> str:
    if answer.status == 403:
        return (
            "give the service account the role Editor, or the permissions folders:read, folders:create, dashboards:read, "
            "dashboards:create and dashboards:write (for all folders, or for this one)"
        )
    if answer.status == 404:
        return "check --url: a Grafana that has been found does not know this call"
    if answer.status in _CONFLICTS:
        return _NEXT_STEPS.get(str(answer.fields.get("status")), _AGAIN)
    if answer.status == 429 or answer.status >= 500:
        return "look into Grafana's log; then run the command again: what is written by then is left alone"
    return "what Grafana says names the mistake; with dashboards of `atlas-ops build` it is one of atlas-ops: tell us"


def _folder(found: Json) -> Folder:
    return Folder(uid=str(found.get("uid") or ""), title=str(found.get("title") or ""))


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
