/* test_cuda_context.cpp: contexts on GPUs that are not there, too old, full, or another's: typed errors with
 * a sentence, after which all that is left still works; and whose memory and streams are used. On the CPU
 * shim, whose environment pretends the hardware. */
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <map>

#include <cuda_runtime.h>

extern "C" {
#include <cmocka.h>

#include "grad_scene.h"
}

/* ---- a context, and what must hold of it ---- */

static rg_context *open_context(const rg_context_opts *opts)
{
    rg_context *context = nullptr;
    rg_error err = {};
    if (rg_context_create(opts, &context, &err) != RG_OK) fail_msg("%s", err.text);
    return context;
}

static rg_context_opts on(const char *backend)
{
    rg_context_opts o = rg_context_opts_default();
    o.backend = backend;
    return o;
}

/* one sentence with `word` in it */
static void check_error(rg_status status, rg_status expected, const rg_error *err, const char *word)
{
    const size_t n = strlen(err->text);
    if (status != expected) fail_msg("status %d, not %d: %s", status, expected, err->text);
    assert_int_equal(err->status, expected);
    if (!strstr(err->text, word)) fail_msg("no \"%s\" in \"%s\"", word, err->text);
    if (n < 20 || strchr(err->text, '\n')) fail_msg("not a sentence: \"%s\"", err->text);
}

static void refuses_context(const rg_context_opts *opts, rg_status expected, const char *word)
{
    rg_error err = {};
    rg_context *context = (rg_context *)&err;
    check_error(rg_context_create(opts, &context, &err), expected, &err, word);
    assert_null(context);
}

/* rods on a context, or with NULL on the CPU; `out` holds the positions afterwards */
static grad_scene *scene(rg_context *context)
{
    grad_scene *s = grad_scene_sized(GRAD_BDF2, GRAD_ENDS, 3, 4, 1, 6, 1, 0xc0);
    s->opts.rollout.context = context;
    s->opts.rollout.isa = context ? nullptr : "scalar";
    return s;
}

typedef struct derivatives {
    grad_vector d, g;
    grad_outputs out, d_out, bar;
} derivatives;

static derivatives make(grad_scene *s)
{
    derivatives r = {grad_vector_random(s, 2), grad_vector_zero(s), grad_outputs_zero(s), grad_outputs_zero(s),
                     grad_outputs_random(s, 3)};
    return r;
}

static void run_all(grad_scene *s, const derivatives *r)
{
    grad_jvp(s, &r->d, GRAD_ALL, &r->d_out);
    grad_forward(s, &r->out);
    grad_adjoint(s, &r->bar, &r->g, GRAD_ALL);
}

/* the context still gives the reference's numbers: the shim's double has its bits */
static void check_usable(rg_context *context)
{
    grad_scene *s = scene(context), *reference = scene(nullptr);
    derivatives a = make(s), b = make(reference);
    run_all(s, &a);
    run_all(reference, &b);
    for (size_t i = 0; i < s->rods; i++) {
        assert_int_equal(grad_outputs_differ(s, &a.out, i, &b.out, i), 0);
        assert_int_equal(grad_outputs_differ(s, &a.d_out, i, &b.d_out, i), 0);
        assert_int_equal(grad_vector_differ(s, &a.g, i, &b.g, i), 0);
    }
    grad_scene_free(s);
    grad_scene_free(reference);
}

static rg_status try_batch(grad_scene *s, rg_error *err)
{
    rg_status status = rg_batch_create(s->models[0], s->rods, &s->opts, &s->batch, err);
    if (status != RG_OK) assert_null(s->batch);
    return status;
}

/* an environment that ends with its scope; the shim reads it at each call */
struct pretend {
    const char *name;
    pretend(const char *name_, const char *value) : name(name_) { setenv(name, value, 1); }
    ~pretend() { unsetenv(name); }
};

/* after every test: nothing of the device is left, and its environment is as it was */
static int all_given_back(void **state)
{
    (void)state;
    for (const char *name : {"DEVICES", "DRIVER", "MEMORY"}) {
        char whole[40];
        snprintf(whole, sizeof whole, "RODGRAD_SHIM_%s", name);
        unsetenv(whole);
    }
    if (rgs_allocated_bytes() == 0 && rgs_live_handles() == 0) return 0;
    print_error("%zu bytes and %d handles were not given back\n", rgs_allocated_bytes(), rgs_live_handles());
    return -1;
}

/* ---- no such GPU ---- */

static void context_absent_err(void **state)
{
    (void)state;
    const rg_context_opts cuda = on("cuda");
    const char *reason = nullptr;
    char name[64];
    assert_int_equal(rg_cuda_built(), 1);
    {
        pretend none("RODGRAD_SHIM_DEVICES", "0");
        refuses_context(&cuda, RG_ERR_UNSUPPORTED, "no NVIDIA GPU");
        assert_int_equal(rg_cuda_device_count(&reason), 0);
        assert_non_null(strstr(reason, "no NVIDIA GPU"));
        rg_cuda_device_name(0, name, sizeof name);
        assert_string_equal(name, "");
    }
    {
        pretend old("RODGRAD_SHIM_DRIVER", "12040");
        refuses_context(&cuda, RG_ERR_UNSUPPORTED, "12.4");
        refuses_context(&cuda, RG_ERR_UNSUPPORTED, "13.0");
        refuses_context(&cuda, RG_ERR_UNSUPPORTED, "too old");
        refuses_context(&cuda, RG_ERR_UNSUPPORTED, "release 580");
        assert_int_equal(rg_cuda_device_count(nullptr), 0);
    }
    /* the CPU does not need one */
    {
        pretend none("RODGRAD_SHIM_DEVICES", "0");
        rg_context *cpu = open_context(nullptr);
        assert_string_equal(rg_context_backend(cpu), "cpu");
        rg_context_destroy(&cpu);
    }
    assert_int_equal(rg_cuda_device_count(&reason), 2);
    assert_null(reason);
    rg_cuda_device_name(1, name, sizeof name);
    assert_string_equal(name, "CPU shim");
    rg_context *context = open_context(&cuda);
    assert_string_equal(rg_context_backend(context), "cuda:0");
    check_usable(context);
    rg_context_destroy(&context);
    assert_null(context);
    rg_context_destroy(&context);
    rg_context_destroy(nullptr);
}

static void *never_allocate(void *, size_t) { return nullptr; }

static void context_options_err(void **state)
{
    (void)state;
    rg_error err = {};
    for (const char *name : {"gpu", "cuda:", "cuda:-1", "cuda:1x", "CUDA", "cuda:99999999"}) {
        const rg_context_opts o = on(name);
        refuses_context(&o, RG_ERR_ARGUMENT, name);
    }
    const rg_context_opts beyond = on("cuda:2");
    refuses_context(&beyond, RG_ERR_ARGUMENT, "cuda:0 to cuda:1");
    rg_context_opts o = on("cuda");
    o.struct_size--;
    refuses_context(&o, RG_ERR_ARGUMENT, "struct_size of a rg_context_opts");
    o = on("cuda");
    o.allocate = never_allocate;
    refuses_context(&o, RG_ERR_ARGUMENT, "release");
    o.backend = "cpu";
    refuses_context(&o, RG_ERR_ARGUMENT, "cpu");
    check_error(rg_context_create(nullptr, nullptr, &err), RG_ERR_ARGUMENT, &err, "NULL");
    check_error(rg_context_wait(nullptr, &err), RG_ERR_ARGUMENT, &err, "NULL");
    /* what goes with one backend only */
    rg_context *context = open_context(nullptr);
    grad_scene *s = scene(context);
    s->opts.memory = RG_MEMORY_DEVICE;
    check_error(try_batch(s, &err), RG_ERR_ARGUMENT, &err, "memory");
    grad_scene_free(s);
    rg_context_destroy(&context);
}

static void context_stream_err(void **state)
{
    (void)state;
    cudaStream_t other, gone;
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaStreamCreate(&other), cudaSuccess);
    assert_int_equal(cudaStreamCreate(&gone), cudaSuccess);
    assert_int_equal(cudaStreamDestroy(gone), cudaSuccess);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    rg_context_opts o = on("cuda:0");
    o.stream = other;
    refuses_context(&o, RG_ERR_ARGUMENT, "cuda:1");
    o.stream = gone;
    refuses_context(&o, RG_ERR_ARGUMENT, "stream");
    /* where it belongs it is used, alone, and stays */
    o = on("cuda:1");
    o.stream = other;
    const int before = rgs_live_handles();
    rg_context *context = open_context(&o);
    assert_int_equal(rgs_live_handles(), before);
    check_usable(context);
    rg_context_destroy(&context);
    int current = -1;
    assert_int_equal(cudaGetDevice(&current), cudaSuccess);
    assert_int_equal(current, 0);
    assert_int_equal(rgs_live_handles(), before);
    assert_int_equal(cudaStreamDestroy(other), cudaSuccess);
}

/* a stream for each call: work goes where it was told to, after what was enqueued before */
static void context_stream_changes(void **state)
{
    (void)state;
    rg_error err = {};
    cudaStream_t streams[2], far;
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaStreamCreate(&far), cudaSuccess);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    for (cudaStream_t &s : streams) assert_int_equal(cudaStreamCreate(&s), cudaSuccess);
    const int handles = rgs_live_handles();
    rg_context_opts o = on("cuda:0");
    o.stream = streams[0];
    rg_context *context = open_context(&o);
    grad_scene *s = scene(context);
    derivatives a = make(s), b = make(s);
    run_all(s, &a);
    const int first = rgs_stream_work(streams[0]);
    assert_true(first > 0);
    for (int round = 1; round <= 2; round++) {
        assert_int_equal(rg_context_use_stream(context, streams[1], &err), RG_OK);
        assert_int_equal(rgs_stream_follows(streams[1]), round);
        assert_int_equal(rg_context_use_stream(context, streams[1], &err), RG_OK); /* the same: nothing to wait for */
        assert_int_equal(rgs_stream_follows(streams[1]), round);
        const int before = rgs_stream_work(streams[0]);
        run_all(s, &b);
        assert_int_equal(rgs_stream_work(streams[0]), before);
        assert_true(rgs_stream_work(streams[1]) > 0);
        for (size_t i = 0; i < s->rods; i++) assert_int_equal(grad_vector_differ(s, &a.g, i, &b.g, i), 0);
        /* the first one again */
        assert_int_equal(rg_context_use_stream(context, nullptr, &err), RG_OK);
        assert_int_equal(rgs_stream_follows(streams[0]), round);
        const int second = rgs_stream_work(streams[1]);
        run_all(s, &b);
        assert_int_equal(rgs_stream_work(streams[1]), second);
    }
    /* what cannot be used leaves the stream in use */
    check_error(rg_context_use_stream(context, far, &err), RG_ERR_ARGUMENT, &err, "cuda:1");
    check_error(rg_context_use_stream(nullptr, far, &err), RG_ERR_ARGUMENT, &err, "NULL");
    const int before = rgs_stream_work(streams[0]);
    run_all(s, &b);
    assert_true(rgs_stream_work(streams[0]) > before);
    /* CUDA's default stream, and a fit's linear algebra on another stream than that it began on: test_cuda_fit */
    assert_int_equal(rg_context_use_stream(context, (void *)cudaStreamLegacy, &err), RG_OK);
    run_all(s, &b);
    for (size_t i = 0; i < s->rods; i++) assert_int_equal(grad_vector_differ(s, &a.g, i, &b.g, i), 0);
    grad_scene_free(s);
    rg_context_destroy(&context);
    assert_int_equal(rgs_live_handles(), handles);
    for (cudaStream_t t : streams) assert_int_equal(cudaStreamDestroy(t), cudaSuccess);
    assert_int_equal(cudaStreamDestroy(far), cudaSuccess);
    rg_context *cpu = open_context(nullptr);
    check_error(rg_context_use_stream(cpu, (void *)cudaStreamLegacy, &err), RG_ERR_ARGUMENT, &err, "CPU");
    assert_int_equal(rg_context_use_stream(cpu, nullptr, &err), RG_OK);
    rg_context_destroy(&cpu);
}

/* ---- too little memory ---- */

static void context_memory_err(void **state)
{
    (void)state;
    const rg_context_opts cuda = on("cuda");
    rg_context *context = open_context(&cuda);
    rg_error err = {};
    grad_scene *s = scene(context);
    for (const char *bytes : {"0", "1000", "20000"}) {
        pretend full("RODGRAD_SHIM_MEMORY", bytes);
        check_error(try_batch(s, &err), RG_ERR_MEMORY, &err, "fewer rods");
        assert_int_equal(rgs_allocated_bytes(), 0);
    }
    /* copies of the host's arrays come with the first call: it fails, and works once there is room */
    assert_int_equal(try_batch(s, &err), RG_OK);
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_outputs none = {};
    {
        char now[32];
        snprintf(now, sizeof now, "%zu", rgs_allocated_bytes());
        pretend full("RODGRAD_SHIM_MEMORY", now);
        check_error(rg_batch_forward(s->batch, &in, &none, nullptr, &err), RG_ERR_MEMORY, &err, "x0");
    }
    assert_int_equal(rg_batch_forward(s->batch, &in, &none, nullptr, &err), RG_OK);
    grad_scene_free(s);
    /* a rod that neither a multiprocessor's memory nor the GPU's holds */
    s = grad_scene_sized(GRAD_BDF2, GRAD_ENDS, 1, 1, 1, 2000, 1, 0xc1);
    s->opts.rollout.context = context;
    {
        pretend small("RODGRAD_SHIM_MEMORY", "1000000");
        check_error(try_batch(s, &err), RG_ERR_MEMORY, &err, "cuda:0 has no");
    }
    assert_int_equal(try_batch(s, &err), RG_OK);
    grad_scene_free(s);
    check_usable(context);
    rg_context_destroy(&context);
}

/* the caller's memory, and what became of it */
typedef struct arena {
    std::map<void *, size_t> live;
    size_t calls, bytes, most, fail_at; /* fail_at: the call that returns NULL, counted from 1; 0: none */
    int device, off;                    /* off: bytes beside what is asked for */
    bool host;                          /* return the host's memory */
} arena;

static void *arena_allocate(void *user, size_t bytes)
{
    arena *a = (arena *)user;
    int current = -1;
    assert_int_equal(cudaGetDevice(&current), cudaSuccess);
    assert_int_equal(current, a->device);
    if (++a->calls == a->fail_at) return nullptr;
    void *memory = nullptr;
    if (a->host) memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    else if (cudaMalloc(&memory, bytes + (size_t)a->off) != cudaSuccess) return nullptr;
    a->live[(char *)memory + a->off] = bytes;
    a->bytes += bytes;
    if (a->bytes > a->most) a->most = a->bytes;
    return (char *)memory + a->off;
}

static void arena_release(void *user, void *memory, size_t bytes)
{
    arena *a = (arena *)user;
    int current = -1;
    assert_int_equal(cudaGetDevice(&current), cudaSuccess);
    assert_int_equal(current, a->device);
    const auto it = a->live.find(memory);
    if (it == a->live.end() || it->second != bytes) fail_msg("%zu bytes that were not handed out", bytes);
    a->live.erase(it);
    a->bytes -= bytes;
    if (a->host) free(memory);
    else assert_int_equal(cudaFree((char *)memory - a->off), cudaSuccess);
}

static rg_context_opts from(arena *a, const char *backend)
{
    rg_context_opts o = on(backend);
    o.allocate = arena_allocate;
    o.release = arena_release;
    o.user = a;
    return o;
}

/* everything comes from the caller, on the right device, and goes back in the sizes it came in */
static void context_allocator_value(void **state)
{
    (void)state;
    for (int device = 0; device < 2; device++) {
        arena a = {};
        a.device = device;
        const rg_context_opts o = from(&a, device ? "cuda:1" : "cuda:0");
        rg_context *context = open_context(&o);
        grad_scene *s = scene(context);
        const derivatives r = make(s);
        grad_scene_open(s);
        assert_true(a.bytes > 0);
        assert_int_equal(rgs_allocated_bytes(), a.bytes);
        run_all(s, &r);
        assert_int_equal(rgs_allocated_bytes(), a.bytes);
        /* and nothing more when all of it is done again */
        const size_t calls = a.calls, bytes = a.bytes;
        run_all(s, &r);
        assert_int_equal(rg_batch_set_model(s->batch, 1, s->models[0], nullptr), RG_OK);
        run_all(s, &r);
        assert_int_equal(a.calls, calls);
        assert_int_equal(a.bytes, bytes);
        grad_scene_free(s);
        assert_int_equal(a.bytes, 0);
        assert_int_equal(a.live.size(), 0);
        check_usable(context);
        rg_context_destroy(&context);
        assert_int_equal(a.bytes, 0);
    }
}

/* whichever allocation fails, all others are given back */
static void context_allocator_err(void **state)
{
    (void)state;
    arena a = {};
    const rg_context_opts o = from(&a, "cuda");
    rg_context *context = open_context(&o);
    grad_scene *s = scene(context);
    rg_error err = {};
    size_t failures = 0;
    for (size_t nth = 1;; nth++, failures++) {
        a.calls = 0;
        a.fail_at = nth;
        if (try_batch(s, &err) == RG_OK) break;
        check_error(err.status, RG_ERR_MEMORY, &err, "allocate");
        assert_int_equal(a.bytes, 0);
    }
    assert_true(failures >= 2);
    a.fail_at = 0;
    rg_batch_destroy(&s->batch);
    /* what is no memory of that GPU, or not aligned */
    a.host = true;
    check_error(try_batch(s, &err), RG_ERR_ARGUMENT, &err, "not of cuda:0");
    a.host = false;
    a.off = 16;
    check_error(try_batch(s, &err), RG_ERR_ARGUMENT, &err, "aligned");
    a.off = 0;
    assert_int_equal(a.live.size(), 0);
    grad_scene_free(s);
    check_usable(context);
    rg_context_destroy(&context);
}

/* arrays of the GPU: nothing at all is allocated after create */
static double *device_copy(const double *from, size_t count)
{
    double *to = nullptr;
    assert_int_equal(cudaMalloc(&to, count * sizeof *to), cudaSuccess);
    assert_int_equal(cudaMemcpy(to, from, count * sizeof *to, cudaMemcpyDefault), cudaSuccess);
    return to;
}

static void context_steps_allocate_nothing(void **state)
{
    (void)state;
    arena a = {};
    const rg_context_opts o = from(&a, "cuda");
    rg_context *context = open_context(&o);
    grad_scene *s = scene(context);
    const size_t n = s->vertices, all = s->rods * s->opts.n_frames;
    const derivatives r = make(s);
    rg_error err = {};
    s->opts.memory = RG_MEMORY_DEVICE;
    grad_scene_open(s);
    double *x0 = device_copy(s->x0, s->rods * 3 * n), *v0 = device_copy(s->v0, s->rods * 3 * n);
    double *m0 = device_copy(s->m0, s->rods * 3 * (n - 1)), *force = device_copy(s->force, s->rods * s->steps * 3 * n);
    double *clamp_x = device_copy(s->clamp_x, s->rods * s->count[GRAD_CLAMP_X]);
    double *clamp_m = device_copy(s->clamp_m, s->rods * 3 * s->count[GRAD_CLAMP_TURN]);
    double *x = device_copy(r.out.x, all * 3 * n), *bar = device_copy(r.bar.x, all * 3 * n);
    double *g = device_copy(r.g.of[GRAD_X0], s->rods * 3 * n);
    rg_batch_inputs in = {};
    in.x0 = x0;
    in.v0 = v0;
    in.m0 = m0;
    in.clamp_x = clamp_x;
    in.clamp_m = clamp_m;
    in.force = force;
    rg_batch_outputs out = {};
    out.x = x;
    rg_batch_cotangents cotangents = {};
    cotangents.x = bar;
    rg_batch_gradients gradients = {};
    gradients.x0 = g;
    size_t calls = a.calls, bytes = rgs_allocated_bytes(), waits = rgs_waits();
    for (int k = 0; k < 2; k++) {
        assert_int_equal(rg_batch_forward(s->batch, &in, &out, nullptr, &err), RG_OK);
        assert_int_equal(rg_batch_adjoint(s->batch, &cotangents, &gradients, nullptr, &err), RG_OK);
    }
    assert_int_equal(rgs_waits(), waits);
    assert_int_equal(rg_context_wait(context, &err), RG_OK);
    assert_int_equal(a.calls, calls);
    assert_int_equal(rgs_allocated_bytes(), bytes);

    /* ---- fields, half of them the models': what the first run allocates does for the others, and none waits ---- */
    rg_batch_inputs with = in;
    rg_batch_tangents along = {};
    rg_batch_tangent_outputs d_out = {};
    rg_batch_gradients to = gradients;
    double *fields[3][RG_FIELD_COUNT];
    rg_field_values with_list[RG_FIELD_COUNT], along_list[RG_FIELD_COUNT];
    rg_field_gradient to_list[RG_FIELD_COUNT];
    with.fields = with_list;
    along.fields = along_list;
    to.fields = to_list;
    with.n_fields = along.n_fields = to.n_fields = RG_FIELD_COUNT;
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const size_t count = s->count[GRAD_FIELD + f];
        double *values = grad_alloc(s, s->rods * count);
        for (size_t rod = 0; rod < s->rods; rod++)
            memcpy(values + rod * count, rg_model_field(s->models[rod], (rg_field)f), count * sizeof *values);
        for (int k = 0; k < 3; k++) fields[k][f] = device_copy(values, s->rods * count);
        with_list[f] = {(rg_field)f, f % 2 ? fields[0][f] : nullptr};
        along_list[f] = {(rg_field)f, fields[1][f]};
        to_list[f] = {(rg_field)f, fields[2][f]};
    }
    double *dx = device_copy(r.d_out.x, all * 3 * n);
    d_out.x = dx;
    for (int k = 0; k < 3; k++) {
        assert_int_equal(rg_batch_jvp(s->batch, &with, &along, &out, &d_out, nullptr, &err), RG_OK);
        assert_int_equal(rg_batch_forward(s->batch, &with, &out, nullptr, &err), RG_OK);
        assert_int_equal(rg_batch_adjoint(s->batch, &cotangents, &to, nullptr, &err), RG_OK);
        if (k == 0) {
            calls = a.calls;
            bytes = rgs_allocated_bytes();
            waits = rgs_waits();
        }
    }
    assert_int_equal(rgs_waits(), waits);
    assert_int_equal(a.calls, calls);
    assert_int_equal(rgs_allocated_bytes(), bytes);
    with_list[RG_DRAG].values = grad_alloc(s, s->rods * s->count[GRAD_FIELD + RG_DRAG]);
    check_error(rg_batch_forward(s->batch, &with, &out, nullptr, &err), RG_ERR_ARGUMENT, &err, "drag");
    assert_int_equal(rg_batch_forward(s->batch, &in, &out, nullptr, &err), RG_OK);
    for (auto &arrays : fields)
        for (double *p : arrays) assert_int_equal(cudaFree(p), cudaSuccess);

    /* ---- arrays where they are not promised ---- */
    rg_batch_inputs wrong = in;
    wrong.v0 = s->v0;
    check_error(rg_batch_forward(s->batch, &wrong, &out, nullptr, &err), RG_ERR_ARGUMENT, &err, "v0");
    check_error(rg_batch_forward(s->batch, &wrong, &out, nullptr, &err), RG_ERR_ARGUMENT, &err, "host");
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    double *far = device_copy(s->clamp_x, s->rods * s->count[GRAD_CLAMP_X]);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    wrong = in;
    wrong.clamp_x = far;
    check_error(rg_batch_forward(s->batch, &wrong, &out, nullptr, &err), RG_ERR_ARGUMENT, &err, "another GPU");
    rg_batch_outputs wrong_out = out;
    wrong_out.x = r.out.x;
    check_error(rg_batch_forward(s->batch, &in, &wrong_out, nullptr, &err), RG_ERR_ARGUMENT, &err, "x is in");
    assert_int_equal(rg_batch_forward(s->batch, &in, &out, nullptr, &err), RG_OK);
    rg_batch_gradients wrong_gradients = gradients;
    const rg_field_gradient drag = {RG_DRAG, r.g.of[GRAD_FIELD + RG_DRAG]};
    wrong_gradients.fields = &drag;
    wrong_gradients.n_fields = 1;
    check_error(rg_batch_adjoint(s->batch, &cotangents, &wrong_gradients, nullptr, &err), RG_ERR_ARGUMENT, &err,
                "drag");
    assert_int_equal(rg_batch_adjoint(s->batch, &cotangents, &gradients, nullptr, &err), RG_OK);
    /* and the other way round */
    s->opts.memory = RG_MEMORY_HOST;
    grad_scene_open(s);
    rg_batch_inputs host = grad_inputs(s);
    host.m0 = m0;
    check_error(rg_batch_forward(s->batch, &host, &out, nullptr, &err), RG_ERR_ARGUMENT, &err, "m0");
    check_error(rg_batch_forward(s->batch, &host, &out, nullptr, &err), RG_ERR_ARGUMENT, &err, "RG_MEMORY_DEVICE");
    host = grad_inputs(s);
    check_error(rg_batch_forward(s->batch, &host, &out, nullptr, &err), RG_ERR_ARGUMENT, &err, "x is in");
    run_all(s, &r);
    for (double *p : {x0, v0, m0, force, clamp_x, clamp_m, x, bar, g, dx, far})
        assert_int_equal(cudaFree(p), cudaSuccess);
    grad_scene_free(s);
    check_usable(context);
    rg_context_destroy(&context);
}

/* ---- a GPU that fails later; two of them ---- */

static void context_lost_err(void **state)
{
    (void)state;
    const rg_context_opts cuda = on("cuda");
    rg_context *context = open_context(&cuda);
    grad_scene *s = scene(context);
    const derivatives r = make(s);
    const rg_batch_inputs in = grad_inputs(s);
    rg_batch_outputs out = {};
    out.x = r.out.x;
    rg_rod_status statuses[3];
    rg_error err = {};
    run_all(s, &r);
    {
        pretend gone("RODGRAD_SHIM_DEVICES", "0");
        check_error(rg_batch_forward(s->batch, &in, &out, statuses, &err), RG_ERR_DEVICE, &err, "cuCtxPushCurrent");
        check_error(rg_context_wait(context, &err), RG_ERR_DEVICE, &err, "CUDA_ERROR_NO_DEVICE");
    }
    run_all(s, &r);
    grad_scene_free(s);
    check_usable(context);
    rg_context_destroy(&context);
}

static void context_two_devices_value(void **state)
{
    (void)state;
    arena a = {}, b = {};
    b.device = 1;
    const rg_context_opts first = from(&a, "cuda:0"), second = from(&b, "cuda:1");
    rg_context *one = open_context(&first), *two = open_context(&second);
    assert_string_equal(rg_context_backend(one), "cuda:0");
    assert_string_equal(rg_context_backend(two), "cuda:1");
    assert_string_equal(rg_context_device_name(two), "CPU shim");
    grad_scene *s = scene(one), *t = scene(two);
    const derivatives p = make(s), q = make(t);
    /* by turns, each with the other's device current before */
    for (int k = 0; k < 2; k++) {
        int current = -1;
        assert_int_equal(cudaSetDevice(1 - k), cudaSuccess);
        grad_jvp(s, &p.d, GRAD_ALL, &p.d_out);
        grad_jvp(t, &q.d, GRAD_ALL, &q.d_out);
        grad_forward(s, &p.out);
        grad_forward(t, &q.out);
        grad_adjoint(t, &q.bar, &q.g, GRAD_ALL);
        grad_adjoint(s, &p.bar, &p.g, GRAD_ALL);
        assert_int_equal(cudaGetDevice(&current), cudaSuccess);
        assert_int_equal(current, 1 - k);
    }
    assert_int_equal(a.bytes, b.bytes);
    assert_int_equal(rgs_allocated_bytes(), a.bytes + b.bytes);
    for (size_t i = 0; i < s->rods; i++) {
        assert_int_equal(grad_outputs_differ(s, &p.out, i, &q.out, i), 0);
        assert_int_equal(grad_outputs_differ(s, &p.d_out, i, &q.d_out, i), 0);
        assert_int_equal(grad_vector_differ(s, &p.g, i, &q.g, i), 0);
    }
    grad_scene_free(s);
    rg_context_destroy(&one);
    grad_scene_free(t);
    check_usable(two);
    rg_context_destroy(&two);
}

#define CASE(test) cmocka_unit_test_teardown(test, all_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(context_absent_err),    CASE(context_options_err),
        CASE(context_stream_err),    CASE(context_stream_changes),
        CASE(context_memory_err),    CASE(context_allocator_value),
        CASE(context_allocator_err), CASE(context_steps_allocate_nothing),
        CASE(context_lost_err),      CASE(context_two_devices_value),
    };
    return cmocka_run_group_tests_name("cuda_context", tests, nullptr, nullptr);
}
