"""What a command needs of the machine: packages of an extra, and files that it may write. Shared by the commands."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from atlas_ops.errors import EnvironmentProblem


def need(extra: str, *modules: str) -> None:
    """Raise EnvironmentProblem when a module of an extra is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise EnvironmentProblem(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            next_step=f"pip install 'atlas-ops[{extra}]'",
        )


def write(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8; EnvironmentProblem when it cannot be."""
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be written: {error.strerror}", next_step="check the folder") from error
