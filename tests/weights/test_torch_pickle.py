"""The pickles of torch.save: data come out as the unpickler gives them, and nothing that could run something gets through."""

import copyreg
import os
import pickle
import struct
import sys
import time
from collections import Counter, OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitorch_cnn.backend.pickle_reader import Global
from minitorch_cnn.weights import WeightsError
from minitorch_cnn.weights.torch_pickle import CALLS, KNOWN, read_objects

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.integers(-(2**60) + 1, 2**60 - 1) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner) | st.sets(keys),
    max_leaves=20,
)


@given(values, st.sampled_from([3, 4, 5]))
@settings(max_examples=200, deadline=None)
def test_plain_values_come_out_as_the_unpickler_gives_them(value, protocol):
    assert read_objects(pickle.dumps(value, protocol))[0] == value


@given(values)
@settings(max_examples=100, deadline=None)
def test_protocol_2_too_but_for_empty_bytes_which_it_writes_as_a_call(value):
    content = pickle.dumps(value, protocol=2)
    if b"__builtin__\nbytes" not in content:
        assert read_objects(content)[0] == value


def test_containers_of_checkpoints():
    value = {
        "milestones": Counter({30: 1, 60: 1}),
        "state": OrderedDict(a=1, b=2),
        "empty": OrderedDict(),
        "set": {1, 2},
    }
    for protocol in (2, 4):
        assert read_objects(pickle.dumps(value, protocol))[0] == value


def test_an_ordered_dict_of_python_2_is_built_of_pairs():
    assert read_objects(b"\x80\x02ccollections\nOrderedDict\n](](U\x01aK\x01e](U\x01bK\x02ee\x85R.")[0] == {
        "a": 1,
        "b": 2,
    }


def test_a_known_name_is_a_value_and_nothing_is_imported():
    before = set(sys.modules)
    assert read_objects(b"\x80\x02ctorch\nfloat32\n.")[0] == Global("torch.float32")
    assert not {m for m in set(sys.modules) - before if m.startswith("torch")}


# what must not run ---------------------------------------------------------------------------------------------------

RAN = []


def runs(*args):
    RAN.append(args)


class Evil:
    def __setstate__(self, state):
        runs(state)


class ByReduce:
    def __reduce__(self):
        return runs, ("reduce",)


class ByEval:
    def __reduce__(self):
        return eval, ("__import__('os').system('true')",)


HERE = __name__.encode()
ARGUMENT = b"X\x04\x00\x00\x00true"
EVIL = {
    "global": b"cos\nsystem\n.",
    "global and reduce": b"cos\nsystem\n(" + ARGUMENT + b"tR.",
    "posix": b"cposix\nsystem\n(" + ARGUMENT + b"tR.",
    "stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + ARGUMENT + b"\x85R.",
    "inst": b"(" + ARGUMENT + b"ios\nsystem\n.",
    "obj": b"(c" + HERE + b"\nruns\n" + ARGUMENT + b"o.",
    "obj of a known name": b"(ccollections\nOrderedDict\no.",
    "newobj": b"\x80\x02c" + HERE + b"\nEvil\n)\x81.",
    "newobj of a known name": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    "newobj_ex": b"\x80\x04c" + HERE + b"\nEvil\n)}\x92.",
    "newobj_ex of a known name": b"\x80\x04ctorch\nSize\n)}\x92.",
    "build": b"\x80\x02c" + HERE + b"\nEvil\n)\x81}b.",
    "eval": b"cbuiltins\neval\n(" + ARGUMENT + b"tR.",
    "eval of python 2": b"c__builtin__\neval\n(" + ARGUMENT + b"tR.",
    "getattr": b"cbuiltins\ngetattr\n(ctorch\nSize\nX\x04\x00\x00\x00__init__tR.",
    "a dotted name": b"\x80\x04\x8c\x05torch\x8c\x0c_utils.os.fn\x93.",
    "torch.load": b"ctorch\nload\n.",
    "a name inside a known one": b"ctorch.Size\n__init__\n.",
    "__reduce__": pickle.dumps(ByReduce(), 2),
    "__reduce__ of protocol 4": pickle.dumps(ByReduce(), 4),
    "__reduce__ with eval": pickle.dumps(ByEval(), 2),
    "within a dict": pickle.dumps({"a": [1, (ByReduce(),)]}, 2),
}


@pytest.mark.parametrize("content", EVIL.values(), ids=EVIL.keys())
def test_what_could_run_is_refused_by_name(content, monkeypatch):
    monkeypatch.setattr(os, "system", runs)
    with pytest.raises(WeightsError, match=r"asks for .*, which is refused: only tensors and plain containers"):
        read_objects(content)
    assert not RAN


@pytest.mark.parametrize(
    "name", ["os.system", "__main__.Net", "torchvision.models.resnet.ResNet", "numpy.core.multiarray.scalar"]
)
def test_the_message_says_the_name_and_what_to_do(name):
    module, _, last = name.rpartition(".")
    with pytest.raises(WeightsError, match=rf"asks for {name}, which.*torch\.save\(model\.state_dict\(\), path\)"):
        read_objects(f"c{module}\n{last}\n.".encode())


def test_extension_codes_are_refused_though_their_table_knows_them():
    copyreg.add_extension(__name__, "runs", 200)
    try:
        for opcode, content in {"EXT1": b"\x82\xc8", "EXT2": b"\x83\xc8\x00", "EXT4": b"\x84\xc8\x00\x00\x00"}.items():
            assert pickle.loads(b"\x80\x02" + content + b".") is runs
            with pytest.raises(WeightsError, match=f"an object numbered 200 by the opcode {opcode}"):
                read_objects(b"\x80\x02" + content + ARGUMENT + b"\x85R.")
    finally:
        copyreg.remove_extension(__name__, "runs", 200)
    assert not RAN


@pytest.mark.parametrize(
    "content, what",
    [
        (b"K\x01)R.", "a call of int"),
        (b"ctorch\nfloat32\n)R.", "a call of torch.float32"),
        (b"ccollections\nOrderedDict\n]R.", "a call of collections.OrderedDict"),
        (b"ccollections\nOrderedDict\n))\x86R.", "OrderedDict with 2 arguments"),
        (b"]}b.", "gives a list the attributes dict"),
        (b"ctorch\nSize\n}b.", "gives a Global the attributes dict"),
        (b"}K\x01b.", "gives a dict the attributes int"),
        (b"}b.", "too few values"),
        (b"K\x01Q.", "a reference to something outside"),
        (b"Pabc\n.", "the opcode PERSID"),
        (b"\x97.", "the opcode NEXT_BUFFER"),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "BYTEARRAY8"),
    ],
)
def test_calls_and_attributes_of_anything_else_are_refused(content, what):
    with pytest.raises(WeightsError, match=what):
        read_objects(content)


def test_each_opcode_of_the_language_is_known_or_refused():
    """No opcode makes another error, on an empty stack or on one full of names and containers."""
    arguments = [b"", b"\x00" * 9, b"\x01" * 300 + b"\n", b"1\n", b"os\nsystem\n", b"'a'\n"]
    full = b"(]}ctorch\nSize\nccollections\nOrderedDict\n)"
    for code in range(256):
        for before in (b"", full, b"(", b"]]", b"}K\x01"):
            for after in arguments:
                try:
                    read_objects(before + bytes([code]) + after + b".")
                except WeightsError:
                    pass
    assert not RAN


def test_no_name_on_the_list_is_one_of_python_that_does_something():
    foreign = {name for name in {*KNOWN, *CALLS} if not name.startswith("torch")}
    builtins = {"__builtin__.set", "builtins.set"}
    assert foreign == {"collections.OrderedDict", "collections.Counter", "_codecs.encode", *builtins}


# damage --------------------------------------------------------------------------------------------------------------


def test_tuples_that_double_are_not_hashed():
    doubled = b")q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(100))
    begin = time.perf_counter()
    for content in (
        b"}h\x00K\x01s.",
        b"(h\x00\x91.",
        b"c__builtin__\nset\n](h\x00e\x85R.",
        b"ccollections\nOrderedDict\n](h\x00K\x01\x86e\x85R.",
    ):
        with pytest.raises(WeightsError):
            read_objects(doubled + content)
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("number", [2**60, -(2**60), 5 * (2**61 - 1), 2**500])
def test_integers_that_could_have_all_one_hash_are_no_keys(number):
    key = b"\x8a\x40" + number.to_bytes(64, "little", signed=True)
    for content in (
        b"}" + key + b"K\x01s.",
        b"(" + key + b"\x91.",
        b"c__builtin__\nset\n](" + key + b"e\x85R.",
        b"ccollections\nOrderedDict\n](" + key + b"K\x01\x86e\x85R.",
    ):
        with pytest.raises(WeightsError, match=r"as a key|things that are no pairs|a set of other things"):
            read_objects(content)


@pytest.mark.parametrize("name", [b"c__builtin__\nset\n", b"ctorch\nSize\n", b"ccollections\nCounter\n"])
def test_a_container_that_is_copied_again_and_again_is_refused(name):
    elements = b"(" + b"".join(
        b"J" + struct.pack("<i", i) + (b"N" if b"Counter" in name else b"") for i in range(20_000)
    )
    large = elements + (b"d" if b"Counter" in name else b"l") + b"q\x00"
    calls = b"(" + (name + b"h\x00\x85R") * 20_000 + b"t."
    begin = time.perf_counter()
    with pytest.raises(WeightsError, match="copied again and again"):
        read_objects(large + calls)
    assert time.perf_counter() - begin < 5


def test_cut_short_anywhere_and_flipped_anywhere():
    """A value, or a WeightsError: never another exception."""
    value = {"a": [1, 2.5, "text", None, True, (1, 2, 3, 4)], 7: OrderedDict(x={"y": -(2**70)}), "c": Counter("aab")}
    for protocol in (0, 2, 4):
        content = pickle.dumps(value, protocol)
        for end in range(len(content)):
            with pytest.raises(WeightsError):
                read_objects(content[:end])
        for i in range(len(content)):
            for bit in range(8):
                try:
                    read_objects(content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1 :])
                except WeightsError:
                    pass
