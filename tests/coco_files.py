"""A COCO file of one photograph with one box, for tests to change."""


def small(**changes) -> dict:
    content = {
        "images": [{"id": 7, "file_name": "street/a.jpg", "width": 640, "height": 480}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40]}],
        "categories": [{"id": 3, "name": "plate"}],
    }
    return content | changes


IMAGE, ANNOTATION, CATEGORY = (small()[section][0] for section in ("images", "annotations", "categories"))


def without(entry: dict, key: str) -> dict:
    return {name: value for name, value in entry.items() if name != key}
