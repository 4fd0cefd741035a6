/* test_motion.c: where the vertices between markers start (core/motion.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/inputs.h"
#include "rods.h"

enum { MOST_MARKERS = 16 };

static void ok(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

/* intervals between markers in some unit, 0 ends them; and the strain that they may start with on a quarter circle: 1.3
 * times a cubic's (a parabola's) own error there. By marker numbers instead of arc length it is 0.5 to 15. */
static const struct {
    double intervals[MOST_MARKERS], strain;
} spacings[] = {
    {{1, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40}, 1.5e-4}, /* a grip 1 mm from the first marker */
    {{33, 100, 100, 100, 100, 100, 100, 100, 100, 33}, 4e-5},
    {{5, 60, 10, 80, 20, 100, 3, 50}, 4e-4},
    {{1, 40, 1, 40, 1, 40, 1}, 2e-4},
    {{40, 40, 40, 40, 40, 40}, 1e-3}, /* even: as good by numbers */
    {{10, 30, 60}, 4e-2},
    {{30, 60}, 2e-1},
};

enum { SPACINGS = sizeof spacings / sizeof *spacings };

/* a model whose intervals have the lengths given, cut into `refine` edges of the shares given (NULL: equal) */
static rg_model *model_of(const double *lengths, size_t refine, const double *shares)
{
    static const int clamps[] = {0};
    rg_model *model = NULL;
    rg_error err = {0};
    size_t markers = 1;
    while (markers < MOST_MARKERS && lengths[markers - 1] > 0.0) markers++;
    ok(rg_model_create(markers, refine, clamps, 1, &model, &err), &err);
    double *rest = rg_model_field_data(model, RG_REST_LENGTH);
    for (size_t i = 0; i < (markers - 1) * refine; i++)
        rest[i] = lengths[i / refine] * (shares ? shares[i % refine] : 1.0 / (double)refine);
    return model;
}

/* a recording of frames that all are `row` [markers][3], each moved on by `step` */
static rg_recording recording_of(const rg_model *model, size_t frames, const double *row, const double *step)
{
    static const int clamps[] = {0};
    const size_t markers = rg_model_markers(model);
    rg_recording r = rods_recording(markers, frames, clamps, 1, 1);
    for (size_t f = 0; f < frames; f++)
        for (size_t k = 0; k < 3 * markers; k++)
            r.driving[3 * f * markers + k] = r.positions[3 * f * markers + k] = row[k] + (double)f * step[k % 3];
    return r;
}

static rgi_inputs *inputs_of(const rg_model *model, const rg_recording *r)
{
    rgi_inputs *p = NULL;
    rg_error err = {0};
    rg_rollout_opts opts = rg_rollout_opts_default();
    ok(rgi_inputs_create(model, r, 1, &opts, &p, &err), &err);
    return p;
}

static double length_of(const double *x) { return hypot(hypot(x[3] - x[0], x[4] - x[1]), x[5] - x[2]); }

/* Markers on a quarter of a circle: what edges are longer or shorter by than the circle's chords, at most. */
static void motion_circle_strain(void **state)
{
    (void)state;
    static const double step[3] = {1e-3, 2e-3, -1e-3};
    for (size_t k = 0; k < SPACINGS; k++)
        for (size_t refine = 1; refine <= 5; refine++) {
            double unit = 0.0, row[3 * MOST_MARKERS] = {0.0}, lengths[MOST_MARKERS] = {0.0}, s = 0.0, worst = 0.0;
            for (size_t i = 0; i < MOST_MARKERS; i++) unit += spacings[k].intervals[i];
            const double radius = 0.5; /* [m] */
            unit = radius * 1.5707963267948966 / unit;
            for (size_t i = 0; i + 1 < MOST_MARKERS; i++) {
                lengths[i] = unit * spacings[k].intervals[i];
                row[3 * i] = radius * sin(s / radius);
                row[3 * i + 1] = 0.3;
                row[3 * i + 2] = radius * cos(s / radius);
                s += lengths[i];
            }
            rg_model *model = model_of(lengths, refine, NULL);
            rg_recording r = recording_of(model, 3, row, step);
            rgi_inputs *p = inputs_of(model, &r);
            const double *rest = rg_model_field(model, RG_REST_LENGTH);
            for (size_t i = 0; i + 1 < p->shape->n; i++) {
                const double chord = 2.0 * radius * sin(0.5 * rest[i] / radius);
                worst = fmax(worst, fabs(length_of(p->x0 + 3 * i) / chord - 1.0));
            }
            print_message("spacing %zu, refine %zu: strain %.1e\n", k, refine, worst);
            if (!(worst <= spacings[k].strain)) fail_msg("spacing %zu, refine %zu: strain %.1e", k, refine, worst);
            /* markers' vertices are the markers, to the bit; velocities those of the scene */
            const int *at = rg_model_marker_vertices(model);
            for (size_t m = 0; m < 3 * p->shape->n_markers; m++)
                assert_true(p->x0[3 * at[m / 3] + (int)(m % 3)] == r.driving[3 * p->shape->n_markers + m]);
            for (size_t i = 0; i < 3 * p->shape->n; i++)
                if (!(fabs(p->v0[i] - step[i % 3] / r.dt_s) <= 1e-10))
                    fail_msg("spacing %zu, refine %zu: velocity %g", k, refine, p->v0[i]);
            rgi_inputs_destroy(&p);
            rg_recording_clear(&r);
            rg_model_destroy(&model);
        }
}

/* a straight rod starts straight, vertices at their rest lengths' shares of the interval */
static void motion_straight_value(void **state)
{
    (void)state;
    static const double step[3] = {0.0, 0.0, 0.0}, shares[3] = {0.1, 0.6, 0.3};
    for (size_t k = 0; k < SPACINGS; k++) {
        double row[3 * MOST_MARKERS] = {0.0}, lengths[MOST_MARKERS] = {0.0}, s = 0.0;
        for (size_t i = 0; i + 1 < MOST_MARKERS; i++) {
            lengths[i] = 1e-3 * spacings[k].intervals[i];
            row[3 * i] = 0.6 * s;
            row[3 * i + 2] = -0.8 * s;
            s += lengths[i];
        }
        rg_model *model = model_of(lengths, 3, shares);
        rg_recording r = recording_of(model, 3, row, step);
        rgi_inputs *p = inputs_of(model, &r);
        s = 0.0;
        for (size_t i = 0; i < p->shape->n; i++) {
            const double *x = p->x0 + 3 * i;
            /* round-off, times weights of up to 16 */
            if (!(fabs(x[0] - 0.6 * s) <= 1e-14 && fabs(x[1]) <= 1e-14 && fabs(x[2] + 0.8 * s) <= 1e-14))
                fail_msg("spacing %zu: vertex %zu is at %g %g %g, its arc length is %g", k, i, x[0], x[1], x[2], s);
            if (i + 1 < p->shape->n) s += rg_model_field(model, RG_REST_LENGTH)[i];
        }
        rgi_inputs_destroy(&p);
        rg_recording_clear(&r);
        rg_model_destroy(&model);
    }
}

/* A cord pinned at its first marker, the next one 1 mm on, then every 40 or 41 mm: it hangs straight and its own
 * weight stretches it by 176.1 um. */
static void motion_pinned_hangs(void **state)
{
    (void)state;
    static const double lengths[MOST_MARKERS] = {0.001, 0.04, 0.04, 0.041, 0.04, 0.04, 0.041, 0.04, 0.04, 0.041, 0.04};
    static const double step[3] = {0.0, 0.0, 0.0};
    double row[3 * MOST_MARKERS] = {0.0};
    for (size_t i = 0; i + 1 < MOST_MARKERS; i++) row[3 * i + 5] = row[3 * i + 2] - lengths[i];
    rg_model *model = model_of(lengths, 2, NULL);
    for (int f = 0; f < 2; f++)
        for (size_t i = 0; i < rg_model_field_entries(model, RG_BEND_STIFFNESS_1); i++)
            rg_model_field_data(model, f ? RG_BEND_STIFFNESS_2 : RG_BEND_STIFFNESS_1)[i] = 0.0010053096491487341;
    for (size_t i = 0; i < rg_model_field_entries(model, RG_MASS_PER_LENGTH); i++) {
        rg_model_field_data(model, RG_MASS_PER_LENGTH)[i] = 0.05529203070318036;
        rg_model_field_data(model, RG_STRETCH_STIFFNESS)[i] = 251.32741228718348;
        rg_model_field_data(model, RG_STRETCH_RELAXATION)[i] = 0.001;
    }
    for (size_t i = 0; i < rg_model_field_entries(model, RG_MARKER_MASS); i++)
        rg_model_field_data(model, RG_MARKER_MASS)[i] = 0.0;
    rg_recording r = recording_of(model, 60, row, step);
    rgi_inputs *p = inputs_of(model, &r);
    rg_batch *batch = NULL;
    rg_error err = {0};
    rg_rod_status status;
    rg_batch_opts opts = rg_batch_opts_default();
    ok(rgi_inputs_batch(p, &opts, &batch, &err), &err);
    double *x = calloc(3 * p->frames * p->shape->n, sizeof *x);
    assert_non_null(x);
    const rg_batch_inputs in = rgi_inputs_arrays(p);
    rg_batch_outputs out = {.x = x};
    ok(rg_batch_forward(batch, &in, &out, &status, &err), &err);
    assert_int_equal(status.flag, RG_ROD_OK);
    const double *rest = rg_model_field(model, RG_REST_LENGTH);
    for (size_t f = 0; f <= p->frames; f++) {
        const double *now = f ? x + 3 * (f - 1) * p->shape->n : p->x0;
        for (size_t i = 0; i < p->shape->n; i++) {
            if (!(hypot(now[3 * i], now[3 * i + 1]) <= 1e-12)) fail_msg("frame %zu: vertex %zu left the line", f, i);
            if (i + 1 == p->shape->n) continue;
            const double strain = (now[3 * i + 2] - now[3 * i + 5]) / rest[i] - 1.0;
            /* m g/(2 EA) is 4.4e-4 on average; its fall into that, and swing, may double it twice */
            if (!(strain >= -1e-6 && strain <= 4e-3)) fail_msg("frame %zu: strain %g of edge %zu", f, strain, i);
        }
    }
    const double *end = x + 3 * ((p->frames - 1) * p->shape->n + p->shape->n - 1);
    print_message("stretched by %.1f um\n", 1e6 * (-0.404 - end[2]));
    assert_true(fabs(-0.404 - end[2] - 176.1e-6) <= 0.1e-6);
    free(x);
    rg_batch_destroy(&batch);
    rgi_inputs_destroy(&p);
    rg_recording_clear(&r);
    rg_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(motion_circle_strain),
        cmocka_unit_test(motion_straight_value),
        cmocka_unit_test(motion_pinned_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
