"""What produced what: a record for every evaluation, differences between two, restoring one, the gate, the model card.

Here: reading and writing records. Not here: the records themselves, which are data (`lineage/records/`), and content
hashes and atomic files, which every package uses (`plates.hashes`, `plates.files`).
"""
