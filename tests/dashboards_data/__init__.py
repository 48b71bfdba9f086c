"""Every question of every dashboard, put to a real Prometheus as Grafana puts it: none is refused, and none is without an answer."""
