"""An assessment as text, as JSON, and as a page with plots. Called by `atlas-ops capacity`."""
