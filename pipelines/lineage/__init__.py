"""What `plates lineage` answers: differences, pages, verifying, explaining.

Here: questions that need more than the records: the scores, the photographs, a run of the pipeline. Not here: what the
records alone say (`plates.lineage`), and the words of the command line (`pipelines.cli.lineage`).
"""
