"""An incident as Slack shows it, and the way to Slack and back."""
