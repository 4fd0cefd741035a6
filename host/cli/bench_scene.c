/* cli/bench_scene.c: the named scenes (bench_scene.h), by formulas.
 *
 * Start: edge i of E has the slope -A cos(pi (i + 1/2)/E), so that edges have their rest lengths and lie in
 * one plane, whose normal is every edge's director. Gripper e: its outer vertex goes along
 * p(t) = p(0) + r(t) sum_k a_k sin(w_k t + f_k), its edge along t(0) + r(t) b sin(w t + f), normalised;
 * the ramp r(t) = 1 - exp(-(t/0.3 s)^2) lets both set out from rest. */
#include "cli/bench_scene.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/stability.h"

static const double pi = 3.14159265358979323846;
static const double length_m = 1.0;
static const double slope_rad = 0.9; /* at the grippers: they are 0.81 m apart */
static const double ramp_s = 0.3;

const rgc_scene rgc_scenes[RGC_SCENES] = {
    {"rope12", 12}, {"rope25", 25}, {"rope50", 50}, {"rope100", 100}, {"rope200", 200},
};

/* 0 <= number < 1 for rod and index: the finalizer of splitmix64 (Steele, Lea and Flood 2014) */
static double unit(size_t rod, unsigned index)
{
    uint64_t z = ((uint64_t)rod * 64 + index + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double between(size_t rod, unsigned index, double low, double high)
{
    return low + (high - low) * unit(rod, index);
}

/* ---- the rod ---- */

static void fill(rg_model *model, rg_field field, double value)
{
    double *data = rg_model_field_data(model, field);
    for (size_t i = 0; i < rg_model_field_entries(model, field); i++) data[i] = value;
}

/* `stiffness`: mean of the two bend stiffnesses along the rod [N m^2]; `phase` shifts what varies along it */
static rg_status make_model(const rgc_scene *scene, rg_stepper stepper, double stiffness, double phase, rg_model **out,
                            rg_error *err)
{
    const int last = (int)scene->vertices - 1, clamps[RGC_SCENE_CLAMPS] = {0, 1, last - 1, last};
    RG_TRY(rg_model_create(scene->vertices, 1, clamps, RGC_SCENE_CLAMPS, out, err));
    double *b11 = rg_model_field_data(*out, RG_BEND_STIFFNESS_1);
    double *b22 = rg_model_field_data(*out, RG_BEND_STIFFNESS_2);
    double *b12 = rg_model_field_data(*out, RG_BEND_COUPLING);
    double *twist = rg_model_field_data(*out, RG_TWIST_STIFFNESS);
    double *curvature = rg_model_field_data(*out, RG_NATURAL_CURVATURE);
    for (size_t i = 0; i < scene->vertices; i++) {
        const double s = 2.0 * pi * (double)i / last + phase;
        const double b = stiffness * (1.0 + 0.3 * cos(s));
        b11[i] = 1.1 * b;
        b22[i] = 0.9 * b;
        b12[i] = 0.05 * b;
        twist[i] = 0.5 * b;
        curvature[2 * i] = sin(s);
        curvature[2 * i + 1] = 0.7 * cos(2.0 * s);
    }
    /* the damping of bending bounds an explicit step; with the square of the edges' length it keeps its
     * share in that bound on every mesh */
    const double finer = stepper == RG_STEPPER_DEFORM ? pow(11.0 / last, 2.0) : 1.0;
    fill(*out, RG_REST_LENGTH, length_m / last);
    fill(*out, RG_MASS_PER_LENGTH, 0.06);
    fill(*out, RG_STRETCH_STIFFNESS, 500.0);
    fill(*out, RG_STRETCH_RELAXATION, 0.01);
    fill(*out, RG_BEND_RELAXATION, 0.02 * finer);
    fill(*out, RG_TWIST_RELAXATION, 0.02 * finer);
    fill(*out, RG_BEND_MEMORY, 0.2);
    fill(*out, RG_BEND_MEMORY_TIME, 0.5);
    fill(*out, RG_DRAG, 0.2);
    return RG_OK;
}

rg_status rgc_scene_model(const rgc_scene *scene, rg_stepper stepper, size_t rod, rg_model **out, rg_error *err)
{
    const double stiffness = between(rod, 0, 2.3e-3, 2.7e-3);
    return make_model(scene, stepper, stiffness, 2.0 * pi * unit(rod, 1), out, err);
}

rg_status rgc_scene_substeps(const rgc_scene *scene, rg_stepper stepper, double dt_s, int *substeps, rg_error *err)
{
    *substeps = 1;
    if (stepper != RG_STEPPER_DEFORM) return RG_OK;
    rg_model *stiffest = NULL;
    double step_s = 0.0;
    RG_TRY(make_model(scene, stepper, 2.7e-3, 0.0, &stiffest, err));
    rg_status status = rgi_deform_longest_step(stiffest, &step_s, err);
    rg_model_destroy(&stiffest);
    if (status != RG_OK) return status;
    /* a tenth for the estimate's sake, which is a straight rod's */
    const double needed = ceil(dt_s / (0.9 * step_s));
    if (!(needed <= RG_MOST_SUBSTEPS))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a frame of %g s would take %g stable substeps of the deform stepper on %s, and "
                       "1000 is the most; give a smaller --dt.",
                       dt_s, needed, scene->name);
    *substeps = (int)fmax(needed, 1.0);
    return RG_OK;
}

/* ---- start and motion ---- */

/* unit tangent of edge i at the start */
static void start_tangent(const rgc_scene *scene, size_t i, double *t)
{
    const double slope = -slope_rad * cos(pi * ((double)i + 0.5) / (double)(scene->vertices - 1));
    t[0] = cos(slope);
    t[1] = 0.0;
    t[2] = sin(slope);
}

void rgc_scene_start(const rgc_scene *scene, double *x0, double *m0)
{
    const size_t edges = scene->vertices - 1;
    x0[0] = x0[1] = x0[2] = 0.0;
    for (size_t i = 0; i < edges; i++) {
        double t[3];
        start_tangent(scene, i, t);
        for (int c = 0; c < 3; c++) {
            x0[3 * (i + 1) + c] = x0[3 * i + c] + t[c] * length_m / (double)edges;
            m0[3 * i + c] = c == 1 ? 1.0 : 0.0;
        }
    }
}

/* one gripper's motion, by coordinate: a slow and a quick sway of its place, a sway of its direction */
typedef struct gripper {
    double place[3], tangent[3];        /* at time 0 */
    double amplitude[3][3], rate[3][3]; /* [m], [m], [1]; [rad/s] */
    double phase[3][3];
} gripper;

static gripper make_gripper(const rgc_scene *scene, size_t rod, int end)
{
    static const double low[3] = {0.02, 0.005, 0.05}, high[3] = {0.05, 0.015, 0.15};
    static const double low_hz[3] = {0.25, 0.8, 0.4}, high_hz[3] = {0.6, 1.4, 0.9};
    const size_t edges = scene->vertices - 1;
    gripper g = {0};
    for (size_t i = 0; end && i < edges; i++) {
        start_tangent(scene, i, g.tangent);
        for (int c = 0; c < 3; c++) g.place[c] += g.tangent[c] * length_m / (double)edges;
    }
    start_tangent(scene, end ? edges - 1 : 0, g.tangent);
    for (unsigned k = 0; k < 3; k++)
        for (unsigned c = 0; c < 3; c++) {
            const unsigned index = 2 + 27 * (unsigned)end + 9 * k + 3 * c;
            /* along the line of the grippers half as far: the rod must not become taut */
            const double share = c == 0 ? 0.5 : 1.0;
            g.amplitude[k][c] = share * between(rod, index, low[k], high[k]);
            g.rate[k][c] = 2.0 * pi * between(rod, index + 1, low_hz[k], high_hz[k]);
            g.phase[k][c] = 2.0 * pi * unit(rod, index + 2);
        }
    return g;
}

/* the gripper's two vertices at time t, in the rod's order */
static void gripper_at(const gripper *g, int end, double edge_m, double t, double *x)
{
    const double ramp = 1.0 - exp(-(t / ramp_s) * (t / ramp_s));
    double size = 0.0, tangent[3], *outer = x + (end ? 3 : 0), *inner = x + (end ? 0 : 3);
    for (int c = 0; c < 3; c++) {
        double sway[3];
        for (int k = 0; k < 3; k++) sway[k] = ramp * g->amplitude[k][c] * sin(g->rate[k][c] * t + g->phase[k][c]);
        outer[c] = g->place[c] + sway[0] + sway[1];
        tangent[c] = g->tangent[c] + sway[2];
        size += tangent[c] * tangent[c];
    }
    for (int c = 0; c < 3; c++) inner[c] = outer[c] + (end ? -1.0 : 1.0) * edge_m * tangent[c] / sqrt(size);
}

void rgc_scene_drive(const rgc_scene *scene, size_t rod, double step_s, size_t n_steps, double *clamp_x)
{
    const double edge_m = length_m / (double)(scene->vertices - 1);
    for (int end = 0; end < 2; end++) {
        const gripper g = make_gripper(scene, rod, end);
        for (size_t k = 0; k < n_steps; k++)
            gripper_at(&g, end, edge_m, (double)(k + 1) * step_s,
                       clamp_x + 3 * (RGC_SCENE_CLAMPS * k + 2 * (size_t)end));
    }
}

/* ---- a batch ---- */

rg_status rgc_scene_set_models(const rgc_scene *scene, rg_stepper stepper, rg_batch *batch, size_t n_rods,
                               rg_error *err)
{
    for (size_t rod = 0; rod < n_rods; rod++) {
        rg_model *model = NULL;
        RG_TRY(rgc_scene_model(scene, stepper, rod, &model, err));
        rg_status status = rg_batch_set_model(batch, rod, model, err);
        rg_model_destroy(&model);
        if (status != RG_OK) return status;
    }
    return RG_OK;
}

rg_status rgc_scene_arrays_create(const rgc_scene *scene, const rg_batch *batch, size_t n_rods, size_t n_steps,
                                  double step_s, rgc_scene_arrays *out, rg_error *err)
{
    const size_t v = 3 * scene->vertices, e = v - 3, c = 3 * RGC_SCENE_CLAMPS * n_steps,
                 m = 3 * RGC_SCENE_CLAMPED_EDGES * n_steps;
    out->x0 = calloc(n_rods, v * sizeof(double));
    out->v0 = calloc(n_rods, v * sizeof(double));
    out->m0 = calloc(n_rods, e * sizeof(double));
    out->clamp_x = calloc(n_rods, c * sizeof(double));
    out->clamp_m = calloc(n_rods, m * sizeof(double));
    if (!out->x0 || !out->v0 || !out->m0 || !out->clamp_x || !out->clamp_m)
        return RG_FAIL(err, RG_ERR_MEMORY,
                       "out of memory for the motion of %zu rods over %zu steps; take a smaller --batch "
                       "or fewer --frames.",
                       n_rods, n_steps);
    for (size_t rod = 0; rod < n_rods; rod++) {
        rgc_scene_start(scene, out->x0 + rod * v, out->m0 + rod * e);
        rgc_scene_drive(scene, rod, step_s, n_steps, out->clamp_x + rod * c);
        RG_TRY(rg_batch_carry_directors(batch, out->m0 + rod * e, out->x0 + rod * v, out->clamp_x + rod * c,
                                        out->clamp_m + rod * m, err));
    }
    return RG_OK;
}

void rgc_scene_arrays_clear(rgc_scene_arrays *arrays)
{
    free(arrays->x0);
    free(arrays->v0);
    free(arrays->m0);
    free(arrays->clamp_x);
    free(arrays->clamp_m);
    memset(arrays, 0, sizeof *arrays);
}

rg_batch_inputs rgc_scene_inputs(const rgc_scene_arrays *arrays)
{
    rg_batch_inputs in = {0};
    in.x0 = arrays->x0;
    in.v0 = arrays->v0;
    in.m0 = arrays->m0;
    in.clamp_x = arrays->clamp_x;
    in.clamp_m = arrays->clamp_m;
    return in;
}
