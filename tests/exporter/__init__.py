"""The exporter: collectors, dialect translation, pages."""
