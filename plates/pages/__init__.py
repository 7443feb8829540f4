"""How things are displayed, shared by the data set card, the report, predictions and the UI.

Here: boxes drawn into pictures, pictures on sheets, what plots are drawn on, HTML pages and their style, data URIs.
Not here: what is shown and why, which `card`, `efficientdet.evaluation.report` and `lineage` know. At import it needs
Pillow, NumPy and Jinja2 only; matplotlib when a plot is drawn.
"""
