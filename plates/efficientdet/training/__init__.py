"""Fitting the detector: matching, losses, optimizer, schedule, the loop with its guards, and resuming it.

Here: what happens between two checkpoints. Not here: reading data (`data`), scoring (`evaluation`), and everything
that a trained detector needs (`inference`).
"""
