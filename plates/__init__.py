"""The library under the pipeline: it works from a notebook and knows neither Dagster nor DVC nor Great Expectations.

Here: everything that computes, in the packages below, whose own files say what belongs to each. Not here: what is run
when (`assets`, `stages`, `pipelines`), and what must be true of the results (`checks`).
"""
