"""Says what a storm is as a Slack message: how many incidents of which faults, and where their list is. Pure.

Called by `pager.delivery.parcel`. Each fault is one line, so the message grows with the catalog, not with the storm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.pager import times
from atlas_ops.pager.incident import Event
from atlas_ops.pager.slack import blocks, headline
from atlas_ops.pager.slack.blocks import Link, Message, Span, bold, code, plain
from atlas_ops.pager.slack.events import lines
from atlas_ops.pager.storm import Line, Storm

SHOWN_FAULTS = 30
_OPENING, _LINES, _SMALL = 300, 2900, 300


def parent(storm: Storm, pager_url: str) -> Message:
    """Return the message of a storm in its present state. `pager_url` has no slash at its end."""
    links = blocks.links((Link("All incidents", f"{pager_url}/?storm={storm.id}"),))
    return Message(
        incident=storm.id,
        event=0,
        text=blocks.cut(_text(storm), blocks.FALLBACK_LIMIT),
        blocks=(
            blocks.header(_title(storm)),
            blocks.section(_opening(storm), _OPENING),
            blocks.section(_lines(storm), _LINES),
            blocks.Context(blocks.fitted(_small_print(storm), _SMALL)),
            *((links,) if links.links else ()),
        ),
    )


def reply(storm: Storm, events: Sequence[Event]) -> Message:
    """Return one reply for the thread that tells all of these events."""
    text = blocks.cut("\n".join(event.text for event in events), blocks.TEXT_LIMIT)
    return Message(incident=storm.id, event=events[-1].number, text=text, blocks=(blocks.section(lines(events)),))


def _title(storm: Storm) -> str:
    if not storm.firing:
        return f"{headline.RESOLVED} STORM OVER · {storm.total} incidents"
    gravest = storm.lines[0].severity
    return f"{headline.sign(gravest)} STORM · {storm.firing} incidents at once"


def _text(storm: Storm) -> str:
    shown = ", ".join(f"{_count(line)} {line.severity} {line.fault}" for line in storm.lines[:SHOWN_FAULTS])
    return f"{_title(storm)}: {shown}"


def _opening(storm: Storm) -> Iterator[Span]:
    if storm.firing:
        yield bold(f"{storm.firing} of {storm.total} incidents are open.")
        yield plain(" They came too fast for a message each; what becomes of them is told here.")
    else:
        yield bold(f"All {storm.total} incidents are over.")
    yield plain(" Since ")
    yield blocks.time(storm.since, times.moment(storm.since))


def _lines(storm: Storm) -> Iterator[Span]:
    for number, line in enumerate(storm.lines[:SHOWN_FAULTS]):
        yield plain("\n" if number else "")
        yield plain(f"{headline.sign(line.severity) if line.firing else headline.RESOLVED} ")
        yield bold(f"{_count(line)} {blocks.cut(line.fault, 50)}")
        if line.place:
            yield plain(" e.g. " if line.total > 1 else " ")
            yield code(blocks.cut(line.place, 40))
    if (more := len(storm.lines) - SHOWN_FAULTS) > 0:
        yield plain(f"\nand {more} more faults")


def _count(line: Line) -> str:
    return f"{line.firing} of {line.total}" if 0 < line.firing < line.total else str(line.total)


def _small_print(storm: Storm) -> Iterator[Span]:
    yield plain(f"Storm {storm.id} · each incident has a page of its own, with its runbook filled in")
