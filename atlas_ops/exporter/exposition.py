"""The grammar of one line of the Prometheus text format, OpenMetrics and Prometheus 3's quoted names included.

Called by `parse`. Takes what real servers print, which is more than the specifications allow: a comma after the last
label, odd spacing, exemplars in either format. What is repeated is never read again in another way, so that the time is
linear in the length of a line, whatever it holds. Only single characters are repeated possessively (*+, ++): Python's
`re` is wrong about groups before 3.11.5.
"""

from __future__ import annotations

import re

from atlas_ops.exporter.samples import Labels

Parts = tuple[bytes, bytes, bytes, float]
"""Of a sample: its series (name and labels), the name alone, what is between the braces, and its value."""
MOST_PAIRS = 10_000
"""The largest real page (Ray Serve) has 400 different labels. Each costs some 300 bytes."""

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_QUOTED = rb'"[^"\\]*+(?:\\.[^"\\]*+)*"'
_LABEL_NAME = rb'(?:[a-zA-Z_][a-zA-Z0-9_]*+|(?!"")%b)' % _QUOTED
_LABEL = rb"%b\s*+=\s*+%b\s*+" % (_LABEL_NAME, _QUOTED)
# A comma after the last label is common (TorchServe); a comma between labels is not optional.
_LABELS = rb"(?:%b(?:,\s*+%b)*(?:,\s*+)?)?" % (_LABEL, _LABEL)
# After the value perhaps a time stamp, and perhaps an exemplar.
_REST = rb"(?:(?<=\})\s*+|\s++)([^\s#]++)(?:\s++([^\s#]++))?\s*+(?:#.*+)?"
_SAMPLE = re.compile(rb"((%b)(?:\s*+\{\s*+(%b)\})?)%b" % (_NAME, _LABELS, _REST))
# A name that needs quotes stands within the braces, before the labels.
_QUOTED_SAMPLE = re.compile(rb'(\{\s*+((?!"")%b)\s*+(?:,\s*+(%b))?\})%b' % (_QUOTED, _LABELS, _REST))
_ONE_LABEL = re.compile(rb"(%b)\s*+=\s*+(%b)" % (_LABEL_NAME, _QUOTED))
_TYPE = re.compile(rb'#\s*+TYPE\s++(%b|(?!"")%b)\s++(\w++)' % (_NAME, _QUOTED))


def declaration(line: bytes) -> tuple[str, str] | None:
    """Return (family, type) of a TYPE line; None for any other comment."""
    match = _TYPE.match(line)
    return (plain(match[1]), plain(match[2])) if match else None


def number(text: bytes) -> float | None:
    """Return the number, or None where there is none.

    As Prometheus reads it: any spelling of NaN and infinity, no underscores, no digits but ASCII's.
    """
    try:
        return None if b"_" in text else float(text)
    except ValueError:
        return None


def sample(line: bytes) -> Parts | None:
    """Return what a line says, without its time stamp and its exemplar; None when it is no sample."""
    match = (_QUOTED_SAMPLE if line.startswith(b"{") else _SAMPLE).fullmatch(line)
    if match is None:
        return None
    series, name, labels, text, stamp = match.groups()
    value = number(text)
    if value is None or (stamp and number(stamp) is None):
        return None
    return series, name, labels or b"", value


def labels(text: bytes, pairs: Pairs) -> Labels | None:
    """Return the labels between the braces of a series; None when one is there twice."""
    found = [pairs[label] for label in _ONE_LABEL.findall(text)]
    return tuple(found) if len(dict(found)) == len(found) else None


class Pairs(dict[tuple[bytes, bytes], tuple[str, str]]):
    """Labels by the text of their name and of their value: most labels of a page stand in many series, which share them."""

    def __missing__(self, label: tuple[bytes, bytes]) -> tuple[str, str]:
        if len(self) >= MOST_PAIRS:
            self.clear()
        name, value = label
        pair = self[label] = plain(name), plain(value)
        return pair


def plain(raw: bytes) -> str:
    """Return text without its quotes and escapes; what is no UTF-8 becomes U+FFFD."""
    text = raw.decode("utf-8", errors="replace")
    if not text.startswith('"'):
        return text
    if "\\" not in text:
        return text[1:-1]
    # Split at the escaped backslashes first: what is left of a backslash then begins an escape.
    parts = (part.replace('\\"', '"').replace("\\n", "\n") for part in text[1:-1].split("\\\\"))
    return "\\".join(parts)


def other_kind(body: bytes) -> str:
    """Return what a body seems to be whose first line is no sample; empty when it looks like nothing known."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"<": "HTML or XML", b"{": "JSON", b"[": "JSON"}.get(start, "")
