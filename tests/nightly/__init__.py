"""Real model servers that are too heavy for every test run, each under load and with a provoked failure.

`make test-servers` installs and runs them (`__main__.py`); the plain test command does not collect this folder.
"""
