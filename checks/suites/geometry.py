"""What must be true of an annotation's box and corners.

The limits hold for all 51,710 labels of the 2019 release's lists and 419 older and green ones, with room to spare: see
`checks.suites.measures` for what was seen. The dataset itself states that every box is within 5 px of its corners'
hull.
"""

from typing import Any

from checks.suites.suite import between, critical, warning

CUT = 1e-4 + 1e-7
"""What cutting the area field to four decimals takes off, with float32's rounding."""


def geometry() -> list[Any]:
    """The expectations on `measures.geometry`."""
    return [
        between(
            "missing_coordinates",
            critical("coordinates_complete", "a labelled box has four finite coordinates, and all its corners or none"),
            high=0,
        ),
        between(
            "shortest_side_px", critical("box_sides_positive", "the box is at least one pixel wide and high"), low=1
        ),
        between(
            "outside_image_px",
            critical(
                "box_inside_image", "the box extends past the edge of the image by at most validation.edge_tolerance_px"
            ),
            high=0,
        ),
        between(
            "clipped_px",
            warning(
                "box_not_clipped",
                "the box is inside the image; one that extends past it by at most validation.edge_tolerance_px is cut",
            ),
            high=0,
        ),
        between(
            "aspect", critical("aspect_possible", "the box's width over height is between 0.2 and 12"), low=0.2, high=12
        ),
        between(
            "aspect",
            warning("aspect_usual", "the box's width over height is between 0.4 and 8, as on every CCPD label"),
            low=0.4,
            high=8,
        ),
        between("share_of_image", critical("box_not_whole_image", "the box covers at most 80% of the image"), high=0.8),
        between("side_px", warning("box_large_enough", "the box is at least 8 px wide and high"), low=8),
        between(
            "corner_turn_deg",
            critical(
                "corners_in_order", "the corners go round the plate: bottom right, bottom left, top left, top right"
            ),
            low=0,
            strict_min=True,
        ),
        between(
            "corners_outside_px",
            critical("corners_inside_box", "no corner is more than 5 px outside the box (2019 release)"),
            high=5,
        ),
        between(
            "hull_slack_px",
            critical("box_fits_corners", "no side of the box is more than 5 px beyond the corners (2019 release)"),
            high=5,
        ),
        between(
            "hull_iou",
            critical("box_near_corners", "IoU of box and corners' hull is at least 0.5 (earlier release, CCPD2020)"),
            low=0.5,
        ),
        between(
            "area_field_gap",
            critical("area_field_matches", "the area field is the box's, cut to four decimals (2019 release)"),
            high=CUT,
        ),
        between(
            "area_field_to_box",
            critical("area_field_near_box", "the area field is 0.4 to 1.3 of the box's (earlier release, CCPD2020)"),
            low=0.4,
            high=1.3,
        ),
        between(
            "tilt_gap_deg",
            critical("tilt_matches_corners", "the horizontal tilt is within 10 degrees of the bottom edge's"),
            high=10,
        ),
        between(
            "vertical_tilt_gap_deg",
            warning("vertical_tilt_near_corners", "the vertical tilt is within 40 degrees of the left edge's"),
            high=40,
        ),
    ]
