"""Keeps incidents in one SQL database, so that no crash loses a page."""
