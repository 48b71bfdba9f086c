"""Real model servers that tests start on loopback, overload, read and stop."""
