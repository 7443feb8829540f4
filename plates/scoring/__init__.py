"""Ground truth, detections and figures of a project's model: what `evaluation`, `anchors` and `champion` share.

What scores any table of boxes is in `plates.efficientdet.evaluation`; CCPD's own protocol is in `plates.ccpd.score`.
"""
