"""Drift found live: the counts that servers tell Prometheus, judged by references every five minutes, and published as signals."""
