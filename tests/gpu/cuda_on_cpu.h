// What CUDA C++ has and C++ has not, so that g++ compiles a kernel for the CPU, and the loops that play its grid.
//
// One thread of the CPU plays all threads of the grid: block after block, and in a block thread after thread, each on a stack
// of its own until it waits at a barrier or ends. Played in reverse, the last block and the last thread go first: what must not
// depend on the order, and does (a missing barrier, say), comes out differently. Shared memory holds NaNs when a block begins.
//
// A kernel reaches its arrays through `Array` (CuPy's raw arguments) or `Pointer` (what `T*` is replaced by), which check each
// index. With COUNT_ACCESSES they count loads and stores too, and find two threads that store to one place.
#pragma once
#pragma GCC system_header  // warnings are for kernels
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <type_traits>
#include <ucontext.h>

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __shared__ static __attribute__((section("shared_memory")))
extern "C" __attribute__((weak, visibility("hidden"))) char __start_shared_memory[], __stop_shared_memory[];

struct uint3 { unsigned x, y, z; };
static uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace on_cpu {

static const char* kernel;     // its name
static char message[400];
static jmp_buf stop;

[[noreturn]] __attribute__((format(printf, 1, 2))) static void fail(const char* format, ...) {
  int n = snprintf(message, sizeof message, "%s: ", kernel);
  va_list values;
  va_start(values, format);
  vsnprintf(message + n, sizeof message - n, format, values);
  longjmp(stop, 1);
}

// Arrays -----------------------------------------------------------------------------------------------------------------

struct Memory {                // an array argument, as Python describes it
  const char* name;
  char* data;                  // nullptr: the null pointer was passed
  ptrdiff_t size;              // in values
  ptrdiff_t ndim, shape[8], strides[8];   // strides in bytes
  ptrdiff_t loads, stores;     // so many times a thread read or wrote a value
  char* was_read;              // a 1 for each value that was
  ptrdiff_t* writer;           // 1 + the number of the thread that wrote the value, 0 for none
};

static ptrdiff_t thread;       // the number in the grid of the thread that is playing

template <class T>
static T* address(Memory* memory, ptrdiff_t index) {
  if (!memory->data) fail("argument %s is a null pointer", memory->name);
  if (index < 0 || index >= memory->size)
    fail("index %td is outside argument %s, which has %td values", index, memory->name, memory->size);
  char* at = memory->data;
  for (ptrdiff_t d = memory->ndim, rest = index; d-- > 0; rest /= memory->shape[d])
    at += rest % memory->shape[d] * memory->strides[d];
  return (T*)at;
}

#ifndef COUNT_ACCESSES
template <class T> using Reference = T&;
template <class T> static T& place(Memory* memory, ptrdiff_t index) { return *address<T>(memory, index); }
template <class T> static T& place(T* local) { return *local; }
#else
// What stands for a T& then: it knows whether it is read or written.
template <class T>
struct Place {
  Memory* memory;              // nullptr for a variable of the kernel's own
  ptrdiff_t index;
  T* at;
  operator T() const {
    if (memory) memory->loads++, memory->was_read[index] = 1;
    return *at;
  }
  Place& operator=(T value) {
    if (memory) {
      ptrdiff_t& writer = memory->writer[index];
      if (writer && writer != thread + 1)
        fail("threads %td and %td both store at index %td of argument %s", writer - 1, thread, index, memory->name);
      writer = thread + 1;
      memory->stores++;
    }
    *at = value;
    return *this;
  }
  Place& operator=(const Place& other) { return *this = T(other); }
  Place& operator+=(T value) { return *this = T(T(*this) + value); }
  Place& operator-=(T value) { return *this = T(T(*this) - value); }
  Place& operator*=(T value) { return *this = T(T(*this) * value); }
  Place& operator/=(T value) { return *this = T(T(*this) / value); }
};
// a value that can't be written is read at once
template <class T> using Reference = std::conditional_t<std::is_const_v<T>, std::remove_const_t<T>, Place<T>>;
template <class T> static Reference<T> place(Memory* memory, ptrdiff_t index) {
  return Place<std::remove_const_t<T>>{memory, index, address<std::remove_const_t<T>>(memory, index)};
}
template <class T> static Reference<T> place(T* local) {
  return Place<std::remove_const_t<T>>{nullptr, 0, const_cast<std::remove_const_t<T>*>(local)};
}
#endif

template <class T>
struct Array {
  Memory* memory;
  Reference<T> operator[](ptrdiff_t index) const { return place<T>(memory, index); }
  ptrdiff_t size() const { return memory->size; }
};

template <class T>
struct Pointer {
  Memory* memory = nullptr;    // of an argument
  T* local = nullptr;          // or the address of a variable of the kernel's own, which is not checked
  ptrdiff_t offset = 0;
  Pointer(Memory* memory, ptrdiff_t offset) : memory(memory), offset(offset) {}
  Pointer(T* local) : local(local) {}
  template <class U> Pointer(const Pointer<U>& p) : memory(p.memory), local(p.local), offset(p.offset) {}
  Reference<T> operator[](ptrdiff_t index) const {
    return memory ? place<T>(memory, offset + index) : place<T>(local + offset + index);
  }
  Reference<T> operator*() const { return (*this)[0]; }
  Pointer operator+(ptrdiff_t n) const { Pointer p = *this; p.offset += n; return p; }
  Pointer operator-(ptrdiff_t n) const { return *this + -n; }
  Pointer& operator+=(ptrdiff_t n) { return *this = *this + n; }
  Pointer& operator++() { return *this += 1; }
  explicit operator bool() const { return memory ? memory->data : (const char*)local; }
};

// Threads and blocks -----------------------------------------------------------------------------------------------------

struct Thread {
  ucontext_t context;
  int line;                    // of the barrier at which it waits
  bool ended;
};

static const size_t stack_size = 64 << 10;
static Thread* playing;
static ucontext_t scheduler;
static void (*body)(void**);
static void** arguments;

static void start() {
  body(arguments);
  playing->ended = true;       // and on to `scheduler`, its context's uc_link
}

static void wait(int line) {
  playing->line = line;
  swapcontext(&playing->context, &scheduler);
}

static void play_block(Thread* threads, char* stacks, int count, bool reverse) {
  memset(__start_shared_memory, 0xff, __stop_shared_memory - __start_shared_memory);
  for (int k = 0; k < count; k++) {
    Thread& t = threads[k];
    t.ended = false;
    getcontext(&t.context);
    t.context.uc_stack.ss_sp = stacks + k * stack_size;
    t.context.uc_stack.ss_size = stack_size;
    t.context.uc_link = &scheduler;
    makecontext(&t.context, start, 0);
  }
  for (int running = count; running > 0;) {    // each turn brings all threads to the next barrier, or to their ends
    Thread* waits = nullptr;
    for (int k = 0; k < count; k++) {
      unsigned number = reverse ? count - 1 - k : k;
      playing = &threads[number];
      if (playing->ended) continue;
      threadIdx = {number % blockDim.x, number / blockDim.x % blockDim.y, number / (blockDim.x * blockDim.y)};
      thread = ((ptrdiff_t)(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x) * count + number;
      swapcontext(&scheduler, &playing->context);
      if (playing->ended) {
        running--;
        continue;
      }
      if (waits && waits->line != playing->line)
        fail("threads of a block wait at different barriers, in lines %d and %d", waits->line, playing->line);
      waits = playing;
    }
  }
}

struct Grid { unsigned blocks[3], threads[3]; int reverse; };

// Runs a __global__ function: nullptr, or what is wrong with it.
static const char* play_grid(const char* name, void (*function)(void**), void** values, const Grid* grid) {
  kernel = name, body = function, arguments = values;
  gridDim = {grid->blocks[0], grid->blocks[1], grid->blocks[2]};
  blockDim = {grid->threads[0], grid->threads[1], grid->threads[2]};
  int count = blockDim.x * blockDim.y * blockDim.z, blocks = gridDim.x * gridDim.y * gridDim.z;
  Thread* threads = (Thread*)malloc(count * sizeof(Thread));
  char* stacks = (char*)malloc(count * stack_size);
  bool failed = setjmp(stop);
  if (!failed)
    for (int k = 0; k < blocks; k++) {
      unsigned number = grid->reverse ? blocks - 1 - k : k;
      blockIdx = {number % gridDim.x, number / gridDim.x % gridDim.y, number / (gridDim.x * gridDim.y)};
      play_block(threads, stacks, count, grid->reverse);
    }
  free(stacks);
  free(threads);
  return failed ? message : nullptr;
}

// The same for the loop of an elementwise kernel.
static const char* play_loop(const char* name, void (*loop)(void**, ptrdiff_t, bool), void** values, ptrdiff_t size, int reverse) {
  kernel = name;
  if (setjmp(stop)) return message;
  loop(values, size, reverse);
  return nullptr;
}

}  // namespace on_cpu

inline void __syncthreads(int line = __builtin_LINE()) { on_cpu::wait(line); }
// threads take turns here, and only at a barrier, so a plain addition is one that nothing interrupts
inline int atomicAdd(int *place, int value) { int before = *place; *place += value; return before; }

// What g++ calls (-fsanitize=bounds,integer-divide-by-zero) before it would go beyond the end of an array of the kernel's own,
// shared memory above all, or divide by 0. `where` begins with the place in the source.
struct Where { const char* file; unsigned line, column; };
extern "C" [[noreturn]] __attribute__((used, visibility("hidden"))) void
__ubsan_handle_out_of_bounds_abort(Where* where, void* index) {
  on_cpu::fail("index %td is outside an array of the kernel's own, line %u", (ptrdiff_t)index, where->line);
}
extern "C" [[noreturn]] __attribute__((used, visibility("hidden"))) void
__ubsan_handle_divrem_overflow_abort(Where* where, void*, void*) {
  on_cpu::fail("division of an integer by 0, line %u", where->line);
}

// Functions --------------------------------------------------------------------------------------------------------------
// math.h has most of them, for float and double.

inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float rsqrtf(float x) { return rsqrt(x); }

// min and max exist for two of a type; a mixed pair, where it is not the float's or double's turn, is ambiguous as in CUDA.
// Of a number and a NaN they give the number.
inline float min(float x, float y) { return fminf(x, y); }
inline float max(float x, float y) { return fmaxf(x, y); }
inline double min(double x, double y) { return fmin(x, y); }
inline double max(double x, double y) { return fmax(x, y); }
#define MIN_MAX(T)                                  \
  inline T min(T x, T y) { return x < y ? x : y; }  \
  inline T max(T x, T y) { return x > y ? x : y; }
MIN_MAX(int)
MIN_MAX(unsigned)
MIN_MAX(long)
MIN_MAX(unsigned long)
MIN_MAX(long long)
MIN_MAX(unsigned long long)
#undef MIN_MAX
