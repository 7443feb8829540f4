"""What makes a function an asset of both doors: its row in `dvc.yaml`, versions, progress, its report to DVC.

Nothing here knows a particular asset: what an asset reads, writes and is made of is declared in its own file
(`assets/NAME.py`) and enforced here.
"""
