"""What a pickle says, without doing what it asks for.

A pickle is a program for a machine with one stack. {"epoch": 3} is, by `python -m pickletools`:

    EMPTY_DICT                  push {}
    BINUNICODE 'epoch'          push 'epoch'
    BININT1    3                push 3
    SETITEM                     take two, put them into the dict beneath
    STOP                        what lies on the stack is the result

MARK starts a group that a later opcode takes as a whole (SETITEMS, APPENDS, TUPLE), PUT and GET keep a value by number and push it
again. So far it is only data. But GLOBAL 'os system' pushes any function of any module, and REDUCE calls it: whoever unpickles a
file runs what its author wished. So `pickle.Unpickler` is not used here. This machine knows the opcodes that data need. A global
is a name to it, which it never imports: names that are not on the reader's list are refused where they are met, and REDUCE
looks the function up in the list. BUILD, which gives an object its attributes, is left to the reader, too.

Each opcode takes constant time, or time by the values that it takes off the stack, so a file is read in time by its size. Nothing
is hashed, compared or shown that could be deep: 60 opcodes make a tuple of 2**60 parts.
"""

import io
import pickletools
from dataclasses import dataclass

LONGEST = 64 << 20  # bytes
MOST_OPCODES = 10_000_000  # an empty dict is one byte in a pickle and 64 in memory

OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
PUSH_ARGUMENT = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("BINSTRING", "SHORT_BINSTRING"),  # Python 2's texts
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
PUSH_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
PUSH_NEW = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
TUPLE_OF = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
GET = {"GET", "BINGET", "LONG_BINGET"}
MAKE_OBJECTS = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
# arguments that pickletools can't read without a warning, of Python's escapes in texts; no file that is read here has them
NOT_READ = {"STRING", "PERSID"}


class PickleError(ValueError):
    """A pickle that is damaged, or asks for what isn't on its reader's list."""


@dataclass(frozen=True)
class Global:
    """The name of a function or class: a plain value."""

    name: str


def is_key(value):
    """Whether a value may be a key of a dict: a text, bytes, a number or None.

    A tuple would be hashed through all its depth. Integers have the hash n % (2**61 - 1), so larger ones could be chosen to have
    all the same.
    """
    if isinstance(value, int):
        return abs(value) < 2**60
    return isinstance(value, str | float | bytes | None)


def read_pickle(
    file, known=(), calls=None, persistent=None, build=None, refused="nothing in it was run", longest=LONGEST
):
    """The value that a pickle describes.

    Args:
        file: what to read it from: bytes, or an mmap, which stands behind the pickle afterwards.
        known: dotted names of the globals that may occur as values.
        calls: {dotted name: (function, least, most)}: what REDUCE may call, with so many arguments. The functions come from here,
            the arguments from the file.
        persistent: a function of the tuple by which the pickle refers to something outside it.
        build: a function (object, state) that gives an object its attributes; without it, none may have any.
        refused: what the error says of a name that isn't on these lists: "the pickle in it asks for os.system, which is refused: ".
        longest: bytes that it may have.
    Returns: numbers, texts, bytes, None, lists, dicts, sets, tuples, Globals, and what the functions return. A value may contain
        itself, or one other value very often.
    Raises: PickleError.

    >>> import pickle
    >>> read_pickle(pickle.dumps({"epoch": 3, "lr": [0.1, 0.01]}))
    {'epoch': 3, 'lr': [0.1, 0.01]}
    >>> read_pickle(pickle.dumps(print, protocol=2))
    Traceback (most recent call last):
    minitorch_cnn.backend.pickle_reader.PickleError: the pickle in it asks for __builtin__.print, which is refused: nothing in ...
    """
    machine = _Machine(known, calls or {}, persistent, build, refused)
    return machine.run(io.BytesIO(file) if isinstance(file, bytes) else file, longest)


class _Machine:
    def __init__(self, known, calls, persistent, build, refused):
        self.known, self.calls, self.persistent, self.build, self.refused = known, calls, persistent, build, refused
        self.stack = []
        self.marked = []  # the stacks beneath each MARK
        self.memo = {}
        self.copied = 0

    def run(self, file, longest):
        begin = file.tell()
        for _ in range(MOST_OPCODES):
            self.position = file.tell() - begin
            if self.position > longest:
                raise PickleError(f"the pickle in it has more than {longest:,} bytes; the file was altered")
            code = file.read(1)
            if code not in OPCODES:
                self.damaged(f"the byte {code!r} is no opcode" if code else "it is cut short")
            opcode = OPCODES[code]
            if opcode.name == "STOP":
                break
            if opcode.name in NOT_READ:
                self.refuse_opcode(opcode.name)
            self.step(opcode.name, self.argument(opcode, file))
        else:
            raise PickleError(f"the pickle in it has more than {MOST_OPCODES:,} opcodes; the file was altered")
        if len(self.stack) != 1 or self.marked:
            raise PickleError("the pickle in it is damaged: it ends with more, or less, than one value")
        return self.stack.pop()

    def argument(self, opcode, file):
        """What follows an opcode: None if nothing does; of GLOBAL and INST the lines (module, name)."""
        try:
            if opcode.name in ("GLOBAL", "INST"):
                return file.readline().decode().removesuffix("\n"), file.readline().decode().removesuffix("\n")
            return opcode.arg.reader(file) if opcode.arg else None
        except (ValueError, OverflowError) as error:
            raise PickleError(f"the pickle in it is damaged or cut short ({str(error)[:200]})") from None

    def step(self, name, argument):
        stack = self.stack
        if name in PUSH_ARGUMENT:
            if isinstance(argument, int) and argument.bit_length() > 1024:
                self.damaged(f"an integer of {argument.bit_length()} bits")
            stack.append(argument)
        elif name in PUSH_CONSTANT:
            stack.append(PUSH_CONSTANT[name])
        elif name in PUSH_NEW:
            stack.append(PUSH_NEW[name]())
        elif name in TUPLE_OF:
            stack.append(tuple(self.pop(TUPLE_OF[name])))
        elif name in PUT:
            self.memo[argument] = self.last()
        elif name in GET:
            if argument not in self.memo:
                self.damaged(f"nothing was kept under the number {argument}")
            stack.append(self.memo[argument])
        elif name in ("PROTO", "FRAME"):
            if name == "PROTO" and argument > 5:
                self.damaged(f"a pickle of protocol {argument}")
        elif name in MAKE_OBJECTS:
            self.refuse_object(name, argument)
        else:
            method = getattr(self, f"do_{name.lower()}", None)
            if method is None:
                self.refuse_opcode(name)
            method(argument)

    # values off the stack -----------------------------------------------------------------------------------------------

    def pop(self, count):
        """The last `count` values."""
        if len(self.stack) < count:
            self.damaged("too few values on the stack")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def pop_group(self):
        """The values since the last MARK."""
        if not self.marked:
            self.damaged("a group without its mark")
        group, self.stack = self.stack, self.marked.pop()
        return group

    def last(self):
        """The last value, which stays."""
        if not self.stack:
            self.damaged("too few values on the stack")
        return self.stack[-1]

    def top(self, kind):
        """The last value, which must be of this type, and stays."""
        if type(self.last()) is not kind:
            self.damaged(f"{type(self.last()).__name__} where a {kind.__name__} must be")
        return self.last()

    def damaged(self, what):
        raise PickleError(f"the pickle in it is damaged: {what} (at byte {self.position})")

    def refuse_opcode(self, name):
        raise PickleError(f"the pickle in it has the opcode {name} (at byte {self.position}), which no data need")

    def key(self, value):
        if not is_key(value):
            self.damaged(f"{'a large int' if isinstance(value, int) else 'a ' + type(value).__name__} as a key")
        return value

    # opcodes -----------------------------------------------------------------------------------------------------------

    def do_mark(self, _):
        self.marked.append(self.stack)
        self.stack = []

    def do_pop_mark(self, _):
        self.pop_group()

    def do_pop(self, _):
        self.pop(1)

    def do_dup(self, _):
        self.stack.append(self.last())

    def do_memoize(self, _):
        self.memo[len(self.memo)] = self.last()

    def do_tuple(self, _):
        group = self.pop_group()
        self.stack.append(tuple(group))

    def do_list(self, _):
        group = self.pop_group()
        self.stack.append(group)

    def do_dict(self, _):
        group = self.pop_group()
        self.stack.append({})
        self.set_items(group)

    def do_frozenset(self, _):
        group = self.pop_group()
        self.stack.append({self.key(value) for value in group})

    def do_append(self, _):
        (value,) = self.pop(1)
        self.top(list).append(value)

    def do_appends(self, _):
        group = self.pop_group()
        self.top(list).extend(group)

    def do_additems(self, _):
        group = self.pop_group()
        self.top(set).update(self.key(value) for value in group)

    def do_setitem(self, _):
        self.set_items(self.pop(2))

    def do_setitems(self, _):
        self.set_items(self.pop_group())

    def set_items(self, items):
        target = self.top(dict)
        if len(items) % 2:
            self.damaged("a key without a value")
        for key, value in zip(items[::2], items[1::2]):
            target[self.key(key)] = value

    # names, and what is built of them ------------------------------------------------------------------------------------

    def name_of(self, module, name):
        dotted = f"{module}.{name}"
        if dotted not in self.known and dotted not in self.calls:
            raise PickleError(f"the pickle in it asks for {_shown(dotted)}, which is refused: {self.refused}")
        return Global(dotted)

    def refuse_object(self, opcode, argument):
        """INST carries the class's name, EXT1 a number in a table of names; for the others the class lies on the stack."""
        if opcode == "INST":
            self.name_of(*argument)
        class_name = next((value.name for value in reversed(self.stack) if isinstance(value, Global)), "an object")
        what = f"an object numbered {argument}" if opcode.startswith("EXT") else class_name
        raise PickleError(
            f"the pickle in it asks for {_shown(what)} by the opcode {opcode} (at byte {self.position}), which is refused: "
            f"{self.refused}"
        )

    def do_global(self, argument):
        self.stack.append(self.name_of(*argument))

    def do_stack_global(self, _):
        module, name = self.pop(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            self.damaged("a global whose name is no text")
        self.stack.append(self.name_of(module, name))

    def do_reduce(self, _):
        function, arguments = self.pop(2)
        if not isinstance(function, Global) or function.name not in self.calls or type(arguments) is not tuple:
            self.damaged(f"a call of {_shown(str(getattr(function, 'name', type(function).__name__)))}")
        build, least, most = self.calls[function.name]
        if not least <= len(arguments) <= most:
            self.damaged(f"{function.name} with {len(arguments)} arguments")
        # What is copied by a call is in the pickle, a byte or more for each element: a container that is copied again and
        # again would take time and memory by the square of the file's size.
        self.copied += sum(len(a) for a in arguments if isinstance(a, str | list | tuple | dict))
        if self.copied > 16 * self.position:
            self.damaged("the same container is copied again and again")
        self.stack.append(build(*arguments))

    def do_build(self, _):
        (state,) = self.pop(1)
        if self.build is None:
            self.refuse_opcode("BUILD")
        self.build(self.last(), state)

    def do_binpersid(self, _):
        (reference,) = self.pop(1)
        if self.persistent is None or type(reference) is not tuple:
            self.damaged("a reference to something outside the pickle")
        self.stack.append(self.persistent(*reference))


def _shown(name):
    """A name from a file: of bounded length, and without characters that a terminal obeys."""
    return ascii(name[:100])[1:-1]
