"""Slack's documented limits on a message, checked as strictly as Slack does. Called by `stage.slack_standin`.

Written from Slack's reference (Block Kit, chat.postMessage), not from what the pager sends: it shares no code with it.
Lengths are counted in UTF-16 units, the longest way in which Slack may count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeGuard

Json = Mapping[str, object]
_Check = Callable[[object, str], Iterator[str]]

MAX_BLOCKS = 50
MAX_TEXT = 4000
"""Slack splits a longer `text` into several messages; here it is refused."""
MAX_TOTAL = 12_000
"""Sum of all texts and addresses in the blocks. Not documented; about 13,200 was seen to be refused."""

_KEYS = {
    "header": {"type", "block_id", "text"},
    "section": {"type", "block_id", "text", "fields"},
    "context": {"type", "block_id", "elements"},
    "actions": {"type", "block_id", "elements"},
    "divider": {"type", "block_id"},
    "image": {"type", "block_id", "alt_text", "title", "image_url", "slack_file"},
}
_BUTTON_KEYS = {"type", "action_id", "text", "url", "value", "style", "confirm", "accessibility_label"}
_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}


def files(message: Json) -> tuple[str, ...]:
    """Return the ids of the files that a message shows."""
    blocks = message.get("blocks")
    shown = [block.get("slack_file") for block in blocks if _is_object(block)] if isinstance(blocks, list) else []
    return tuple(str(file["id"]) for file in shown if _is_object(file) and "id" in file)


def problem(message: Json) -> tuple[str, tuple[str, ...]]:
    """Return Slack's error code for a message's text, blocks and metadata, with details; ("", ()) when it is right."""
    text, blocks, metadata = message.get("text", ""), message.get("blocks", []), message.get("metadata")
    if not isinstance(text, str) or not isinstance(blocks, list):
        return "invalid_arguments", ("text must be a string and blocks a list",)
    if not text.strip() and not blocks:
        return "no_text", ()
    if size(text) > MAX_TEXT:
        return "msg_too_long", (f"text has {size(text)} characters",)
    mistakes = tuple(_blocks(blocks))
    if mistakes:
        return "invalid_blocks", mistakes
    if sum(map(size, _strings(blocks))) > MAX_TOTAL:
        return "msg_blocks_too_long", (f"all texts have {sum(map(size, _strings(blocks)))} characters",)
    if metadata is not None and not _is_metadata(metadata):
        return "invalid_metadata_format", ()
    return "", ()


def size(text: str) -> int:
    """Return the length of a text in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_metadata(metadata: object) -> bool:
    if not _is_object(metadata):
        return False
    name, payload = metadata.get("event_type"), metadata.get("event_payload")
    return isinstance(name, str) and bool(re.fullmatch(r"[a-z0-9_]{1,255}", name)) and _is_object(payload)


def _blocks(blocks: list[object]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    names = [block.get("block_id") for block in blocks if _is_object(block) and block.get("block_id")]
    if len(names) != len(set(names)):
        yield "block_id already exists [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        path = f"/blocks/{number}"
        kind = block.get("type") if _is_object(block) else None
        if not _is_object(block) or not isinstance(kind, str) or kind not in _KEYS:
            yield f"unsupported type: {kind} [json-pointer:{path}/type]"
            continue
        yield from _keys(block, _KEYS[kind], path)
        yield from _optional(block, "block_id", 255, path)
        yield from _inside(kind, block, path)


def _inside(kind: str, block: Json, path: str) -> Iterator[str]:
    if kind == "header":
        yield from _text(block.get("text"), 150, f"{path}/text", kinds=("plain_text",))
    elif kind == "section":
        if "text" not in block and "fields" not in block:
            yield f"needs text or fields [json-pointer:{path}]"
        if "text" in block:
            yield from _text(block["text"], 3000, f"{path}/text")
        if "fields" in block:
            yield from _each(block["fields"], 10, f"{path}/fields", _field)
    elif kind == "context":
        yield from _each(block.get("elements"), 10, f"{path}/elements", _element)
    elif kind == "actions":
        yield from _each(block.get("elements"), 25, f"{path}/elements", _button)
        yield from _unique(block.get("elements"), f"{path}/elements")
    elif kind == "image":
        yield from _image(block, path)


def _unique(items: object, path: str) -> Iterator[str]:
    names = [item.get("action_id") for item in items if _is_object(item)] if isinstance(items, list) else []
    named = [name for name in names if name is not None]
    if len(named) != len(set(named)):
        yield f"action_id already exists [json-pointer:{path}]"


def _image(block: Json, path: str) -> Iterator[str]:
    yield from _optional({"alt_text": block.get("alt_text")}, "alt_text", 2000, path)
    if "title" in block:
        yield from _text(block["title"], 2000, f"{path}/title", kinds=("plain_text",))
    file = block.get("slack_file")
    if ("image_url" in block) == ("slack_file" in block):
        yield f"needs image_url or slack_file, not both [json-pointer:{path}]"
    elif "image_url" in block:
        yield from _optional(block, "image_url", 3000, path)
    elif not _is_object(file) or file.keys() not in ({"id"}, {"url"}):
        yield f"needs an id or a url [json-pointer:{path}/slack_file]"


def _each(items: object, most: int, path: str, check: _Check) -> Iterator[str]:
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        yield f"must have 1 to {most} items [json-pointer:{path}]"
        return
    for number, item in enumerate(items):
        yield from check(item, f"{path}/{number}")


def _field(item: object, path: str) -> Iterator[str]:
    yield from _text(item, 2000, path)


def _element(item: object, path: str) -> Iterator[str]:
    yield from _text(item, 3000, path)


def _button(item: object, path: str) -> Iterator[str]:
    if not _is_object(item) or item.get("type") != "button":
        yield f"must be a button [json-pointer:{path}]"
        return
    yield from _keys(item, _BUTTON_KEYS, path)
    yield from _text(item.get("text"), 75, f"{path}/text", kinds=("plain_text",))
    yield from _optional(item, "action_id", 255, path)
    yield from _optional(item, "value", 2000, path)
    yield from _optional(item, "url", 3000, path)
    url = item.get("url", "https://")
    if not isinstance(url, str) or not re.match(r"https?://\S*\Z", url):
        yield f"must be a valid URL [json-pointer:{path}/url]"
    if item.get("style", "primary") not in ("primary", "danger"):
        yield f"must be primary or danger [json-pointer:{path}/style]"
    if "confirm" in item:
        yield from _confirm(item["confirm"], f"{path}/confirm")


def _confirm(item: object, path: str) -> Iterator[str]:
    if not _is_object(item):
        yield f"must be an object [json-pointer:{path}]"
        return
    yield from _keys(item, {*_CONFIRM, "style"}, path)
    for name, most in _CONFIRM.items():
        kinds = ("plain_text", "mrkdwn") if name == "text" else ("plain_text",)
        yield from _text(item.get(name), most, f"{path}/{name}", kinds=kinds)


def _text(item: object, most: int, path: str, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not _is_object(item) or item.get("type") not in kinds:
        yield f"must be a {' or '.join(kinds)} object [json-pointer:{path}]"
        return
    flag = "emoji" if item["type"] == "plain_text" else "verbatim"
    yield from _keys(item, {"type", "text", flag}, path)
    text = item.get("text")
    if not isinstance(text, str) or not 1 <= size(text) <= most:
        found = size(text) if isinstance(text, str) else text
        yield f"must have 1 to {most} characters, not {found} [json-pointer:{path}/text]"
    if not isinstance(item.get(flag, True), bool):
        yield f"must be a boolean [json-pointer:{path}/{flag}]"


def _optional(item: Json, key: str, most: int, path: str) -> Iterator[str]:
    value = item.get(key, "x")
    if not isinstance(value, str) or not 1 <= size(value) <= most:
        yield f"must have 1 to {most} characters [json-pointer:{path}/{key}]"


def _keys(item: Json, allowed: set[str], path: str) -> Iterator[str]:
    for key in item.keys() - allowed:
        yield f"invalid additional property: {key} [json-pointer:{path}]"


def _strings(value: object) -> Iterator[str]:
    """Return everything written in blocks: texts, values and addresses."""
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif _is_object(value):
        for key, item in value.items():
            if key in ("text", "url", "value", "alt_text") and isinstance(item, str):
                yield item
            else:
                yield from _strings(item)


def _is_object(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)
