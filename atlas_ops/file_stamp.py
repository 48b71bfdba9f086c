"""Whether a file has changed, told by its stat alone: cheap enough for every connection and every second.

Used by `exporter.web.guard` for the web-config file and its certificates, by the exporter for its settings file and for files
that name servers, and by `http_config` for certificates.
"""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int, int] | None
"""What changes with a file's content; links are followed, as Kubernetes swaps mounted ones. None: it is not there."""


def stamp(path: Path) -> Stamp:
    """Return the stamp of a file; equal stamps mean that it has not changed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class FileWatch:
    """Tells when a file has changed and is at rest: one that is half written may look like a whole one."""

    def __init__(self, path: Path | None) -> None:
        """Watch a file that was not read yet; none at all never changes."""
        self._path = path
        self._used: Stamp = None
        self._seen = self._now()

    def changed(self) -> bool:
        """Whether the file differs from the one that was noted, and is as it was at the call before this one."""
        now = self._now()
        at_rest, self._seen = now == self._seen, now
        return at_rest and now != self._used

    def noted(self) -> None:
        """Take the file as it is now as read; to be called before it is."""
        self._used = self._seen = self._now()

    def _now(self) -> Stamp:
        return stamp(self._path) if self._path else None
