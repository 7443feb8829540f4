"""Which classes there are to detect, whatever the delivery holds of them."""

from plates.ccpd.table import label_map
from plates.coco.convert import categories
from plates.settings.project import Project


def classes(project: Project) -> dict[int, str]:
    """Class id, from 1, to name: CCPD's for `data.class_by`, or the categories of the COCO annotations, by their ids.

    Classes of which no box is accepted keep their ids, so that these do not change with the delivery.
    """
    if project.annotations:
        return categories(project.annotations)
    return label_map(project.params.data.class_by)
