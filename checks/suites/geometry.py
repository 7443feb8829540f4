"""What must be true of an annotation's box and corners.

The limits hold for all 51,710 labels of the 2019 release's lists and 419 older and green ones, with room to spare: see
`checks.suites.measures` for what was seen. The dataset itself states that every box is within 5 px of its corners'
hull.
"""

from typing import Any

from checks.suites.suite import critical, expectations, warning

CUT = 1e-4 + 1e-7
"""What cutting the area field to four decimals takes off, with float32's rounding."""


def geometry() -> list[Any]:
    """The expectations on `measures.geometry`."""
    gxe = expectations()
    between = gxe.ExpectColumnValuesToBeBetween
    return [
        between(
            column="missing_coordinates",
            max_value=0,
            **critical(
                "coordinates_complete",
                "a labelled box has four finite coordinates, and all its corners or none",
            ),
        ),
        between(
            column="shortest_side_px",
            min_value=1,
            **critical("box_sides_positive", "the box is at least one pixel wide and high"),
        ),
        between(
            column="outside_image_px",
            max_value=0,
            **critical(
                "box_inside_image",
                "the box extends past the edge of the image by at most validation.edge_tolerance_px",
            ),
        ),
        between(
            column="clipped_px",
            max_value=0,
            **warning(
                "box_not_clipped",
                "the box is inside the image; one that extends past it by at most validation.edge_tolerance_px is cut",
            ),
        ),
        between(
            column="aspect",
            min_value=0.2,
            max_value=12,
            **critical("aspect_possible", "the box's width over height is between 0.2 and 12"),
        ),
        between(
            column="aspect",
            min_value=0.4,
            max_value=8,
            **warning("aspect_usual", "the box's width over height is between 0.4 and 8, as on every CCPD label"),
        ),
        between(
            column="share_of_image",
            max_value=0.8,
            **critical("box_not_whole_image", "the box covers at most 80% of the image"),
        ),
        between(
            column="side_px",
            min_value=8,
            **warning("box_large_enough", "the box is at least 8 px wide and high"),
        ),
        between(
            column="corner_turn_deg",
            min_value=0,
            strict_min=True,
            **critical(
                "corners_in_order",
                "the corners go round the plate: bottom right, bottom left, top left, top right",
            ),
        ),
        between(
            column="corners_outside_px",
            max_value=5,
            **critical("corners_inside_box", "no corner is more than 5 px outside the box (2019 release)"),
        ),
        between(
            column="hull_slack_px",
            max_value=5,
            **critical("box_fits_corners", "no side of the box is more than 5 px beyond the corners (2019 release)"),
        ),
        between(
            column="hull_iou",
            min_value=0.5,
            **critical("box_near_corners", "IoU of box and corners' hull is at least 0.5 (earlier release, CCPD2020)"),
        ),
        between(
            column="area_field_gap",
            max_value=CUT,
            **critical("area_field_matches", "the area field is the box's, cut to four decimals (2019 release)"),
        ),
        between(
            column="area_field_to_box",
            min_value=0.4,
            max_value=1.3,
            **critical("area_field_near_box", "the area field is 0.4 to 1.3 of the box's (earlier release, CCPD2020)"),
        ),
        between(
            column="tilt_gap_deg",
            max_value=10,
            **critical("tilt_matches_corners", "the horizontal tilt is within 10 degrees of the bottom edge's"),
        ),
        between(
            column="vertical_tilt_gap_deg",
            max_value=40,
            **warning("vertical_tilt_near_corners", "the vertical tilt is within 40 degrees of the left edge's"),
        ),
    ]
