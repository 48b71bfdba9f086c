"""Fuzzing that is guided by what the code does with each input: `make fuzz`, nightly; the test command tries a little."""
