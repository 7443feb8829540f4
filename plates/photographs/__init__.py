"""Any folder of photographs: finding, hashing and decoding them, what is wrong with a file, near-duplicates.

Here: what is true of a file without knowing its label. Not here: labels (`plates.ccpd`, `plates.coco`) and pictures to
look at (`plates.pages`).
"""
