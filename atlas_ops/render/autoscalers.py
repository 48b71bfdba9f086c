"""Prints `alerts/autoscalers.yaml`: recording rules that make the signals of autoscalers from what others publish of them."""

from __future__ import annotations

from collections.abc import Mapping

from atlas_ops import promql
from atlas_ops.catalog import autoscalers
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import pace, yamltext
from atlas_ops.settings import Settings

PATH = "alerts/autoscalers.yaml"


def render(catalog: Catalog, settings: Settings) -> Mapping[str, str]:
    """Return the file; where nothing of the kind is scraped, its rules find nothing and cost nothing."""
    del catalog
    timing = settings.parameters.timing
    groups: list[yamltext.Value] = [
        {
            "name": f"atlas-autoscalers{ending}",
            "interval": promql.duration(seconds),
            "rules": [
                {"record": one.name, "expr": one.expr}
                for one in autoscalers.recordings(timing)
                if one.unhurried == unhurried
            ],
        }
        for ending, seconds, unhurried in pace.groups(timing)
    ]
    return {PATH: yamltext.dump({"groups": groups})}
