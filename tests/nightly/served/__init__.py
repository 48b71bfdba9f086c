"""What the servers serve: a model that works for as long as its request says. Each runs in its server's own environment."""
