"""What a person does on the page of an incident, as a deed. Called by `console.routes`."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import OrderedDict

from atlas_ops.pager.access.gate import Visitor
from atlas_ops.pager.console.forms import BadForm, Form
from atlas_ops.pager.deeds.deed import SILENCES, Act, Deed
from atlas_ops.pager.scrub import scrub_name

SOMEBODY = "somebody on the console"
_KEY = re.compile(r"[0-9a-f]{16}")
_REMEMBERED = 1000


def new_key() -> str:
    """Return what makes all presses of the buttons of one page the same deed."""
    return secrets.token_hex(8)


def deed(incident: str, visitor: Visitor, form: Form) -> Deed:
    """Return the deed that a form asks for; BadForm when it asks for none."""
    word, _, length = form.get("act", "").partition(" ")
    act = next((act for act in Act if act.value == word), None)
    if act is None or (length not in SILENCES if act is Act.SILENCE else length):
        offered = [f"{Act.SILENCE.value} {one}" for one in SILENCES]
        offered += [one.value for one in Act if one is not Act.SILENCE]
        raise BadForm(f"expected act to be one of {', '.join(offered)}", 400)
    key = form.get("key", "")
    if not _KEY.fullmatch(key):
        raise BadForm("expected key to be 16 hexadecimal digits, the same whenever the same deed is sent again", 400)
    who = visitor.name or (scrub_name(form["who"]) if form.get("who", "").strip() else SOMEBODY)
    return Deed(
        key=f"console-{incident}-{act.value}-{key}",
        act=act,
        incident=incident,
        who=who,
        at=time.time(),
        seconds=SILENCES.get(length, 0.0),
    )


class Told:
    """What came of the last deeds, so that the page after a form can say it. Lost with a restart, as it may be."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, text: str) -> str:
        """Keep a sentence; return the word that brings it back."""
        word = secrets.token_hex(8)
        with self._lock:
            self._texts[word] = text
            while len(self._texts) > _REMEMBERED:
                self._texts.popitem(last=False)
        return word

    def text(self, word: str) -> str:
        """Return the sentence; empty when it is not known."""
        return self._texts.get(word, "")
