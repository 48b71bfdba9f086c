"""The user's price table: what an hour of a GPU costs, by its name. No price is built in. Called by the command.

currency: EUR
gpus:
  - name: NVIDIA H100*        # a pattern over the label `name` of atlas_gpu_info; the first that fits counts
    per_hour: 3.20
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_ops import promql
from atlas_ops.document import Document, Section
from atlas_ops.errors import ConfigError, DataError

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What an hour of the GPUs costs whose name fits a glob pattern."""

    name: str
    per_hour: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """A price table; all prices are of one currency."""

    currency: str
    gpus: tuple[Price, ...]

    def per_hour(self, name: str) -> float | None:
        """Return the price of a GPU by its name; None where no pattern fits."""
        return next((price.per_hour for price in self.gpus if _fits(price.name, name)), None)


def read(path: Path) -> Prices:
    """Read a table; DataError with every mistake in it."""
    try:
        return _read(Document.read(path))
    except ConfigError as error:
        raise DataError(error.message, next_step=error.next_step) from error


def _read(document: Document) -> Prices:
    root = document.root
    currency = root.string("currency", required=True)
    if currency and not _CURRENCY.fullmatch(currency):
        root.mistake("currency", f"expected a code of three letters such as EUR, found {currency!r}")
    prices: list[Price] = []
    sections = list(root.sections("gpus"))
    if not sections:
        root.mistake("gpus", "expected at least one entry with name and per_hour")
    for section in sections:
        price = _price(section)
        if price.name and (taken := _taken(price.name, prices)):
            section.mistake(
                "name", f"{price.name!r} never counts, for the earlier pattern {taken!r} takes it; put this one first"
            )
        prices.append(price)
    root.finish()
    document.close(next_step="mend these lines; `atlas-ops capacity --help` shows a table")
    return Prices(currency=currency, gpus=tuple(prices))


def _price(section: Section) -> Price:
    if not section.has("per_hour"):
        section.mistake("per_hour", "is missing; expected the price of an hour of one GPU")
    price = Price(
        name=section.string("name", required=True), per_hour=section.number("per_hour", 0.0, above=0, below=1e6)
    )
    section.finish()
    return price


def _taken(name: str, earlier: Sequence[Price]) -> str:
    """Return an earlier pattern that takes all that this one fits, as far as its own text as a name tells."""
    return next((price.name for price in earlier if price.name and _fits(price.name, name)), "")


def _fits(pattern: str, name: str) -> bool:
    return re.fullmatch(promql.glob_regex(pattern), name, re.DOTALL) is not None
