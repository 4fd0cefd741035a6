/* cli/check_health.c: how far a gradient reaches. A random change of the start is carried forward,
 * a random cotangent of the end backward; the rate at which either grows estimates the largest
 * finite-time Lyapunov exponent, and a gradient over T is lost in round-off and roughness where
 * rate T passes 20 (check.h; docs/physics.md, section 7). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"

enum { SEGMENTS = 20 };

typedef struct growth {
    size_t every, points;      /* frames of a segment; sizes kept of each rod */
    double *tangent, *adjoint; /* [n][points] at the start and after every segment */
} growth;

/* sizes of the tangent after every segment: sqrt(sum dx^2 + (frame dv)^2), as of the cotangent */
static void tangent_sizes(const rgc_check_job *job, const double *x0, const double *v0, const double *dx,
                          const double *dv, growth *g)
{
    const rgc_rods *p = job->rods;
    const size_t row = 3 * p->vertices;
    for (size_t i = 0; i < job->n; i++)
        for (size_t k = 0; k < g->points; k++) {
            const size_t at = (i * p->frames + k * g->every - (k > 0)) * row;
            const double *x = k ? dx + at : x0 + i * row, *v = k ? dv + at : v0 + i * row;
            double sum = 0.0;
            for (size_t c = 0; c < row; c++) sum += x[c] * x[c] + p->dt_s * p->dt_s * v[c] * v[c];
            g->tangent[i * g->points + k] = sqrt(sum);
        }
}

/* of free vertices only: prescribed ones forget their start */
static void random_free(rgc_check_job *job, double *x0, double *v0)
{
    const rgc_rods *p = job->rods;
    const int *fixed = NULL;
    const size_t n_fixed = rg_batch_clamped_vertices(job->batch, &fixed);
    for (size_t i = 0; i < 3 * job->n * p->vertices; i++) {
        x0[i] = rgc_check_random(job);
        if (v0) v0[i] = rgc_check_random(job) / p->dt_s;
    }
    for (size_t i = 0; i < job->n; i++)
        for (size_t k = 0; k < n_fixed; k++)
            for (size_t c = 0; c < 3; c++) {
                const size_t at = 3 * (i * p->vertices + (size_t)fixed[k]) + c;
                x0[at] = 0.0;
                if (v0) v0[at] = 0.0;
            }
}

static rg_status forward(rgc_check_job *job, growth *g, rg_error *err)
{
    const rgc_rods *p = job->rods;
    const rg_batch_inputs in = rgc_rods_inputs(p);
    const size_t start = 3 * job->n * p->vertices, series = start * p->frames;
    rg_batch_tangents by;
    rg_status status = RG_OK;
    memset(&by, 0, sizeof by);
    double *block = calloc(2 * start + 2 * series, sizeof *block);
    if (!block)
        return RG_FAIL(err, RG_ERR_MEMORY,
                       "out of memory for %zu recordings of %zu frames; check "
                       "fewer with --rods or --frames.",
                       job->n, p->frames);
    double *x0 = block, *v0 = x0 + start, *dx = v0 + start, *dv = dx + series;
    random_free(job, x0, v0);
    by.x0 = x0;
    by.v0 = v0;
    const rg_batch_tangent_outputs out = {.x = dx, .v = dv};
    status = rg_batch_jvp(job->batch, &in, &by, NULL, &out, NULL, err);
    if (status == RG_OK) tangent_sizes(job, x0, v0, dx, dv, g);
    free(block);
    return status;
}

/* the batch has just run forward */
static rg_status backward(rgc_check_job *job, growth *g, rg_error *err)
{
    const rgc_rods *p = job->rods;
    const size_t row = 3 * p->vertices, every = g->every * (size_t)job->opts.substeps;
    const size_t points = p->steps / every + 1;
    rg_batch_gradients gradients;
    memset(&gradients, 0, sizeof gradients);
    double *bar = calloc(job->n * p->frames * row, sizeof *bar);
    double *end = calloc(job->n * row, sizeof *end), *x0 = calloc(job->n * row, sizeof *x0);
    double *sizes = calloc(job->n * points, sizeof *sizes);
    rg_status status = RG_OK;
    if (!bar || !end || !x0 || !sizes) {
        status = RG_FAIL(err, RG_ERR_MEMORY,
                         "out of memory for %zu recordings of %zu frames; check "
                         "fewer with --rods or --frames.",
                         job->n, p->frames);
        goto done;
    }
    random_free(job, end, NULL);
    /* at the last segment's end that a rod reaches, so that the first size is the seed's own */
    for (size_t i = 0; i < job->n; i++) {
        const size_t last = p->ticks[i] / g->every * g->every;
        if (last > 0) memcpy(bar + (i * p->frames + last - 1) * row, end + i * row, row * sizeof *bar);
    }
    const rg_batch_cotangents w = {.x = bar};
    gradients.x0 = x0;
    gradients.growth = sizes;
    gradients.growth_every = every;
    status = rg_batch_adjoint(job->batch, &w, &gradients, NULL, err);
    for (size_t i = 0; i < job->n && status == RG_OK; i++) {
        const size_t last = p->ticks[i] / g->every;
        double seed = 0.0;
        memcpy(g->adjoint + i * g->points, sizes + i * points, g->points * sizeof *sizes);
        /* the sizes given leave out what enters there */
        for (size_t c = 0; c < row; c++) seed += end[i * row + c] * end[i * row + c];
        g->adjoint[i * g->points + last] = sqrt(seed);
    }
done:
    free(bar);
    free(end);
    free(x0);
    free(sizes);
    return status;
}

/* The rate [1/s] of a rod's growth, forward or backward in time: of the segments that it lives
 * through without the first, where what no rod can carry dies (stretch waves); NaN with fewer than
 * two left. */
static double rate_of(const rgc_check_job *job, const growth *g, size_t rod, int reverse)
{
    const double *sizes = (reverse ? g->adjoint : g->tangent) + rod * g->points;
    const size_t own = job->rods->ticks[rod] / g->every + 1; /* points of this rod */
    double order[SEGMENTS + 2];
    if (own < 3) return NAN;
    for (size_t k = 1; k < own; k++) order[k - 1] = sizes[reverse ? own - 1 - k : k];
    return rg_growth_rate(order, own - 1, (double)g->every * job->rods->dt_s);
}

static json_t *sizes_json(const rgc_check_job *job, const growth *g, const double *sizes)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < job->n; i++) {
        const size_t own = job->rods->ticks[i] / g->every + 1;
        if (json_array_append_new(list, rgc_check_numbers(sizes + i * g->points, own)) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static rg_status judge(rgc_check_job *job, const growth *g, rg_error *err)
{
    double worst = -INFINITY, rates[2] = {NAN, NAN}, reach = 0.0;
    size_t rod = job->n;
    json_t *forward_rates = json_array(), *backward_rates = json_array();
    for (size_t i = 0; i < job->n; i++) {
        const double f = rate_of(job, g, i, 0), b = rate_of(job, g, i, 1);
        const int last = !rgc_check_rod_ok(job, i);
        json_array_append_new(forward_rates, rgc_json_number(f));
        json_array_append_new(backward_rates, rgc_json_number(b));
        if (last || isnan(fmax(f, b)) || !(fmax(f, b) * job->whole_s[i] > worst)) continue;
        worst = fmax(f, b) * job->whole_s[i];
        rates[0] = f, rates[1] = b;
        rod = i;
    }
    const double rate = fmax(rates[0], rates[1]), bar = 20.0;
    if (rod == job->n) {
        rgc_check_add(job, "growth", NAN, bar, 1, "too short or too few rods to tell how tangents grow");
    } else if (rate <= 0.0) {
        reach = INFINITY;
        rgc_check_add(job, "growth", worst, bar, 1,
                      "changes die away, forward at %.2g/s and backward at %.2g/s (least for %.80s): "
                      "gradients of any length are good",
                      rates[0], rates[1], job->used[rod].name);
    } else {
        reach = bar / rate;
        rgc_check_add(job, "growth", worst, bar, worst <= bar,
                      worst <= bar ? "changes of %.80s grow by %.2g/s forward and %.2g/s backward: its "
                                     "gradient is good over about %.2g s, and it lasts %.2g s"
                                   : "changes of %.80s grow by %.2g/s forward and %.2g/s backward: its "
                                     "gradient is good over about %.2g s, but it lasts %.2g s; cut it into "
                                     "shorter recordings, or use multiple shooting (rg_batch_shooting) or "
                                     "truncation (window; biased)",
                      job->used[rod].name, rates[0], rates[1], reach, job->whole_s[rod]);
    }
    json_t *detail = json_pack("{s:f, s:o, s:o, s:o, s:o, s:o}", "interval_s", (double)g->every * job->rods->dt_s,
                               "tangent", sizes_json(job, g, g->tangent), "adjoint", sizes_json(job, g, g->adjoint),
                               "tangent_rates_per_s", forward_rates, "adjoint_rates_per_s", backward_rates, "horizon_s",
                               rod == job->n ? json_null() : rgc_json_number(reach));
    return rgc_check_detail(job, "growth", detail, err);
}

rg_status rgc_check_health(rgc_check_job *job, rg_error *err)
{
    growth g = {0};
    g.every = (job->rods->frames + SEGMENTS - 1) / SEGMENTS;
    g.points = job->rods->frames / g.every + 1;
    g.tangent = calloc(job->n * g.points, sizeof *g.tangent);
    g.adjoint = calloc(job->n * g.points, sizeof *g.adjoint);
    rg_status status = g.tangent && g.adjoint ? RG_OK : RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    if (status == RG_OK) status = rgc_check_go_on(err);
    rgc_progress("growth of changes, forward");
    if (status == RG_OK) status = forward(job, &g, err);
    if (status == RG_OK) status = rgc_check_go_on(err);
    rgc_progress("growth of changes, backward");
    if (status == RG_OK) status = backward(job, &g, err);
    if (status == RG_OK) status = judge(job, &g, err);
    free(g.tangent);
    free(g.adjoint);
    return status;
}
