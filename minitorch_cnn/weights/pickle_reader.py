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
looks the function up in the list.

Each opcode takes constant time, or time by the values that it takes off the stack, so a file is read in time by its size.
"""

import io
import pickletools
from dataclasses import dataclass

from .errors import WeightsError

PUSH_ARGUMENT = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),  # Python 2's texts
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
PUSH_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
PUSH_NEW = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
TUPLE_OF = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
GET = {"GET", "BINGET", "LONG_BINGET"}
MAKE_OBJECTS = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}
# A tuple as a key would be hashed through all its depth; no state needs one.
KEYS = (str, int, float, bytes, type(None))


@dataclass(frozen=True)
class Global:
    """The name of a function or class: a plain value."""

    name: str


def read_pickle(file, known=(), calls=None, persistent=None):
    """The value that a pickle describes.

    Args:
        file: what to read it from: bytes, or an mmap, which stands behind the pickle afterwards.
        known: dotted names of the globals that may occur as values.
        calls: {dotted name: (function, least, most)}: what REDUCE may call, with so many arguments. The functions come from here,
            the arguments from the file.
        persistent: a function of the tuple by which the pickle refers to something outside it.
    Returns: numbers, texts, bytes, None, lists, dicts, sets, tuples, Globals, and what the functions return.
    Raises: WeightsError.

    >>> import pickle
    >>> read_pickle(pickle.dumps({"epoch": 3, "lr": [0.1, 0.01]}))
    {'epoch': 3, 'lr': [0.1, 0.01]}
    >>> read_pickle(pickle.dumps(print, protocol=2))
    Traceback (most recent call last):
    minitorch_cnn.weights.errors.WeightsError: the pickle in it asks for __builtin__.print, which is refused: only tensors ...
    """
    return _Machine(known, calls or {}, persistent).run(io.BytesIO(file) if isinstance(file, bytes) else file)


class _Machine:
    def __init__(self, known, calls, persistent):
        self.known, self.calls, self.persistent = known, calls, persistent
        self.stack = []
        self.marked = []  # the stacks beneath each MARK
        self.memo = {}
        self.copied = 0

    def run(self, file):
        try:
            for opcode, argument, position in pickletools.genops(file):
                self.position = position
                if opcode.name == "STOP":
                    break
                self.step(opcode.name, argument)
        except WeightsError:
            raise
        except (ValueError, IndexError, OverflowError) as error:  # a list that is too short: the stack's
            raise WeightsError(f"the pickle in it is damaged or cut short ({error})") from None
        if len(self.stack) != 1 or self.marked:
            raise WeightsError("the pickle in it is damaged: it ends with more, or less, than one value")
        return self.stack.pop()

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
            self.memo[argument] = stack[-1]
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
                raise WeightsError(
                    f"the pickle in it has the opcode {name} (at byte {self.position}), which no state dict needs"
                )
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

    def top(self, *types):
        """The last value, which must be of one of these types, and stays."""
        if not self.stack or type(self.stack[-1]) not in types:
            found = type(self.stack[-1]).__name__ if self.stack else "nothing"
            self.damaged(f"{found} where a {types[0].__name__} must be")
        return self.stack[-1]

    def damaged(self, what):
        raise WeightsError(f"the pickle in it is damaged: {what} (at byte {self.position})")

    def key(self, value):
        if not isinstance(value, KEYS):
            self.damaged(f"a {type(value).__name__} as a key")
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
        self.stack.append(self.stack[-1])

    def do_memoize(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

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
            raise WeightsError(
                f"the pickle in it asks for {_shown(dotted)}, which is refused: only tensors and plain containers are read, "
                f"and nothing in the file was run. If it holds a whole model, or objects beside the weights, and you trust "
                f"it: open it with PyTorch and write the weights alone: torch.save(model.state_dict(), path)"
            )
        return Global(dotted)

    def refuse_object(self, opcode, argument):
        """INST carries the class's name, EXT1 a number in a table of names; for the others the class lies on the stack."""
        if opcode == "INST":
            self.name_of(*argument.split(" ", 1))
        class_name = next((value.name for value in reversed(self.stack) if isinstance(value, Global)), "an object")
        what = f"an object numbered {argument}" if argument is not None else class_name
        raise WeightsError(
            f"the pickle in it asks for {_shown(what)} by the opcode {opcode} (at byte {self.position}), which is refused: "
            f"only tensors and plain containers are read, and nothing in the file was run"
        )

    def do_global(self, argument):
        self.stack.append(self.name_of(*argument.split(" ", 1)))

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
        """Attributes of an object. Only OrderedDict has any in a state dict, `_metadata` with versions: left out."""
        (state,) = self.pop(1)
        self.top(dict)
        if type(state) is not dict:
            self.damaged(f"a {type(state).__name__} as an object's attributes")

    def do_binpersid(self, _):
        (reference,) = self.pop(1)
        if self.persistent is None or type(reference) is not tuple:
            self.damaged("a reference to something outside the pickle")
        self.stack.append(self.persistent(*reference))


def _shown(name):
    """A name from a file: of bounded length, and without characters that a terminal obeys."""
    return ascii(name[:100])[1:-1]
