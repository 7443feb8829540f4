"""Why the mAP is low: the known causes, each a function of the evidence that a run leaves, ranked by what it explains.

Here: the evidence (`evidence`, `placement`, `content`), one module of causes for each part of the way from label to
figure (`causes`), and their order (`verdict`). Not here: what a run checks as it goes, which is in `checks/` and
`efficientdet/training/diagnostics.py`; its warnings are evidence.
"""
