"""Check: every generated file on disk is what the catalog and the settings print, and there is no other."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
    """Return the first line that differs, as its number and what each text says there."""
    left, right = found.splitlines(), expected.splitlines()
    same = next(
        (number for number, (one, other) in enumerate(zip(left, right, strict=False)) if one != other),
        min(len(left), len(right)),
    )
    return same + 1, _quoted(left, same), _quoted(right, same)


def _quoted(lines: list[str], number: int) -> str:
    return repr(lines[number].strip()) if number < len(lines) else "the end of the file"
