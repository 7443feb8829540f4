"""A record as other tools read it: OpenLineage's events, a Croissant description of the data set, a run in MLflow.

Here: one module a tool; each writes its tool's format from a record. Not here: what a record is
(`plates.lineage.record`).
"""
