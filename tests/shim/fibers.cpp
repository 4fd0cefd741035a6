/* shim/fibers.cpp: a kernel's blocks one after the other, a block's threads as fibers of the host thread.
 *
 * A lane runs until it waits or leaves; the next lane that can run, in thread order, follows. Lanes meet in
 * groups: the halves of a warp, the warp, the block. Each lane is in four groups and waits in at most one;
 * two lanes that wait in different groups or at different meetings, each in the other's group, can never go
 * on, so every deadlock shows when its last lane comes or leaves, and aborts there. A meeting's last lane
 * hands out the results of all.
 *
 * Sanitizers: AddressSanitizer is told of every change of stack. For ThreadSanitizer each lane of each block
 * is a thread that starts when the block does and ends with the kernel: only __syncthreads and __syncwarp
 * order memory (release on coming, acquire on going), shuffles and votes do not, as in CUDA; blocks are not
 * ordered among each other. */
#include "cuda_runtime.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#define RGS_HAS(feature) __has_feature(feature)
#else
#define RGS_HAS(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || RGS_HAS(thread_sanitizer)
#define RGS_TSAN 1
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreWritesBegin(const char *file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char *file, int line);
#else
#define RGS_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || RGS_HAS(address_sanitizer)
#define RGS_ASAN 1
#include <sanitizer/common_interface_defs.h>
#else
#define RGS_ASAN 0
#endif
#if !defined(__x86_64__) || defined(RGS_UCONTEXT)
#define RGS_PORTABLE 1
#include <ucontext.h>
#else
#define RGS_PORTABLE 0
#endif

/* the shim's own state is shared by all lanes: not for the eyes of ThreadSanitizer */
#define RGS_QUIET __attribute__((no_sanitize("thread")))
/* on a lane's stack when it is left for good: a frame here must not leave poison for the next lane */
#define RGS_BARE __attribute__((no_sanitize("thread", "address"), noinline))

__thread uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace
{

enum { WARP = 32, MAX_THREADS = 1024, MAX_WARPS = MAX_THREADS / WARP, HOST = MAX_THREADS };
/* ended lanes that ThreadSanitizer still tells apart; the number of an older one may be given to a new lane
 */
enum { MAX_ENDED = 256 };
/* lanes that can meet: eighths, quarters, halves and the whole of a warp, and the block */
enum { EIGHTHS = 0, QUARTERS = 8, HALVES = 12, WHOLE_WARP = 14, WHOLE_BLOCK, GROUPS };

struct lane {
#if RGS_PORTABLE
    ucontext_t context;
#else
    void *stack_pointer;
#endif
    char *stack; /* lowest usable byte */
    void *fake_stack, *thread;
    /* what it brings to a meeting; source: lane of the warp */
    const void *in;
    void *out;
    int source, predicate;
};

/* bits: lanes of the warp */
struct warp {
    unsigned exist, ready, left;
    unsigned waiting[GROUPS];
    rgs_meeting kind[GROUPS];
    size_t bytes[GROUPS];
    unsigned completed[GROUPS];
};

struct machine {
    lane lanes[MAX_THREADS + 1]; /* the last: the host */
    warp warps[MAX_WARPS];
    int stacks; /* that are mapped */
    size_t stack_bytes, host_stack_bytes;

    const char *kernel; /* NULL: nothing runs */
    const std::function<void()> *body;
    int threads, left, at_barrier, current, previous;
    unsigned barriers;
    bool reverse;
    void *shared;
    uint64_t *order; /* addresses that stand for barriers: [warp][WHOLE_BLOCK groups][parity], then the block's */
    void *ended[MAX_ENDED];
    int ended_count;
    char finished; /* address that stands for the end of the kernel */
};

/* a host thread's machine, made by its first launch */
struct owner {
    machine *m = nullptr;
    ~owner();
};

thread_local owner mine;
int chosen_order = -1;

const char *const meeting_names[] = {"__syncthreads()",  "__syncwarp", "__shfl_sync",  "__shfl_xor_sync",
                                     "__shfl_down_sync", "__any_sync", "__ballot_sync"};

[[noreturn]] __attribute__((format(printf, 2, 3))) RGS_QUIET void fail(const machine *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    if (m && m->kernel) fprintf(stderr, "CPU shim: kernel %s, block %u: ", m->kernel, blockIdx.x);
    else fprintf(stderr, "CPU shim: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* ---- stacks and the change from one to another ---- */

void drop_stacks(machine *m)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < m->stacks; i++) munmap(m->lanes[i].stack - page, m->stack_bytes + page);
    m->stacks = 0;
}

owner::~owner()
{
    if (!m) return;
    drop_stacks(m);
    free(m);
    m = nullptr;
}

size_t wanted_stack_bytes(void)
{
    const char *text = getenv("RGS_STACK");
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = text ? strtoul(text, nullptr, 10) : 512u * 1024u;
    if (bytes < 16384) fail(nullptr, "RGS_STACK is '%s': give a thread's stack at least 16384 bytes", text);
    return (bytes + page - 1) / page * page;
}

/* a page below each stack faults on overflow */
void map_stacks(machine *m, int threads)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = wanted_stack_bytes();
    if (bytes != m->stack_bytes) drop_stacks(m);
    m->stack_bytes = bytes;
    for (; m->stacks < threads; m->stacks++) {
        void *p =
            mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) fail(m, "no memory for %d stacks of %zu bytes: lower RGS_STACK", threads, bytes);
        mprotect(p, page, PROT_NONE);
        m->lanes[m->stacks].stack = (char *)p + page;
    }
}

#if !RGS_PORTABLE
/* keeps the registers that a called function must keep; the rest the caller has saved */
asm(".text\n"
    ".type rgs_change_stack, @function\n"
    "rgs_change_stack:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n"
    ".size rgs_change_stack, . - rgs_change_stack\n");
extern "C" void rgs_change_stack(void **save, void *to);
#endif

RGS_QUIET void prepare(machine *m, lane *l, void (*entry)(void))
{
#if RGS_PORTABLE
    getcontext(&l->context);
    l->context.uc_stack.ss_sp = l->stack;
    l->context.uc_stack.ss_size = m->stack_bytes;
    l->context.uc_link = nullptr;
    makecontext(&l->context, entry, 0);
#else
    /* six registers, where to go, and the return address that ends backtraces */
    void **top = (void **)(void *)(l->stack + m->stack_bytes);
    memset(top - 8, 0, 8 * sizeof *top);
    top[-2] = (void *)entry;
    l->stack_pointer = top - 8;
#endif
}

/* on the stack of the lane that runs from here on */
RGS_BARE void arrived(machine *m)
{
#if RGS_ASAN
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(m->lanes[m->current].fake_stack, &bottom, &bytes);
    if (m->previous == HOST) {
        m->lanes[HOST].stack = (char *)const_cast<void *>(bottom);
        m->host_stack_bytes = bytes;
    }
#else
    (void)m;
#endif
}

RGS_BARE void change(machine *m, int to, bool forever)
{
    lane *a = &m->lanes[m->current], *b = &m->lanes[to];
    m->previous = m->current;
    m->current = to;
    threadIdx.x = (unsigned)to;
#if RGS_ASAN
    __sanitizer_start_switch_fiber(forever ? nullptr : &a->fake_stack, b->stack,
                                   to == HOST ? m->host_stack_bytes : m->stack_bytes);
#else
    (void)forever;
#endif
#if RGS_TSAN
    __tsan_switch_to_fiber(b->thread, __tsan_switch_to_fiber_no_sync);
#endif
#if RGS_PORTABLE
    swapcontext(&a->context, &b->context);
#else
    rgs_change_stack(&a->stack_pointer, b->stack_pointer);
#endif
    arrived(m);
}

/* ---- who runs ---- */

RGS_QUIET int lowest(unsigned bits) { return __builtin_ctz(bits); }

RGS_QUIET int highest(unsigned bits) { return 31 - __builtin_clz(bits); }

/* the next lane in thread order that can run, after the current one and around; HOST: none is left */
RGS_QUIET int next_lane(const machine *m)
{
    int warps = (m->threads + WARP - 1) / WARP, w, l;
    if (m->current == HOST) w = m->reverse ? warps - 1 : 0, l = m->reverse ? WARP : -1;
    else w = m->current / WARP, l = m->current % WARP;
    unsigned beyond = m->reverse ? (l >= WARP ? ~0u : (1u << l) - 1u) : (l >= WARP - 1 ? 0u : ~0u << (l + 1));
    for (int step = 0; step <= warps; step++) {
        unsigned bits = m->warps[w].ready & (step == 0 ? beyond : ~0u);
        if (bits) return w * WARP + (m->reverse ? highest(bits) : lowest(bits));
        w = m->reverse ? (w + warps - 1) % warps : (w + 1) % warps;
    }
    if (m->left < m->threads) fail(m, "all threads wait and no barrier is complete: an error of the shim");
    return HOST;
}

/* ---- meetings ---- */

RGS_QUIET void describe(char *text, size_t size, rgs_meeting kind, unsigned mask)
{
    if (kind == RGS_SYNCTHREADS) snprintf(text, size, "%s", meeting_names[kind]);
    else snprintf(text, size, "%s(0x%08x)", meeting_names[kind], mask);
}

RGS_QUIET unsigned mask_of(int group)
{
    if (group < QUARTERS) return 0xfu << 4 * group;
    if (group < HALVES) return 0xffu << 8 * (group - QUARTERS);
    return group < WHOLE_WARP ? 0xffffu << 16 * (group - HALVES) : 0xffffffffu;
}

/* the lanes of this warp that wait for `l`; *group: where */
RGS_QUIET unsigned waiting_for(const warp *w, int l, unsigned among, int except, int *group)
{
    for (int g = 0; g < GROUPS; g++)
        if (g != except && mask_of(g) >> l & 1u && w->waiting[g] & among) {
            *group = g;
            return w->waiting[g] & among;
        }
    return 0u;
}

/* the checks of a lane that comes to meeting `kind` of `group`, before it waits */
RGS_QUIET void check_meeting(const machine *m, const warp *w, int group, rgs_meeting kind, size_t bytes)
{
    int t = m->current, first = t / WARP * WARP, other;
    unsigned mask = mask_of(group) & w->exist;
    char here[64], there[64];
    describe(here, sizeof here, kind, mask_of(group));
    if (w->left & mask)
        fail(m, "thread %d waits at %s for thread %d, which has left the kernel", t, here,
             first + lowest(w->left & mask));
    unsigned elsewhere = waiting_for(w, t % WARP, mask, group, &other);
    if (elsewhere) {
        describe(there, sizeof there, w->kind[other], mask_of(other));
        fail(m, "thread %d waits at %s and thread %d at %s: neither can go on", t, here, first + lowest(elsewhere),
             there);
    }
    if (w->waiting[group] && (w->kind[group] != kind || w->bytes[group] != bytes)) {
        describe(there, sizeof there, w->kind[group], mask_of(group));
        fail(m,
             "thread %d is at %s (%zu bytes) and thread %d at %s (%zu bytes): lanes of a mask must meet at "
             "the same",
             t, here, bytes, first + lowest(w->waiting[group]), there, w->bytes[group]);
    }
}

/* bytes by hand: memcpy is intercepted */
RGS_QUIET void copy_quietly(void *to, const void *from, size_t bytes)
{
    volatile char *a = (volatile char *)to;
    const volatile char *b = (const volatile char *)from;
    for (size_t i = 0; i < bytes; i++) a[i] = b[i];
}

/* all lanes of a group have come: hands out what they came for */
RGS_QUIET void complete(machine *m, int index, int group)
{
    warp *w = &m->warps[index];
    unsigned mask = w->waiting[group], votes = 0u;
    lane *lanes = m->lanes + index * WARP;
    bool vote = w->kind[group] == RGS_ANY || w->kind[group] == RGS_BALLOT;
    for (unsigned left = mask; left; left &= left - 1u)
        if (lanes[lowest(left)].predicate) votes |= 1u << lowest(left);
    for (unsigned left = mask; left; left &= left - 1u) {
        lane *l = lanes + lowest(left);
        if (vote) copy_quietly(l->out, &votes, sizeof votes);
        else if (w->bytes[group]) copy_quietly(l->out, lanes[l->source].in, w->bytes[group]);
    }
    w->waiting[group] = 0u;
    w->ready |= mask;
    w->completed[group]++;
}

/* the current lane waits in a group until all of it have come */
RGS_QUIET void meet(machine *m, int group, rgs_meeting kind, size_t bytes)
{
    int index = m->current / WARP;
    warp *w = &m->warps[index];
    check_meeting(m, w, group, kind, bytes);
    unsigned bit = 1u << m->current % WARP;
    w->ready &= ~bit;
    w->waiting[group] |= bit;
    w->kind[group] = kind;
    w->bytes[group] = bytes;
    if (group == WHOLE_BLOCK) {
        if (m->left)
            fail(m, "thread %d waits at __syncthreads() for threads of the block that have left the kernel (%d)",
                 m->current, m->left);
        if (++m->at_barrier == m->threads) {
            m->at_barrier = 0;
            m->barriers++;
            for (int i = 0; i * WARP < m->threads; i++) complete(m, i, group);
        }
    } else if (w->waiting[group] == mask_of(group)) {
        complete(m, index, group);
    }
    int next = next_lane(m);
    if (next != m->current) change(m, next, false);
}

/* a meeting that orders memory too. two addresses in turn: a lane that comes to the next barrier must not add
 * to what a slower lane has still to acquire from this one */
RGS_QUIET void meet_in_order(machine *m, int group, rgs_meeting kind)
{
#if RGS_TSAN
    int index = m->current / WARP;
    bool block = group == WHOLE_BLOCK;
    unsigned parity = (block ? m->barriers : m->warps[index].completed[group]) % 2u;
    uint64_t *order = m->order + (block ? MAX_WARPS : index) * 2 * WHOLE_BLOCK + (block ? 0 : group * 2) + parity;
    __tsan_release(order);
    meet(m, group, kind, 0);
    __tsan_acquire(order);
#else
    meet(m, group, kind, 0);
#endif
}

RGS_QUIET machine *running(const char *what)
{
    machine *m = mine.m;
    if (!m || !m->kernel) fail(nullptr, "%s outside of a kernel", what);
    return m;
}

RGS_QUIET int group_of(const machine *m, rgs_meeting kind, unsigned mask)
{
    int t = m->current, group = EIGHTHS;
    char here[64];
    describe(here, sizeof here, kind, mask);
    while (group < WHOLE_WARP && mask != mask_of(group)) group++;
    if (mask != mask_of(group))
        fail(m, "thread %d at %s: a mask is a warp, half, a quarter or an eighth of one", t, here);
    if (!(mask >> t % WARP & 1u)) fail(m, "thread %d at %s: its lane %d is not in the mask", t, here, t % WARP);
    if (mask & ~m->warps[t / WARP].exist)
        fail(m, "thread %d at %s: the mask names lanes that a block of %d threads does not have", t, here, m->threads);
    return group;
}

/* ---- lanes, blocks, kernels ---- */

/* the lane's last checks; returns which lane follows */
RGS_QUIET int leave(machine *m)
{
    int t = m->current, group;
    warp *w = &m->warps[t / WARP];
    unsigned bit = 1u << t % WARP, waiting = waiting_for(w, t % WARP, ~0u, -1, &group);
    if (waiting) {
        char there[64];
        describe(there, sizeof there, w->kind[group], mask_of(group));
        fail(m, "thread %d leaves the kernel while thread %d waits for it at %s", t, t / WARP * WARP + lowest(waiting),
             there);
    }
    if (m->at_barrier)
        fail(m, "thread %d leaves the kernel while threads of the block wait for it at __syncthreads() (%d)", t,
             m->at_barrier);
    w->ready &= ~bit;
    w->left |= bit;
    m->left++;
#if RGS_TSAN
    __tsan_release(&m->finished);
#endif
    return next_lane(m);
}

/* the first function on a lane's stack */
RGS_BARE void lane_main(void)
{
    machine *m = mine.m;
    arrived(m);
    (*m->body)();
    change(m, leave(m), true);
}

void start_threads(machine *m)
{
#if RGS_TSAN
    m->order = (uint64_t *)malloc((MAX_WARPS * 2 * WHOLE_BLOCK + 2) * sizeof *m->order);
    m->lanes[HOST].thread = __tsan_get_current_fiber();
    for (int i = 0; i < m->threads; i++) {
        lane *l = &m->lanes[i];
        char name[128];
        /* a new mapping in the same place: the stack's earlier lane has nothing to do with this one */
        if (mmap(l->stack, m->stack_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
            fail(m, "no memory for a stack of %zu bytes: lower RGS_STACK", m->stack_bytes);
        l->thread = __tsan_create_fiber(0);
        snprintf(name, sizeof name, "%s, block %u, thread %d", m->kernel, blockIdx.x, i);
        __tsan_set_fiber_name(l->thread, name);
    }
#else
    (void)m;
#endif
}

void end_threads(machine *m)
{
#if RGS_TSAN
    for (int i = 0; i < m->threads; i++) {
        void **slot = &m->ended[m->ended_count++ % MAX_ENDED];
        if (m->ended_count > MAX_ENDED) __tsan_destroy_fiber(*slot);
        *slot = m->lanes[i].thread;
    }
    free(m->order);
#else
    (void)m;
#endif
}

void forget_threads(machine *m)
{
#if RGS_TSAN
    __tsan_acquire(&m->finished);
    for (int i = 0; i < m->ended_count && i < MAX_ENDED; i++) __tsan_destroy_fiber(m->ended[i]);
    m->ended_count = 0;
#else
    (void)m;
#endif
}

/* not a use of the memory that a lane could race with: the host is not ordered after the block yet */
void free_shared(machine *m)
{
#if RGS_TSAN
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
    free(m->shared);
#if RGS_TSAN
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
    m->shared = nullptr;
}

void run_block(machine *m, size_t shared_bytes)
{
    m->shared = malloc(shared_bytes);
    if (!m->shared && shared_bytes) fail(m, "no memory for %zu shared bytes", shared_bytes);
    memset(m->shared, 0xff, shared_bytes);
    m->left = m->at_barrier = 0;
    m->barriers = 0u;
    memset(m->warps, 0, sizeof m->warps);
    for (int i = 0; i < m->threads; i++) m->warps[i / WARP].exist |= 1u << i % WARP;
    for (int i = 0; i < MAX_WARPS; i++) m->warps[i].ready = m->warps[i].exist;
    start_threads(m);
    for (int i = 0; i < m->threads; i++) {
        m->lanes[i].fake_stack = nullptr;
        prepare(m, &m->lanes[i], lane_main);
    }
    m->current = HOST;
    change(m, next_lane(m), false);
    end_threads(m);
    free_shared(m);
}

bool wants_reverse(void)
{
    if (chosen_order >= 0) return chosen_order != 0;
    const char *text = getenv("RODGRAD_SHIM_ORDER");
    if (!text || !*text || !strcmp(text, "forward")) return false;
    if (strcmp(text, "reverse")) fail(nullptr, "RODGRAD_SHIM_ORDER is '%s': say forward or reverse", text);
    return true;
}

} // namespace

RGS_QUIET void rgs_launch(const char *kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                          const std::function<void()> &body)
{
    if (mine.m && mine.m->kernel) fail(mine.m, "thread %u launches kernel %s: only the host can", threadIdx.x, kernel);
    if (grid.y != 1 || grid.z != 1 || block.y != 1 || block.z != 1)
        fail(nullptr, "kernel %s: grids and blocks have one dimension here", kernel);
    if (rgs_check_launch(grid, block, shared_bytes, stream) != cudaSuccess) return;
    if (block.x % 4u) fail(nullptr, "kernel %s: a block of %u threads: make it a multiple of 4", kernel, block.x);
    if (!mine.m) mine.m = (machine *)calloc(1, sizeof *mine.m);
    machine *m = mine.m;
    if (!m) fail(nullptr, "kernel %s: no memory for its threads", kernel);
    m->threads = (int)block.x;
    map_stacks(m, m->threads);
    m->kernel = kernel;
    m->body = &body;
    m->reverse = wants_reverse();
    blockDim = {block.x, 1u, 1u};
    gridDim = {grid.x, 1u, 1u};
    for (unsigned i = 0; i < grid.x; i++) {
        blockIdx.x = m->reverse ? grid.x - 1u - i : i;
        run_block(m, shared_bytes);
    }
    forget_threads(m);
    m->kernel = nullptr;
}

void rgs_set_order(int reverse) { chosen_order = reverse; }

RGS_QUIET void *rgs_dynamic_shared(void) { return running("rgs_dynamic_shared()")->shared; }

RGS_QUIET void rgs_sync_block(void) { meet_in_order(running("__syncthreads()"), WHOLE_BLOCK, RGS_SYNCTHREADS); }

RGS_QUIET void rgs_sync_warp(unsigned mask)
{
    machine *m = running("__syncwarp");
    meet_in_order(m, group_of(m, RGS_SYNCWARP, mask), RGS_SYNCWARP);
}

RGS_QUIET void rgs_shuffle(rgs_meeting kind, unsigned mask, int source, const void *in, void *out, size_t bytes)
{
    machine *m = running(meeting_names[kind]);
    int group = group_of(m, kind, mask);
    if (source < 0 || source >= WARP || !(mask >> source & 1u))
        fail(m, "thread %d at %s(0x%08x) reads lane %d, which is not in the mask", m->current, meeting_names[kind],
             mask, source);
    lane *l = &m->lanes[m->current];
    l->in = in;
    l->out = out;
    l->source = source;
    meet(m, group, kind, bytes);
}

RGS_QUIET unsigned rgs_vote(rgs_meeting kind, unsigned mask, int predicate)
{
    machine *m = running(meeting_names[kind]);
    int group = group_of(m, kind, mask);
    lane *l = &m->lanes[m->current];
    unsigned votes = 0u;
    l->predicate = predicate;
    l->out = &votes;
    meet(m, group, kind, sizeof votes);
    return votes;
}

RGS_QUIET void rgs_check_width(rgs_meeting kind, int width)
{
    if (width <= 0 || width > WARP || width & (width - 1))
        fail(running(meeting_names[kind]), "thread %u at %s: a width of %d is not a power of two up to 32", threadIdx.x,
             meeting_names[kind], width);
}
