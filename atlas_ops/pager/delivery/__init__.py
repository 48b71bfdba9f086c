"""Decides what goes to Slack when, and sees to it that it arrives exactly once."""
