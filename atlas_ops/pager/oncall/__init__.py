"""Who is told of a page that nobody takes, and of a heartbeat that does not come."""
