"""How one gets in: Dagster's definitions, jobs, schedules and sensors, and the `plates` command (`cli`).

Here: what starts the assets and shows what came of them. Not here: what an asset does (`assets`), and anything that a
notebook could use (`plates`).
"""
