"""Turns Alertmanager's webhooks into Slack messages and incident pages with a filled-in runbook."""
