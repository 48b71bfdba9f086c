"""What a reference and a check look like: in a terminal, as a page of HTML, and as JSON for machines. Called by `atlas-ops drift`."""
