"""A YAML file read with its line numbers, so that every mistake in it can be named at once.

Called by `settings` (the user's `atlas-ops.yaml`), `catalog.dialects` (`exporters/*.yaml`) and others, which ask a `Section`
for typed values; a mistake is noted, the default is returned, and `Document.close` raises all of them together.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import yaml

from atlas_ops.errors import ConfigError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXTS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "timestamp"))
"""What counts as text although YAML reads more into it: a version 0.9, a time 10:00, a date."""

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]


class Document:
    """One YAML file and the mistakes found in it so far."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.mistakes: list[tuple[int, str]] = []
        try:
            node = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(file, [f"line {line}: not YAML: {error.problem}"], next_step="mend the syntax") from error
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(file, [f"not YAML: {error}"], next_step="mend the syntax") from error
        self._node = node

    @cached_property
    def root(self) -> Section:
        """The file as keys with values; an empty one has none."""
        return Section(self, self._node or yaml.MappingNode("tag:yaml.org,2002:map", []), "")

    @property
    def items(self) -> Iterator[Section]:
        """The file as a list of mappings."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.note(self._node, f"expected a list ([] for an empty one), found {_found(self._node)}")
            return
        for number, item in enumerate(self._node.value):
            yield Section(self, item, f"[{number}]")

    @property
    def plain(self) -> Plain:
        """The file as lists and mappings, for one that is passed on; texts such as 09:00 and dates stay as they are written."""
        return None if self._node is None else _plain(self._node)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file; ConfigError when it cannot be read or is not YAML."""
        try:
            return cls(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                str(path), [f"cannot be read: {error}"], next_step="check the path and its permissions"
            ) from error

    def note(self, node: yaml.Node | None, mistake: str) -> None:
        """Keep a mistake with the line of the node it is about."""
        self.mistakes.append((node.start_mark.line + 1 if node is not None and node.start_mark else 1, mistake))

    def close(self, *, next_step: str) -> None:
        """Raise ConfigError with every mistake, in the order of the file; return when there is none."""
        if self.mistakes:
            lines = [f"line {line}: {mistake}" for line, mistake in sorted(self.mistakes)]
            raise ConfigError(self.file, lines, next_step=next_step)


class Section:
    """One mapping of a document. Every method takes a key, and notes a mistake instead of raising."""

    def __init__(self, document: Document, node: yaml.Node, path: str) -> None:
        self.document = document
        self.node = node
        self.path = path
        self._asked: set[str] = set()
        self._items: dict[str, yaml.Node] = {}
        self._keys: dict[str, yaml.Node] = {}
        if isinstance(node, yaml.MappingNode):
            self._read(node)
        else:
            document.note(node, f"{path or 'the file'}: expected keys with values, found {_found(node)}")

    def _read(self, node: yaml.MappingNode) -> None:
        for key_node, value in node.value:
            key = str(key_node.value)
            if key in self._items:
                self.document.note(key_node, f"{self.where(key)}: given twice")
            self._items[key] = value
            self._keys[key] = key_node

    def where(self, key: str) -> str:
        """Return the full name of a key, such as `exporter.listen`."""
        return f"{self.path}.{key}" if self.path else key

    def keys(self) -> tuple[str, ...]:
        """Return the keys that the file gives, in its order."""
        return tuple(self._items)

    def has(self, key: str) -> bool:
        """Say whether the file gives the key."""
        return key in self._items

    def mistake(self, key: str, text: str) -> None:
        """Note a mistake about a key (about the section itself when the key is not there)."""
        self.document.note(self._keys.get(key, self.node), f"{self.where(key)}: {text}")

    def finish(self) -> None:
        """Note every key that nobody asked for, with the nearest known one."""
        for key, node in self._keys.items():
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(self._asked))}"
                self.document.note(node, f"{self.where(key)}: unknown key; {hint}")

    def string(self, key: str, default: str = "", *, choices: Sequence[str] = (), required: bool = False) -> str:
        """Return a text; with `choices`, one of them."""
        node = self._scalar(key, "text", required=required)
        if node is None:
            return default
        if node.tag not in _TEXTS:
            self.mistake(key, f"expected text, found {_found(node)}")
        elif choices and node.value not in choices:
            near = difflib.get_close_matches(node.value, choices, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            self.mistake(key, f"expected one of {', '.join(choices)}, found {node.value!r}{hint}")
        else:
            return str(node.value)
        return default

    def number(self, key: str, default: float, *, above: float = -math.inf, below: float = math.inf) -> float:
        """Return a number with `above` < number < `below`."""
        node = self._scalar(key, "a number")
        if node is None:
            return default
        try:
            value = float(node.value)
        except ValueError:
            value = math.nan
        if node.tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") or math.isnan(value):
            self.mistake(key, f"expected a number, found {_found(node)}")
        elif not above < value < below:
            bounds = " and ".join(
                text
                for text, given in ((f"above {above:g}", above > -math.inf), (f"below {below:g}", below < math.inf))
                if given
            )
            self.mistake(key, f"expected a number {bounds}, found {node.value}")
        else:
            return value
        return default

    def integer(self, key: str, default: int, *, above: int = -1, below: int = 1 << 62) -> int:
        """Return a whole number with `above` < number < `below`."""
        value = self.number(key, default, above=above, below=below)
        if value != int(value):
            self.mistake(key, f"expected a whole number, found {value:g}")
            return default
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        node = self._scalar(key, "true or false")
        if node is None:
            return default
        if node.tag != "tag:yaml.org,2002:bool":
            self.mistake(key, f"expected true or false, found {_found(node)}")
            return default
        return str(node.value).lower() in ("true", "yes", "on")

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; a single text counts as a list of one."""
        node = self._ask(key)
        if node is None:
            return ()
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not all(isinstance(item, yaml.ScalarNode) and item.tag != "tag:yaml.org,2002:null" for item in items):
            self.mistake(key, f"expected a list of texts, found {_found(node)}")
            return ()
        return tuple(str(item.value) for item in items)

    def numbers(self, key: str, *, rising: bool = False) -> tuple[float, ...]:
        """Return a list of numbers; a single one counts as a list of one. With `rising`, each is above the one before."""
        try:
            numbers = tuple(float(text) for text in self.strings(key))
        except ValueError:
            self.mistake(key, "expected numbers")
            return ()
        if rising and any(not low < high for low, high in itertools.pairwise(numbers)):
            self.mistake(key, "expected numbers that rise")
            return ()
        return numbers

    def section(self, key: str) -> Section:
        """Return the mapping under a key; an empty one when it is not given."""
        node = self._ask(key)
        empty = yaml.MappingNode(
            "tag:yaml.org,2002:map", [], start_mark=self.node.start_mark, end_mark=self.node.end_mark
        )
        return Section(self.document, node if node is not None else empty, self.where(key))

    def sections(self, key: str) -> Iterator[Section]:
        """Return the mappings of the list under a key."""
        node = self._ask(key)
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            self.mistake(key, f"expected a list, found {_found(node)}")
            return
        for number, item in enumerate(node.value):
            yield Section(self.document, item, f"{self.where(key)}[{number}]")

    def _ask(self, key: str) -> yaml.Node | None:
        self._asked.add(key)
        return self._items.get(key)

    def _scalar(self, key: str, expected: str, *, required: bool = False) -> yaml.ScalarNode | None:
        node = self._ask(key)
        if node is None:
            if required:
                self.mistake(key, f"is missing; expected {expected}")
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self.mistake(key, f"expected {expected}, found {_found(node)}")
            return None
        return node


def _found(node: yaml.Node | None) -> str:
    if node is None:
        return "nothing"
    if isinstance(node, yaml.MappingNode):
        return "keys with values"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if node.tag == "tag:yaml.org,2002:null":
        return "nothing"
    return repr(node.value)


def _plain(node: yaml.Node) -> Plain:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "int" if text.lstrip("-").isdecimal():
            return int(text)
        case "float" if re.fullmatch(r"-?\d+\.\d+", text, re.ASCII):
            return float(text)
    return text
