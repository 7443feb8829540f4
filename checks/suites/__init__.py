"""The Great Expectations suites that `boxes` and the checks run, one per topic.

Here: what is measured for every row, and expectations with their name, meaning and severity. Not here: Dagster, and
what happens to the rows that fail (`checks.annotations`).
"""
