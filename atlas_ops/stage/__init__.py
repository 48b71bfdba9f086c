"""Real processes put together for the demo, rehearsals and end-to-end tests, and taken down again."""
