"""Whether a file has changed, told by its stat alone: cheap enough for every connection and every second.

Used by `web.guard` for the web-config file and its certificates, and by the command for the settings file.
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
