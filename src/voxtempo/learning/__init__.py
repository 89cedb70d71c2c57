"""Fitting: tasks (head, loss, decoding), optimiser and schedule, the fit loop and crash-safe checkpoints."""
