"""The entry points: Dagster's definitions, jobs, schedules and sensors, and the `plates` command (`cli`).

Here: what starts the assets and shows the results. Not here: what an asset does (`assets`), and anything a notebook
could use (`plates`).
"""
