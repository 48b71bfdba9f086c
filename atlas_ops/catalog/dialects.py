"""The dialects that there are: the shipped ones of `exporters/`, and the user's own.

Called by `atlas_ops.exporter` (to translate a page), `atlas_ops.settings` (to know the runtimes), `atlas_ops.render` and
`atlas_ops.check`. What is in such a file, `catalog.dialect_file` says.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from atlas_ops import shipped
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialect_file import parse, read
from atlas_ops.errors import ConfigError

__all__ = ["load", "own_files", "parse", "read", "recognise", "runtime_ids", "shipped_dialects"]

_ENDINGS = (".yaml", ".yml")


def recognise(dialects: Sequence[Dialect], names: Collection[str]) -> Dialect | None:
    """Return the most specific dialect that knows one of the names of a page."""
    fitting = [dialect for dialect in dialects if dialect.knows(names)]
    return max(fitting, key=lambda dialect: dialect.rank, default=None)


def runtime_ids(own: str = "") -> tuple[str, ...]:
    """Return the ids of the shipped dialects and of those in the user's own folder; a file's name is its runtime's id."""
    return tuple(sorted(_shipped_files() | own_files(own)))


@cache
def shipped_dialects() -> tuple[Dialect, ...]:
    """Return every shipped dialect, by runtime id; ConfigError when a file is wrong."""
    return tuple(read(path) for _, path in sorted(_shipped_files().items()))


def load(own: str = "") -> tuple[Dialect, ...]:
    """Return every dialect, by runtime id; ConfigError with every mistake of every file.

    `own` is a folder of the user's dialects; one with the id of a shipped one takes its place.
    """
    known = {dialect.runtime: dialect for dialect in shipped_dialects()}
    wrong: list[ConfigError] = []
    for runtime, path in own_files(own).items():
        try:
            known[runtime] = read(path)
        except ConfigError as error:
            wrong.append(error)
    if wrong:
        raise ConfigError.of_all(own, wrong)
    return tuple(known[runtime] for runtime in sorted(known))


def _shipped_files() -> dict[str, Path]:
    return {path.stem: path for path in shipped.folder("exporters").glob("*.yaml")}


def own_files(folder: str) -> dict[str, Path]:
    """Return the files of the user's own folder by runtime id; none where none is named. ConfigError when it does not do."""
    if not folder:
        return {}
    next_step = "name a folder of dialects, such as --dialects dialects/"
    try:
        paths = sorted(path for path in Path(folder).iterdir() if path.suffix in _ENDINGS)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(folder, ["is no folder"], next_step=next_step) from None
    except OSError as error:
        raise ConfigError(folder, [f"cannot be listed: {error.strerror}"], next_step=next_step) from None
    files = {path.stem: path for path in paths}
    doubled = [
        f"{path.name} and {files[path.stem].name} are of one runtime" for path in paths if files[path.stem] != path
    ]
    if doubled:
        raise ConfigError(folder, doubled, next_step="remove one of the two")
    return files
