"""A search for better settings: `plates tune`.

Here: what is searched, one trial as a DVC experiment, and the study that chooses the next. Not here: what a run does
(`assets`), and the words of the command line (`pipelines.cli.tune`).
"""
