"""A model behind HTTP: one photograph or many to boxes or to photographs with hidden plates, and what the service saw.

Not here: finding plates (`plates.predict`), hiding them (`plates.hide`), and the command (`pipelines.cli.serve`).
"""
