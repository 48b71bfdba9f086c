"""The dashboards in a real browser (`make test-browser`): the preview's page in Chromium, with data of a simulated fleet."""
