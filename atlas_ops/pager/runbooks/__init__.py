"""Runbooks: read, filled in for an alert, and printed."""
