"""Which models a page is about, and a cap on how many of them get a name of their own.

Called by `translate`, one `ModelCap` for each server. Names come from requests in some runtimes, so anybody could fill
Prometheus with series; what is over the cap is counted together.
"""

from __future__ import annotations

from collections.abc import Sequence

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.dialect import Naming
from atlas_ops.catalog.reading import ModelOf
from atlas_ops.exporter.parse import Page
from atlas_ops.exporter.samples import Labels

MAX_LABEL_LENGTH = 256
"""Longer values are cut. Model names are paths or repository ids, well below half of this."""


class Models:
    """The models of one page. `given` is the name of the one model of a page that names none."""

    def __init__(self, naming: Naming, page: Page, given: str = "") -> None:
        self._labels = naming.labels
        names = (naming.known_by or page.names) if naming.labels else ()
        told = (told_model(sample.labels, naming.labels) for name in names for sample in page.of(name))
        self.found = dict.fromkeys(model for model in told if model)
        """The names on the page, in its order."""
        if naming.alone and not self.found:
            self.found = {(given or _info(naming, page) or c.UNNAMED_MODEL)[:MAX_LABEL_LENGTH]: None}
        self.named: frozenset[str] = frozenset(self.found)
        """Those that are passed on by name."""

    @property
    def are_unnamed(self) -> bool:
        """Whether there is none, or nothing says its name yet although pages of this runtime have names for models."""
        return not self.found or (bool(self._labels) and self.found.keys() == {c.UNNAMED_MODEL})

    @property
    def labels(self) -> tuple[str, ...]:
        """The values that the label `model` takes."""
        return tuple(dict.fromkeys(self._label(model) for model in self.found))

    def of(self, labels: Labels, where: ModelOf | None = None) -> str | None:
        """Return the label value of the model that a sample is about, or None when nothing says so."""
        if where is not None and where.whole and len(self.found) != 1:
            return c.UNNAMED_MODEL
        model = told_model(labels, self._labels) if where is None else _hidden(labels, where)
        if not model and len(self.found) == 1:
            # Some families have no model label; on a page of one model there is no doubt.
            model = next(iter(self.found))
        return self._label(model) if model else None

    def _label(self, model: str) -> str:
        return model if model in self.named else c.OVERFLOW


class ModelCap:
    """Remembers which models of a server have a name of their own, so that no series jumps in and out of `other`."""

    def __init__(self, max_models: int) -> None:
        self._max_models = max_models
        self._named: tuple[str, ...] = ()

    def apply(self, models: Models) -> int:
        """Name as many models as the cap allows; return how many are left over.

        A model keeps its name while it is on the page; new ones take the places that are left, in the page's order.
        """
        kept = [model for model in self._named if model in models.found]
        known = frozenset(kept)
        fresh = [model for model in models.found if model not in known]
        self._named = tuple((kept + fresh)[: self._max_models])
        models.named = frozenset(self._named)
        return len(models.found) - len(self._named)


def told_model(labels: Labels, preferred: Sequence[str]) -> str:
    """Return the model that a series names by the first of the preferred labels that it has; empty when it names none."""
    for wanted in preferred:
        for name, value in labels:
            if name == wanted and value:
                return value[:MAX_LABEL_LENGTH]
    return ""


def _info(naming: Naming, page: Page) -> str:
    """Return what one series of the page says of all of it, such as the service's name."""
    if naming.info is None:
        return ""
    metric, label = naming.info
    told = (value for sample in page.of(metric) for name, value in sample.labels if name == label)
    return next((value for value in told if not value.startswith(c.NO_SERVICE_NAME)), "")


def _hidden(labels: Labels, where: ModelOf) -> str:
    value = next((value for name, value in labels if name == where.label), "")
    if where.part is None:
        return value[:MAX_LABEL_LENGTH]
    parts = [part for part in value.split("/") if part]
    return parts[where.part][:MAX_LABEL_LENGTH] if -len(parts) <= where.part < len(parts) else ""
