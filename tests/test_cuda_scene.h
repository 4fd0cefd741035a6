/* test_cuda_scene.h: the batches of grad_scene.h in every way that a build has to run them: one rod at a time
 * (the reference), packs of rods in double and in float, and a GPU's kernels in both.
 *
 * In a build with the CPU shim (tests/shim, RGI_SHIM_TEST) the GPU is the shim's, and what it runs are the
 * kernels that a GPU runs. Include after cmocka.h. */
#ifndef TEST_CUDA_SCENE_H
#define TEST_CUDA_SCENE_H

#include <math.h>
#include <string.h>

#include "grad_scene.h"

#if defined(RGI_SHIM_TEST)
enum { ON_SHIM = 1 };
#else
enum { ON_SHIM = 0 };
#endif

typedef enum way { REFERENCE, PACKS, PACKS_FLOAT, GPU_DOUBLE, GPU_FLOAT, WAYS } way;
static const char *const way_names[WAYS] = {"one rod at a time", "packs", "packs, float", "GPU, double", "GPU, float"};

/* how a way runs rollouts */
static inline void way_options(rg_rollout_opts *o, way which, rg_context *gpu)
{
    o->isa = which == REFERENCE ? "scalar" : NULL;
    o->context = which >= GPU_DOUBLE ? gpu : NULL;
    o->real = which == PACKS_FLOAT || which == GPU_FLOAT ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
}

/* what a run of rods gives */
typedef struct result {
    grad_outputs out, d_out;
    grad_vector g;
    rg_rod_status *status, *d_status; /* [rods] of rg_batch_forward, rg_batch_jvp */
    rg_adjoint_status *back;          /* [rods] */
} result;

static inline result make_result(grad_scene *s)
{
    result r = {grad_outputs_zero(s), grad_outputs_zero(s), grad_vector_zero(s), NULL, NULL, NULL};
    r.status = (rg_rod_status *)grad_alloc(s, s->rods * sizeof *r.status / sizeof(double) + 1);
    r.d_status = (rg_rod_status *)grad_alloc(s, s->rods * sizeof *r.d_status / sizeof(double) + 1);
    r.back = (rg_adjoint_status *)grad_alloc(s, s->rods * sizeof *r.back / sizeof(double) + 1);
    return r;
}

/* tangents, states and gradients by the scene's batch as it is */
static inline void run_open(const grad_scene *s, const rg_batch_inputs *in, const grad_vector *d,
                            const grad_outputs *bar, const result *r)
{
    const rg_batch_outputs to = grad_batch_outputs(&r->out);
    const rg_batch_tangents t = grad_tangents(d, GRAD_ALL);
    const rg_batch_tangent_outputs dto = grad_batch_tangent_outputs(&r->d_out);
    const rg_batch_cotangents c = grad_cotangents(bar);
    const rg_batch_gradients g = grad_gradients(&r->g, GRAD_ALL);
    rg_error err = {0};
    if (rg_batch_jvp(s->batch, in, &t, &to, &dto, r->d_status, &err) != RG_OK ||
        rg_batch_forward(s->batch, in, &to, r->status, &err) != RG_OK ||
        rg_batch_adjoint(s->batch, &c, &g, r->back, &err) != RG_OK)
        fail_msg("%s", err.text);
}

/* by a batch made anew */
static inline void run_way(grad_scene *s, way which, rg_context *gpu, const grad_vector *d, const grad_outputs *bar,
                           const result *r)
{
    const rg_batch_inputs in = grad_inputs(s);
    way_options(&s->opts.rollout, which, gpu);
    grad_scene_open(s);
    run_open(s, &in, d, bar, r);
}

/* bytes that differ between rod i of a and rod k of b, statuses among them */
static inline size_t results_differ(const grad_scene *s, const result *a, size_t i, const result *b, size_t k)
{
    return grad_outputs_differ(s, &a->out, i, &b->out, k) + grad_outputs_differ(s, &a->d_out, i, &b->d_out, k) +
           grad_vector_differ(s, &a->g, i, &b->g, k) +
           (memcmp(&a->status[i], &b->status[k], sizeof a->status[i]) != 0) +
           (memcmp(&a->d_status[i], &b->d_status[k], sizeof a->d_status[i]) != 0) +
           (memcmp(&a->back[i], &b->back[k], sizeof a->back[i]) != 0);
}

static inline void well(const grad_scene *s, const result *r)
{
    for (size_t i = 0; i < s->rods; i++) {
        assert_int_equal(r->status[i].flag, RG_ROD_OK);
        assert_int_equal(r->d_status[i].flag, RG_ROD_OK);
        assert_int_equal(r->back[i].flag, RG_ROD_OK);
    }
}

/* the largest difference over the largest number; a difference that is no finite number is infinite */
static inline double relative(const double *a, const double *b, size_t n)
{
    double off = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(a[i] - b[i]);
        if (!(d <= off)) off = isfinite(d) ? d : INFINITY;
        size = fmax(size, fabs(b[i]));
    }
    return off == 0.0 ? 0.0 : off / size;
}

static inline void larger(double *worst, double value)
{
    if (!(value <= *worst)) *worst = value;
}

/* the first GPU, or NULL with a sentence where there is none */
static inline rg_context *gpu_context(void)
{
    rg_context_opts o = rg_context_opts_default();
    rg_context *gpu = NULL;
    rg_error err = {0};
    const char *reason = NULL;
    if (rg_cuda_device_count(&reason) == 0) {
        print_message("the GPU's part is left out: %s\n", reason);
        return NULL;
    }
    o.backend = "cuda";
    if (rg_context_create(&o, &gpu, &err) != RG_OK) fail_msg("%s", err.text);
    return gpu;
}

#endif
