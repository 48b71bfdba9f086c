"""atlas-ops: observability and on-call kit for teams that serve machine-learning models."""

__version__ = "0.1.0"
