"""Uses a trained or exported model: opens it, takes pictures of any kind, returns boxes, and scores them given labels.

Also here: the output formats of results. Not here: what the network computes (`plates.efficientdet`), and the scores of
a project's own evaluation (`plates.scoring`).
"""
