"""The likely cause of a page: the checks of its runbook, asked of Prometheus."""
