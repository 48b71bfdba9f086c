"""The web pages of the pager."""
