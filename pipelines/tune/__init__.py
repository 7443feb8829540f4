"""A search for better settings: `plates tune`.

Here: what is searched, one trial as a DVC experiment, and the study that chooses the next one. Not here: what a run
does (`assets`), and the command line's output (`pipelines.cli.tune`).
"""
