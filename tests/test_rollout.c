/* test_rollout.c: rg_simulate and the batch below it.
 *
 * What a rod does must not depend on who shares its pack, its batch or its threads, bit by bit; a
 * bad rod is named and stopped where it was; instruction sets agree; and where the motion is known
 * in closed form (free fall) the rollout is it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fit/residuals.h"
#include "cpu/dispatch.h"
#include "rod/layout.h"
#include "rodgrad/fit.h"
#include "rods.h"

enum { MARKERS = 7, COUNT = 19, MOST_FRAMES = 16, SIZE = MOST_FRAMES * MARKERS * 3 };

static const int clamps[] = {0, 1, 5, 6};

/* ways to run on any machine: one rod at a time, packs of few where the build has them, and of as many as there are */
static struct {
    const char *isa;
    rg_real real;
} ways[] = {{"scalar", RG_REAL_DOUBLE}, {"sse2", RG_REAL_DOUBLE}, {NULL, RG_REAL_DOUBLE},
            {"scalar", RG_REAL_FLOAT},  {"sse2", RG_REAL_FLOAT},  {NULL, RG_REAL_FLOAT}};
enum { WAYS = sizeof ways / sizeof *ways };

/* recordings, and what came out */
typedef struct group {
    rg_model *model;
    rg_recording recordings[COUNT];
    double *out[COUNT];
    rg_rod_status status[COUNT];
    rg_rollout_opts opts;
    size_t n;
} group;

static size_t frames_of(size_t i) { return 4 + (7 * i) % (MOST_FRAMES - 3); }

static size_t bytes_of(const rg_recording *r) { return r->n_frames * r->n_markers * 3 * sizeof(double); }

static void setup_group(group *b, size_t n)
{
    memset(b, 0, sizeof *b);
    b->n = n;
    b->model = rods_model(MARKERS, 2, clamps, 4, 1);
    b->opts = rg_rollout_opts_default();
    b->opts.threads = 1;
    for (size_t i = 0; i < n; i++) {
        b->recordings[i] = rods_recording(MARKERS, frames_of(i), clamps, 4, 100 + i);
        b->out[i] = malloc(SIZE * sizeof *b->out[i]);
        assert_non_null(b->out[i]);
        for (size_t k = 0; k < SIZE; k++) b->out[i][k] = -777.0;
    }
}

static void clear_group(group *b)
{
    rg_model_destroy(&b->model);
    for (size_t i = 0; i < b->n; i++) {
        rg_recording_clear(&b->recordings[i]);
        free(b->out[i]);
    }
}

static void use_way(group *b, int way)
{
    b->opts.isa = ways[way].isa;
    b->opts.real = ways[way].real;
}

static void run(group *b)
{
    rg_error err = {0};
    if (rg_simulate(b->model, b->recordings, b->n, &b->opts, b->out, b->status, &err) != RG_OK)
        fail_msg("%s", err.text);
}

static void assert_good(const group *b, size_t i)
{
    const rg_rod_status *s = &b->status[i];
    if (s->flag != RG_ROD_OK) fail_msg("rod %zu: %s in step %d", i, rg_rod_flag_text(s->flag), s->step);
}

/* rod i of a gave the same as rod k of b */
static void assert_same(const group *a, size_t i, const group *b, size_t k)
{
    if (memcmp(a->out[i], b->out[k], bytes_of(&a->recordings[i]))) fail_msg("rods %zu and %zu differ", i, k);
    assert_memory_equal(&a->status[i], &b->status[k], sizeof a->status[i]);
}

static void rollout_threads_bitwise(void **state)
{
    (void)state;
    for (int k = 0; k < WAYS; k++) {
        group one, many;
        setup_group(&one, COUNT);
        use_way(&one, k);
        run(&one);
        for (size_t i = 0; i < COUNT; i++) assert_good(&one, i);
        for (int threads = 2; threads <= 7; threads += 5) {
            setup_group(&many, COUNT);
            use_way(&many, k);
            many.opts.threads = threads;
            run(&many);
            for (size_t i = 0; i < COUNT; i++) assert_same(&one, i, &many, i);
            clear_group(&many);
        }
        clear_group(&one);
    }
}

/* alone, in a batch of any size, at any place, beside rods of other lengths: the same bits */
static void rollout_position_bitwise(void **state)
{
    (void)state;
    for (int k = 0; k < WAYS; k++) {
        group all, moved;
        setup_group(&all, COUNT);
        use_way(&all, k);
        run(&all);
        for (size_t size = 1; size < COUNT; size += 3) {
            setup_group(&moved, size);
            use_way(&moved, k);
            for (size_t i = 0; i < size; i++) {
                rg_recording_clear(&moved.recordings[i]);
                moved.recordings[i] = all.recordings[(5 * i + size) % COUNT];
            }
            run(&moved);
            for (size_t i = 0; i < size; i++) {
                assert_same(&moved, i, &all, (5 * i + size) % COUNT);
                memset(&moved.recordings[i], 0, sizeof moved.recordings[i]);
            }
            clear_group(&moved);
        }
        clear_group(&all);
    }
}

static void rollout_copies_what_is_given(void **state)
{
    (void)state;
    group b;
    setup_group(&b, 3);
    /* a repaired driver: it drives, the recorded one is shown */
    b.recordings[1].positions[3 * (3 * MARKERS + 5)] += 0.5;
    run(&b);
    for (size_t i = 0; i < b.n; i++) {
        const rg_recording *r = &b.recordings[i];
        assert_good(&b, i);
        assert_memory_equal(b.out[i], r->positions, 2 * MARKERS * 3 * sizeof(double));
        for (size_t f = 2; f < r->n_frames; f++)
            for (size_t k = 0; k < 4; k++) {
                size_t at = 3 * (f * MARKERS + (size_t)clamps[k]);
                assert_memory_equal(b.out[i] + at, r->positions + at, 3 * sizeof(double));
            }
        /* not a word beyond the last frame */
        assert_true(b.out[i][r->n_frames * MARKERS * 3] == -777.0);
        assert_true(b.status[i].iterations >= (int)r->n_frames - 2);
        assert_true(b.status[i].worst_iterations >= 1);
        assert_true(b.status[i].worst_increment_m < b.opts.tolerance_m);
    }
    clear_group(&b);
}

/* free markers are not read after frame 1 */
static void rollout_reads_no_future(void **state)
{
    (void)state;
    group a, b;
    setup_group(&a, 2);
    setup_group(&b, 2);
    for (size_t i = 0; i < 2; i++) {
        rg_recording *r = &b.recordings[i];
        for (size_t f = 2; f < r->n_frames; f++)
            for (size_t k = 2; k < 5; k++)
                for (size_t c = 0; c < 3; c++) {
                    r->positions[3 * (f * MARKERS + k) + c] = f % 2 ? NAN : 1e300;
                    r->driving[3 * (f * MARKERS + k) + c] = NAN;
                    r->valid[f * MARKERS + k] = 0;
                }
    }
    run(&a);
    run(&b);
    for (size_t i = 0; i < 2; i++) assert_same(&a, i, &b, i);
    clear_group(&a);
    clear_group(&b);
}

static void rollout_bad_input_err(void **state)
{
    (void)state;
    group b;
    rg_error err = {0};
    setup_group(&b, 3);
    rg_recording *r = &b.recordings[1];
    double *driver = &r->driving[3 * (6 * MARKERS + 5) + 1], *free_marker = &r->driving[3 * (MARKERS + 3)];
    double was = *driver, was_free = *free_marker;
    *driver = NAN;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "marker 5"));
    assert_non_null(strstr(err.text, "frame 6"));
    *driver = INFINITY;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_VALUE);
    *driver = was;
    *free_marker = NAN;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "marker 3"));
    assert_non_null(strstr(err.text, "frame 1"));
    *free_marker = was_free;
    /* markers of a gripper that meet, at the start and later */
    double saved[3];
    for (size_t f = 1; f < 8; f += 6) {
        memcpy(saved, r->driving + 3 * (f * MARKERS + 1), sizeof saved);
        memcpy(r->driving + 3 * (f * MARKERS + 1), r->driving + 3 * f * MARKERS, sizeof saved);
        assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_VALUE);
        memcpy(r->driving + 3 * (f * MARKERS + 1), saved, sizeof saved);
    }
    size_t frames = r->n_frames;
    r->n_frames = 2;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_SHAPE);
    r->n_frames = frames;
    r->n_markers = MARKERS - 1;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_SHAPE);
    r->n_markers = MARKERS;
    r->clamps[1] = 2;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_SHAPE);
    r->clamps[1] = 1;
    r->dt_s = 0.02;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_SHAPE);
    r->dt_s = -0.01;
    assert_int_equal(rg_simulate(b.model, r, 1, &b.opts, b.out, b.status, &err), RG_ERR_VALUE);
    r->dt_s = 0.01;
    double *stiffness = rg_model_field_data(b.model, RG_TWIST_STIFFNESS);
    stiffness[3] = -1.0;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_VALUE);
    stiffness[3] = 1e-3;
    rg_model_field_data(b.model, RG_MARKER_OFFSET)[0] = 0.001;
    assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_VALUE);
    rg_model_field_data(b.model, RG_MARKER_OFFSET)[0] = 0.0;
    assert_int_equal(rg_simulate(b.model, b.recordings, 0, &b.opts, b.out, b.status, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_simulate(NULL, b.recordings, 3, &b.opts, b.out, b.status, &err), RG_ERR_ARGUMENT);
    const rg_rollout_opts good = b.opts;
#define REFUSED(field, value, status_)                                                                                 \
    do {                                                                                                               \
        b.opts.field = value;                                                                                          \
        assert_int_equal(rg_simulate(b.model, b.recordings, 3, &b.opts, b.out, b.status, &err), status_);              \
        b.opts = good;                                                                                                 \
    } while (0)
    REFUSED(substeps, 0, RG_ERR_ARGUMENT);
    REFUSED(tolerance_m, NAN, RG_ERR_ARGUMENT);
    REFUSED(max_iterations, 0, RG_ERR_ARGUMENT);
    REFUSED(struct_size, 3, RG_ERR_ARGUMENT);
    REFUSED(scheme, (rg_scheme)7, RG_ERR_ARGUMENT);
    REFUSED(isa, "altivec", RG_ERR_UNSUPPORTED);
    /* nothing was written meanwhile */
    for (size_t i = 0; i < b.n; i++)
        for (size_t k = 0; k < SIZE; k++) assert_true(b.out[i][k] == -777.0);
    run(&b);
    clear_group(&b);
}

/* a failed rod names step and reason, and stays where it was; beside it nothing changes */
static void check_fault(const group *b, const group *well, size_t bad)
{
    for (size_t i = 0; i < b->n; i++)
        if (i != bad) assert_same(b, i, well, i);
    const rg_recording *r = &b->recordings[bad];
    const rg_rod_status *s = &b->status[bad];
    for (size_t k = 0; k < r->n_frames * MARKERS * 3; k++)
        if (!isfinite(b->out[bad][k]))
            fail_msg("frame %zu of the bad rod (%s) is not finite", k / (MARKERS * 3), rg_rod_flag_text(s->flag));
    if (s->flag == RG_ROD_OK) return;
    size_t failed = (size_t)(s->step / b->opts.substeps + 2);
    assert_true(failed >= 2 && failed < r->n_frames);
    for (size_t f = failed; f < r->n_frames; f++)
        for (size_t k = 2 * 3; k < 5 * 3; k++) {
            double now = b->out[bad][f * MARKERS * 3 + k];
            double before = b->out[bad][(f - 1) * MARKERS * 3 + k];
            /* a step before the failed one may have been good; frame 1 is the recorded marker, and
             * offsets along chords there are along edges in the rod */
            if (f == failed && (f == 2 || b->opts.substeps > 1)) continue;
            if (now != before) fail_msg("frame %zu: a failed rod moved from %.17g to %.17g", f, before, now);
        }
}

enum fault { TORN, FOLDED, NEARLY_FOLDED, FLUNG, TURNED, HUGE_POSITION, FAULTS };

static void inject(rg_recording *r, enum fault fault, rg_real real)
{
    const size_t row = MARKERS * 3;
    for (size_t f = 0; f < r->n_frames; f++) {
        double *x = r->driving + f * row;
        if (fault == TORN && f >= 5) x[5 * 3] += 1.0, x[6 * 3] += 1.0;
        /* marker 4 lies where marker 2 does, or 1e-6 m beside it */
        if ((fault == FOLDED || fault == NEARLY_FOLDED) && f < 2) {
            memcpy(x + 4 * 3, x + 2 * 3, 3 * sizeof *x);
            if (fault == NEARLY_FOLDED) x[4 * 3] += 1e-6;
        }
        /* a free marker at 10 km/s */
        if (fault == FLUNG && f == 1) x[3 * 3 + 2] += 100.0;
        /* whose square is none */
        if (fault == HUGE_POSITION && f == 1) x[3 * 3] = real == RG_REAL_FLOAT ? 1e20 : 1e170;
        /* one gripper turns end for end between two frames */
        if (fault == TURNED && f >= 5)
            for (int c = 0; c < 3; c++) {
                double a = x[c];
                x[c] = x[3 + c];
                x[3 + c] = a;
            }
    }
    memcpy(r->positions, r->driving, bytes_of(r));
}

static void rollout_fault_is_contained(void **state)
{
    (void)state;
    int flagged = 0;
    for (int fault = 0; fault < FAULTS; fault++)
        for (int k = 0; k < WAYS; k++)
            for (int substeps = 1; substeps <= 2; substeps++) {
                group well, b;
                setup_group(&well, 9);
                setup_group(&b, 9);
                use_way(&well, k);
                use_way(&b, k);
                well.opts.substeps = b.opts.substeps = substeps;
                run(&well);
                inject(&b.recordings[4], (enum fault)fault, b.opts.real);
                run(&b);
                check_fault(&b, &well, 4);
                flagged += b.status[4].flag != RG_ROD_OK;
                if (k == 0 && substeps == 1)
                    print_message("fault %d: %s, step %d, %d iterations in all\n", fault,
                                  rg_rod_flag_text(b.status[4].flag), b.status[4].step, b.status[4].iterations);
                clear_group(&well);
                clear_group(&b);
            }
    assert_true(flagged > 0);
}

/* with too few iterations allowed: not converged, in step 0, and the markers stay at frame 1 */
static void rollout_not_converged_flag(void **state)
{
    (void)state;
    group b;
    setup_group(&b, COUNT);
    b.opts.max_iterations = 1;
    run(&b);
    for (size_t i = 0; i < b.n; i++) {
        assert_int_equal(b.status[i].flag, RG_ROD_NOT_CONVERGED);
        assert_int_equal(b.status[i].step, 0);
        check_fault(&b, &b, i);
    }
    clear_group(&b);
}

/* a failed rod's loss is finite, and it pulls no parameter */
static void rollout_fault_loss_finite(void **state)
{
    (void)state;
    for (int fault = 0; fault < FAULTS; fault++) {
        group b;
        setup_group(&b, 5);
        inject(&b.recordings[3], (enum fault)fault, RG_REAL_DOUBLE);
        rgi_residuals_opts o;
        memset(&o, 0, sizeof o);
        o.rollout = b.opts;
        o.fit = 1;
        o.max_directions = 1;
        o.floor_m = 0.003;
        o.block = 4;
        const rgi_place place = {RG_DRAG, 3, 0, 1.0};
        const rgi_direction direction = {&place, 1};
        rgi_residuals *batch = NULL;
        rg_error err = {0};
        if (rgi_residuals_create(b.model, b.recordings, 5, &o, &batch, &err) != RG_OK ||
            rgi_residuals_set(batch, b.model, &direction, 1, &err) != RG_OK)
            fail_msg("%s", err.text);
        assert_int_equal(rgi_residuals_run(batch, NULL), RG_OK);
        double loss, absolute, normal = 0.0, gradient = 0.0;
        for (size_t i = 0; i < 5; i++) {
            rgi_residuals_loss(batch, i, &loss, &absolute);
            if (!isfinite(loss) || !isfinite(absolute)) fail_msg("fault %d: the loss of rod %zu is %g", fault, i, loss);
        }
        rgi_residuals_normal(batch, &normal, &gradient);
        assert_true(isfinite(normal) && isfinite(gradient));
        rgi_residuals_destroy(&batch);
        clear_group(&b);
    }
}

/* the same source with other instructions: scalar and sse2 round every product and every sum, the others round
 * some of them once (rg_fma), all the same ones. That moves a solution by round-off, and Newton's last increment by
 * its square */
static void rollout_isa_agree(void **state)
{
    (void)state;
    static const struct {
        const char *isa;
        int fused;
    } isas[] = {{"scalar", 0}, {"sse2", 0}, {"fma", 1}, {"avx2", 1}, {"avx512", 1}};
    group first[2], other; /* of those that do not fuse, and of those that do */
    int known[2] = {0, 0};
    for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
        const int fused = isas[k].fused;
        group *b = known[fused] ? &other : &first[fused];
        rg_error err = {0};
        setup_group(b, COUNT);
        b->opts.isa = isas[k].isa;
        rg_status status = rg_simulate(b->model, b->recordings, COUNT, &b->opts, b->out, b->status, &err);
        if (status == RG_ERR_UNSUPPORTED) {
            print_message("%s left out: %s\n", isas[k].isa, err.text);
            clear_group(b);
            continue;
        }
        assert_int_equal(status, RG_OK);
        for (size_t i = 0; known[fused] && i < COUNT; i++) assert_same(&first[fused], i, &other, i);
        if (known[fused]) clear_group(&other);
        known[fused] = 1;
    }
    double worst = 0.0;
    for (size_t i = 0; known[1] && i < COUNT; i++)
        for (size_t c = 0; c < first[0].recordings[i].n_frames * MARKERS * 3; c++) {
            double e = fabs(first[0].out[i][c] - first[1].out[i][c]);
            if (!(e <= worst)) worst = e;
        }
    print_message("fused: %.1e m\n", worst);
    if (!(worst <= 1e-11)) fail_msg("fused is %.1e m from scalar", worst);
    for (int fused = 0; fused < 2; fused++)
        if (known[fused]) clear_group(&first[fused]);
}

/* tangents do not change the motion, and normal equations do not depend on threads, on any instruction set */
static void assert_tangents_bitwise(const char *isa)
{
    group b;
    setup_group(&b, COUNT);
    b.opts.isa = isa;
    run(&b);
    const rgi_place places[] = {{RG_BEND_STIFFNESS_1, 4, 0, 1.0},
                                {RG_DRAG, 5, 0, 2.0},
                                {RG_MARKER_OFFSET, 3, 1, 1.0},
                                {RG_REST_LENGTH, 4, 0, 0.1}};
    const rgi_direction directions[] = {{places, 1}, {places + 1, 1}, {places + 2, 2}};
    enum { P = 3 };
    double normal[3][P * P] = {{0}}, gradient[3][P] = {{0}}, spread[3][P * P] = {{0}}, scratch[P];
    for (int k = 0; k < 3; k++) {
        rgi_residuals_opts o;
        memset(&o, 0, sizeof o);
        o.rollout = b.opts;
        o.rollout.threads = k == 0 ? 1 : (k == 1 ? 2 : 7);
        o.markers = o.fit = 1;
        o.max_directions = 5;
        o.floor_m = 0.003;
        o.block = 4;
        rgi_residuals *batch = NULL;
        rg_error err = {0};
        if (rgi_residuals_create(b.model, b.recordings, COUNT, &o, &batch, &err) != RG_OK ||
            rgi_residuals_set(batch, b.model, directions, P, &err) != RG_OK)
            fail_msg("%s", err.text);
        /* twice: a second run starts afresh */
        for (int again = 0; again < 2; again++) assert_int_equal(rgi_residuals_run(batch, NULL), RG_OK);
        rgi_residuals_normal(batch, normal[k], gradient[k]);
        rgi_residuals_spread(batch, 0, spread[k], scratch);
        double markers[SIZE];
        for (size_t i = 0; i < COUNT; i++) {
            rgi_residuals_markers(batch, i, markers);
            for (size_t f = 2; f < frames_of(i); f++) /* free ones: the driven are copied */
                assert_memory_equal(markers + ((f - 2) * MARKERS + 2) * 3, b.out[i] + (f * MARKERS + 2) * 3,
                                    9 * sizeof(double));
        }
        rgi_residuals_destroy(&batch);
        assert_memory_equal(normal[k], normal[0], sizeof normal[0]);
        assert_memory_equal(gradient[k], gradient[0], sizeof gradient[0]);
        assert_memory_equal(spread[k], spread[0], sizeof spread[0]);
        assert_true(normal[k][0] > 0.0);
    }
    clear_group(&b);
}

static void rollout_tangents_bitwise(void **state)
{
    (void)state;
    for (int k = 0; rgi_cpu_isas[k]; k++)
        if (rgi_cpu_find(rgi_cpu_isas[k], RG_REAL_DOUBLE)) assert_tangents_bitwise(rgi_cpu_isas[k]);
}

/* tangents along the steps of a run without them: the same bits as when they are solved again, and the same
 * status, also of rods that fail on the way */
static void rollout_retrace_bitwise(void **state)
{
    (void)state;
    enum { P = 2 };
    const rgi_place places[] = {{RG_BEND_STIFFNESS_1, 4, 0, 1.0}, {RG_DRAG, 5, 0, 2.0}};
    const rgi_direction directions[P] = {{places, 1}, {places + 1, 1}};
    int failed = 0;
    for (int way = 0; way < WAYS; way++)
        for (int most = 2; most <= 20; most += 18) {
            group b;
            setup_group(&b, COUNT);
            double normal[2][P * P] = {{0}}, gradient[2][P] = {{0}}, loss[2][COUNT][2];
            rg_rod_status found[2][COUNT];
            memset(found, 0, sizeof found);
            for (int along = 0; along < 2; along++) {
                rgi_residuals_opts o;
                memset(&o, 0, sizeof o);
                o.rollout = b.opts;
                o.rollout.isa = ways[way].isa;
                o.rollout.real = ways[way].real;
                o.rollout.max_iterations = most;
                o.fit = 1;
                o.max_directions = P;
                o.floor_m = 0.003;
                o.block = 4;
                o.trace_bytes = along ? 1 << 24 : 0;
                rgi_residuals *batch = NULL;
                rg_error err = {0};
                if (rgi_residuals_create(b.model, b.recordings, COUNT, &o, &batch, &err) != RG_OK ||
                    rgi_residuals_set(batch, b.model, NULL, 0, &err) != RG_OK ||
                    rgi_residuals_run(batch, &err) != RG_OK ||
                    rgi_residuals_set(batch, b.model, directions, P, &err) != RG_OK ||
                    rgi_residuals_retrace(batch, &err) != RG_OK)
                    fail_msg("%s", err.text);
                rgi_residuals_normal(batch, normal[along], gradient[along]);
                for (size_t i = 0; i < COUNT; i++) {
                    rgi_residuals_status(batch, i, &found[along][i]);
                    rgi_residuals_loss(batch, i, &loss[along][i][0], &loss[along][i][1]);
                    failed += along && found[along][i].flag != RG_ROD_OK;
                }
                rgi_residuals_destroy(&batch);
            }
            assert_memory_equal(normal[1], normal[0], sizeof normal[0]);
            assert_memory_equal(gradient[1], gradient[0], sizeof gradient[0]);
            assert_memory_equal(loss[1], loss[0], sizeof loss[0]);
            assert_memory_equal(found[1], found[0], sizeof found[0]);
            clear_group(&b);
        }
    assert_true(failed > 0 && failed < 2 * WAYS * COUNT);
}

/* a whole fit, step by step, with any number of threads */
static void rollout_fit_threads_bitwise(void **state)
{
    (void)state;
    enum { N = 5 };
    rg_recording recordings[N];
    for (size_t i = 0; i < N; i++) recordings[i] = rods_recording(MARKERS, frames_of(i), clamps, 4, i);
    double cost[3][12] = {{0}}, field[3][4 * MARKERS];
    for (int k = 0; k < 3; k++) {
        rg_fit_opts o = rg_fit_opts_default();
        o.rollout.threads = k == 0 ? 1 : (k == 1 ? 2 : 7);
        o.rollout.isa = "scalar"; /* a pack to each recording: work for every thread */
        o.starts = 1;
        o.max_iterations = 6;
        rg_fit *fit = NULL;
        rg_error err = {0};
        if (rg_fit_create(recordings, N, NULL, &o, &fit, &err) != RG_OK) fail_msg("%s", err.text);
        rg_fit_progress p = {0};
        for (int i = 0; i < 12 && !p.done; i++) {
            if (rg_fit_step(fit, &p, &err) != RG_OK) fail_msg("%s", err.text);
            cost[k][i] = p.cost;
        }
        memset(field[k], 0, sizeof field[k]);
        memcpy(field[k], rg_model_field(rg_fit_model(fit), RG_BEND_STIFFNESS_1), MARKERS * sizeof(double));
        memcpy(field[k] + MARKERS, rg_model_field(rg_fit_model(fit), RG_NATURAL_CURVATURE),
               2 * MARKERS * sizeof(double));
        rg_fit_destroy(&fit);
        assert_true(cost[k][0] > 0.0);
        assert_memory_equal(cost[k], cost[0], sizeof cost[0]);
        assert_memory_equal(field[k], field[0], sizeof field[0]);
    }
    for (size_t i = 0; i < N; i++) rg_recording_clear(&recordings[i]);
}

/* the centre of mass of a rod that nothing holds falls as one mass point under the same scheme */
static void rollout_free_fall_value(void **state)
{
    (void)state;
    enum { FRAMES = 12, STEPS = 40 };
    for (int scheme = RG_SCHEME_BE; scheme <= RG_SCHEME_BDF2; scheme++)
        for (int substeps = 1; substeps <= 3; substeps += 2) {
            rg_model *model = rods_model(MARKERS, 1, NULL, 0, 21);
            rg_recording r = rods_recording(MARKERS, FRAMES, NULL, 0, 8);
            double out[FRAMES * MARKERS * 3], *place[1] = {out};
            rg_rod_status status;
            rg_error err = {0};
            rg_rollout_opts o = rg_rollout_opts_default();
            o.scheme = (rg_scheme)scheme;
            o.substeps = substeps;
            o.tolerance_m = 1e-12;
            for (int i = 0; i < MARKERS; i++) {
                rg_model_field_data(model, RG_DRAG)[i] = 0.0;
                for (int c = 0; c < 2; c++) rg_model_field_data(model, RG_MARKER_OFFSET)[2 * i + c] = 0.0;
            }
            if (rg_simulate(model, &r, 1, &o, place, &status, &err) != RG_OK) fail_msg("%s", err.text);
            assert_int_equal(status.flag, RG_ROD_OK);
            /* masses of vertices, as docs/physics.md has them */
            double mass[MARKERS], total = 0.0, centre[FRAMES][3] = {{0}};
            for (int i = 0; i < MARKERS; i++) {
                mass[i] = rg_model_field(model, RG_MARKER_MASS)[i];
                for (int e = i - 1; e <= i; e++)
                    if (e >= 0 && e + 1 < MARKERS)
                        mass[i] += 0.5 * rg_model_field(model, RG_MASS_PER_LENGTH)[e] *
                                   rg_model_field(model, RG_REST_LENGTH)[e];
                total += mass[i];
            }
            for (int f = 0; f < FRAMES; f++)
                for (int i = 0; i < MARKERS; i++)
                    for (int c = 0; c < 3; c++) centre[f][c] += mass[i] / total * out[(f * MARKERS + i) * 3 + c];
            for (int c = 0; c < 3; c++) {
                double g = c == 2 ? -9.81 : 0.0, h = r.dt_s / substeps;
                /* the velocity at frame 1 of a body in flight */
                double x = centre[1][c], v = (centre[1][c] - centre[0][c]) / r.dt_s + 0.5 * r.dt_s * g;
                double xo = x, vo = v;
                for (int s = 0; s < (FRAMES - 2) * substeps; s++) {
                    int second = scheme == RG_SCHEME_BDF2 && s > 0;
                    double hat = second ? 2.0 * h / 3.0 : h;
                    double xt = second ? (4.0 * x - xo) / 3.0 : x, vt = second ? (4.0 * v - vo) / 3.0 : v;
                    xo = x, vo = v;
                    v = vt + hat * g;
                    x = xt + hat * v;
                    if ((s + 1) % substeps) continue;
                    /* round-off of positions near 1 m and of forces up to 100 N over 1/H^2 */
                    double e = fabs(centre[2 + s / substeps][c] - x);
                    if (!(e <= 1e-13)) fail_msg("step %d: the centre is %.1e m off", s, e);
                }
            }
            rg_recording_clear(&r);
            rg_model_destroy(&model);
        }
}

/* one vertex held, nothing gripped: the rod swings about it and its tension stays sane */
static void rollout_point_clamp_swings(void **state)
{
    (void)state;
    static const int held[] = {3};
    enum { FRAMES = 60 };
    rg_recording r = rods_recording(MARKERS, FRAMES, held, 1, 2);
    rg_model *model = rods_model(MARKERS, 2, held, 1, 4);
    double *out = malloc(FRAMES * MARKERS * 3 * sizeof *out);
    assert_non_null(out);
    rg_rod_status status;
    rg_error err = {0};
    if (rg_simulate(model, &r, 1, NULL, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
    if (status.flag != RG_ROD_OK) fail_msg("%s in step %d", rg_rod_flag_text(status.flag), status.step);
    /* both arms have fallen below the hand, no farther than the rod is long */
    const double *last = out + (FRAMES - 1) * MARKERS * 3, *hand = last + 3 * 3;
    for (int k = 0; k < MARKERS; k++) {
        double d[3] = {last[3 * k] - hand[0], last[3 * k + 1] - hand[1], last[3 * k + 2] - hand[2]};
        assert_true(norm(d) <= 1.1 * RODS_SPACING * fabs(k - 3.0) + 0.01);
        if (k == 0 || k == 6) assert_true(d[2] < -0.05);
    }
    free(out);
    rg_recording_clear(&r);
    rg_model_destroy(&model);
}

/* ---- forces ---- */

/* arrays of one recording, full of a number that is no result */
static rg_forces make_forces(const rg_model *model, size_t n_frames)
{
    const size_t v = rg_model_vertices(model), c = rg_model_clamps(model, NULL),
                 d = rg_model_clamped_edges(model, NULL);
    const size_t rows[] = {v - 1, 3 * c, d, 3 * v};
    double *of[4];
    for (int k = 0; k < 4; k++) {
        of[k] = malloc((n_frames * rows[k] + 1) * sizeof *of[k]);
        assert_non_null(of[k]);
        for (size_t i = 0; i < n_frames * rows[k]; i++) of[k][i] = -777.0;
    }
    return (rg_forces){of[0], of[1], of[2], of[3]};
}

static void free_forces(rg_forces *f)
{
    free(f->tension);
    free(f->reaction);
    free(f->reaction_moment);
    free(f->moment);
}

/* the rows of a recording are those of a batch with the same inputs: NaN in frames 0 and 1, none of lost ones */
static void rollout_forces_of_frames(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++)
        for (int substeps = 1; substeps <= 2; substeps++) {
            enum { ALL = 5 };
            group b, plain;
            rg_forces forces[ALL], some = {0};
            rg_error err = {0};
            setup_group(&b, ALL);
            setup_group(&plain, ALL);
            for (size_t i = 0; i < ALL; i++) {
                int *lost = calloc(b.recordings[i].n_frames, sizeof *lost);
                assert_non_null(lost);
                lost[3] = i == 1 ? 2 : 0;
                b.recordings[i].lost = lost; /* rg_recording_clear frees it */
                forces[i] = make_forces(b.model, b.recordings[i].n_frames);
            }
            use_way(&b, way);
            use_way(&plain, way);
            b.opts.substeps = plain.opts.substeps = substeps;
            if (rg_simulate_forces(b.model, b.recordings, ALL, &b.opts, b.out, forces, b.status, &err) != RG_OK)
                fail_msg("%s", err.text);
            if (rg_simulate(b.model, b.recordings, ALL, &b.opts, plain.out, plain.status, &err) != RG_OK)
                fail_msg("%s", err.text);
            for (size_t i = 0; i < ALL; i++) assert_same(&b, i, &plain, i);

            rgi_inputs *in = NULL;
            rg_batch *batch = NULL;
            rg_batch_opts opts = rg_batch_opts_default();
            if (rgi_inputs_create(b.model, b.recordings, ALL, &b.opts, &in, &err) != RG_OK) fail_msg("%s", err.text);
            if (rgi_inputs_batch(in, &opts, &batch, &err) != RG_OK) fail_msg("%s", err.text);
            const int *edges = NULL;
            int of_model[2 * MARKERS];
            const size_t v = rg_model_vertices(b.model), c = 4, d = rg_batch_clamped_edges(batch, &edges);
            assert_int_equal(rg_model_clamped_edges(b.model, of_model), d);
            assert_int_equal(d, 2);
            assert_memory_equal(of_model, edges, d * sizeof *edges);
            const size_t rows[] = {v - 1, 3 * c, d, 3 * v};
            double *want[4];
            for (int k = 0; k < 4; k++) want[k] = calloc(ALL * in->frames, rows[k] * sizeof *want[k]);
            const rg_batch_inputs inputs = rgi_inputs_arrays(in);
            const rg_batch_outputs outputs = {
                .tension = want[0], .reaction = want[1], .reaction_moment = want[2], .moment = want[3]};
            if (rg_batch_forward(batch, &inputs, &outputs, NULL, &err) != RG_OK) fail_msg("%s", err.text);
            for (size_t i = 0; i < ALL; i++) {
                const double *const got[] = {forces[i].tension, forces[i].reaction, forces[i].reaction_moment,
                                             forces[i].moment};
                for (int k = 0; k < 4; k++)
                    for (size_t f = 0; f < b.recordings[i].n_frames; f++) {
                        const size_t tick = f - 2 + (i == 1 && f >= 3 ? 2 : 0), bytes = rows[k] * sizeof **got;
                        if (f >= 2)
                            assert_memory_equal(got[k] + f * rows[k], want[k] + (i * in->frames + tick) * rows[k],
                                                bytes);
                        for (size_t j = 0; f < 2 && j < rows[k]; j++) assert_true(isnan(got[k][f * rows[k] + j]));
                    }
            }
            for (int k = 0; k < 4; k++) free(want[k]);
            rg_batch_destroy(&batch);
            rgi_inputs_destroy(&in);

            /* some of them, without markers, alone: the same bits */
            const rg_forces whole = make_forces(b.model, b.recordings[2].n_frames);
            rg_forces kept = whole;
            some.reaction = whole.reaction;
            if (rg_simulate_forces(b.model, &b.recordings[2], 1, &b.opts, NULL, &some, b.status, &err) != RG_OK)
                fail_msg("%s", err.text);
            assert_memory_equal(some.reaction + 3 * 2 * c, forces[2].reaction + 3 * 2 * c,
                                (b.recordings[2].n_frames - 2) * 3 * c * sizeof *some.reaction);
            assert_true(whole.tension[0] == -777.0);
            free_forces(&kept);
            for (size_t i = 0; i < ALL; i++) free_forces(&forces[i]);
            clear_group(&plain);
            clear_group(&b);
        }
}

/* a rod in equilibrium: what holds it carries its weight */
static void rollout_forces_carry_the_weight(void **state)
{
    (void)state;
    enum { FRAMES = 6 };
    rg_recording r = rods_recording(MARKERS, FRAMES, clamps, 4, 3);
    for (size_t f = 1; f < FRAMES; f++)
        memcpy(r.positions + f * MARKERS * 3, r.positions, MARKERS * 3 * sizeof *r.positions);
    memcpy(r.driving, r.positions, bytes_of(&r));
    rg_model *model = rods_model(MARKERS, 2, clamps, 4, 1);
    rg_forces forces = make_forces(model, FRAMES);
    rg_rollout_opts opts = rg_rollout_opts_default();
    rg_rod_status status;
    rg_error err = {0};
    opts.scheme = RG_SCHEME_STATIC;
    opts.tolerance_m = 1e-12;
    if (rg_simulate_forces(model, &r, 1, &opts, NULL, &forces, &status, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(status.flag, RG_ROD_OK);
    double mass = 0.0;
    for (size_t k = 0; k < MARKERS; k++) mass += rg_model_field(model, RG_MARKER_MASS)[k];
    for (size_t i = 0; i + 1 < rg_model_vertices(model); i++)
        mass += rg_model_field(model, RG_MASS_PER_LENGTH)[i] * rg_model_field(model, RG_REST_LENGTH)[i];
    for (size_t f = 2; f < FRAMES; f++) {
        double sum[3] = {0.0};
        for (size_t k = 0; k < 4; k++)
            for (size_t c = 0; c < 3; c++) sum[c] += forces.reaction[3 * (4 * f + k) + c];
        /* stretch stiffness of an edge, 60 N / 0.03 m, times the error of a position and a few edges */
        assert_true(fabs(sum[0]) <= 1e-7 && fabs(sum[1]) <= 1e-7 && fabs(sum[2] - 9.81 * mass) <= 1e-7);
    }
    free_forces(&forces);
    rg_recording_clear(&r);
    rg_model_destroy(&model);
}

static void rollout_forces_of_failed_rods(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        group b;
        rg_forces forces[2];
        rg_error err = {0};
        setup_group(&b, 2);
        use_way(&b, way);
        b.opts.substeps = 2;
        inject(&b.recordings[1], TURNED, b.opts.real);
        inject(&b.recordings[0], HUGE_POSITION, b.opts.real);
        for (size_t i = 0; i < 2; i++) forces[i] = make_forces(b.model, b.recordings[i].n_frames);
        if (rg_simulate_forces(b.model, b.recordings, 2, &b.opts, b.out, forces, b.status, &err) != RG_OK)
            fail_msg("%s", err.text);
        assert_int_not_equal(b.status[0].flag, RG_ROD_OK);
        for (size_t i = 0; i < 2; i++) {
            const size_t frames = b.recordings[i].n_frames, edges = rg_model_vertices(b.model) - 1;
            const size_t failed =
                b.status[i].flag == RG_ROD_OK ? frames : (size_t)(b.status[i].step / b.opts.substeps + 2);
            for (size_t k = 0; k < frames * edges; k++)
                assert_int_equal(isnan(forces[i].tension[k]) != 0, k / edges < 2 || k / edges >= failed);
            free_forces(&forces[i]);
        }
        clear_group(&b);
    }
}

static void rollout_forces_refused(void **state)
{
    (void)state;
    group b;
    rg_error err = {0};
    setup_group(&b, 1);
    rg_forces forces = make_forces(b.model, b.recordings[0].n_frames);
    b.opts.stepper = RG_STEPPER_DEFORM;
    assert_int_equal(rg_simulate_forces(b.model, b.recordings, 1, &b.opts, b.out, &forces, b.status, &err),
                     RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "deform"));
    b.opts.stepper = RG_STEPPER_IMPLICIT;
    assert_int_equal(rg_simulate_forces(b.model, b.recordings, 1, &b.opts, b.out, NULL, b.status, &err),
                     RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "needs"));
    b.opts.substeps = 0;
    assert_int_equal(rg_simulate_forces(b.model, b.recordings, 1, &b.opts, b.out, &forces, b.status, &err),
                     RG_ERR_ARGUMENT);
    assert_true(b.out[0][0] == -777.0 && forces.tension[0] == -777.0 && forces.moment[0] == -777.0);
    free_forces(&forces);
    clear_group(&b);
}

int main(void)
{
    for (int way = 0; way < WAYS; way++)
        if (ways[way].isa && !rgi_cpu_find(ways[way].isa, ways[way].real)) ways[way].isa = "scalar";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollout_threads_bitwise),
        cmocka_unit_test(rollout_position_bitwise),
        cmocka_unit_test(rollout_copies_what_is_given),
        cmocka_unit_test(rollout_reads_no_future),
        cmocka_unit_test(rollout_bad_input_err),
        cmocka_unit_test(rollout_fault_is_contained),
        cmocka_unit_test(rollout_not_converged_flag),
        cmocka_unit_test(rollout_fault_loss_finite),
        cmocka_unit_test(rollout_isa_agree),
        cmocka_unit_test(rollout_tangents_bitwise),
        cmocka_unit_test(rollout_retrace_bitwise),
        cmocka_unit_test(rollout_fit_threads_bitwise),
        cmocka_unit_test(rollout_free_fall_value),
        cmocka_unit_test(rollout_point_clamp_swings),
        cmocka_unit_test(rollout_forces_of_frames),
        cmocka_unit_test(rollout_forces_carry_the_weight),
        cmocka_unit_test(rollout_forces_of_failed_rods),
        cmocka_unit_test(rollout_forces_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
