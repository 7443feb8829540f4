"""The columns and values that tables of labels share: the box, the corners, the splits."""

BOX = ["xmin", "ymin", "xmax", "ymax"]
"""Pixels of the original image."""

CORNERS = ["rb_x", "rb_y", "lb_x", "lb_y", "lt_x", "lt_y", "rt_x", "rt_y"]
"""Right-bottom, left-bottom, left-top, right-top, in pixels of the original image."""

SPLITS = ("train", "val", "test")
