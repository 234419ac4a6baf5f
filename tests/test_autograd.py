"""The engine: the graph, the walk backwards, gradients and who owns them, and Tensor itself."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
from minitorch_cnn import Function, Tensor
from minitorch_cnn.backend import DeviceError
from minitorch_cnn.nn import Parameter


def leaf(values, dtype=np.float64):
    return Tensor(np.asarray(values, dtype), requires_grad=True)


class Keep(Function):
    """Twice x, with an array that the tests watch."""

    def forward(self, x):
        self.kept = x.copy()
        return x * 2

    def backward(self, grad):
        return grad * 2


# long and wide graphs -------------------------------------------------------------------------------------------------


def test_a_chain_of_100000_additions_goes_forward_backward_and_away_without_recursion():
    x, one = leaf([1.0, 2.0]), Tensor(np.ones(2))
    y = x
    for _ in range(100_000):
        y = y + one
    y.backward(np.array([3.0, 5.0]), retain_graph=True)  # nothing is freed on the way
    np.testing.assert_array_equal(y.numpy(), [100_001, 100_002])
    np.testing.assert_array_equal(x.grad, [3.0, 5.0])
    last = weakref.ref(y.grad_fn)
    del y  # all 100,000 go at once, each holding the next
    assert last() is None


def test_sixty_doublings_are_walked_once_each_and_not_along_each_of_the_2_to_the_60_paths():
    x = leaf([1.0, -3.0])
    y = x
    for _ in range(60):
        y = y + y
    y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad, [2.0**60, 2.0**60])


def test_a_tensor_used_at_different_depths_waits_for_all_its_users():
    # y = a*b with a = x*x, b = a*x = x^3: y = x^5. A walk that visits a before b's share arrives gives too little.
    x = leaf([2.0])
    a = x * x
    b = a * x
    (a * b).backward(np.ones(1))
    np.testing.assert_array_equal(x.grad, [5 * 2.0**4])


def test_an_old_tensor_used_again_late_is_visited_after_its_late_users():
    x = leaf([3.0])
    old = x * 2  # made first
    late = x
    for _ in range(5):
        late = late + 1
    (late * old).backward(np.ones(1))  # (x + 5) * 2x
    np.testing.assert_array_equal(x.grad, [4 * 3.0 + 10])


N = 6  # length of every node of the random graphs below

# An operation of two nodes, on tensors of shape (N,), and the same on matrices M with node = M @ (x, y): no engine in it.
LINEAR = {
    "add": (lambda a, b: a + b, lambda a, b: a + b),
    "sub": (lambda a, b: a - b, lambda a, b: a - b),
    "double": (lambda a, b: a * 2, lambda a, b: 2 * a),
    "reshape": (lambda a, b: a.reshape(2, 3).reshape(N), lambda a, b: a),
    "flip": (lambda a, b: a[::-1], lambda a, b: a[::-1]),
    "cat": (lambda a, b: mt.cat([a[:2], b[2:]]), lambda a, b: np.concatenate([a[:2], b[2:]])),
    "gather": (lambda a, b: a[[0, 0, 3, 5, 5, 5]], lambda a, b: a[[0, 0, 3, 5, 5, 5]]),
    "spread": (lambda a, b: a.reshape(1, N).expand(3, N).sum(0), lambda a, b: 3 * a),
    "permute": (lambda a, b: a.reshape(2, 3).permute(1, 0).flatten(), lambda a, b: a[[0, 3, 1, 4, 2, 5]]),
    "total": (lambda a, b: a.sum() + b, lambda a, b: a.sum(0) + b),
}


def run(program, x, y, form):
    """All nodes of a random program, each made of any two earlier ones; form 0 is of tensors, 1 of matrices."""
    nodes = [x, y]
    for operation, i, j in program:
        nodes.append(LINEAR[operation][form](nodes[i % len(nodes)], nodes[j % len(nodes)]))
    return nodes


programs = st.lists(
    st.tuples(st.sampled_from(sorted(LINEAR)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=10
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(program=programs, data=st.data())
def test_gradients_of_random_graphs_are_exact_and_no_array_that_someone_else_holds_is_written(program, data):
    """Integers in float64, so equality is exact. Views, shared gradients, hooks, retained gradients, two backward calls."""
    x, y = leaf(np.arange(N)), leaf(np.arange(N) + 7.0)
    both = np.eye(2 * N)
    nodes, matrices = run(program, x, y, 0), run(program, both[:N], both[N:], 1)
    upstream = np.array([1.0, -2.0, 3.0, 5.0, -7.0, 11.0])
    given_upstream = upstream.copy()
    held = []  # (array a hook was handed, its values then)
    for k in data.draw(st.sets(st.integers(0, len(nodes) - 1), max_size=4)):
        nodes[k].register_hook(lambda g: held.append((g, g.copy())))
    watched = data.draw(st.integers(2, len(nodes) - 1))
    nodes[watched].retain_grad()

    expected = (matrices[-1].T @ upstream).reshape(2, N)
    for times in (1, 2):
        nodes[-1].backward(upstream, retain_graph=True)
        for tensor, gradient in zip((x, y), expected):
            if tensor.grad is None:
                assert not gradient.any()
            else:
                np.testing.assert_array_equal(tensor.grad, times * gradient)
    np.testing.assert_array_equal(upstream, given_upstream)
    for array, values in held:
        np.testing.assert_array_equal(array, values, err_msg="a gradient that a hook had kept was written to")
    grads = [g for g in (x.grad, y.grad, nodes[watched].grad, upstream) if g is not None]
    for i, a in enumerate(grads):
        assert not any(np.shares_memory(a, b) for b in grads[:i])


# who owns a gradient --------------------------------------------------------------------------------------------------


def test_x_plus_x_gives_two_and_leaves_the_upstream_gradient_alone():
    x, upstream = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    (x + x).backward(upstream)
    np.testing.assert_array_equal(x.grad, [6.0, 8.0])
    np.testing.assert_array_equal(upstream, [3.0, 4.0])


@pytest.mark.parametrize(
    "passing",
    [
        lambda x: x,
        lambda x: x + 0,
        lambda x: x.reshape(3, 2),
        lambda x: x.T,
        lambda x: x.unsqueeze(0),
        lambda x: x[...],
    ],
    ids=["leaf", "add", "reshape", "T", "unsqueeze", "ellipsis"],
)
def test_grad_is_an_array_of_its_own_not_the_gradient_that_the_user_gave(passing):
    x = leaf(np.ones((2, 3)))
    y = passing(x)
    upstream = np.arange(6.0).reshape(y.shape)
    y.backward(upstream)
    assert not np.shares_memory(x.grad, upstream)
    before = x.grad.copy()
    upstream[...] = 99
    np.testing.assert_array_equal(x.grad, before)


def test_two_leaves_get_gradients_that_share_no_memory():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x + y).backward(np.ones(2))
    assert not np.shares_memory(x.grad, y.grad)
    x.grad += 5
    np.testing.assert_array_equal(y.grad, [1.0, 1.0])


class SameForBoth(Function):
    """Its two gradients are one array, or an array and a view of it."""

    def __init__(self, view):
        self.view = view

    def forward(self, a, b):
        return a + b.reshape(a.shape)

    def backward(self, grad):
        gradient = grad * 10
        return gradient, gradient.reshape(-1) if self.view else gradient


@pytest.mark.parametrize("view", [False, True])
def test_an_operator_may_return_one_array_or_a_view_of_it_for_two_inputs(view):
    a, b = leaf(np.ones((2, 2))), leaf(np.ones(4) if view else np.ones((2, 2)))
    once_more = (b * 7).reshape(2, 2) + a * 3  # made first: its gradients are added to SameForBoth's, a's share first
    (SameForBoth.apply(a, b, view=view) + once_more).backward(np.ones((2, 2)))
    np.testing.assert_array_equal(a.grad, np.full(a.shape, 13.0))
    np.testing.assert_array_equal(b.grad, np.full(b.shape, 17.0))
    assert not np.shares_memory(a.grad, b.grad)


def test_an_array_that_a_hook_returned_is_not_added_to_by_the_next_backward():
    x, mine = leaf([1.0, 2.0]), np.array([5.0, 6.0])
    x.register_hook(lambda grad: mine)
    for _ in range(3):
        (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad, [15.0, 18.0])
    np.testing.assert_array_equal(mine, [5.0, 6.0])


def test_a_gradient_that_a_leafs_hook_kept_is_not_changed_by_the_next_backward():
    x, kept = leaf([1.0, 2.0]), []
    x.register_hook(kept.append)
    for _ in range(2):
        (x * 3).sum().backward()
    np.testing.assert_array_equal(kept[0], [3.0, 3.0])
    np.testing.assert_array_equal(x.grad, [6.0, 6.0])


# gradients ------------------------------------------------------------------------------------------------------------


def test_gradients_add_up_over_backward_calls_of_different_graphs():
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [5.0, 7.0])


def test_a_leaf_that_wants_no_gradient_or_had_no_part_gets_none():
    x, constant, idle = leaf([1.0]), Tensor(np.ones(1)), leaf([1.0])
    (x * constant).backward(np.ones(1))
    assert constant.grad is None and idle.grad is None
    assert x.grad is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0, 3)])
def test_grad_is_an_array_of_the_leafs_shape_and_dtype(shape, dtype):
    x = Tensor(np.ones(shape, dtype), requires_grad=True)
    for _ in range(2):
        (x * 2 + x.exp().reshape(shape)).sum().backward()
        assert isinstance(x.grad, np.ndarray)
        assert x.grad.shape == shape and x.grad.dtype == dtype
    x.grad[...] = 0  # an array of one's own, writable, even without dimensions


def test_hooks_get_arrays_even_of_tensors_without_dimensions():
    x, seen = leaf(2.0), []
    y = x * 3
    y.register_hook(seen.append)
    x.register_hook(seen.append)
    (y + y * y).backward()
    assert [type(g) for g in seen] == [np.ndarray, np.ndarray]
    assert [float(g) for g in seen] == [13.0, 39.0]


def test_a_parent_that_needs_no_gradient_gets_none_computed():
    asked = []

    class Spy(Function):
        def forward(self, a, b, c):
            return a + b

        def backward(self, grad):
            asked.append(self.needs_input_grad)
            return grad, None, None

    Spy.apply(leaf([1.0]), Tensor(np.ones(1)), None).backward(np.ones(1))
    assert asked == [(True, False, False)]


def test_a_gradient_may_be_given_as_array_tensor_or_list_and_takes_the_tensors_dtype():
    for gradient in (np.array([2, 3]), Tensor([2.0, 3.0]), [2.0, 3.0]):
        x = Tensor([1.0, 1.0], requires_grad=True)
        (x * 2).backward(gradient)
        assert_close(x.grad, np.array([4, 6], np.float32), rtol=0)


def test_backward_of_a_leaf_gives_it_the_gradient():
    x = leaf([1.0, 2.0])
    x.backward(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(x.grad, [3.0, 4.0])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_tensor_of_one_element_starts_from_a_gradient_of_one(shape):
    x = leaf(np.full(shape, 3.0))
    (x * x).backward()
    np.testing.assert_array_equal(x.grad, np.full(shape, 6.0))


def test_backward_without_a_gradient_from_many_elements_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"backward: a gradient is needed .*\(2, 3\).*\.sum\(\) or \.mean\(\)"):
        leaf(np.ones((2, 3))).exp().backward()


@pytest.mark.parametrize("gradient", [np.ones(3), np.ones((3, 2)), np.ones((1, 2, 3)), 1.0])
def test_backward_with_a_gradient_of_another_shape_names_both_shapes(gradient):
    with pytest.raises(ValueError, match=r"backward: the gradient has shape \(.*\), the tensor \(2, 3\)"):
        leaf(np.ones((2, 3))).exp().backward(gradient)


def test_backward_of_what_depends_on_no_gradient_says_so():
    with pytest.raises(RuntimeError, match="does not depend on any tensor with requires_grad=True"):
        Tensor([1.0]).exp().backward()


# walking twice --------------------------------------------------------------------------------------------------------


def test_a_graph_walked_twice_says_so_names_an_operator_and_changes_nothing():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"walked before.* Sum .*retain_graph=True"):
        loss.backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def test_two_losses_that_share_a_freed_part_say_so_before_any_gradient_is_added():
    x, z = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    shared = x.exp()
    (shared * 2).sum().backward()
    kept = x.grad.copy()
    with pytest.raises(RuntimeError, match=r"walked before.* Exp .*"):
        (shared * 3 + z).sum().backward()
    assert z.grad is None
    np.testing.assert_array_equal(x.grad, kept)


def test_retain_graph_allows_a_second_walk_with_the_same_gradients():
    x = leaf([1.0, 2.0])
    loss = (x * x * x).sum()
    loss.backward(retain_graph=True)
    once = x.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2 * once)
    with pytest.raises(RuntimeError, match="walked before"):
        loss.backward()


def test_saved_arrays_are_freed_by_backward_though_the_loss_is_still_held():
    loss = Keep.apply(leaf(np.ones(3))).sum()
    kept = weakref.ref(loss.grad_fn.parents[0].kept)
    assert kept() is not None
    loss.backward()
    assert kept() is None


def test_each_nodes_arrays_are_freed_as_the_walk_leaves_it():
    x = leaf(np.ones(3))
    y = Keep.apply(x)
    z = Keep.apply(y)
    arrays = [weakref.ref(t.grad_fn.kept) for t in (y, z)]
    alive = []
    y.register_hook(lambda grad: alive.extend(ref() is not None for ref in arrays))
    z.sum().backward()
    assert alive == [True, False]  # z's are gone when y's turn comes


def test_retain_graph_keeps_the_saved_arrays():
    loss = Keep.apply(leaf(np.ones(3))).sum()
    kept = weakref.ref(loss.grad_fn.parents[0].kept)
    loss.backward(retain_graph=True)
    assert kept() is not None


def test_a_graph_nobody_holds_goes_away_without_the_garbage_collector():
    gc.disable()
    try:
        y = Keep.apply(leaf(np.ones(3)))
        kept = weakref.ref(y.grad_fn.kept)
        del y
        assert kept() is None
    finally:
        gc.enable()


def test_intermediate_tensors_are_not_kept_by_the_graph():
    x = leaf(np.ones(3))
    middle = x + 1
    gone = weakref.ref(middle)
    loss = (middle + 1).sum()
    del middle
    assert gone() is None
    loss.backward()
    np.testing.assert_array_equal(x.grad, np.ones(3))


# recording ------------------------------------------------------------------------------------------------------------


def test_no_grad_records_nothing_nests_and_is_over_at_its_end():
    x = leaf([1.0])
    with mt.no_grad():
        assert not mt.is_grad_enabled()
        with mt.no_grad():
            pass
        y = x * 2
        assert not y.requires_grad and y.grad_fn is None and y.is_leaf
    assert mt.is_grad_enabled()
    assert (x * 2).requires_grad


def test_no_grad_is_over_after_an_exception():
    with pytest.raises(ZeroDivisionError), mt.no_grad():
        raise ZeroDivisionError
    assert mt.is_grad_enabled()


def test_backward_works_inside_no_grad_on_a_graph_from_outside():
    x = leaf([3.0])
    y = x * x
    with mt.no_grad():
        y.backward(np.ones(1))
    np.testing.assert_array_equal(x.grad, [6.0])


def test_detach_shares_memory_and_stops_the_gradient():
    x = leaf([2.0, 3.0])
    y = x * x
    constant = y.detach()
    assert constant.data is y.data and not constant.requires_grad and constant.is_leaf
    (x * constant).sum().backward()
    np.testing.assert_array_equal(x.grad, [4.0, 9.0])
    constant.data[0] = 50
    assert y.numpy()[0] == 50


def test_a_result_requires_a_gradient_exactly_if_one_input_does():
    x, c = leaf([1.0]), Tensor(np.ones(1))
    assert (x + c).requires_grad and (c + x).requires_grad and not (c + c).requires_grad
    assert x.is_leaf and not (x + c).is_leaf


def test_retain_grad_keeps_an_intermediate_gradient_and_adds_up_like_a_leafs():
    x = leaf([1.0, 2.0])
    y = x * 3
    y.retain_grad()
    loss = (y * y).sum() + y.sum()
    loss.backward(retain_graph=True)
    np.testing.assert_array_equal(y.grad, [7.0, 13.0])
    loss.backward()
    np.testing.assert_array_equal(y.grad, [14.0, 26.0])
    np.testing.assert_array_equal(x.grad, [42.0, 78.0])


def test_without_retain_grad_an_intermediate_has_none():
    x = leaf([1.0])
    y = x * 2
    y.sum().backward()
    assert y.grad is None


def test_retain_grad_where_there_will_be_no_gradient_says_so():
    with pytest.raises(RuntimeError, match="retain_grad: this tensor requires no gradient"):
        Tensor([1.0]).retain_grad()


# hooks ----------------------------------------------------------------------------------------------------------------


def test_a_hook_sees_the_complete_gradient_once():
    x, seen = leaf([1.0, 2.0]), []
    y = x * 1
    y.register_hook(seen.append)
    (y * 2 + y * 3 + y).sum().backward()
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], [6.0, 6.0])


def test_what_a_hook_returns_replaces_the_gradient_and_the_next_hook_gets_it():
    x, seen = leaf([1.0, 2.0]), []
    y = x * 1
    y.register_hook(lambda grad: grad * 10)
    y.register_hook(seen.append)
    y.register_hook(lambda grad: grad + 1)
    y.sum().backward()
    np.testing.assert_array_equal(seen[0], [10.0, 10.0])
    np.testing.assert_array_equal(x.grad, [11.0, 11.0])


def test_a_removed_hook_is_not_called_and_removing_twice_is_harmless():
    x, seen = leaf([1.0]), []
    handles = [x.register_hook(lambda grad, i=i: seen.append(i)) for i in range(3)]
    handles[1].remove()
    handles[1].remove()
    (x * 2).sum().backward()
    assert seen == [0, 2]


def test_a_hook_that_removes_itself_does_not_disturb_the_others():
    x, seen = leaf([1.0]), []
    handle = x.register_hook(lambda grad: handle.remove())
    x.register_hook(lambda grad: seen.append(1))
    for _ in range(2):
        (x * 2).sum().backward()
    assert seen == [1, 1]


@pytest.mark.parametrize(
    "returned, words",
    [
        (np.ones(3), r"shape \(2,\).*returned shape \(3,\)"),
        (np.ones(2, np.float32), "float64, the hook returned .*float32"),
        (1.0, "returned a float"),
        (Tensor([1.0, 1.0]), "returned a Tensor"),
    ],
    ids=["shape", "dtype", "number", "Tensor"],
)
def test_a_hook_that_returns_another_kind_of_gradient_is_refused(returned, words):
    x = leaf([1.0, 2.0])
    x.register_hook(lambda grad: returned)
    with pytest.raises(ValueError, match="hook: .*" + words):
        x.sum().backward()


def test_a_hook_where_no_gradient_will_come_says_so():
    with pytest.raises(RuntimeError, match="register_hook: this tensor requires no gradient"):
        Tensor([1.0]).register_hook(print)


# a Function of one's own ----------------------------------------------------------------------------------------------


def function_returning(result):
    class Mistaken(Function):
        def forward(self, a, b):
            return a * b

        def backward(self, grad):
            return result(grad)

    return Mistaken


@pytest.mark.parametrize(
    "result, words",
    [
        (lambda g: (g.T, g), r"shape \(3, 2\), dtype float64 for input 0, which is an array of shape \(2, 3\)"),
        (lambda g: (g, g.sum(0)), r"shape \(3,\), dtype float64 for input 1"),
        (lambda g: (g.astype(np.float32), g), r"shape \(2, 3\), dtype float32 for input 0.*dtype float64"),
        (lambda g: g, "1 gradients for 2 inputs"),
        (lambda g: (g, g, g), "3 gradients for 2 inputs"),
        (lambda g: (g, None), "None for input 1"),
        (lambda g: (g, 1.0), "a float for input 1"),
        (lambda g: (g, Tensor(g)), "a Tensor for input 1"),
        (lambda g: [g, g], "1 gradients for 2 inputs"),
    ],
    ids=["transposed", "summed", "dtype", "too-few", "too-many", "None", "number", "Tensor", "list"],
)
def test_a_backward_with_a_wrong_result_is_named(result, words):
    a, b = leaf(np.ones((2, 3))), leaf(np.ones((2, 3)))
    with pytest.raises(RuntimeError, match=r"Mistaken\.backward returned " + words):
        function_returning(result).apply(a, b).sum().backward()


def test_a_backward_that_returns_a_list_of_one_is_named_too():
    class Lister(Function):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            return [grad * 2]

    with pytest.raises(RuntimeError, match=r"Lister\.backward returned a list for input 0"):
        Lister.apply(leaf([1.0])).backward(np.ones(1))


def test_what_a_backward_returns_for_an_input_without_gradient_is_not_looked_at():
    a, b = leaf([2.0]), Tensor(np.ones(1))
    function_returning(lambda g: (g, "anything")).apply(a, b).backward(np.ones(1))
    np.testing.assert_array_equal(a.grad, [1.0])


def test_a_function_without_forward_or_backward_says_which_is_missing():
    class Empty(Function):
        pass

    class Half(Function):
        def forward(self, x):
            return x + 1

    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        Empty.apply(leaf([1.0]))
    with pytest.raises(NotImplementedError, match="Half has no backward"):
        Half.apply(leaf([1.0])).backward(np.ones(1))


def test_a_forward_without_its_return_is_an_error_and_not_a_nan():
    class Forgetful(Function):
        def forward(self, x):
            x + 1

    with pytest.raises(TypeError, match="None"):
        Forgetful.apply(leaf([1.0]))


# Tensor: made and looked at -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, shape",
    [(3, ()), (2.5, ()), (True, ()), ([1, 2], (2,)), ([[1.0], [2.0]], (2, 1)), ((1, 2, 3), (3,)), ([], (0,))],
)
def test_numbers_and_lists_become_float32(value, shape):
    x = Tensor(value)
    assert x.dtype == np.float32 and x.shape == shape
    np.testing.assert_array_equal(x.numpy(), np.asarray(value, np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8", "uint8", "bool"])
def test_arrays_keep_their_dtype_and_are_not_copied(dtype):
    array = np.ones((2, 3), dtype)
    x = Tensor(array)
    assert x.data is array and x.dtype == dtype


@pytest.mark.parametrize("scalar", [np.float32(1.5), np.float64(1.5), np.int64(3), np.bool_(True)])
def test_numpy_scalars_keep_their_dtype_and_become_arrays(scalar):
    x = Tensor(scalar)
    assert isinstance(x.data, np.ndarray) and x.dtype == scalar.dtype and x.shape == () and x.item() == scalar


def test_a_tensor_of_a_tensor_is_a_leaf_on_the_same_array():
    x = leaf([1.0])
    y = Tensor(x * 2)
    assert y.is_leaf and not y.requires_grad


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_only_floats_can_require_a_gradient(dtype):
    with pytest.raises(
        TypeError, match=rf"only a float tensor can require a gradient, this one is {dtype}.*\.float\(\)"
    ):
        Tensor(np.ones(2, dtype), requires_grad=True)
    with pytest.raises(TypeError, match=f"this one is {dtype}"):
        Tensor(np.ones(2, dtype)).requires_grad_()


def test_requires_grad_can_be_set_on_a_leaf_only():
    x = Tensor([1.0]).requires_grad_()
    assert x.requires_grad
    with pytest.raises(RuntimeError, match=r"requires_grad_: this tensor was made by Mul.*detach\(\)"):
        (x * 2).requires_grad_(False)
    assert not x.requires_grad_(False).requires_grad


def test_a_tensor_is_not_made_of_nothing():
    with pytest.raises(TypeError, match="None"):
        Tensor(None)


def test_shape_ndim_dtype_device_size_and_len():
    x = Tensor(np.zeros((2, 3, 5)))
    assert (x.shape, x.ndim, x.dtype, x.device, x.size, len(x)) == ((2, 3, 5), 3, np.float64, "cpu", 30, 2)
    with pytest.raises(TypeError, match=r"len\(\) of a tensor without dimensions"):
        len(Tensor(1.0))


def test_item_float_int_and_bool_take_the_one_value():
    x = Tensor([[2.5]])
    assert x.item() == 2.5 and type(x.item()) is float and float(x) == 2.5 and int(x) == 2 and bool(x)
    assert not bool(Tensor(0.0)) and type(Tensor(np.array(3)).item()) is int
    for many in (Tensor([1.0, 2.0]), Tensor(np.zeros((0, 2)))):
        for convert in (Tensor.item, float, int):
            with pytest.raises(ValueError, match=r"item: only a tensor of one element.*shape \("):
                convert(many)
        with pytest.raises(ValueError, match=r"bool: a tensor of shape \(.*\) is neither true nor false"):
            bool(many)


def test_an_integer_of_one_element_is_an_index_and_a_number_can_be_formatted():
    assert ["a", "b", "c"][Tensor(np.array([1.0, 5.0, 2.0])).argmax()] == "b"
    for no_index in (Tensor(1.0), Tensor(np.array([1, 2])), Tensor(np.array(True))):
        with pytest.raises(TypeError, match="only an integer tensor of one element can be an index, this is "):
            ["a", "b"][no_index]
    loss = Tensor(np.array(0.123456))
    assert f"{loss:.3f} {loss}" == "0.123 0.123456"
    assert f"{Tensor([1.0, 2.0])}" == "Tensor([1., 2.])"


def test_numpy_shares_memory_and_asarray_gives_the_values():
    x = Tensor([1.0, 2.0])
    assert x.numpy() is x.data
    np.testing.assert_array_equal(np.asarray(x), [1.0, 2.0])
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.data)


@pytest.mark.parametrize(
    "tensor, text",
    [
        (lambda: Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
        (lambda: Tensor(2.0), "Tensor(2.)"),
        (lambda: Tensor(np.array([1, 2])), "Tensor([1, 2], dtype=int64)"),
        (lambda: Tensor([1.0], requires_grad=True), "Tensor([1.], requires_grad=True)"),
        (lambda: leaf([1.0]) * 2, "Tensor([2.], dtype=float64, grad_fn=Mul)"),
        (lambda: Tensor(np.zeros((0, 3), np.float32)), "Tensor([])"),
    ],
)
def test_repr_shows_values_dtype_and_where_it_comes_from(tensor, text):
    assert repr(tensor()).replace(", shape=(0, 3)", "") == text


def test_repr_of_a_large_tensor_is_short():
    assert len(repr(Tensor(np.zeros((1000, 1000))))) < 1000


def test_a_tensor_is_iterated_row_by_row_with_gradients():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    rows = list(x)
    assert [r.numpy().tolist() for r in rows] == [[1.0, 2.0], [3.0, 4.0]]
    (rows[1] * 3).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0.0, 0.0], [3.0, 3.0]])


def test_a_tensor_is_a_key_by_identity():
    x, same_values = Tensor([1.0, 2.0]), Tensor([1.0, 2.0])
    table = {x: "x"}
    assert x in table and same_values not in table and table[x] == "x"
    assert len({x, same_values}) == 2


def test_compared_with_what_is_no_number_a_tensor_is_just_unequal():
    x = Tensor([1.0, 2.0])
    assert (x == None) is False and (x != None) is True and (x == "x") is False  # noqa: E711
    assert [None, x].index(x) == 1


@pytest.mark.parametrize("kind", [Tensor, Parameter])
def test_a_deep_copy_of_a_leaf_is_independent(kind):
    x = kind(np.array([1.0, 2.0]), requires_grad=True)
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    assert type(y) is kind and y.requires_grad and y.is_leaf
    np.testing.assert_array_equal(y.grad, [2.0, 2.0])
    y.data[0], y.grad[0] = 50, 60
    assert x.data[0] == 1 and x.grad[0] == 2
    (y * 3).sum().backward()
    np.testing.assert_array_equal(x.grad, [2.0, 2.0])


def test_a_leaf_can_be_pickled():
    x = pickle.loads(pickle.dumps(leaf([1.0, 2.0])))
    assert x.requires_grad
    np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])


# dtypes and devices ---------------------------------------------------------------------------------------------------

SCALARS = [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2), np.array(2.5), [2.5, 1.5]]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("values", [[1.5, 3.0], 1.5], ids=["vector", "number"])
def test_numbers_and_plain_arrays_never_change_a_float_tensors_dtype(values, scalar, dtype):
    x = Tensor(np.array(values, dtype), requires_grad=True)
    results = [
        x + scalar, scalar + x, x - scalar, scalar - x, x * scalar, scalar * x, x / scalar, scalar / x, x**scalar, scalar**x,
        mt.maximum(x, scalar), mt.minimum(x, scalar), mt.where(x > scalar, x, scalar), mt.where(x > scalar, scalar, x),
    ]  # fmt: skip
    assert [r.dtype for r in results] == [np.dtype(dtype)] * len(results)
    for r in results:
        r.sum().backward()
    assert x.grad.dtype == dtype


def test_numpys_array_on_the_left_makes_one_tensor():
    x = leaf([1.0, 2.0])
    for y, expected in [
        (np.array([10.0, 20.0]) + x, [11.0, 22.0]),
        (np.array([10.0, 20.0]) - x, [9.0, 18.0]),
        (np.array([10.0, 20.0]) * x, [10.0, 40.0]),
        (np.array([10.0, 20.0]) / x, [10.0, 10.0]),
        (np.float64(3.0) * x, [3.0, 6.0]),
        (np.array([2.0, 3.0]) ** x, [2.0, 9.0]),
    ]:
        assert isinstance(y, Tensor) and y.requires_grad
        np.testing.assert_array_equal(y.numpy(), expected)
    assert isinstance(np.array([1.0, 5.0]) == x, Tensor)


def test_two_float_dtypes_are_not_mixed_silently():
    for operation in (
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a @ b,
        lambda a, b: mt.cat([a, b]),
        mt.maximum,
    ):
        with pytest.raises(TypeError, match=r"float32.*float64.*\.float\(\) or \.double\(\)"):
            operation(Tensor([1.0, 2.0]), Tensor(np.ones(2)))


def test_to_float_double_long_and_their_gradients():
    x = Tensor([1.5, 2.5], requires_grad=True)
    for y in (x.double(), x.to("float64"), x.to(np.float64), x.to(dtype=np.float64), x.to("cpu", "float64")):
        assert y.dtype == np.float64
    (x.double() * 3).sum().backward()
    assert_close(x.grad, np.full(2, 3, np.float32), rtol=0)
    assert x.float() is x and x.to("cpu") is x and x.to("float32") is x
    assert x.double().float().dtype == np.float32
    integers = x.long()
    assert integers.dtype == np.int64 and not integers.requires_grad and integers.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_a_device_error_that_says_what_to_do(device):
    for ask in (lambda: Tensor([1.0], device=device), lambda: Tensor([1.0]).to(device)):
        with pytest.raises(DeviceError, match=r'device "cuda:[01]".*use device="cpu"'):
            ask()


@pytest.mark.parametrize("device", ["tpu", "cpu:0", "cuda:x", "cuda:-1", "CUDA", "", 0])
def test_an_unknown_device_is_a_value_error_that_lists_the_known_ones(device):
    with pytest.raises(ValueError, match=r'unknown device .*"cpu", "cuda" and "cuda:N"'):
        Tensor([1.0], device=device)


def test_to_an_unknown_word_says_what_is_known():
    with pytest.raises(ValueError, match=r"to: 'tpu' is neither a device \(\"cpu\", .* nor a dtype"):
        Tensor([1.0]).to("tpu")


def test_a_tensor_with_a_graph_behind_it_is_not_copied():
    x = mt.Tensor([1.0], requires_grad=True)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(
            RuntimeError, match=r"copy: a tensor with a graph can't be copied.*made by Mul; detach\(\) it first"
        ):
            copied(x * 2)
        copied((x * 2).detach())


# what a Tensor is not made of -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [list, tuple, lambda tensors: [[t] for t in tensors]], ids=["list", "tuple", "nested"])
def test_a_list_that_holds_tensors_is_refused_because_the_graph_would_be_lost(wrap):
    a = leaf([1.0])
    with pytest.raises(TypeError, match=r"use mt\.stack"):
        Tensor(wrap([a * 2, a * 3]))
    with pytest.raises(TypeError, match=r"use mt\.stack"):
        Tensor([1.0, 2.0]) + wrap([a.sum(), a.sum()])


@pytest.mark.parametrize(
    "data, dtype",
    [
        (np.array([1j]), "complex128"),
        (np.array([None, 1]), "object"),
        (np.array(["a"]), "<U1"),
        (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
        (np.complex64(1j), "complex64"),
        ([np.array([1j])], "complex128"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_bools_integers_and_floats_make_a_tensor(data, dtype):
    with pytest.raises(TypeError, match=rf"a Tensor holds bools, integers or floats, not {dtype}"):
        Tensor(data)


@pytest.mark.parametrize(
    "data", ["1.5", ["1", "2"], [1.0, None], [1j], object(), {"a": 1}], ids=lambda data: type(data).__name__
)
def test_what_is_no_number_is_no_tensor(data):
    with pytest.raises(TypeError, match="a Tensor is made of numbers, an array or a nested list of numbers"):
        Tensor(data)


@pytest.mark.parametrize("data", [[[1, 2], [3]], [1, [2]], [np.ones(2), np.ones(3)]], ids=["rows", "depths", "arrays"])
def test_a_ragged_list_is_said_to_be_one(data):
    with pytest.raises(ValueError, match="a list whose rows differ in length"):
        Tensor(data)


# changed in place -----------------------------------------------------------------------------------------------------


def test_a_step_written_by_hand_inside_no_grad_changes_the_parameter_itself():
    model = mt.nn.Linear(2, 1)
    arrays, before = [p.data for p in model.parameters()], [p.data.copy() for p in model.parameters()]
    model(Tensor([[3.0, 5.0]])).sum().backward()
    with mt.no_grad():
        for p in model.parameters():
            p -= 0.5 * p.grad
    for p, array, old, gradient in zip(model.parameters(), arrays, before, ([[3.0, 5.0]], [1.0])):
        assert p.data is array and p.requires_grad and p.is_leaf
        np.testing.assert_array_equal(p.data, old - np.float32(0.5) * np.array(gradient, np.float32))


@pytest.mark.parametrize(
    "statement, expected",
    [("x += 2", [6.0, 10.0]), ("x -= 2", [2.0, 6.0]), ("x *= 2", [8.0, 16.0]), ("x /= 2", [2.0, 4.0]), ("x **= 2", [16.0, 64.0])],
)  # fmt: skip
def test_each_operator_in_place(statement, expected):
    x = leaf([4.0, 8.0])
    same = {"x": x}
    with mt.no_grad():
        exec(statement, same)
    assert same["x"] is x
    np.testing.assert_array_equal(x.data, expected)
    with pytest.raises(RuntimeError, match=r"a leaf that .* is changed in place; use `with mt\.no_grad"):
        exec(statement, same)
    np.testing.assert_array_equal(x.data, expected)

    recorded = x * 1
    new = {"x": recorded}
    exec(statement, new)
    assert new["x"] is not recorded and new["x"].requires_grad
    np.testing.assert_array_equal(recorded.data, expected)


def test_a_total_of_losses_stays_differentiable():
    x, total = leaf([2.0, 3.0]), 0
    for power in (1, 2):
        total += (x**power).sum()
    total.backward()
    np.testing.assert_array_equal(x.grad, [5.0, 7.0])  # 1 + 2x


def test_in_place_neither_the_shape_grows_nor_the_dtype_changes():
    x, count, half = Tensor([1.0, 2.0]), Tensor(np.array([1, 2])), Tensor(np.ones(2, np.float16))
    array = half.data
    with mt.no_grad():
        with pytest.raises(ValueError, match=r"add: .* shape \(2,\) can't be changed in place to shape \(3, 2\)"):
            x += np.ones((3, 2))
        with pytest.raises(TypeError, match=r"div: a tensor of int64 can't be changed in place to float32"):
            count /= 2
        half *= 3.0
        x += x  # its own operand
    assert half.data is array and array.dtype == np.float16 and array.tolist() == [3.0, 3.0]
    np.testing.assert_array_equal(x.data, [2.0, 4.0])
    np.testing.assert_array_equal(count.data, [1, 2])


def test_an_assignment_to_an_element_says_what_to_write():
    x = Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"x\.data\[0\] = 1"):
        x[0] = 1


# no_grad above a function ---------------------------------------------------------------------------------------------


def test_a_function_under_no_grad_records_nothing_each_time_and_keeps_its_name():
    @mt.no_grad()
    def twice(x, factor=2, depth=1):
        """Doc."""
        assert not mt.is_grad_enabled()
        return twice(x, depth=depth - 1) if depth else x * factor

    x = leaf([3.0])
    for _ in range(2):
        assert not twice(x).requires_grad and mt.is_grad_enabled()
    assert twice(x, factor=5, depth=0).item() == 15.0
    assert (twice.__name__, twice.__doc__) == ("twice", "Doc.")
    with pytest.raises(TypeError):
        twice(None, depth=0)
    assert mt.is_grad_enabled()
