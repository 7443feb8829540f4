"""A trained or exported model in use: opening it, pictures of any kind in, boxes out, scored where there are labels.

Here too: the forms that results are written in. Not here: what the network computes (`plates.efficientdet`), and the
scores of a project's own evaluation (`plates.scoring`).
"""
