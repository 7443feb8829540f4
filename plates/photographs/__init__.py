"""Any folder of photographs: finds, hashes and decodes them, says what is wrong with a file, finds near-duplicates.

Here: what is true of a file without knowing its label. Not here: labels (`plates.ccpd`, `plates.coco`) and pictures to
look at (`plates.pages`).
"""
