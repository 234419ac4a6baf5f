"""The pickle machine by itself: what its reader allows, what damage is called, and what a few bytes can't make it do."""

import pickle
import time
import warnings

import pytest

from minitorch_cnn.backend import pickle_reader
from minitorch_cnn.backend.pickle_reader import Global, PickleError, read_pickle


class Stand:
    state = None


def keep(target, state):
    target.state = state


def test_the_reader_says_which_names_may_occur_be_called_and_be_given_attributes():
    content = b"(ca.b\nC\nca.b\nf\nK\x01K\x02\x86R}X\x01\x00\x00\x00xK\x03sbt."
    calls = {"a.b.f": (lambda x, y: Stand(), 2, 2)}
    name, made = read_pickle(content, ["a.b.C"], calls, build=keep)
    assert name == Global("a.b.C") and type(made) is Stand and made.state == {"x": 3}
    with pytest.raises(PickleError, match=r"asks for a\.b\.C, which is refused: nothing in it was run"):
        read_pickle(content, [], calls, build=keep)
    with pytest.raises(PickleError, match=r"asks for a\.b\.f, which is refused: ask somebody$"):
        read_pickle(content, ["a.b.C"], {}, build=keep, refused="ask somebody")
    with pytest.raises(PickleError, match=r"a call of a\.b\.f"):
        read_pickle(content, ["a.b.C", "a.b.f"], {}, build=keep)
    with pytest.raises(PickleError, match=r"a\.b\.f with 2 arguments"):
        read_pickle(content, ["a.b.C"], {"a.b.f": (Stand, 0, 1)}, build=keep)
    with pytest.raises(PickleError, match=r"the opcode BUILD \(at byte 31\)"):
        read_pickle(content, ["a.b.C"], calls)


def test_values_that_are_referred_to_twice_are_one_object():
    shared = [1, 2]
    first, second = read_pickle(pickle.dumps([shared, shared]))
    assert first is second


def test_an_object_within_itself_is_no_trouble():
    loop = []
    loop.append(loop)
    out = read_pickle(pickle.dumps(loop))
    assert out[0] is out


def test_a_deep_nest_is_no_trouble():
    out = read_pickle(b"]" * 200_000 + b"a" * 199_999 + b".")
    for _ in range(199_999):
        (out,) = out
    assert out == []


@pytest.mark.parametrize(
    "content, what",
    [
        (b"", "it is cut short"),
        (b"K\x01", "it is cut short"),
        (b".", "ends with more, or less"),
        (b"K\x01K\x02.", "ends with more, or less"),
        (b"K\x01(.", "ends with more, or less"),
        (b"0.", "too few values"),
        (b"2.", "too few values"),
        (b"K\x01\x86.", "too few values"),
        (b"t.", "a group without its mark"),
        (b"K\x01a.", "too few values"),
        (b"NK\x01a.", "NoneType where a list"),
        (b"](K\x01u.", "list where a dict"),
        (b"}(K\x01u.", "a key without a value"),
        (b"}]K\x01s.", "a list as a key"),
        (b"})K\x01s.", "a tuple as a key"),
        (b"}\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x10K\x01s.", "a large int as a key"),
        (b"h\x05.", "nothing was kept under the number 5"),
        (b"q\x05.", "too few values"),
        (b"\x94.", "too few values"),
        (b"\x80\x09N.", "protocol 9"),
        (b"\xff.", r"the byte b'\\xff' is no opcode"),
        (b"X\xff\xff\xff\xffabc.", "damaged or cut short"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "damaged or cut short"),
        (b"\x8b\xff\xff\xff\x7fabc.", "damaged or cut short"),
        (b"X\x02\x00\x00\x00\xff\xff.", "damaged or cut short"),
        (b"\x8a\xff" + b"\x7f" * 255 + b".", "an integer of 2039 bits"),
        (b"(K\x01K\x02\x93.", "damaged"),
        (b"K\x01K\x02\x93.", "name is no text"),
    ],
)
def test_damage_is_named(content, what):
    with pytest.raises(PickleError, match=what):
        read_pickle(content)


def test_a_name_that_would_move_a_terminal_is_shown_as_text():
    with pytest.raises(PickleError) as caught:
        read_pickle(b"cos\n\x1b[2J" + b"x" * 5000 + b"\n.")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_lists_that_double_take_no_more_memory_than_the_file():
    doubled = b"(]q\x00" + b"".join(
        b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(200)
    )
    last = read_pickle(doubled + b"t.")[-1]
    assert last[0] is last[1]


@pytest.mark.parametrize("opcode", [b"S", b"c", b"i", b"V", b"I", b"L", b"F", b"P", b"p", b"g"])
def test_no_line_of_text_makes_a_warning(opcode):
    """pickletools reads some with Python's escapes, and warns of unknown ones: an error for whoever has warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for line in (b"'\\q'", b"\\q", b"\\400", b"'\\400'", b"\\u12", b"9" * 5000, b"\xff"):
            with pytest.raises(PickleError):
                read_pickle(opcode + line + b"\n" + line + b"\n.")


def test_a_pickle_has_so_many_bytes_and_opcodes_and_no_more(monkeypatch):
    content = pickle.dumps(b"a" * 1000)
    assert read_pickle(content, longest=len(content)) == b"a" * 1000
    with pytest.raises(PickleError, match="more than 1,000 bytes"):
        read_pickle(content, longest=1000)
    monkeypatch.setattr(pickle_reader, "MOST_OPCODES", 1000)
    with pytest.raises(PickleError, match="more than 1,000 opcodes"):
        read_pickle(b"(" + b"}" * 1000 + b"l.")


@pytest.mark.parametrize("end", [b"K\x01s", b"(2e", b"(2u", b"a", b"(2\x90", b"R", b"b", b"Q", b"\x93"])
def test_what_is_deep_is_neither_hashed_nor_shown(end):
    """60 times DUP, TUPLE2: a tuple of 2**60 parts."""
    begin = time.perf_counter()
    for bottom in (b"}", b"]", b"\x8f", b""):
        with pytest.raises(PickleError) as caught:
            read_pickle(bottom + b"K\x01" + b"2\x86" * 60 + end + b"K\x01K\x01.", build=lambda *_: None)
        assert len(str(caught.value)) < 500
    assert time.perf_counter() - begin < 1
