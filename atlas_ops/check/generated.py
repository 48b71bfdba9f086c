"""Check: every generated file on disk is what the catalog and the settings print, and there is no other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from atlas_ops.catalog import conventions
from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree
from atlas_ops.render import yamltext

_BUILD = "run `atlas-ops build` with the same --config; change the catalog or the settings, not this file"
_STRAY = "delete it; whoever loads its folder would go on loading it"
_NATIVE = "name its scrape job under `native` in the settings, or delete it: it would go on recording"
_FOLDERS = (
    "alerts/*", "alerts/native/*", "dashboards/*", "dashboards/configmaps/*", "dashboards/provisioning/*/*", "exporters/deploy/*",
)  # fmt: skip
_BEFORE, _SHOWN = 40, 120
_OUR_DASHBOARD = re.compile(rf'^ *"uid": "{conventions.DASHBOARD_UID_PREFIX}', re.MULTILINE)


def check(tree: Tree) -> Iterator[Finding]:
    """Find generated files that are missing, that differ, or that nothing generates any more."""
    for path, expected in tree.generated.items():
        if not tree.has(path):
            yield Finding(file=path, message="this generated file is missing", next_step="run `atlas-ops build`")
        elif tree.text(path) != expected:
            line, found, wanted = first_difference(tree.text(path), expected)
            yield Finding(
                file=path,
                line=line,
                message=f"differs from what is generated: found {found}, expected {wanted}",
                next_step=_BUILD,
            )
    for path in tree.files(*_FOLDERS):
        if path not in tree.generated and _is_ours(tree.text(path)):
            yield Finding(
                file=path,
                message="says that it is generated, but nothing generates it",
                next_step=_NATIVE if path.startswith("alerts/native/") else _STRAY,
            )


def _is_ours(text: str) -> bool:
    return text.startswith(yamltext.HEADER) or bool(_OUR_DASHBOARD.search(text))


def first_difference(found: str, expected: str) -> tuple[int, str, str]:
    """Return the first line that differs, as its number and what each text says there, from shortly before they part."""
    left, right = found.splitlines(), expected.splitlines()
    same = _same(left, right)
    lines = (left[same].strip() if same < len(left) else None, right[same].strip() if same < len(right) else None)
    begin = max(0, _same(lines[0] or "", lines[1] or "") - _BEFORE) if None not in lines else 0
    return same + 1, _quoted(lines[0], begin), _quoted(lines[1], begin)


def _same(left: Sequence[str], right: Sequence[str]) -> int:
    """Return how many items are the same from the beginning on."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(left), len(right)))


def _quoted(line: str | None, begin: int) -> str:
    """Return a line to be read: a dashboard in a ConfigMap is one line of 100 kB."""
    if line is None:
        return "the end of the file"
    shown = line[begin : begin + _SHOWN]
    return f"{'...' if begin else ''}{shown!r}{'...' if begin + _SHOWN < len(line) else ''}"
