"""The Great Expectations suites that `boxes` and the checks ask, a family of questions each.

Here: what is measured of every row, and expectations with their name, meaning and severity. Not here: Dagster, and
what becomes of the rows that fail (`checks.annotations`).
"""
