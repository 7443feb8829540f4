"""What `plates lineage` answers: differences, pages, verifying, explaining.

Here: questions that need more than the records: scores, photographs, a run of the pipeline. Not here: what the records
alone can answer (`plates.lineage`), and the command line's output (`pipelines.cli.lineage`).
"""
