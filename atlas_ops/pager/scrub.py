"""Takes secrets and e-mail addresses out of what an alert says, before it is stored, logged or shown anywhere.

Called by `pager.webhook` on every label, annotation and link: nothing behind it ever sees the original. The patterns
are the published forms of common tokens; a secret without a recognisable form stays unrecognised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

REDACTED = "[redacted]"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_USERINFO = re.compile(r"(?<=://)[^\s/@:?#]*:[^\s/@]+(?=@)")
_ASSIGNED = re.compile(
    r"""(?ix)
    (?<![a-z0-9_-])
    (   (?:[a-z0-9]+[_-]){0,6}(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key)\s*[=:]\s*["']?
      | authorization\s*[=:]\s*["']?(?:bearer\s+|basic\s+)?
      | bearer\s+(?=[^\s]{20})
      # `token` is an everyday word here (first token, tokens: 12): only a long value with a digit counts.
      | (?:(?:access|auth|api|bearer|bot|id|refresh|session)[_-])?token\s*[=:]\s*["']?(?=[^\s&,;"']{16})(?=[^\s&,;"']{0,100}\d)
    )
    (?!\[redacted\])[^\s&,;"']+
    """
)
_FORMS = re.compile(
    r"""(?x)
    \b(?:
        xox[a-z]-[A-Za-z0-9-]{8,} | xapp-[A-Za-z0-9-]{8,}           # Slack
      | sk-[A-Za-z0-9_-]{20,}                                       # OpenAI, Anthropic and others
      | hf_[A-Za-z0-9]{20,} | nvapi-[A-Za-z0-9_-]{20,}              # Hugging Face, NVIDIA
      | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{20,} | glpat-[A-Za-z0-9_-]{20,}
      | (?:AKIA|ASIA)[0-9A-Z]{16} | AIza[0-9A-Za-z_-]{35}           # AWS, Google
      | eyJ[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*  # JSON web token
    )
    """
)
_EMAIL = re.compile(r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_SECRET_NAME = re.compile(
    r"(?i)(?:^|[_-])(?:password|passwd|secret|api[_-]?key|private[_-]?key|credentials?|token|cookie|authorization"
    r"|prompt|completion|user[_-]?input|e?mail)$"
)
"""Labels whose value is never shown: secrets, and what users of a model write or get."""
_WORD = re.compile(r"[A-Za-z0-9._%+@/=:-]")
_LONGEST = 2000
"""Characters of the longest secret that may stand at a cut."""
# Control characters break lines and terminals; the bidirectional ones make a name read as another.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NAME = 80
"""Characters of a person's name that are kept; Slack allows as many."""
_ONE_LINE = str.maketrans("\n\t", "  ")


def is_altered(text: str) -> bool:
    """Tell whether something was taken out of a text, so that it is not what Alertmanager and Prometheus know."""
    return REDACTED in text or REPLACEMENT in text


@lru_cache(maxsize=4096)
def scrub(text: str) -> str:
    """Return the text with secrets replaced by `[redacted]` and control characters (but newline, tab) by U+FFFD."""
    clean = _CONTROL.sub(REPLACEMENT, text.replace("\r\n", "\n"))
    clean = _PEM.sub(REDACTED, clean)
    clean = _USERINFO.sub(REDACTED, clean)
    clean = _ASSIGNED.sub(rf"\1{REDACTED}", clean)
    return _EMAIL.sub(REDACTED, _FORMS.sub(REDACTED, clean))


def clip(text: str, most: int) -> str:
    """Return no more than so many characters of a text, without the word that would be cut: half a secret is not recognised."""
    if len(text) <= most:
        return text
    end, least = most, max(0, most - _LONGEST)
    while end > least and _WORD.match(text[end - 1]):
        end -= 1
    return text[:end]


def scrub_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Return named texts, such as annotations, with every value scrubbed; that of one called `prompt` goes entirely."""
    return {scrub(name): REDACTED if _SECRET_NAME.search(name) else scrub(text) for name, text in texts.items()}


def scrub_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels with every value scrubbed and on one line; the value of a label called `password` goes entirely."""
    return {name: value.translate(_ONE_LINE) for name, value in scrub_texts(labels).items()}


def scrub_name(name: str) -> str:
    """Return the name of a person on one short line; of an e-mail address what stands before its @."""
    whole = _EMAIL.fullmatch(name.strip())
    known = whole[0].partition("@")[0] if whole else name
    return " ".join(scrub(known).split())[:_NAME] or "somebody"
