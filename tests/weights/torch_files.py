"""Writes files as torch.save does, without PyTorch: pickles opcode by opcode, and the two containers around them.

state = {"fc.weight": tensor(array), "fc.bias": tensor(array)}
zip_file(path, state);  legacy_file(path, state)
"""

import struct
import zipfile
from dataclasses import dataclass, field

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
TYPES = {
    np.dtype("f8"): "DoubleStorage",
    np.dtype("f4"): "FloatStorage",
    np.dtype("f2"): "HalfStorage",
    np.dtype("i8"): "LongStorage",
    np.dtype("i4"): "IntStorage",
    np.dtype("i2"): "ShortStorage",
    np.dtype("i1"): "CharStorage",
    np.dtype("u1"): "ByteStorage",
    np.dtype("?"): "BoolStorage",
}


@dataclass
class Name:
    """A global: GLOBAL 'module name'."""

    module: str
    name: str


@dataclass
class Call:
    """GLOBAL, arguments, REDUCE."""

    name: Name
    arguments: tuple


@dataclass
class Storage:
    """A row of numbers that lies outside the pickle."""

    row: np.ndarray
    type: str = ""
    module: str = "torch"
    key: str = ""
    numel: int = -1  # as the pickle says
    view: object = None  # (key, start, numel) in the older format


@dataclass
class Raw:
    """Opcodes as they are."""

    opcodes: bytes = field(repr=False)


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def tensor(array, storage=None, offset=0, size=None, stride=None):
    """What torch.save writes for a tensor of this array, or for a view of a storage."""
    array = np.asarray(array)
    if storage is None:
        storage = Storage(np.ascontiguousarray(array).ravel())
    itemsize = array.dtype.itemsize
    size = array.shape if size is None else size
    stride = (
        tuple(s // itemsize for s in np.ascontiguousarray(array).strides[: array.ndim]) if stride is None else stride
    )
    hooks = Call(Name("collections", "OrderedDict"), ())
    arguments = (storage, offset, tuple(size), tuple(stride), False, hooks)
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), arguments)


def dumped(value, storages, legacy=False):
    """A pickle of protocol 2. The storages met are put into `storages`: {key: row}."""
    return b"\x80\x02" + _opcodes(value, storages, legacy) + b"."


def _opcodes(value, storages, legacy):
    def each(values):
        return b"".join(_opcodes(v, storages, legacy) for v in values)

    match value:
        case Raw():
            return value.opcodes
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            size = value.bit_length() // 8 + 1
            return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return text(value)
        case list():
            return b"](" + each(value) + b"e"
        case tuple():
            return b"(" + each(value) + b"t"
        case dict():
            return b"}(" + each([x for item in value.items() for x in item]) + b"u"
        case Name():
            return f"c{value.module}\n{value.name}\n".encode()
        case Call():
            return each([value.name, tuple(value.arguments)]) + b"R"
        case Storage():
            value.key = value.key or next((k for k, row in storages.items() if row is value.row), str(len(storages)))
            storages.setdefault(value.key, value.row)
            kind = Name(value.module, value.type or TYPES[value.row.dtype])
            numel = len(value.row) if value.numel < 0 else value.numel
            return each([("storage", kind, value.key, "cpu", numel, *([value.view] if legacy else []))]) + b"Q"
    raise TypeError(value)


def zip_file(path, value, byteorder="little", compression=zipfile.ZIP_STORED, pickle=None, extra=(), folder="archive"):
    """torch.save since 1.6. `pickle` replaces the pickle's bytes; `compression` is that of the storages."""
    storages = {}
    content = dumped(value, storages) if pickle is None else pickle
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", content, zipfile.ZIP_STORED)
        if byteorder is not None:
            archive.writestr(f"{folder}/byteorder", byteorder)
        for key, row in storages.items():
            row = row if byteorder != "big" else row.astype(row.dtype.newbyteorder(">"))
            # PyTorch fills up with an extra field until the content begins at a multiple of 64 bytes
            entry = zipfile.ZipInfo(f"{folder}/data/{key}")
            entry.compress_type = compression
            filling = -(archive.fp.tell() + 30 + len(entry.filename.encode()) + 4) % 64
            entry.extra = b"FB" + struct.pack("<H", filling) + b"Z" * filling
            archive.writestr(entry, row.tobytes())
        for name, content in extra:
            archive.writestr(f"{folder}/{name}", content)
    return path


def legacy_file(path, value, pickle=None):
    """torch.save before 1.6."""
    storages = {}
    content = dumped(value, storages, legacy=True) if pickle is None else pickle
    system = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    with open(path, "wb") as file:
        for header in (MAGIC, VERSION, system):
            file.write(dumped(header, {}))
        file.write(content)
        file.write(dumped(sorted(storages), {}))
        for key in sorted(storages):
            file.write(struct.pack("<q", len(storages[key])) + storages[key].tobytes())
    return path
