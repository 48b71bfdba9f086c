"""Grafana's own schemas of dashboards and panels, as JSON schemas.

Grafana Labs generates two things from one source: JSON schemas, which lie in the repository of its foundation SDK and in no
package, and the classes of the SDK on PyPI. Both say the same: keys, types, choices, what is required. So the schemas are
made of the classes here, and are as strict as the originals: a key that Grafana does not know is an error.
"""

from __future__ import annotations

import enum
import functools
import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import jsonschema
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import (
    bargauge,
    dashboard,
    gauge,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
    units,
)

Json = dict[str, Any]

KINDS: dict[str, types.ModuleType] = {
    "bargauge": bargauge,
    "gauge": gauge,
    "heatmap": heatmap,
    "stat": stat,
    "state-timeline": statetimeline,
    "table": table,
    "text": text,
    "timeseries": timeseries,
}
"""The kinds of panels, with the models of their options and of what they add to a field."""
UNITS = frozenset(value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str))
"""The ids of units that Grafana knows."""

_READ = re.compile(r'if "(?P<key>[^"]+)" in data:.*?args\["(?P<name>\w+)"\]', re.DOTALL)
_WRITTEN = re.compile(r'^ {12}"(?P<key>[^"]+)": self\.(?P<name>\w+),$', re.MULTILINE)
"""What a model writes whether it is set or not: what is required."""
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def errors(found: Json) -> list[str]:
    """What Grafana's schemas object to in a dashboard: where, and what."""
    told = list(_told(dashboard.Dashboard, {**found, "panels": []}))
    for number, panel in enumerate(found["panels"]):
        told += [f"panels.{number}.{error}" for error in panel_errors(panel)]
    return told


def panel_errors(panel: Json) -> Iterator[str]:
    """What they object to in a panel, with the options of its kind and what its kind adds to a field."""
    if panel["type"] == "row":
        yield from _told(dashboard.RowPanel, panel)
        return
    yield from _told(dashboard.Panel, panel)
    if panel["type"] not in KINDS:
        yield f"type: no schema of {panel['type']!r} is known here"
        return
    module = KINDS[panel["type"]]
    yield from (f"options.{error}" for error in _told(module.Options, panel["options"]))
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    if hasattr(module, "FieldConfig"):
        yield from (f"fieldConfig.defaults.custom.{error}" for error in _told(module.FieldConfig, custom))
    yield from _override_errors(panel, module)
    if custom and not hasattr(module, "FieldConfig"):
        yield f"fieldConfig.defaults.custom: a {panel['type']} adds nothing to a field, found {sorted(custom)}"


def _override_errors(panel: Json, module: types.ModuleType) -> Iterator[str]:
    for override in panel["fieldConfig"]["overrides"]:
        for found in override["properties"]:
            _, of_kind, key = found["id"].rpartition("custom.")
            model = getattr(module, "FieldConfig", None) if of_kind else dashboard.FieldConfig
            known = _validator(model).schema["definitions"][_name(model)]["properties"] if model else {}
            if key not in known:
                yield f"fieldConfig.overrides: a {panel['type']} has no property {found['id']!r}"
            else:
                yield from (
                    f"fieldConfig.overrides.{error}" for error in _told(model, {key: found["value"]}, partly=True)
                )


def _told(model: Any, value: object, *, partly: bool = False) -> Iterator[str]:
    for error in _validator(model).iter_errors(value):
        if partly and error.validator == "required" and not error.absolute_path:
            continue
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


@functools.cache
def _validator(model: Any) -> Any:
    definitions: Json = {}
    schema = _of_hint(model, definitions)
    return jsonschema.Draft7Validator({**schema, "definitions": definitions})


def _of_model(model: Any, definitions: Json) -> Json:
    name = _name(model)
    if name not in definitions:
        definitions[name] = {}  # a model may hold itself
        definitions[name] = _object(model, definitions)
    return {"$ref": f"#/definitions/{name}"}


def _name(model: Any) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _object(model: Any, definitions: Json) -> Json:
    written = {found["key"]: found["name"] for found in _WRITTEN.finditer(inspect.getsource(model.to_json))}
    names = {found["key"]: found["name"] for found in _READ.finditer(inspect.getsource(model.from_json))} | written
    hints = typing.get_type_hints(model)
    properties = {key: _of_hint(hints[name], definitions) for key, name in names.items()}
    for key in written:
        if type(None) in typing.get_args(hints[names[key]]):
            properties[key] = {"anyOf": [properties[key], {"type": "null"}]}
    if model is dashboard.FieldConfig:
        properties["links"] = {"type": "array", "items": _data_link(definitions)}
    return {"type": "object", "additionalProperties": False, "required": sorted(written), "properties": properties}


def _data_link(definitions: Json) -> Json:
    # The SDK takes a link of a value for one of a dashboard. Grafana's own type of it, DataLink, needs these two alone.
    return {**_object(dashboard.DashboardLink, definitions), "required": ["title", "url"]}


def _of_hint(hint: Any, definitions: Json) -> Json:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [_of_hint(one, definitions) for one in inner if one is not type(None)]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if origin is list:
        return {"type": "array", "items": _of_hint(inner[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_hint(inner[1], definitions)}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if hint in (object, Any):
        return {}
    if issubclass(hint, enum.Enum):
        return {"enum": [choice.value for choice in hint]}
    return _of_model(prometheus.Dataquery if hint is variants.Dataquery else hint, definitions)
