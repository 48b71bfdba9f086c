"""Drift of real data: references made from files and from Prometheus, kept as JSON, and compared with what is there now."""
