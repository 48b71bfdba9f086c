"""Ways to people other than the channel of pages: e-mail, webhooks, and Slack channels of their own."""
