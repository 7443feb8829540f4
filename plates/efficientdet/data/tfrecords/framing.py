"""The TFRecord file format: a length, a payload, and a masked CRC-32C of each.

Source: tensorflow/core/lib/io/record_writer.h and lib/hash/crc32c.h.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from google_crc32c import value as crc32c

from plates.errors import UserError

_LENGTH = struct.Struct("<QI")
_CRC = struct.Struct("<I")


def masked_crc(payload: bytes) -> int:
    """CRC-32C, rotated right by 15 bits plus a constant, so that data holding CRCs does not confuse it."""
    crc = crc32c(payload)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    """The payload as it is in the file: 12 bytes before it, 4 after."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _CRC.pack(masked_crc(length)), payload, _CRC.pack(masked_crc(payload))))


def payloads(shard: Path) -> Iterator[bytes]:
    """Every payload of a shard, in order, its CRCs checked.

    Anything after a damaged example cannot be trusted and is not read.

    Raises:
        UserError: a CRC is wrong or the file ends early, with the shard and the example's index.
    """
    with shard.open("rb") as stream:
        index, size = 0, os.fstat(stream.fileno()).st_size
        while head := stream.read(_LENGTH.size):
            where = f"{shard.name}, example {index}"
            if len(head) < _LENGTH.size:
                raise UserError(f"{where}: the file ends inside an example's length")
            length, length_crc = _LENGTH.unpack(head)
            if masked_crc(head[:8]) != length_crc:
                raise UserError(f"{where}: the CRC of its length is wrong")
            if (left := size - stream.tell()) < length + _CRC.size:
                raise UserError(f"{where}: the file ends inside the example ({left} of {length + _CRC.size} bytes)")
            body = stream.read(length + _CRC.size)
            payload = body[:length]
            if masked_crc(payload) != _CRC.unpack(body[length:])[0]:
                raise UserError(f"{where}: the CRC of its content is wrong")
            yield payload
            index += 1
