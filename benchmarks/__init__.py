"""Measurements, each a program of its own, run by hand (`make bench` and the like); the test command runs none of them."""
