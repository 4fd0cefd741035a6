/* test_shim.cpp: the CPU shim of CUDA (tests/shim): that its meetings give the values of a GPU in both thread
 * orders, that what would hang or be undefined aborts with a sentence, and that the sanitizers find what they
 * are there for.
 *
 * What ends a process runs in a child: this program again, as `test_shim --case NAME`. Cases of a sanitizer
 * are skipped in builds without it. */
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda/kernel.h"

/* a launch as CUDA's C++ has it */
#define RG_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                      \
    rgs_launch(#kernel, (grid), (block), (shared_bytes), (stream), [=]() { kernel(__VA_ARGS__); })

#include <cusolverDn.h>

extern "C" {
#include <cmocka.h>
}

#if defined(__has_feature)
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
enum { THREAD_SANITIZER = 1 };
#else
enum { THREAD_SANITIZER = 0 };
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
enum { ADDRESS_SANITIZER = 1 };
#else
enum { ADDRESS_SANITIZER = 0 };
#endif

static const unsigned WHOLE = 0xffffffffu, LOW = 0x0000ffffu, HIGH = 0xffff0000u;

__device__ static unsigned half_of(unsigned thread) { return thread & 16u ? HIGH : LOW; }

template <typename T> static T *device_array(size_t count)
{
    T *p;
    assert_int_equal(cudaMalloc(&p, count * sizeof *p), cudaSuccess);
    return p;
}

/* ---- meetings ---- */

typedef struct pair {
    double a;
    int b;
} pair;

/* what a thread saw; each field a different meeting */
typedef struct seen {
    double half_sum, quarter_sum;
    float half_fifth;
    int down;
    unsigned segment, rounds;
    pair swapped;
    int half_any, warp_any;
    unsigned half_ballot, warp_ballot;
} seen;

/* blocks of 48: the last warp is a half. The halves of a warp make different numbers of rounds */
__global__ static void meet_all(seen *all)
{
    unsigned t = threadIdx.x, mask = half_of(t);
    seen s = {};
    s.half_sum = 0.5 + t;
    for (int step = 8; step; step >>= 1) s.half_sum += __shfl_xor_sync(mask, s.half_sum, step);
    s.quarter_sum = 0.5 + t;
    for (int step = 4; step; step >>= 1) s.quarter_sum += __shfl_xor_sync(0xffu << (t & 24u), s.quarter_sum, step);
    __syncwarp(0xffu << (t & 24u));
    s.half_fifth = __shfl_sync(mask, 1.5f * (float)t, (int)(t & 16u) + 5);
    s.segment = __shfl_sync(mask, t, 3, 8);
    s.swapped = __shfl_xor_sync(mask, pair{0.25 * t, -(int)t}, 1);
    s.half_any = __any_sync(mask, t == 20u);
    s.half_ballot = __ballot_sync(mask, t % 3u == 0u);
    for (unsigned i = 0; i < (t & 16u ? 5u : 3u); i++) s.rounds += __shfl_xor_sync(mask, i, 1) + 1u;
    __syncthreads();
    if (t < 32u) {
        s.down = __shfl_down_sync(WHOLE, (int)t, 20);
        s.warp_any = __any_sync(WHOLE, t == 20u);
        s.warp_ballot = __ballot_sync(WHOLE, t % 3u == 0u);
        __syncwarp();
    }
    all[blockIdx.x * blockDim.x + t] = s;
}

static void check_meetings(int reverse)
{
    enum { BLOCKS = 3, THREADS = 48 };
    seen *all = device_array<seen>(BLOCKS * THREADS);
    rgs_set_order(reverse);
    RG_LAUNCH(meet_all, BLOCKS, THREADS, 0, nullptr, all);
    rgs_set_order(-1);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    for (int i = 0; i < BLOCKS * THREADS; i++) {
        const seen *s = &all[i];
        int t = i % THREADS, first = t & ~15;
        unsigned thirds = 0u;
        for (int l = 0; l < 32; l++) thirds |= (unsigned)((t / 32 * 32 + l) % 3 == 0) << l;
        /* 16 terms 0.5 + first ... 0.5 + first + 15: exact in double */
        assert_true(s->half_sum == 16.0 * (0.5 + first) + 120.0);
        assert_true(s->quarter_sum == 8.0 * (0.5 + (t & ~7)) + 28.0);
        assert_true(s->half_fifth == 1.5f * (float)(first + 5));
        assert_int_equal(s->segment, (t & ~7) + 3);
        assert_true(s->swapped.a == 0.25 * (t ^ 1));
        assert_int_equal(s->swapped.b, -(t ^ 1));
        assert_int_equal(s->half_any, first == 16);
        assert_int_equal(s->half_ballot, thirds & half_of((unsigned)t));
        assert_int_equal(s->rounds, t & 16 ? 15 : 6);
        if (t >= 32) continue;
        assert_int_equal(s->down, t + 20 < 32 ? t + 20 : t);
        assert_int_equal(s->warp_any, 1);
        assert_int_equal(s->warp_ballot, thirds);
    }
    assert_int_equal(cudaFree(all), cudaSuccess);
}

static void shim_meetings_value(void **state)
{
    (void)state;
    check_meetings(0);
    check_meetings(1);
}

/* a sum over the block by a tree in shared memory, many barriers */
__global__ static void sum_tree(const int *x, int *sums, int rounds)
{
    RG_DYN_SHARED(int, s);
    unsigned t = threadIdx.x;
    int total = 0;
    for (int r = 0; r < rounds; r++) {
        s[t] = x[blockIdx.x * blockDim.x + t] + r;
        __syncthreads();
        for (unsigned step = blockDim.x / 2u; step; step /= 2u) {
            if (t < step) s[t] += s[t + step];
            __syncthreads();
        }
        total += s[0];
        __syncthreads();
    }
    if (t == 0u) sums[blockIdx.x] = total;
}

static void shim_barrier_value(void **state)
{
    enum { BLOCKS = 4, THREADS = 64, ROUNDS = 20 };
    (void)state;
    int *x = device_array<int>(BLOCKS * THREADS), *sums = device_array<int>(BLOCKS);
    for (int i = 0; i < BLOCKS * THREADS; i++) x[i] = i;
    for (int reverse = 0; reverse < 2; reverse++) {
        rgs_set_order(reverse);
        RG_LAUNCH(sum_tree, BLOCKS, THREADS, THREADS * sizeof(int), nullptr, x, sums, ROUNDS);
        for (int b = 0; b < BLOCKS; b++) {
            int block_sum = THREADS * THREADS * b + THREADS * (THREADS - 1) / 2;
            assert_int_equal(sums[b], ROUNDS * block_sum + THREADS * (ROUNDS * (ROUNDS - 1) / 2));
        }
    }
    rgs_set_order(-1);
    cudaFree(x);
    cudaFree(sums);
}

enum { LAUNCHER_BLOCKS = 4, LAUNCHER_THREADS = 64, LAUNCHER_ROUNDS = 20 };

/* a host thread with its own device memory; 0 in *argument afterwards when all is right */
static void *launch_alone(void *argument)
{
    enum { COUNT = LAUNCHER_BLOCKS * LAUNCHER_THREADS };
    int *wrong = (int *)argument, *x, *sums;
    if (cudaMalloc(&x, COUNT * sizeof *x) || cudaMalloc(&sums, LAUNCHER_BLOCKS * sizeof *sums)) return nullptr;
    for (int i = 0; i < COUNT; i++) x[i] = *wrong;
    int expected = LAUNCHER_THREADS * (LAUNCHER_ROUNDS * *wrong + LAUNCHER_ROUNDS * (LAUNCHER_ROUNDS - 1) / 2);
    RG_LAUNCH(sum_tree, LAUNCHER_BLOCKS, LAUNCHER_THREADS, LAUNCHER_THREADS * sizeof(int), nullptr, x, sums,
              LAUNCHER_ROUNDS);
    *wrong = 0;
    for (int b = 0; b < LAUNCHER_BLOCKS; b++) *wrong += sums[b] != expected;
    cudaFree(x);
    cudaFree(sums);
    return nullptr;
}

static void shim_host_threads_value(void **state)
{
    pthread_t threads[3];
    int wrong[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        wrong[i] = 10 + i;
        assert_int_equal(pthread_create(&threads[i], nullptr, launch_alone, &wrong[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], nullptr), 0);
        assert_int_equal(wrong[i], 0);
    }
}

/* the order of the fibers is what is looked at: not a race */
__attribute__((no_sanitize("thread"))) static void append(int *list)
{
    list[1 + list[0]] = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    list[0]++;
}

__global__ static void append_twice(int *list)
{
    append(list);
    __syncthreads();
    append(list);
}

static void check_order(bool reverse)
{
    enum { BLOCKS = 2, THREADS = 48 };
    int *list = device_array<int>(1 + 2 * BLOCKS * THREADS);
    cudaMemset(list, 0, sizeof *list);
    RG_LAUNCH(append_twice, BLOCKS, THREADS, 0, nullptr, list);
    assert_int_equal(list[0], 2 * BLOCKS * THREADS);
    for (int i = 0; i < list[0]; i++) {
        int block = i / (2 * THREADS), thread = i % THREADS;
        if (reverse) block = BLOCKS - 1 - block, thread = THREADS - 1 - thread;
        assert_int_equal(list[1 + i], block * THREADS + thread);
    }
    cudaFree(list);
}

static void shim_order_value(void **state)
{
    (void)state;
    rgs_set_order(0);
    check_order(false);
    rgs_set_order(1);
    check_order(true);
    rgs_set_order(-1);
    setenv("RODGRAD_SHIM_ORDER", "reverse", 1);
    check_order(true);
    setenv("RODGRAD_SHIM_ORDER", "forward", 1);
    check_order(false);
    unsetenv("RODGRAD_SHIM_ORDER");
    check_order(false);
}

__global__ static void count_nan(int *counts)
{
    RG_DYN_SHARED(double, s);
    counts[blockIdx.x * blockDim.x + threadIdx.x] = std::isnan(s[threadIdx.x]);
    s[threadIdx.x] = 1.0;
}

static void shim_memory_starts_as_nan(void **state)
{
    enum { BLOCKS = 3, THREADS = 32 };
    (void)state;
    int *counts = device_array<int>(BLOCKS * THREADS);
    for (int i = 0; i < BLOCKS * THREADS; i++) assert_int_equal(counts[i], -1);
    RG_LAUNCH(count_nan, BLOCKS, THREADS, THREADS * sizeof(double), nullptr, counts);
    for (int i = 0; i < BLOCKS * THREADS; i++) assert_int_equal(counts[i], 1);
    cudaFree(counts);
}

/* 100 KB of a stack, by a lane of each warp, in two sizes of stack */
__global__ static void use_stack(int *out)
{
    volatile char room[100 * 1024];
    for (size_t i = 0; i < sizeof room; i += 1024) room[i] = (char)threadIdx.x;
    __syncwarp();
    out[threadIdx.x] = room[50 * 1024];
}

static void shim_stack_size(void **state)
{
    (void)state;
    int *out = device_array<int>(64);
    for (int big = 0; big < 2; big++) {
        if (big) setenv("RGS_STACK", "1000000", 1);
        RG_LAUNCH(use_stack, 1, 64, 0, nullptr, out);
        for (int i = 0; i < 64; i++) assert_int_equal(out[i], i);
    }
    unsetenv("RGS_STACK");
    cudaFree(out);
}

/* ---- what aborts, each in a child ---- */

/* only in block 1, so that the sentence must name it */
__global__ static void not_in_mask(int *)
{
    if (blockIdx.x == 1u) __syncwarp(LOW);
}

__global__ static void odd_mask(int *) { __syncwarp(0x00000f0fu); }

__global__ static void absent_lanes(int *) { __syncwarp(WHOLE); }

__global__ static void different_kinds(int *out)
{
    if (threadIdx.x < 16u) __syncwarp();
    else out[threadIdx.x] = __shfl_xor_sync(WHOLE, 1, 1);
}

__global__ static void different_shuffles(int *out)
{
    if (threadIdx.x < 16u) out[threadIdx.x] = __shfl_down_sync(WHOLE, 1, 1);
    else out[threadIdx.x] = __shfl_xor_sync(WHOLE, 1, 1);
}

__global__ static void different_sizes(int *out)
{
    if (threadIdx.x < 16u) out[threadIdx.x] = (int)__shfl_xor_sync(WHOLE, 1.0f, 1);
    else out[threadIdx.x] = (int)__shfl_xor_sync(WHOLE, 1.0, 1);
}

__global__ static void different_masks(int *) { __syncwarp(threadIdx.x < 8u ? LOW : WHOLE); }

__global__ static void leaves_warp_last(int *)
{
    if (threadIdx.x == 3u) return;
    __syncwarp();
}

__global__ static void leaves_warp_first(int *)
{
    if (threadIdx.x == 0u) return;
    __syncwarp();
}

__global__ static void leaves_half(int *)
{
    if (threadIdx.x == 20u) return;
    __syncwarp(half_of(threadIdx.x));
}

__global__ static void leaves_block_last(int *)
{
    if (threadIdx.x >= 32u) return;
    __syncthreads();
}

__global__ static void leaves_block_first(int *)
{
    if (threadIdx.x < 32u) return;
    __syncthreads();
}

__global__ static void diverges(int *)
{
    if (threadIdx.x % 2u) __syncthreads();
    else __syncwarp();
}

__global__ static void reads_other_half(int *out) { out[threadIdx.x] = __shfl_xor_sync(half_of(threadIdx.x), 1, 16); }

__global__ static void odd_width(int *out) { out[threadIdx.x] = __shfl_sync(WHOLE, 1, 0, 12); }

__global__ static void nothing(int *) {}

__global__ static void launches(int *out) { RG_LAUNCH(nothing, 1, 32, 0, nullptr, out); }

/* ---- what the sanitizers find, each in a child; `wrong`: 0 for the kernel as it should be ---- */

__global__ static void neighbour(double *out, int wrong)
{
    RG_DYN_SHARED(double, s);
    s[threadIdx.x] = threadIdx.x;
    if (!wrong) __syncthreads();
    out[blockIdx.x * blockDim.x + threadIdx.x] = s[(threadIdx.x + 1u) % blockDim.x];
}

__global__ static void neighbour_half(double *out, int wrong)
{
    RG_DYN_SHARED(double, s);
    unsigned t = threadIdx.x, mask = half_of(t);
    s[t] = t;
    /* joins the lanes, but does not order memory */
    if (wrong) (void)__shfl_xor_sync(mask, 1, 1);
    else __syncwarp(mask);
    out[blockIdx.x * blockDim.x + t] = s[t ^ 1u];
}

/* a half reads what the other wrote: the barrier of one half is not enough */
__global__ static void neighbour_other_half(double *out, int wrong)
{
    RG_DYN_SHARED(double, s);
    unsigned t = threadIdx.x;
    s[t] = t;
    __syncwarp(wrong ? half_of(t) : WHOLE);
    out[blockIdx.x * blockDim.x + t] = s[t ^ 16u];
}

/* barriers order the threads of a block, never two blocks */
__global__ static void between_blocks(double *out, int wrong)
{
    __syncthreads();
    if (threadIdx.x == 5u) out[wrong ? 0u : blockIdx.x] = 1.0;
    __syncthreads();
}

/* the second barrier of the two that a loop needs */
__global__ static void reused_shared(double *out, int wrong)
{
    RG_DYN_SHARED(double, s);
    double sum = 0.0;
    for (int r = 0; r < 3; r++) {
        s[threadIdx.x] = threadIdx.x + r;
        __syncthreads();
        sum += s[(threadIdx.x + 1u) % blockDim.x];
        if (!wrong) __syncthreads();
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

__global__ static void shared_overrun(double *out, int wrong)
{
    RG_DYN_SHARED(double, s);
    s[threadIdx.x + (wrong ? 1u : 0u)] = 1.0;
    out[threadIdx.x] = s[threadIdx.x];
}

__global__ static void device_overrun(double *out, int wrong)
{
    out[blockIdx.x * blockDim.x + threadIdx.x + (wrong ? 1u : 0u)] = 1.0;
}

/* out of sight of UndefinedBehaviorSanitizer, which would know the array's size */
__device__ __noinline__ static double entry_at(const volatile double *array, unsigned i) { return array[i]; }

__global__ static void stack_overrun(double *out, int wrong)
{
    volatile double local[4] = {1.0, 2.0, 3.0, 4.0};
    __syncthreads();
    out[threadIdx.x] = entry_at(local, threadIdx.x % 4u + (wrong ? 1u : 0u));
}

typedef struct abort_case {
    const char *name, *sentence;
} abort_case;

/* in the forward order */
static const abort_case ABORTS[] = {
    {"not_in_mask", "kernel not_in_mask, block 1: thread 16 at __syncwarp(0x0000ffff): its lane 16 is not in the mask"},
    {"odd_mask", "kernel odd_mask, block 0: thread 0 at __syncwarp(0x00000f0f): a mask is a warp, half, a quarter or "
                 "an eighth of one"},
    {"absent_lanes",
     "thread 32 at __syncwarp(0xffffffff): the mask names lanes that a block of 48 threads does not have"},
    {"different_kinds", "thread 16 is at __shfl_xor_sync(0xffffffff) (4 bytes) and thread 0 at __syncwarp(0xffffffff)"},
    {"different_shuffles", "thread 16 is at __shfl_xor_sync(0xffffffff) (4 bytes) and thread 0 at __shfl_down_sync"},
    {"different_sizes", "(8 bytes) and thread 0 at __shfl_xor_sync(0xffffffff) (4 bytes): lanes of a mask must meet"},
    {"different_masks",
     "thread 8 waits at __syncwarp(0xffffffff) and thread 0 at __syncwarp(0x0000ffff): neither can go on"},
    {"leaves_warp_last", "thread 3 leaves the kernel while thread 0 waits for it at __syncwarp(0xffffffff)"},
    {"leaves_warp_first", "thread 1 waits at __syncwarp(0xffffffff) for thread 0, which has left the kernel"},
    {"leaves_half", "thread 20 leaves the kernel while thread 16 waits for it at __syncwarp(0xffff0000)"},
    {"leaves_block_last", "thread 32 leaves the kernel while threads of the block wait for it at __syncthreads() (32)"},
    {"leaves_block_first",
     "thread 32 waits at __syncthreads() for threads of the block that have left the kernel (32)"},
    {"diverges", "thread 1 waits at __syncthreads() and thread 0 at __syncwarp(0xffffffff): neither can go on"},
    {"reads_other_half", "thread 0 at __shfl_xor_sync(0x0000ffff) reads lane 16, which is not in the mask"},
    {"odd_width", "thread 0 at __shfl_sync: a width of 12 is not a power of two up to 32"},
    {"launches", "kernel launches, block 0: thread 0 launches kernel nothing: only the host can"},
    {"odd_block", "kernel nothing: a block of 22 threads: make it a multiple of 4"},
    {"square_block", "kernel nothing: grids and blocks have one dimension here"},
    {"barrier_on_host", "__syncthreads() outside of a kernel"},
    {"shared_on_host", "rgs_dynamic_shared() outside of a kernel"},
    {"bad_order", "RODGRAD_SHIM_ORDER is 'sideways': say forward or reverse"},
    {"bad_number", "RODGRAD_SHIM_DEVICES is 'two': give a whole number"},
};

/* cases of a sanitizer by name: `wrong` is 1, or 0 with a '+' in front of the name */
static int run_sanitizer_case(const char *name)
{
    enum { BLOCKS = 2, THREADS = 32 };
    int wrong = *name != '+';
    if (!wrong) name++;
    double *out = device_array<double>(BLOCKS * THREADS);
#define CASE(kernel)                                                                                                   \
    if (!strcmp(name, #kernel)) {                                                                                      \
        RG_LAUNCH(kernel, BLOCKS, THREADS, THREADS * sizeof(double), nullptr, out, wrong);                             \
        return cudaGetLastError() == cudaSuccess && cudaFree(out) == cudaSuccess ? EXIT_SUCCESS : 3;                   \
    }
    CASE(neighbour)
    CASE(neighbour_half)
    CASE(neighbour_other_half)
    CASE(between_blocks)
    CASE(reused_shared)
    CASE(shared_overrun)
    CASE(device_overrun)
    CASE(stack_overrun)
#undef CASE
    return 2;
}

static int run_case(const char *name)
{
    int *out = device_array<int>(64);
#define CASE(kernel, grid, block)                                                                                      \
    if (!strcmp(name, #kernel)) {                                                                                      \
        RG_LAUNCH(kernel, grid, block, 0, nullptr, out);                                                               \
        return EXIT_SUCCESS;                                                                                           \
    }
    CASE(not_in_mask, 2, 32)
    CASE(odd_mask, 1, 32)
    CASE(absent_lanes, 1, 48)
    CASE(different_kinds, 1, 32)
    CASE(different_shuffles, 1, 32)
    CASE(different_sizes, 1, 32)
    CASE(different_masks, 1, 32)
    CASE(leaves_warp_last, 1, 32)
    CASE(leaves_warp_first, 1, 32)
    CASE(leaves_half, 1, 32)
    CASE(leaves_block_last, 1, 64)
    CASE(leaves_block_first, 1, 64)
    CASE(diverges, 1, 32)
    CASE(reads_other_half, 1, 32)
    CASE(odd_width, 1, 32)
    CASE(launches, 1, 32)
#undef CASE
    if (!strcmp(name, "odd_block")) RG_LAUNCH(nothing, 1, 22, 0, nullptr, out);
    else if (!strcmp(name, "square_block")) RG_LAUNCH(nothing, 1, dim3(16, 2), 0, nullptr, out);
    else if (!strcmp(name, "barrier_on_host")) __syncthreads();
    else if (!strcmp(name, "shared_on_host")) return rgs_dynamic_shared() != nullptr;
    else if (!strcmp(name, "bad_order")) {
        setenv("RODGRAD_SHIM_ORDER", "sideways", 1);
        RG_LAUNCH(nothing, 1, 32, 0, nullptr, out);
    } else if (!strcmp(name, "bad_number")) {
        int count;
        setenv("RODGRAD_SHIM_DEVICES", "two", 1);
        cudaGetDeviceCount(&count);
    } else return run_sanitizer_case(name);
    return EXIT_SUCCESS;
}

/* this program with --case NAME: its status as wait has it, and the start of its stderr */
static int run_child(const char *name, char *text, size_t size)
{
    int ends[2], status;
    size_t length = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        /* what a sanitizer ends with must not depend on who runs the tests; deaths are expected: no core
         * files */
        setenv("TSAN_OPTIONS", "exitcode=66:halt_on_error=0", 1);
        setenv("ASAN_OPTIONS", "exitcode=99:detect_leaks=0", 1);
        execl("/proc/self/exe", "test_shim", "--case", name, (char *)nullptr);
        _exit(127);
    }
    close(ends[1]);
    for (;;) {
        char rest[512];
        bool full = length + 1 >= size;
        ssize_t got = full ? read(ends[0], rest, sizeof rest) : read(ends[0], text + length, size - 1 - length);
        if (got <= 0) break;
        if (!full) length += (size_t)got;
    }
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void shim_misuse_aborts(void **state)
{
    (void)state;
    int missing = 0;
    for (int reverse = 0; reverse < 2; reverse++) {
        setenv("RODGRAD_SHIM_ORDER", reverse ? "reverse" : "forward", 1);
        for (const abort_case &c : ABORTS) {
            char text[4096];
            int status = run_child(c.name, text, sizeof text);
            /* the other order meets the same mistake at other threads */
            const char *sentence = reverse ? "CPU shim: " : c.sentence;
            if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(text, sentence)) continue;
            print_error("%s: status %d, wanted an abort with '%s', got: %s\n", c.name, status, sentence, text);
            missing++;
        }
    }
    unsetenv("RODGRAD_SHIM_ORDER");
    assert_int_equal(missing, 0);
}

static void check_found(const char *const *names, size_t count, const char *finding, int exit_status)
{
    int missing = 0;
    for (size_t i = 0; i < count; i++) {
        char text[16384], right[64];
        int status = run_child(names[i], text, sizeof text);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != exit_status || !strstr(text, finding)) {
            print_error("%s: status %d, wanted a report of %s, got: %s\n", names[i], status, finding, text);
            missing++;
        }
        snprintf(right, sizeof right, "+%s", names[i]);
        status = run_child(right, text, sizeof text);
        if (status != 0 || strstr(text, finding)) {
            print_error("%s: status %d, wanted no report, got: %s\n", right, status, text);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static void shim_races_are_found(void **state)
{
    (void)state;
    static const char *const names[] = {"neighbour", "neighbour_half", "neighbour_other_half", "between_blocks",
                                        "reused_shared"};
    if (!THREAD_SANITIZER) {
        print_message("races are found by builds with -fsanitize=thread only\n");
        skip();
    }
    check_found(names, sizeof names / sizeof *names, "WARNING: ThreadSanitizer: data race", 66);
}

static void shim_overruns_are_found(void **state)
{
    (void)state;
    static const char *const names[] = {"shared_overrun", "device_overrun"};
    static const char *const stack_names[] = {"stack_overrun"};
    if (!ADDRESS_SANITIZER) {
        print_message("overruns are found by builds with -fsanitize=address only\n");
        skip();
    }
    check_found(names, sizeof names / sizeof *names, "ERROR: AddressSanitizer: heap-buffer-overflow", 99);
    check_found(stack_names, 1, "ERROR: AddressSanitizer: stack-buffer-overflow", 99);
}

/* ---- runtime ---- */

static void shim_devices_value(void **state)
{
    int count, device, value, version;
    cudaDeviceProp prop;
    (void)state;
    assert_int_equal(cudaGetDeviceCount(&count), cudaSuccess);
    assert_int_equal(count, 2);
    assert_int_equal(cudaRuntimeGetVersion(&version), cudaSuccess);
    assert_int_equal(version, 13000);
    assert_int_equal(cudaGetDeviceProperties(&prop, 1), cudaSuccess);
    assert_string_equal(prop.name, "CPU shim");
    assert_int_equal(prop.major * 10 + prop.minor, 90);
    assert_int_equal(prop.multiProcessorCount, 132);
    assert_int_equal(prop.sharedMemPerBlockOptin, 232448);
    assert_int_equal(prop.sharedMemPerMultiprocessor, 233472);
    assert_int_equal(prop.regsPerMultiprocessor, 65536);
    assert_int_equal(prop.totalGlobalMem, (size_t)8 << 30);
    setenv("RODGRAD_SHIM_SHARED", "101376", 1);
    assert_int_equal(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), cudaSuccess);
    assert_int_equal(value, 101376);
    unsetenv("RODGRAD_SHIM_SHARED");
    assert_int_equal(cudaDeviceGetAttribute(&value, cudaDevAttrClockRate, 0), cudaSuccess);
    assert_true(value > 0);
    assert_int_equal(cudaSetDevice(2), cudaErrorInvalidDevice);
    assert_int_equal(cudaPeekAtLastError(), cudaErrorInvalidDevice);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidDevice);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaGetDevice(&device), cudaSuccess);
    assert_int_equal(device, 1);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    assert_string_equal(cudaGetErrorName(cudaErrorInvalidDevice), "cudaErrorInvalidDevice");
    assert_string_equal(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
}

static void shim_absent_hardware_err(void **state)
{
    int count = 7, version;
    void *p;
    (void)state;
    setenv("RODGRAD_SHIM_DEVICES", "0", 1);
    assert_int_equal(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    assert_int_equal(count, 0);
    assert_int_equal(cudaMalloc(&p, 8), cudaErrorNoDevice);
    unsetenv("RODGRAD_SHIM_DEVICES");
    setenv("RODGRAD_SHIM_DRIVER", "12080", 1);
    assert_int_equal(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    assert_int_equal(cudaSetDevice(0), cudaErrorInsufficientDriver);
    assert_int_equal(cudaDriverGetVersion(&version), cudaSuccess);
    assert_int_equal(version, 12080);
    unsetenv("RODGRAD_SHIM_DRIVER");
    cudaGetLastError();
}

static void shim_memory_err(void **state)
{
    void *a, *b, *host, *managed;
    size_t before = rgs_allocated_bytes(), free_bytes, total;
    char local[64] = {0};
    cudaPointerAttributes facts;
    (void)state;
    setenv("RODGRAD_SHIM_MEMORY", "1000", 1);
    assert_int_equal(cudaMalloc(&a, 600), cudaSuccess);
    assert_int_equal(cudaMemGetInfo(&free_bytes, &total), cudaSuccess);
    assert_int_equal(free_bytes, 400);
    assert_int_equal(total, 1000);
    assert_int_equal(cudaMalloc(&b, 401), cudaErrorMemoryAllocation);
    assert_null(b);
    assert_int_equal(cudaMalloc(&b, 400), cudaSuccess);
    /* the other device has its own */
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaMallocManaged(&managed, 1000), cudaSuccess);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    unsetenv("RODGRAD_SHIM_MEMORY");
    assert_int_equal(cudaMallocHost(&host, 100), cudaSuccess);
    assert_int_equal(rgs_allocated_bytes() - before, 2100);

    assert_int_equal(cudaPointerGetAttributes(&facts, (char *)a + 599), cudaSuccess);
    assert_int_equal(facts.type, cudaMemoryTypeDevice);
    assert_int_equal(facts.device, 0);
    assert_int_equal(cudaPointerGetAttributes(&facts, managed), cudaSuccess);
    assert_int_equal(facts.type, cudaMemoryTypeManaged);
    assert_int_equal(facts.device, 1);
    assert_int_equal(cudaPointerGetAttributes(&facts, host), cudaSuccess);
    assert_int_equal(facts.type, cudaMemoryTypeHost);
    assert_int_equal(cudaPointerGetAttributes(&facts, local), cudaSuccess);
    assert_int_equal(facts.type, cudaMemoryTypeUnregistered);

    assert_int_equal(cudaMemcpy(a, local, 64, cudaMemcpyHostToDevice), cudaSuccess);
    assert_int_equal(cudaMemcpy(managed, local, 64, cudaMemcpyHostToDevice), cudaSuccess);
    assert_int_equal(cudaMemcpy(local, managed, 64, cudaMemcpyHostToHost), cudaSuccess);
    assert_int_equal(cudaMemcpy(b, a, 64, cudaMemcpyDefault), cudaSuccess);
    assert_int_equal(cudaMemcpy(local, a, 64, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(a, local, 64, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(a, b, 64, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(a, local, 64, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(local, b, 64, cudaMemcpyHostToHost), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy((char *)a + 599, local, 2, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemset(b, 0, 401), cudaErrorInvalidValue);
    assert_int_equal(cudaMemset(local, 0, 1), cudaErrorInvalidValue);
    assert_int_equal(cudaFree(local), cudaErrorInvalidValue);
    assert_int_equal(cudaFree((char *)a + 8), cudaErrorInvalidValue);
    assert_int_equal(cudaFree(host), cudaErrorInvalidValue);
    assert_int_equal(cudaFreeHost(a), cudaErrorInvalidValue);

    assert_int_equal(cudaFree(a), cudaSuccess);
    assert_int_equal(cudaFree(a), cudaErrorInvalidValue);
    assert_int_equal(cudaFree(b), cudaSuccess);
    assert_int_equal(cudaFree(managed), cudaSuccess);
    assert_int_equal(cudaFreeHost(host), cudaSuccess);
    assert_int_equal(cudaFree(nullptr), cudaSuccess);
    assert_int_equal(rgs_allocated_bytes(), before);
    cudaGetLastError();
}

__global__ static void mark(int *out) { out[threadIdx.x] = 1; }

static void check_refused(int grid, int block, size_t shared_bytes, cudaStream_t stream, cudaError_t error)
{
    int *out = device_array<int>(32);
    RG_LAUNCH(mark, grid, block, shared_bytes, stream, out);
    assert_int_equal(cudaGetLastError(), error);
    assert_int_equal(out[0], -1);
    cudaFree(out);
}

static void shim_launch_err(void **state)
{
    cudaStream_t stream;
    (void)state;
    check_refused(0, 32, 0, nullptr, cudaErrorInvalidConfiguration);
    check_refused(1, 0, 0, nullptr, cudaErrorInvalidConfiguration);
    check_refused(1, 1056, 0, nullptr, cudaErrorInvalidConfiguration);
    check_refused(1, 32, 232449, nullptr, cudaErrorInvalidValue);
    setenv("RODGRAD_SHIM_SHARED", "1000", 1);
    check_refused(1, 32, 1001, nullptr, cudaErrorInvalidValue);
    unsetenv("RODGRAD_SHIM_SHARED");
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaStreamCreate(&stream), cudaSuccess);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    check_refused(1, 32, 0, stream, cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaStreamDestroy(stream), cudaSuccess);
    check_refused(1, 32, 0, stream, cudaErrorInvalidResourceHandle);
}

static void shim_streams_and_events(void **state)
{
    cudaStream_t stream;
    cudaEvent_t start, end;
    float milliseconds = -1.0f;
    int device, before = rgs_live_handles();
    (void)state;
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    assert_int_equal(cudaEventCreate(&start), cudaSuccess);
    assert_int_equal(cudaEventCreate(&end), cudaSuccess);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    assert_int_equal(rgs_live_handles() - before, 3);
    assert_int_equal(cudaStreamGetDevice(stream, &device), cudaSuccess);
    assert_int_equal(device, 1);
    assert_int_equal(cudaEventElapsedTime(&milliseconds, start, end), cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaEventRecord(start, stream), cudaSuccess);
    assert_int_equal(cudaEventRecord(end, nullptr), cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaEventRecord(end, stream), cudaSuccess);
    assert_int_equal(cudaEventSynchronize(end), cudaSuccess);
    assert_int_equal(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess);
    assert_true(milliseconds >= 0.0f);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    assert_int_equal(cudaStreamDestroy(stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaStreamDestroy(stream), cudaErrorInvalidResourceHandle);
    assert_int_equal(cudaEventDestroy(start), cudaSuccess);
    assert_int_equal(cudaEventDestroy(end), cudaSuccess);
    assert_int_equal(rgs_live_handles(), before);
    cudaGetLastError();
}

static void shim_occupancy_value(void **state)
{
    int blocks;
    cudaFuncAttributes facts;
    (void)state;
    /* 64 registers a thread: 32 blocks of 32 threads by their number, 2 of 512 by registers */
    assert_int_equal(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, mark, 32, 0), cudaSuccess);
    assert_int_equal(blocks, 32);
    assert_int_equal(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, mark, 512, 0), cudaSuccess);
    assert_int_equal(blocks, 2);
    /* beyond 48 KB a kernel must opt in */
    assert_int_equal(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, mark, 32, 100000), cudaSuccess);
    assert_int_equal(blocks, 0);
    assert_int_equal(cudaFuncSetAttribute(mark, cudaFuncAttributeMaxDynamicSharedMemorySize, 232449),
                     cudaErrorInvalidValue);
    assert_int_equal(cudaFuncSetAttribute(mark, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000), cudaSuccess);
    assert_int_equal(cudaFuncSetAttribute(mark, cudaFuncAttributePreferredSharedMemoryCarveout, 100), cudaSuccess);
    assert_int_equal(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, mark, 32, 100000), cudaSuccess);
    assert_int_equal(blocks, 2);
    assert_int_equal(cudaFuncGetAttributes(&facts, mark), cudaSuccess);
    assert_int_equal(facts.maxDynamicSharedSizeBytes, 100000);
    cudaGetLastError();
}

/* ---- cuBLAS and cuSOLVER ---- */

/* [3][4] column-major in a leading dimension of 5, the rest of device memory stays NaN */
enum { ROWS = 3, COLUMNS = 4, LEAD = 5 };

static double entry(int i, int j) { return 1.0 + i - 0.5 * j + (double)(i * j % 3); }

static double *make_matrix(void)
{
    double *a = device_array<double>(LEAD * COLUMNS);
    for (int j = 0; j < COLUMNS; j++)
        for (int i = 0; i < ROWS; i++) a[i + j * LEAD] = entry(i, j);
    return a;
}

/* sums of few small multiples of 1/4: exact in double */
static void shim_cublas_value(void **state)
{
    const double two = 2.0, zero = 0.0, one = 1.0;
    cublasHandle_t blas;
    (void)state;
    assert_int_equal(cublasCreate(&blas), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasSetStream(blas, nullptr), CUBLAS_STATUS_SUCCESS);
    double *a = make_matrix(), *c = device_array<double>(LEAD * COLUMNS), *x = device_array<double>(COLUMNS);
    double *y = device_array<double>(2 * COLUMNS);
    for (int j = 0; j < COLUMNS; j++) x[j] = j - 1.0;

    /* y = 2 A x, over NaN */
    assert_int_equal(cublasDgemv(blas, CUBLAS_OP_N, ROWS, COLUMNS, &two, a, LEAD, x, 1, &zero, y, 1),
                     CUBLAS_STATUS_SUCCESS);
    for (int i = 0; i < ROWS; i++) {
        double sum = 0.0;
        for (int j = 0; j < COLUMNS; j++) sum += 2.0 * entry(i, j) * (j - 1.0);
        assert_true(y[i] == sum);
    }
    /* the columns of A times the same x, one matrix of 3 x 2 after the other */
    assert_int_equal(
        cublasDgemvStridedBatched(blas, CUBLAS_OP_T, ROWS, 2, &one, a, LEAD, 2 * LEAD, x, 1, 0, &zero, y, 1, 2, 2),
        CUBLAS_STATUS_SUCCESS);
    for (int j = 0; j < COLUMNS; j++) {
        double sum = 0.0;
        for (int i = 0; i < ROWS; i++) sum += entry(i, j) * (i - 1.0);
        assert_true(y[j] == sum);
    }
    /* C = A^T A: its lower triangle by syrk, all of it by gemm */
    assert_int_equal(
        cublasDsyrk(blas, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_T, COLUMNS, ROWS, &one, a, LEAD, &zero, c, LEAD),
        CUBLAS_STATUS_SUCCESS);
    double *full = device_array<double>(LEAD * COLUMNS);
    assert_int_equal(
        cublasDgemm(blas, CUBLAS_OP_T, CUBLAS_OP_N, COLUMNS, COLUMNS, ROWS, &one, a, LEAD, a, LEAD, &zero, full, LEAD),
        CUBLAS_STATUS_SUCCESS);
    for (int j = 0; j < COLUMNS; j++)
        for (int i = 0; i < COLUMNS; i++) {
            double sum = 0.0;
            for (int k = 0; k < ROWS; k++) sum += entry(k, i) * entry(k, j);
            assert_true(full[i + j * LEAD] == sum);
            if (i >= j) assert_true(c[i + j * LEAD] == sum);
            else assert_true(std::isnan(c[i + j * LEAD]));
        }
    /* y = C x from the lower triangle */
    assert_int_equal(cublasDsymv(blas, CUBLAS_FILL_MODE_LOWER, COLUMNS, &one, c, LEAD, x, 1, &zero, y, 1),
                     CUBLAS_STATUS_SUCCESS);
    for (int i = 0; i < COLUMNS; i++) {
        double sum = 0.0;
        for (int j = 0; j < COLUMNS; j++) sum += full[i + j * LEAD] * x[j];
        assert_true(y[i] == sum);
    }
    /* x = 2 x; y = x; y = y + 2 x */
    assert_int_equal(cublasDscal(blas, COLUMNS, &two, x, 1), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasDcopy(blas, COLUMNS, x, 1, y, 2), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasDaxpy(blas, COLUMNS, &two, x, 1, y, 2), CUBLAS_STATUS_SUCCESS);
    for (int j = 0; j < COLUMNS; j++) assert_true(y[2 * j] == 6.0 * (j - 1.0));
    /* C = A diag(x), then C = 2 full + full^T */
    assert_int_equal(cublasDdgmm(blas, CUBLAS_SIDE_RIGHT, ROWS, COLUMNS, a, LEAD, x, 1, c, LEAD),
                     CUBLAS_STATUS_SUCCESS);
    for (int j = 0; j < COLUMNS; j++)
        for (int i = 0; i < ROWS; i++) assert_true(c[i + j * LEAD] == entry(i, j) * 2.0 * (j - 1.0));
    full[1] = 100.0;
    assert_int_equal(
        cublasDgeam(blas, CUBLAS_OP_N, CUBLAS_OP_T, COLUMNS, COLUMNS, &two, full, LEAD, &one, full, LEAD, c, LEAD),
        CUBLAS_STATUS_SUCCESS);
    assert_true(c[1] == 2.0 * full[1] + full[LEAD] && c[LEAD] == 2.0 * full[LEAD] + full[1]);

    /* host memory, and an array that ends too soon */
    double local[LEAD * COLUMNS] = {0.0};
    assert_int_equal(cublasDgemv(blas, CUBLAS_OP_N, ROWS, COLUMNS, &two, local, LEAD, x, 1, &zero, y, 1),
                     CUBLAS_STATUS_INVALID_VALUE);
    assert_int_equal(cublasDscal(blas, COLUMNS + 1, &two, x, 1), CUBLAS_STATUS_INVALID_VALUE);
    assert_int_equal(cublasDscal(blas, COLUMNS, x, y, 1), CUBLAS_STATUS_INVALID_VALUE);
    assert_int_equal(cublasDscal(nullptr, COLUMNS, &two, x, 1), CUBLAS_STATUS_NOT_INITIALIZED);
    assert_string_equal(cublasGetStatusName(CUBLAS_STATUS_INVALID_VALUE), "CUBLAS_STATUS_INVALID_VALUE");
    assert_int_equal(cublasDestroy(blas), CUBLAS_STATUS_SUCCESS);
    for (double *p : {a, c, x, y, full}) assert_int_equal(cudaFree(p), cudaSuccess);
}

/* S = [4 2; 2 3] in both triangles' places; NaN in the one that is not read */
static void fill_symmetric(double *s)
{
    s[0] = 4.0;
    s[1] = 2.0;
    s[2] = NAN;
    s[3] = 3.0;
}

static void shim_cusolver_value(void **state)
{
    const double tol = 1e-14; /* 2 x 2, condition below 10 */
    const cublasFillMode_t lower = CUBLAS_FILL_MODE_LOWER;
    cusolverDnHandle_t solver;
    int size, larger;
    (void)state;
    assert_int_equal(cusolverDnCreate(&solver), CUSOLVER_STATUS_SUCCESS);
    assert_int_equal(cusolverDnSetStream(solver, nullptr), CUSOLVER_STATUS_SUCCESS);
    double *s = device_array<double>(4), *b = device_array<double>(2);
    int *info = device_array<int>(1);
    fill_symmetric(s);
    b[0] = 8.0;
    b[1] = 8.0;
    assert_int_equal(cusolverDnDpotrf_bufferSize(solver, lower, 2, s, 2, &size), CUSOLVER_STATUS_SUCCESS);
    assert_int_equal(cusolverDnDsyevd_bufferSize(solver, CUSOLVER_EIG_MODE_VECTOR, lower, 2, s, 2, b, &larger),
                     CUSOLVER_STATUS_SUCCESS);
    assert_true(size > 0 && larger > size);
    double *work = device_array<double>((size_t)larger);
    assert_int_equal(cusolverDnDpotrf(solver, lower, 2, s, 2, work, size - 1, info), CUSOLVER_STATUS_INVALID_VALUE);
    assert_int_equal(cusolverDnDpotrf(solver, lower, 2, s, 2, work, size, info), CUSOLVER_STATUS_SUCCESS);
    assert_int_equal(*info, 0);
    assert_true(std::isnan(work[0]));
    /* S (1, 2) = (8, 8) */
    assert_int_equal(cusolverDnDpotrs(solver, lower, 2, 1, s, 2, b, 2, info), CUSOLVER_STATUS_SUCCESS);
    assert_true(fabs(b[0] - 1.0) <= tol && fabs(b[1] - 2.0) <= tol);
    /* the inverse is [3 -2; -2 4] / 8 */
    assert_int_equal(cusolverDnDpotri_bufferSize(solver, lower, 2, s, 2, &size), CUSOLVER_STATUS_SUCCESS);
    assert_int_equal(cusolverDnDpotri(solver, lower, 2, s, 2, work, size, info), CUSOLVER_STATUS_SUCCESS);
    assert_true(fabs(s[0] - 0.375) <= tol && fabs(s[1] + 0.25) <= tol && fabs(s[3] - 0.5) <= tol);
    /* eigenvalues (7 +- sqrt(17)) / 2, S v = w v */
    fill_symmetric(s);
    assert_int_equal(cusolverDnDsyevd(solver, CUSOLVER_EIG_MODE_VECTOR, lower, 2, s, 2, b, work, larger, info),
                     CUSOLVER_STATUS_SUCCESS);
    assert_int_equal(*info, 0);
    assert_true(fabs(b[0] - (7.0 - sqrt(17.0)) / 2.0) <= tol && fabs(b[1] - (7.0 + sqrt(17.0)) / 2.0) <= tol);
    for (int k = 0; k < 2; k++) assert_true(fabs(4.0 * s[2 * k] + 2.0 * s[2 * k + 1] - b[k] * s[2 * k]) <= 10.0 * tol);
    /* not positive definite: info names the minor */
    s[0] = -1.0;
    s[1] = 0.0;
    assert_int_equal(cusolverDnDpotrf(solver, lower, 2, s, 2, work, size, info), CUSOLVER_STATUS_SUCCESS);
    assert_int_equal(*info, 1);
    int local_info;
    double local[4] = {1.0, 0.0, 0.0, 1.0};
    assert_int_equal(cusolverDnDpotrf(solver, lower, 2, s, 2, work, size, &local_info), CUSOLVER_STATUS_INVALID_VALUE);
    assert_int_equal(cusolverDnDpotrs(solver, lower, 2, 1, s, 2, local, 2, info), CUSOLVER_STATUS_INVALID_VALUE);
    assert_int_equal(cusolverDnDestroy(solver), CUSOLVER_STATUS_SUCCESS);
    for (double *p : {s, b, work}) assert_int_equal(cudaFree(p), cudaSuccess);
    assert_int_equal(cudaFree(info), cudaSuccess);
}

static void shim_gives_all_back(void **state)
{
    (void)state;
    assert_int_equal(rgs_allocated_bytes(), 0);
    assert_int_equal(rgs_live_handles(), 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--case")) return run_case(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shim_meetings_value),       cmocka_unit_test(shim_barrier_value),
        cmocka_unit_test(shim_host_threads_value),   cmocka_unit_test(shim_order_value),
        cmocka_unit_test(shim_memory_starts_as_nan), cmocka_unit_test(shim_stack_size),
        cmocka_unit_test(shim_misuse_aborts),        cmocka_unit_test(shim_races_are_found),
        cmocka_unit_test(shim_overruns_are_found),   cmocka_unit_test(shim_devices_value),
        cmocka_unit_test(shim_absent_hardware_err),  cmocka_unit_test(shim_memory_err),
        cmocka_unit_test(shim_launch_err),           cmocka_unit_test(shim_streams_and_events),
        cmocka_unit_test(shim_occupancy_value),      cmocka_unit_test(shim_cublas_value),
        cmocka_unit_test(shim_cusolver_value),       cmocka_unit_test(shim_gives_all_back),
    };
    return cmocka_run_group_tests_name("shim", tests, nullptr, nullptr);
}
