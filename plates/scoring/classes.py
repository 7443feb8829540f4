"""The classes to detect, whatever the delivery contains."""

from plates.ccpd.table import label_map
from plates.coco.convert import categories
from plates.files import read_json
from plates.settings.project import Project

FILE = "data/label_map.json"


def delivered(project: Project) -> dict[int, str]:
    """Class id, from 1, to name: CCPD's for `data.class_by`, or the categories of the COCO annotations, by their ids.

    Classes without accepted boxes keep their ids, so that ids do not change with the delivery.
    """
    if project.annotations:
        return categories(project.annotations)
    return label_map(project.params.data.class_by)


def classes(project: Project) -> dict[int, str]:
    """What `delivered` gave when the labels were read."""
    return {int(key): name for key, name in read_json(project.path(FILE)).items()}
