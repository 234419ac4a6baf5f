"""Kernels on the CPU: the runner itself. Does it play a grid as a GPU does, and does it find what it is there to find?"""

import math

import numpy as np
import pytest
from gpu import kernels_on_cpu
from gpu.kernels_on_cpu import KernelError, Runner
from gpu.standin import ElementwiseKernel, RawKernel

if not kernels_on_cpu.gxx:
    pytest.skip("there is no g++ to compile kernels for the CPU with", allow_module_level=True)

F32, F64, I32 = np.float32, np.float64, np.int32


@pytest.fixture(params=["forward", "reverse", "counting"])
def run(request):
    return Runner(reverse=request.param == "reverse", count=request.param == "counting")


def elementwise(ins, outs, operation, preamble=""):
    return ElementwiseKernel(ins, outs, operation, "tried", preamble=preamble)


def raw(parameters, body, before=""):
    return RawKernel(
        f'typedef float T;\n{before}\nextern "C" __global__ void tried({parameters}) {{\n{body}\n}}', "tried"
    )


def values(*numbers, dtype=F32):
    return np.array(numbers, dtype)


# elementwise kernels --------------------------------------------------------------------------------------------------


def test_an_elementwise_kernel_computes_each_value(run):
    x = values(-1, 0, 2)
    y = run(elementwise("T x", "T y", "y = x > 0 ? x : T(0)"), (x,), {})
    assert y.dtype == F32 and y.tolist() == [0, 0, 2]
    assert [launch.name for launch in run.launches] == ["tried"]


def test_arrays_that_are_not_raw_are_broadcast_and_numbers_take_their_parameters_type(run):
    rows, columns = np.arange(3.0)[:, None], np.arange(4.0)[::-1]
    y = run(elementwise("T x, T z, T a, int32 n", "T y", "y = a * x + z * n"), (rows, columns, 0.5, 2), {})
    assert np.array_equal(y, 0.5 * rows + 2 * columns)


def test_a_raw_array_is_indexed_by_the_kernel_and_counts_its_values_row_by_row_whatever_its_strides(run):
    x = np.arange(12, dtype=F32).reshape(3, 4).T[::2]
    y = run(elementwise("raw T x, int32 n", "T y", "y = x[n - 1 - i]"), (x, 6, np.zeros(6, F32)), {})
    assert np.array_equal(y, x.ravel()[::-1])


def test_outputs_that_are_given_are_written_in_place_through_their_strides(run):
    param, other, grad = np.zeros((4, 3), F32).T, np.ones((3, 4), F32), np.arange(12, dtype=F32).reshape(3, 4)
    results = run(elementwise("T g, T lr", "T p, T q", "q += g; p -= lr * q"), (grad, 0.5, param, other), {})
    assert results[0] is param and results[1] is other
    assert np.array_equal(other, grad + 1) and np.array_equal(param, -0.5 * (grad + 1))


def test_an_output_that_nobody_writes_is_no_number(run):
    assert np.isnan(run(elementwise("T x", "T y", "if (i > 0) y = x;"), (values(1, 2),), {})).tolist() == [True, False]


def test_a_return_ends_all_values_of_a_thread_as_in_cupys_loop():
    y = Runner()(elementwise("T x", "T y", "y = x; if (i == 1) return;"), (values(1, 2, 3),), {})
    assert np.isnan(y).tolist() == [False, False, True]


def test_where_all_arrays_are_raw_the_loop_has_the_size_that_is_given(run):
    kernel = elementwise("raw T x", "raw int64 y", "y[i] = (long long)x[i] + _ind.size()")
    y = np.zeros(3, np.int64)
    run(kernel, (values(5, 6, 7), y), {"size": 2})
    assert y.tolist() == [7, 8, 0]


@pytest.mark.parametrize("dtype", sorted(kernels_on_cpu.C_TYPES))
def test_a_type_variable_is_the_arrays_type(dtype):
    y = Runner()(
        elementwise("T x", "T y, bool z", "y = x; z = sizeof(T) == sizeof(x)"), (values(0, 1, dtype=dtype),), {}
    )
    assert y[0].dtype == dtype and y[0].tolist() == [0, 1] and y[1].dtype == bool and y[1].all()


def test_the_preamble_knows_the_types(run):
    kernel = elementwise("T x", "T y", "y = twice(x)", preamble="__device__ T twice(T x) { return x + x; }")
    assert run(kernel, (values(1, 2),), {}).tolist() == [2, 4]


@pytest.mark.parametrize(
    "ins, outs, args, kwargs, error, text",  # CuPy refuses all of these too, but the one that it turns into the integer 2
    [
        ("T x, T z", "T y", (values(1), values(1, dtype=F64)), {}, TypeError, "T is float32, but z is float64"),
        ("T x", "T y", (values(1), values(1, dtype=F64)), {}, TypeError, "T is float32, but y is float64"),
        ("int64 x", "int64 y", (values(1, dtype=I32),), {}, TypeError, "int64 is int64, but x is int32"),
        ("T x", "S y", (values(1),), {}, TypeError, "no array says what the type S of y is"),
        ("T x", "T y", (), {}, TypeError, "takes 1 arguments, or 2 with the outputs; 0 were given"),
        ("T x", "T y", (values(1), values(1, 2)[:, None], 3), {}, TypeError, "3 were given"),
        ("T x", "T y", (values(1, 2), values(1)), {}, ValueError, "output y has the shape"),
        ("T x", "raw T y", (values(1, 2),), {}, ValueError, "the size of the raw output y is unknown"),
        ("raw T x", "T y", (values(1, 2),), {}, ValueError, "it must be said over how many values"),
        ("T x", "T y", (values(1, 2),), {"size": 2}, ValueError, "size= is for a kernel whose arrays are all raw"),
        ("T x, int32 n", "T y", (values(1), 2.5), {}, TypeError, "int32 n was given 2.5"),
        ("T x, raw T z", "T y", (values(1), 1.0), {}, TypeError, "raw T z was given 1.0"),
    ],
)
def test_wrong_arguments_of_an_elementwise_kernel_are_refused(ins, outs, args, kwargs, error, text):
    with pytest.raises(error, match=text):
        Runner()(elementwise(ins, outs, ""), args, kwargs)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_min_and_max_of_a_number_and_a_nan_are_the_number_as_in_cuda(dtype, run):
    x, z = values(np.nan, 1, 2, dtype=dtype), values(1, np.nan, 3, dtype=dtype)
    low, high = run(elementwise("T x, T z", "T low, T high", "low = min(x, z); high = max(x, z)"), (x, z), {})
    assert low.tolist() == [1, 1, 2] and high.tolist() == [1, 1, 3]


def test_a_kernel_cannot_write_to_what_comes_in():
    for ins, operation in [("raw T x, T z", "x[i] = z; y = z"), ("T z, raw T x", "z = x[i]; y = z")]:
        with pytest.raises(KernelError, match="read-only"):
            Runner()(elementwise(ins, "T y", operation), (values(1), values(1)), {})


# raw kernels: grids, barriers, shared memory --------------------------------------------------------------------------


def test_each_thread_of_each_block_runs_once(run):
    body = """
    int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    seen[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1;
    """
    seen = np.zeros(2 * 3 * 4 * 5 * 6 * 7, I32)
    run(raw("int* seen", body), ((2, 3, 4), (5, 6, 7), (seen,)), {})
    assert (seen == 1).all()


@pytest.mark.parametrize("total", [1, 255, 256, 257, 1000])
def test_a_total_that_does_not_divide_the_block(run, total):
    body = "int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] = 2 * x[i];"
    x, y = np.arange(total, dtype=F32), np.zeros(total, F32)
    run(raw("const T* x, T* y, int n", body), ((math.ceil(total / 256),), (256,), (x, y, I32(total))), {})
    assert np.array_equal(y, 2 * x)


BLOCK_SUM = """
__device__ T block_sum(T value) {
  __shared__ T partial[64];
  partial[threadIdx.x] = value;
  __syncthreads();  // 1
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();  // 2
  }
  T sum = partial[0];
  __syncthreads();  // 3
  return sum;
}
"""
TWO_SUMS = """
  const T* row = x + (long long)blockIdx.x * n;
  T sum = 0, squares = 0;
  for (int j = threadIdx.x; j < n; j += blockDim.x) { sum += row[j]; squares += row[j] * row[j]; }
  sum = block_sum(sum);
  squares = block_sum(squares);
  for (int j = threadIdx.x; j < n; j += blockDim.x) y[(long long)blockIdx.x * n + j] = row[j] * sum + squares;
"""


def two_sums(run, before=BLOCK_SUM):
    x = np.random.default_rng(0).integers(-5, 6, (3, 100)).astype(F32)
    y = np.full_like(x, np.nan)
    run(raw("const T* x, T* y, int n", TWO_SUMS, before), ((3,), (64,), (x, y, I32(100))), {})
    return np.array_equal(y, x * x.sum(1, keepdims=True) + (x * x).sum(1, keepdims=True))


def test_the_threads_of_a_block_add_up_a_row_through_shared_memory(run):
    assert two_sums(run)


@pytest.mark.parametrize("barrier", [1, 2, 3])
def test_a_missing_barrier_shows_in_one_order_or_the_other(barrier):
    missing = BLOCK_SUM.replace(f"__syncthreads();  // {barrier}", "")
    assert missing != BLOCK_SUM
    assert not (two_sums(Runner(), missing) and two_sums(Runner(reverse=True), missing))


def test_threads_that_have_ended_do_not_hold_up_those_at_a_barrier(run):
    body = """
    __shared__ T left[8];
    if (threadIdx.x >= 5) return;
    left[threadIdx.x] = threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = left[4 - threadIdx.x];
    """
    y = np.zeros(5, F32)
    run(raw("T* y", body), ((1,), (8,), (y,)), {})
    assert y.tolist() == [4, 3, 2, 1, 0]


def test_threads_at_different_barriers_are_an_error(run):
    with pytest.raises(KernelError, match=r"tried: threads of a block wait at different barriers, in lines \d and \d"):
        run(
            raw("T* y", "if (threadIdx.x % 2)\n__syncthreads();\nelse\n__syncthreads();"),
            ((1,), (8,), (values(0),)),
            {},
        )


def test_shared_memory_holds_no_numbers_when_a_block_begins(run):
    y = np.zeros((2, 4), F32)
    body = "__shared__ T s[4]; y[4 * blockIdx.x + threadIdx.x] = s[threadIdx.x]; __syncthreads(); s[threadIdx.x] = 1;"
    run(raw("T* y", body), ((2,), (4,), (y,)), {})
    assert np.isnan(y).all()


def test_reverse_plays_the_last_thread_of_the_last_block_first():
    for reverse, expected in [(False, 11), (True, 0)]:
        y = values(99)
        Runner(reverse)(raw("T* y", "y[0] = blockIdx.x * blockDim.x + threadIdx.x;"), ((3,), (4,), (y,)), {})
        assert y == expected
        Runner(reverse)(elementwise("raw T x", "raw T y", "y[0] = i"), (y, y), {"size": 12})
        assert y == expected


def test_pointers_do_what_kernels_do_with_them(run):
    helper = """
    template <typename Place> __device__ void add_to(const T* x, Place at, T* total) { *total += x[at(0)]; }
    struct Next { int n; __device__ int operator()(int j) const { return j + n; } };
    """
    body = """
    T total = 0;                                // a variable of its own, behind a pointer
    Next at = {1};
    add_to(x, at, &total);
    add_to(x + 1, at, &total);
    const T *p = x; ++p; p += 2;                // T *p, as T* p
    const T* back = y + 1;                      // from T* to const T*
    y[0] = total + *p + *(p - 3) + back[0] + (nothing ? nothing[0] : T(0.5));
    """
    y = values(0, 10)
    run(
        raw("const T* x, const T* nothing, T* __restrict__ y", body, helper),
        ((1,), (1,), (values(1, 2, 3, 4), np.uint64(0), y)),
        {},
    )
    assert y[0] == 2 + 3 + 4 + 1 + 10 + 0.5


# what it finds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [-1, 3, 2**31])
def test_an_index_outside_an_array_names_kernel_argument_and_index(run, index):
    text = f"^tried: index {index} is outside argument x, which has 3 values$"
    out = np.zeros(1, F32)
    for kernel in [
        elementwise("raw T x, int64 k", "T y", "y = x[k]"),
        elementwise("raw T y, int64 k", "raw T x", "x[k] = y[0]"),
    ]:
        args = (values(1, 2, 3), index, out) if "raw T x" in kernel.in_params else (out, index, values(1, 2, 3))
        with pytest.raises(KernelError, match=text):
            run(kernel, args, {} if "raw T x" in kernel.in_params else {"size": 1})
    for parameters, body in [
        ("const T* x, T* y, long long k", "y[0] = *(x + k);"),
        ("T* x, const T* y, long long k", "T* row = x + 1; row[k - 1] = y[0];"),
    ]:
        with pytest.raises(KernelError, match=text):
            run(raw(parameters, body), ((1,), (2,), (values(1, 2, 3), out, np.int64(index))), {})


def test_a_view_ends_where_it_ends_and_not_where_its_memory_does(run):
    whole = values(0, 1, 2, 3, 4)
    with pytest.raises(KernelError, match="index 3 is outside argument x, which has 3 values"):
        run(raw("const T* x, T* y", "y[0] = x[3];"), ((1,), (1,), (whole[1:4], whole[:1])), {})


@pytest.mark.parametrize(
    "body, text",
    [
        ("__shared__ T s[4]; s[k] = 1; y[0] = s[0];", "tried: index 4 is outside an array of the kernel's own, line 4"),
        ("T s[4] = {}; y[0] = s[k];", "tried: index 4 is outside an array of the kernel's own, line 4"),
        ("y[0] = k / (k - 4);", "tried: division of an integer by 0, line 4"),
        ("y[0] = nothing[0];", "tried: argument nothing is a null pointer"),
    ],
)
def test_memory_of_the_kernels_own_is_watched_too(run, body, text):
    kernel = raw("T* y, const T* nothing, int k", body)
    with pytest.raises(KernelError, match=text):
        run(kernel, ((1,), (2,), (values(0), np.uint64(0), I32(4))), {})


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        (
            (values(1, dtype=F64), values(1), I32(1), F32(1)),
            TypeError,
            "parameter x is const T\\*, but was given a float64",
        ),
        ((values(1), values(1), 1, F32(1)), TypeError, "parameter n is int, but was given an int"),
        ((values(1), values(1), np.int64(1), F32(1)), TypeError, "parameter n is int, but was given an int64"),
        ((values(1), values(1), I32(1), 1.0), TypeError, "parameter eps is T, but was given a float"),
        ((values(1), F32(1), I32(1), F32(1)), TypeError, "parameter y is T\\*, but was given a float32 float32"),
        ((values(1), values(1), I32(1)), TypeError, "has 4 parameters, but 3 arguments were given"),
        ((values(1, 2, 3)[::2], values(1), I32(1), F32(1)), ValueError, "parameter x is .* gaps between them"),
    ],
)
def test_wrong_arguments_of_a_raw_kernel_are_refused_though_cuda_would_take_them(arguments, error, text):
    with pytest.raises(error, match=text):
        Runner()(raw("const T* x, T* y, int n, T eps", "y[0] = x[0] + n + eps;"), ((1,), (1,), arguments), {})


@pytest.mark.parametrize("grid, block", [((0,), (4,)), ((1,), (1025,)), ((1,), (0,))])
def test_a_grid_that_cannot_be_launched_is_an_error(grid, block):
    with pytest.raises(KernelError, match="can't be launched"):
        Runner()(raw("T* y", ""), (grid, block, (values(0),)), {})


@pytest.mark.parametrize(
    "dtype, operation, fine",
    [
        (F32, "y = x * 0.5", False),
        (F32, "y = i * 0.5", False),
        (F32, "y = x > 0.5 ? x : T(0)", False),
        (F32, "y = x * T(0.5)", True),
        (F32, "y = pow(x, T(2)) + exp(x) * rsqrt(x) + max(x, T(0))", True),
        (F64, "y = x * 0.1f", False),
        (F64, "y = x * T(0.1) + 1", True),
    ],
)
def test_arithmetic_that_becomes_double_by_accident_is_refused(dtype, operation, fine):
    kernel = elementwise("T x", "T y", operation)
    if fine:
        Runner()(kernel, (values(1, dtype=dtype),), {})
    else:
        with pytest.raises(KernelError, match="double"):
            Runner()(kernel, (values(1, dtype=dtype),), {})


# counting -------------------------------------------------------------------------------------------------------------


def test_bytes_are_counted_of_different_values_and_of_all_accesses():
    run = Runner(count=True)
    run(
        elementwise("raw T x, T z", "T y", "y = 0; for (int j = 0; j < 2; ++j) y += x[j] + z;"),
        (values(1, 2, 3), values(1, 2)),
        {},
    )
    run(raw("const T* x, T* y", "y[threadIdx.x] = x[0];"), ((1,), (4,), (values(1, 2), np.zeros(5, F32))), {})
    first, second = run.launches
    # x[0] and x[1], z, and y where it is added to; y three times for each of two threads
    assert first == ("tried", 4 * (2 + 2 + 2), 4 * 2, 4 * (4 + 2 + 4), 4 * 6)
    assert second == ("tried", 4 * 1, 4 * 4, 4 * 4, 4 * 4)


def test_two_threads_that_store_to_one_place_are_found():
    for kernel, args, kwargs in [
        (elementwise("raw T x", "raw T y", "y[i / 2] = x[i]"), (values(1, 2), values(0)), {"size": 2}),
        (raw("T* y", "y[threadIdx.x / 2] = 1;"), ((1,), (2,), (values(0),)), {}),
    ]:
        with pytest.raises(KernelError, match="tried: threads 0 and 1 both store at index 0 of argument y"):
            Runner(count=True)(kernel, args, kwargs)


# the compiler ---------------------------------------------------------------------------------------------------------


def test_a_kernel_that_does_not_compile_says_where():
    with pytest.raises(KernelError, match=r"tried:2:.*'nonsense'|tried:2:.*nonsense"):
        Runner()(elementwise("T x", "T y", "\ny = nonsense(x)"), (values(1),), {})


def test_what_was_compiled_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(kernels_on_cpu, "_loaded", {})
    kernel = elementwise("T x", "T y", "y = x + T(17)")
    Runner()(kernel, (values(1),), {})
    monkeypatch.setattr(kernels_on_cpu, "_loaded", {})
    monkeypatch.setattr(kernels_on_cpu, "gxx", "there is no compiler now")
    assert Runner()(kernel, (values(1),), {}).tolist() == [18]
