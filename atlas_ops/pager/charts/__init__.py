"""The chart of a page: the signal that its fault is judged by, its limit, and the moment of the page."""
