"""The number that tells the bins of a feature from other bins: the value of `atlas_feature_bins_checksum`.

Published by `instrument`, compared by `drift.prometheus_counts`: counts in other bins must not be taken for drift.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence


def bins_checksum(cut_at: Sequence[float] | Sequence[str], known: Iterable[int] | None = ()) -> int:
    """Return the checksum of bins that are cut at edges, or named after categories; `known` are the hashes of further ones."""
    bins = [list(cut_at), None if known is None else sorted(known)]
    return zlib.crc32(json.dumps(bins).encode())
