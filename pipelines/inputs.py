"""Files and folders that the settings name, checked before anything is written or started."""

from plates.errors import UserError
from plates.photographs.scan import require_images
from plates.settings.params import Params
from plates.settings.project import Project

PUBLISHED = ("none", "imagenet", "coco")


def require(project: Project, params: Params) -> None:
    """Checks the folders and files that `params` name.

    Raises:
        UserError: one is missing or of the wrong kind, or holds no image.
    """
    if params.data.root:
        require_images(project.photographs_in(params.data.root))
    if params.data.annotations and not project.resolve(params.data.annotations).is_file():
        raise UserError(
            f"data.annotations is {project.resolve(params.data.annotations)}, which does not exist. Set it with: "
            "plates run --set data.annotations=FILE"
        )
    for setting, weights in (("model.pretrained", params.model.pretrained), ("train.teacher", params.train.teacher)):
        if weights and project.resolve(weights).is_relative_to(project.path("models/checkpoint")):
            raise UserError(
                f"{setting} is models/checkpoint, which the run itself replaces. Use the model in service "
                f"(plates run --set {setting}=models/champion), or a copy outside"
            )
    if params.train.teacher and not project.resolve(params.train.teacher).is_dir():
        raise UserError(
            f"train.teacher is {project.resolve(params.train.teacher)}, which is not a folder. Set it to the "
            "checkpoint of a trained detector, or leave it out: plates run --set train.teacher=null"
        )
    if params.model.pretrained not in PUBLISHED and not project.resolve(params.model.pretrained).exists():
        raise UserError(
            f"model.pretrained is {project.resolve(params.model.pretrained)}, which does not exist. Set "
            "it to one, or to none, imagenet or coco: plates run --set model.pretrained=coco"
        )
