"""Tells of a judgement: `terminal`, `markdown`, `junit`, `document` (JSON) and `plot`; `words` has what they share. Called by the command."""
