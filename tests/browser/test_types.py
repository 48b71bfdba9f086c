"""Every dashboard fits the types of Grafana's own packages, as TypeScript judges it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from atlas_ops import shipped
from atlas_ops.catalog import build_catalog
from atlas_ops.render import dashboards
from atlas_ops.settings import Settings
from atlas_ops.stage.preview import PAGE

_PACKAGES = shipped.root() / PAGE.parent / "node_modules"
# A text of JSON is any text to TypeScript, so each choice is one of its texts. Grafana's types of annotations and variables
# leave out what its Prometheus data source reads there (`expr`) and what Grafana writes itself (`definition`).
_HEAD = """\
import type { Dashboard } from "@grafana/schema";
type Written<T> =
  T extends string ? (string extends T ? string : `${T}`) :
  T extends (infer U)[] ? Written<U>[] :
  T extends object ? { [K in keyof T]: Written<T[K]> } : T;
type Loose = Omit<Dashboard, "annotations" | "templating"> & { annotations?: object; templating?: object };
"""


def complaints(folder: Path, texts: Iterable[str]) -> str:
    """What TypeScript says to dashboards, in strict mode."""
    if not (_PACKAGES / ".bin/tsc").exists():
        pytest.skip(f"Grafana's packages are not in {_PACKAGES}; `make test-browser` installs them")
    lines = [f"export const board{n}: Written<Loose> = {text.strip()};" for n, text in enumerate(texts)]
    (folder / "boards.ts").write_text("\n".join((_HEAD, *lines)))
    options = {
        "strict": True, "skipLibCheck": True, "noEmit": True, "target": "esnext", "module": "esnext", "types": [],
        "moduleResolution": "bundler", "baseUrl": str(folder), "paths": {"@grafana/schema": [str(_PACKAGES / "@grafana/schema")]},
    }  # fmt: skip
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["boards.ts"]}))
    command = [str(_PACKAGES / ".bin/tsc"), "--project", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300).stdout


def printed() -> dict[str, str]:
    files = dashboards.render(build_catalog(), Settings())
    return {path: text for path, text in files.items() if path.endswith(".json")}


def test_every_dashboard_fits_grafanas_types(tmp_path: Path) -> None:
    assert complaints(tmp_path, printed().values()) == ""


def test_a_choice_that_grafana_does_not_have_is_told(tmp_path: Path) -> None:
    text = next(iter(printed().values())).replace('"mode": "absolute"', '"mode": "absolut"', 1)
    assert '"absolut"\' is not assignable' in complaints(tmp_path, [text])
