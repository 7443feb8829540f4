"""Why the mAP is low: the known causes, each a function of a run's evidence, ranked by how much they explain.

Here: the evidence (`evidence`, `placement`, `content`), one module of causes for each step from label to figure
(`causes`), and their ranking (`verdict`). Not here: what a run checks while it runs, which is in `checks/` and
`efficientdet/training/diagnostics.py`; its warnings are evidence.
"""
