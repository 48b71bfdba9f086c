"""Where the shipped folders lie: inside the installed wheel or at the top of a checkout.

Called by whoever reads `alerts/`, `dashboards/`, `runbooks/` or `exporters/`.
"""

from __future__ import annotations

from pathlib import Path

from atlas_ops.errors import EnvironmentProblem

KINDS = ("alerts", "dashboards", "exporters", "runbooks")


def root() -> Path:
    """Return the folder that holds the four shipped folders.

    A wheel carries them in `atlas_ops/_shipped/`; in a checkout they lie beside the package.
    """
    package = Path(__file__).parent
    installed = package / "_shipped"
    found = installed if installed.is_dir() else package.parent
    if not (found / "exporters").is_dir():
        raise EnvironmentProblem(
            f"the shipped files are missing: no {', '.join(KINDS)} in {found}",
            next_step="install atlas-ops again from its wheel, or run it from a whole checkout",
        )
    return found


def folder(kind: str) -> Path:
    """Return the shipped folder `kind` (one of `KINDS`)."""
    return root() / kind
