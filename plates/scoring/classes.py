"""Which classes there are to detect, whatever the delivery holds of them."""

from plates.ccpd.table import label_map
from plates.coco.convert import categories
from stages.asset import Run


def classes(run: Run) -> dict[int, str]:
    """Class id, from 1, to name: CCPD's for `data.class_by`, or the categories of the COCO annotations, by their ids.

    Classes of which no box is accepted keep their ids, so that these do not change with the delivery.
    """
    if run.project.annotations:
        return categories(run.project.annotations)
    return label_map(run.params.data.class_by)
