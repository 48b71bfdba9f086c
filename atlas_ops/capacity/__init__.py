"""What a model's servers can carry, what they are asked for, and what it costs, out of Prometheus. Called by `atlas-ops capacity`."""
