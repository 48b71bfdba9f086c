"""Basic auth with bcrypt hashes: slow to guess, and no cost for a scrape that has the right password.

Used by `config` (reading) and `session` (checking). The only importer of bcrypt, which is loaded when there are users.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import threading
from collections.abc import Mapping
from enum import Enum
from types import ModuleType

from atlas_ops.document import Section
from atlas_ops.exporter.deadline import Deadline

HASHERS = 2
"""Hashes that are computed at the same time; each keeps a core busy for some 70 ms at the usual cost of 10."""
WAITING = 8
"""Further logins that wait for their turn. More are sent away, so that guessers cannot use up the connections."""
MAX_COST = 16
"""A hash of this cost takes some four seconds: a dearer one would outlast a scrape."""
MAX_REMEMBERED = 100
"""Passwords known to be right; one for each user, as a rule."""
_SIGNIFICANT_BYTES = 72
"""bcrypt looks no further; the tools that make hashes cut longer passwords here."""
_HASH = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}\Z")


class Login(Enum):
    """What comes of a login."""

    RIGHT = "right"
    WRONG = "wrong"
    BUSY = "busy"
    """Not looked at: too many others are."""


class Users:
    """Knows who may come in. Safe to use from many threads."""

    def __init__(self, hashes: Mapping[str, bytes]) -> None:
        self._hashes = {name.encode(): found for name, found in hashes.items()}
        self._bcrypt = _bcrypt() if hashes else None
        # As dear as the dearest real one, so that the time of an answer does not tell who is a user.
        cost = max((int(found.split(b"$")[2]) for found in hashes.values()), default=4)
        self._decoy = b"$2b$%02d$" % cost + b"." * 53
        self._key = secrets.token_bytes(32)
        self._right: set[bytes] = set()
        self._turns = threading.BoundedSemaphore(HASHERS)
        self._places = threading.BoundedSemaphore(HASHERS + WAITING)

    def check(self, authorization: str, deadline: Deadline) -> Login:
        """Return what comes of the header `Authorization`. Nobody is asked for a password where there are no users."""
        if self._bcrypt is None:
            return Login.RIGHT
        credentials = _credentials(authorization)
        if credentials is None:
            return Login.WRONG
        # Neither the password nor anything that could be looked up in a table of hashes is kept.
        mark = hashlib.blake2b(credentials, key=self._key).digest()
        if mark in self._right:
            return Login.RIGHT
        if not self._places.acquire(blocking=False):
            return Login.BUSY
        try:
            return self._compute(credentials, mark, deadline)
        finally:
            self._places.release()

    def _compute(self, credentials: bytes, mark: bytes, deadline: Deadline) -> Login:
        if not self._turns.acquire(timeout=deadline.left):
            return Login.BUSY
        try:
            if mark in self._right:  # found by another connection while this one waited
                return Login.RIGHT
            name, _, password = credentials.partition(b":")
            known = name in self._hashes
            matches = self._matches(password, self._hashes.get(name, self._decoy))
        finally:
            self._turns.release()
        if not (known and matches):
            return Login.WRONG
        if len(self._right) >= MAX_REMEMBERED:
            self._right = set()
        self._right.add(mark)
        return Login.RIGHT

    def _matches(self, password: bytes, wanted: bytes) -> bool:
        assert self._bcrypt is not None
        return bool(self._bcrypt.checkpw(password[:_SIGNIFICANT_BYTES], wanted))


def read(section: Section) -> Users:
    """Read `basic_auth_users`; every mistake is noted in its document. No hash ever stands in a message."""
    hashes: dict[str, bytes] = {}
    names = section.keys()
    for name in names:
        found = section.string(name)
        cost = _HASH.match(found)
        if cost is None:
            section.mistake(name, "expected a bcrypt hash, as `htpasswd -nBC 10 USER` prints it behind the colon")
        elif not 4 <= int(cost[1]) <= MAX_COST:
            section.mistake(name, f"expected a cost from 4 to {MAX_COST}, found {int(cost[1])}")
        elif ":" in name:
            section.mistake(name, "a user's name cannot hold a colon")
        else:
            hashes[name] = found.encode()
    return Users(hashes)


def _credentials(authorization: str) -> bytes | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        found = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if b":" in found else None


def _bcrypt() -> ModuleType:
    import bcrypt  # noqa: PLC0415 (costs memory, so only where there are users)

    return bcrypt
