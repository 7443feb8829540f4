"""A model behind HTTP: photographs in, boxes or photographs with hidden plates out, and statistics of what it saw.

Not here: finding plates (`plates.predict`), hiding them (`plates.hide`), and the command (`pipelines.cli.serve`).
"""
