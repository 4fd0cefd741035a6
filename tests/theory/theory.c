/* theory.c: see theory.h. */
#include "theory.h"

#include <math.h>
#include <string.h>

static FILE *data; /* of the case at hand, or NULL */

static void write_row(const char *format, ...)
{
    if (!data) return;
    va_list args;
    va_start(args, format);
    if (vfprintf(data, format, args) < 0 || fputc('\n', data) == EOF || fflush(data) != 0)
        fail_msg("the case's data cannot be written; is the disk full?");
    va_end(args);
}

void theory_case(const char *name, const char *title, const char *source)
{
    const char *folder = getenv("RODGRAD_THEORY_DATA");
    if (data) (void)fclose(data);
    data = NULL;
    print_message("%s: %s (%s)\n", name, title, source);
    if (!folder || !folder[0]) return;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.csv", folder, name) >= (int)sizeof path)
        fail_msg("RODGRAD_THEORY_DATA is too long a path");
    data = fopen(path, "w");
    if (!data) fail_msg("%s cannot be written; does the folder RODGRAD_THEORY_DATA exist?", path);
    write_row("case|%s|%s|%s", name, title, source);
}

void theory_panel(const char *panel, const char *x_label, const char *y_label, int log)
{
    write_row("panel|%s|%s|%s|%s", panel, x_label, y_label, log ? "log" : "linear");
}

void theory_point(const char *panel, const char *series, double x, double y)
{
    write_row("point|%s|%s|%.9g|%.9g", panel, series, x, y);
}

void theory_judge(const char *what, double value, double bar)
{
    print_message("  %s: %.3g (bar %.3g)\n", what, value, bar);
    write_row("figure|%s|%.6g|%.6g", what, value, bar);
    if (!(fabs(value) <= bar)) fail_msg("%s: %.6g, where %.3g is allowed", what, value, bar);
}

void theory_order(const char *what, const double *errors, int n, double first, double expected, double bar)
{
    assert_true(n >= 3);
    char panel[256], title[256];
    (void)snprintf(panel, sizeof panel, "order: %s", what);
    theory_panel(panel, "step", "error", 1);
    for (int k = 0; k < n; k++) {
        const double step = first / (1 << k);
        print_message("  %s: step %.3g, error %.3e", what, step, errors[k]);
        if (k) print_message(", order %.3f", log2(fabs(errors[k - 1] / errors[k])));
        print_message("\n");
        theory_point(panel, "rodgrad", step, fabs(errors[k]));
        theory_point(panel, "exact slope", step, fabs(errors[n - 1]) * pow(2.0, expected * (n - 1 - k)));
    }
    (void)snprintf(title, sizeof title, "%s: order, less %g", what, expected);
    theory_judge(title, log2(fabs(errors[n - 2] / errors[n - 1])) - expected, bar);
}

double theory_arc(const theory_rod *rod, int i)
{
    const double edge = rod->length / rod->segments;
    if (rod->grip_begin && i == 0) return -THEORY_GRIP * rod->length;
    const int k = rod->grip_begin ? i - 1 : i;
    if (k > rod->segments) return rod->length * (1.0 + THEORY_GRIP);
    return edge * k;
}

void theory_set(rg_model *model, rg_field field, double value)
{
    double *at = rg_model_field_data(model, field);
    const size_t n = rg_model_field_entries(model, field) * (size_t)rg_field_describe(field)->components;
    for (size_t i = 0; i < n; i++) at[i] = value;
}

rg_model *theory_model(const theory_rod *rod, int hold_begin, int hold_end)
{
    const int n = rod->segments + 1 + rod->grip_begin + rod->grip_end;
    int clamps[4], count = 0;
    if (rod->grip_begin || hold_begin) clamps[count++] = 0;
    if (rod->grip_begin) clamps[count++] = 1;
    if (rod->grip_end) clamps[count++] = n - 2;
    if (rod->grip_end || hold_end) clamps[count++] = n - 1;
    rg_model *m = NULL;
    rg_error err = {0};
    if (rg_model_create((size_t)n, 1, clamps, (size_t)count, &m, &err) != RG_OK) fail_msg("%s", err.text);
    for (int i = 0; i + 1 < n; i++)
        rg_model_field_data(m, RG_REST_LENGTH)[i] = theory_arc(rod, i + 1) - theory_arc(rod, i);
    theory_set(m, RG_MASS_PER_LENGTH, rod->density);
    theory_set(m, RG_STRETCH_STIFFNESS, rod->stretch);
    theory_set(m, RG_BEND_STIFFNESS_1, rod->bend);
    theory_set(m, RG_BEND_STIFFNESS_2, rod->bend);
    theory_set(m, RG_TWIST_STIFFNESS, rod->twist);
    static const rg_field none[] = {
        RG_MARKER_MASS,        RG_MARKER_OFFSET,   RG_BEND_COUPLING,    RG_NATURAL_CURVATURE, RG_NATURAL_TWIST,
        RG_STRETCH_RELAXATION, RG_BEND_RELAXATION, RG_TWIST_RELAXATION, RG_BEND_MEMORY,       RG_DRAG};
    for (size_t k = 0; k < sizeof none / sizeof *none; k++) theory_set(m, none[k], 0.0);
    return m;
}

static double *reals(int count)
{
    double *p = calloc((size_t)count + 1, sizeof *p);
    if (!p) abort();
    return p;
}

static void unit(const double *a, const double *b, double out[3])
{
    double length = 0.0;
    for (int k = 0; k < 3; k++) length += (b[k] - a[k]) * (b[k] - a[k]);
    for (int k = 0; k < 3; k++) out[k] = (b[k] - a[k]) / sqrt(length);
}

static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void cross(const double *a, const double *b, double *out)
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

void theory_transport(const double s[3], const double t[3], const double u[3], double out[3])
{
    const double share = dot(u, t) / (1.0 + dot(s, t));
    for (int k = 0; k < 3; k++) out[k] = u[k] - share * (s[k] + t[k]);
}

void theory_turn(const double t[3], double angle, const double u[3], double out[3])
{
    double across[3];
    cross(t, u, across);
    for (int k = 0; k < 3; k++)
        out[k] = cos(angle) * u[k] + sin(angle) * across[k] + (1.0 - cos(angle)) * dot(t, u) * t[k];
}

double theory_twist(const double *x, const double *m, int i)
{
    double s[3], t[3], carried[3], across[3];
    unit(x + 3 * i - 3, x + 3 * i, s);
    unit(x + 3 * i, x + 3 * i + 3, t);
    theory_transport(s, t, m + 3 * i - 3, carried);
    cross(carried, m + 3 * i, across);
    return atan2(dot(across, t), dot(carried, m + 3 * i));
}

static void create_batch(theory_run *run)
{
    rg_error err = {0};
    rg_batch_destroy(&run->batch);
    if (rg_batch_create(run->model, 1, &run->opts, &run->batch, &err) != RG_OK) fail_msg("%s", err.text);
    run->c = (int)rg_batch_clamped_vertices(run->batch, &run->clamped);
    run->d = (int)rg_batch_clamped_edges(run->batch, &run->clamped_edges);
}

theory_run *theory_run_make(rg_model *model, const double *x0, const double up[3], int steps, double dt_s)
{
    theory_run *run = calloc(1, sizeof *run);
    if (!run) abort();
    run->model = model;
    run->n = (int)rg_model_vertices(model);
    run->steps = steps;
    run->opts = rg_batch_opts_default();
    run->opts.n_frames = (size_t)steps;
    run->opts.dt_s = dt_s;
    run->opts.adjoint = 0;
    run->opts.rollout.tolerance_m = 1e-12;
    run->opts.rollout.threads = 1; /* one rod gains nothing from more */
    for (int k = 0; k < 3; k++) run->opts.rollout.gravity[k] = 0.0;
    create_batch(run);
    const int n = run->n;
    run->x0 = reals(3 * n);
    run->v0 = reals(3 * n);
    run->m0 = reals(3 * n);
    run->clamp_x = reals(steps * run->c * 3);
    run->clamp_m = reals(steps * run->d * 3);
    run->force = reals(steps * n * 3);
    run->x = reals(steps * n * 3);
    run->v = reals(steps * n * 3);
    run->m = reals(steps * n * 3);
    memcpy(run->x0, x0, (size_t)n * 3 * sizeof *x0);
    double s[3] = {0}, t[3], size = 0.0;
    for (int i = 0; i + 1 < n; i++) {
        unit(x0 + 3 * i, x0 + 3 * i + 3, t);
        double *to = run->m0 + 3 * i;
        if (i > 0) theory_transport(s, t, to - 3, to);
        else
            for (int k = 0; k < 3; k++) to[k] = up[k];
        const double along = dot(to, t);
        for (int k = 0; k < 3; k++) to[k] -= along * t[k];
        size = sqrt(dot(to, to));
        if (!(size > 1e-6)) fail_msg("`up` lies along the first edge");
        for (int k = 0; k < 3; k++) {
            to[k] /= size;
            s[k] = t[k];
        }
    }
    for (int step = 0; step < steps; step++) {
        for (int k = 0; k < run->c; k++)
            memcpy(run->clamp_x + 3 * (step * run->c + k), x0 + 3 * run->clamped[k], 3 * sizeof *x0);
        for (int k = 0; k < run->d; k++)
            memcpy(run->clamp_m + 3 * (step * run->d + k), run->m0 + 3 * run->clamped_edges[k], 3 * sizeof *x0);
    }
    return run;
}

void theory_forward(theory_run *run)
{
    rg_error err = {0};
    create_batch(run);
    const rg_batch_inputs in = {.x0 = run->x0,
                                .v0 = run->v0,
                                .m0 = run->m0,
                                .clamp_x = run->clamp_x,
                                .clamp_m = run->clamp_m,
                                .force = run->force};
    const rg_batch_outputs out = {.x = run->x, .v = run->v, .m = run->m};
    if (rg_batch_forward(run->batch, &in, &out, &run->status, &err) != RG_OK) fail_msg("%s", err.text);
    if (run->status.flag != RG_ROD_OK)
        fail_msg("%s in step %d, vertex %d", rg_rod_flag_text(run->status.flag), run->status.step, run->status.vertex);
}

void theory_forward_on(theory_run *run)
{
    const size_t last = (size_t)(run->steps - 1), n = (size_t)run->n;
    theory_forward(run);
    memcpy(run->x0, run->x + 3 * last * n, 3 * n * sizeof *run->x);
    memcpy(run->v0, run->v + 3 * last * n, 3 * n * sizeof *run->v);
    memcpy(run->m0, run->m + 3 * last * (n - 1), 3 * (n - 1) * sizeof *run->m);
}

void theory_run_free(theory_run *run)
{
    double *arrays[] = {run->x0, run->v0, run->m0, run->clamp_x, run->clamp_m, run->force, run->x, run->v, run->m};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) free(arrays[k]);
    rg_batch_destroy(&run->batch);
    rg_model_destroy(&run->model);
    free(run);
}
