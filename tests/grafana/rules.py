"""What Grafana refuses about dashboards and folders, written from its documentation and its error texts.

It shares no code with what it judges. Documentation: "Dashboard API", "Folder API", "Folder/Dashboard Search API" of Grafana
11 and 12; limits of lengths and characters: Grafana's own messages (pkg/services/dashboards/errors.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

_SAVE_KEYS = {"dashboard", "folderId", "folderUid", "message", "overwrite"}
_FOLDER_KEYS = {"uid", "title", "parentUid", "description"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer over HTTP."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """In place of a body: what is no JSON."""


def refusal(code: int, message: str, /, **more: object) -> Answer:
    return Answer(status=code, body={"message": message, **more})


def bad_uid(uid: object) -> Answer | None:
    if not isinstance(uid, str) or not re.fullmatch(r"[a-zA-Z0-9_-]*", uid):
        return refusal(400, "uid contains illegal characters")
    return refusal(400, "uid too long, max 40 characters") if len(uid) > 40 else None


def bad_save(command: object) -> Answer | None:
    """What is wrong with the body of POST /api/dashboards/db, whatever Grafana holds."""
    if not isinstance(command, dict) or set(command) - _SAVE_KEYS or not isinstance(command.get("dashboard"), dict):
        return refusal(400, "bad request data")
    if "folderId" in command and "folderUid" in command:
        return refusal(400, "define only one of folderId and folderUid")
    if not isinstance(command.get("overwrite", False), bool) or not isinstance(command.get("message", ""), str):
        return refusal(400, "bad request data")
    if len(command.get("message", "")) > 500:
        return refusal(400, "message too long, max 500 characters")
    return _bad_model(command["dashboard"])


def _bad_model(model: Json) -> Answer | None:
    title = model.get("title")
    if not isinstance(title, str) or not title.strip():
        return refusal(400, "Dashboard title cannot be empty", status="empty-name")
    if len(title) > 5000:
        return refusal(400, "Dashboard title cannot contain more than 5 000 characters", status="title-too-long")
    for key in ("id", "version"):
        if not isinstance(model.get(key, 0) or 0, int):
            return refusal(400, "bad request data")
    return bad_uid(model.get("uid") or "")


def bad_folder(command: object) -> Answer | None:
    """What is wrong with the body of POST /api/folders, whatever Grafana holds."""
    if not isinstance(command, dict) or set(command) - _FOLDER_KEYS:
        return refusal(400, "bad request data")
    title = command.get("title")
    if not isinstance(title, str) or not title.strip():
        return refusal(400, "folder title cannot be empty")
    if title.strip().lower() == "general":
        return refusal(400, "A folder with that name already exists")
    return bad_uid(command.get("uid") or "")


def forbidden(action: str) -> Answer:
    return refusal(
        403,
        f"You'll need additional permissions to perform this action. Permissions needed: {action}",
        title="Access denied",
        accessErrorId="ACE0123456789",
    )


def seconds(refresh: object) -> float:
    """How long a refresh interval such as 30s or 1m is; without end when there is none."""
    found = re.fullmatch(r"(\d+)(s|m|h)", str(refresh or ""))
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else float("inf")
