"""How good a model is where labels arrive late: predictions and labels joined by request. Called by `atlas-ops drift labels`."""
