"""`tf.train.Example` as bytes, by protobuf's own runtime and the three messages of example.proto.

Source of the message layout: tensorflow/core/example/{example,feature}.proto.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Values = Sequence[bytes] | Sequence[float] | Sequence[int]

_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {"bytes_list": _Field.TYPE_BYTES, "float_list": _Field.TYPE_FLOAT, "int64_list": _Field.TYPE_INT64}


def _example_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="plates/example.proto", package="plates", syntax="proto3")
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (kind, scalar) in enumerate(_KINDS.items(), start=1):
        values = file.message_type.add(name=kind)
        values.field.add(name="value", number=1, type=scalar, label=_Field.LABEL_REPEATED)
        feature.field.add(
            name=kind, number=number, type=_Field.TYPE_MESSAGE, type_name=f".plates.{kind}", oneof_index=0
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_Field.TYPE_STRING)
    entry.field.add(name="value", number=2, type=_Field.TYPE_MESSAGE, type_name=".plates.Feature")
    features.field.add(
        name="feature",
        number=1,
        type=_Field.TYPE_MESSAGE,
        label=_Field.LABEL_REPEATED,
        type_name=".plates.Features.FeatureEntry",
    )
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, type=_Field.TYPE_MESSAGE, type_name=".plates.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("plates.Example"))


_Example = _example_class()


def serialize(features: Mapping[str, tuple[str, Values]]) -> bytes:
    """Bytes of the Example whose features are name -> (bytes_list | float_list | int64_list, values).

    Equal features give equal bytes: the map is written in the order of its keys.
    """
    example = _Example()
    target = example.features.feature
    for name, (kind, values) in features.items():
        getattr(target[name], kind).value.extend(values)
    return example.SerializeToString(deterministic=True)


def parse(payload: bytes) -> dict[str, Values]:
    """Name -> values of a serialized Example. Raises `google.protobuf.message.DecodeError` for other bytes."""
    features = _Example.FromString(payload).features.feature
    parsed: dict[str, Values] = {}
    for name, feature in features.items():
        kind = feature.WhichOneof("kind")
        parsed[name] = list(getattr(feature, kind).value) if kind else []
    return parsed
