/* test_glitches.c: glitches and lost frames are found in motion made for it, and nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/lost_frames.h"
#include "io/recording_io.h"

enum { MARKERS = 12, FRAMES = 200 };

static int clamps[] = {0, 1, 10, 11};
static char name[] = "made";

/* Grippers that swing by `swing` metres, and a rope between them that turns about the line between
 * them at 4 Hz, its middle `whirl` metres away: fast, with edges of constant length. Time in
 * seconds, so that frames can be left out. 0.03 mm of noise, as measured. */
static void place(double *x, double t, double swing, double whirl, uint64_t *seed)
{
    for (int m = 0; m < MARKERS; m++) {
        double s = m < 2 ? 0.025 * m : m > 9 ? 0.85 + 0.025 * (m - 10) : 0.025 + 0.0917 * (m - 1);
        double bow = m > 1 && m < 10 ? whirl * 4 * (s - 0.025) * (0.85 - s) / (0.825 * 0.825) : 0;
        x[3 * m] = 0.8 * s + swing * sin(5 * t);
        x[3 * m + 1] = swing * cos(4 * t + 1) + bow * sin(25 * t);
        x[3 * m + 2] = 0.7 + swing * sin(3 * t + 2) + bow * cos(25 * t);
        for (int a = 0; a < 3; a++) {
            *seed = *seed * 6364136223846793005u + 1442695040888963407u;
            x[3 * m + a] += 1e-4 * ((double)(*seed >> 11) / 9007199254740992.0 - 0.5);
        }
    }
}

static rg_recording make(size_t frames, double dt, double swing, double whirl)
{
    rg_recording r = {
        .name = name, .n_frames = frames, .n_markers = MARKERS, .dt_s = dt, .n_clamps = 4, .clamps = clamps};
    r.positions = calloc(frames * MARKERS * 3, sizeof *r.positions);
    r.driving = calloc(frames * MARKERS * 3, sizeof *r.driving);
    r.valid = calloc(frames * MARKERS, 1);
    assert_true(r.positions && r.driving && r.valid);
    uint64_t seed = 1;
    for (size_t k = 0; k < frames; k++) { place(r.positions + k * MARKERS * 3, (double)k * dt, swing, whirl, &seed); }
    return r;
}

static void release(rg_recording *r)
{
    free(r->positions);
    free(r->driving);
    free(r->valid);
    free(r->lost);
}

static double *at(const rg_recording *r, double *array, size_t frame, size_t marker)
{
    return array + (frame * r->n_markers + marker) * 3;
}

static void find(rg_recording *r)
{
    rg_error err = {0};
    rg_status status = rgi_glitches_find(r, &err);
    if (status != RG_OK) print_error("%s\n", err.text);
    assert_int_equal(status, RG_OK);
}

/* a rope whipped to 8 m/s is no glitch, nor are grippers at 2 m/s */
static void glitches_none_in_fast_motion(void **state)
{
    (void)state;
    rg_recording r = make(FRAMES, 0.01, 0.3, 0.32);
    double fastest = 0;
    for (size_t k = 1; k < FRAMES; k++) {
        for (size_t m = 0; m < MARKERS; m++) {
            double *x = at(&r, r.positions, k, m), *y = at(&r, r.positions, k - 1, m);
            fastest = fmax(fastest, hypot(hypot(x[0] - y[0], x[1] - y[1]), x[2] - y[2]) / r.dt_s);
        }
    }
    assert_true(fastest > 8);
    find(&r);
    assert_int_equal(r.n_masked, 0);
    assert_int_equal(r.n_repaired, 0);
    assert_memory_equal(r.driving, r.positions, FRAMES * MARKERS * 3 * sizeof(double));
    for (size_t i = 0; i < FRAMES * MARKERS; i++) assert_int_equal(r.valid[i], 1);
    release(&r);
}

/* runs of 1, 2 and 3 frames: masked on a free marker, exactly those */
static void glitches_free_marker_is_masked(void **state)
{
    (void)state;
    for (size_t width = 1; width <= 3; width++) {
        rg_recording r = make(FRAMES, 0.01, 0.2, 0.1);
        for (size_t k = 50; k < 50 + width; k++) at(&r, r.positions, k, 5)[2] += 0.03;
        find(&r);
        assert_int_equal(r.n_masked, width);
        assert_int_equal(r.n_repaired, 0);
        for (size_t k = 50; k < 50 + width; k++) assert_int_equal(r.valid[k * MARKERS + 5], 0);
        assert_memory_equal(r.driving, r.positions, FRAMES * MARKERS * 3 * sizeof(double));
        release(&r);
    }
}

static void glitches_driver_is_repaired(void **state)
{
    (void)state;
    static const size_t marker[] = {0, 1, 10, 11};
    for (size_t i = 0; i < 4; i++) {
        for (size_t width = 1; width <= 3; width++) {
            rg_recording truth = make(FRAMES, 0.01, 0.3, 0.1), r = make(FRAMES, 0.01, 0.3, 0.1);
            for (size_t k = 80; k < 80 + width; k++) at(&r, r.positions, k, marker[i])[1] += 0.06;
            find(&r);
            assert_int_equal(r.n_repaired, width);
            assert_int_equal(r.n_masked, 0);
            double worst = 0;
            for (size_t j = 0; j < FRAMES * MARKERS * 3; j++) {
                worst = fmax(worst, fabs(r.driving[j] - truth.positions[j]));
            }
            /* noise of 0.05 mm in each of the four frames around, whose weights add up to 2.6 for
             * three frames, and in the truth; the cubic itself is good to 0.01 mm */
            assert_true(worst <= 0.2e-3);
            assert_true(at(&r, r.positions, 80, marker[i])[1] - at(&truth, truth.positions, 80, marker[i])[1] > 0.0599);
            release(&truth);
            release(&r);
        }
    }
}

/* driving neighbours that change places, for good or for a while: `driving` has them where they were */
static void glitches_swapped_drivers(void **state)
{
    (void)state;
    static const size_t spans[][2] = {{80, 90}, {80, FRAMES}, {0, 6}};
    for (size_t m = 0; m <= 10; m += 10)
        for (size_t span = 0; span < 3; span++) {
            const size_t first = spans[span][0], last = spans[span][1];
            rg_recording truth = make(FRAMES, 0.01, 0.3, 0.1), r = make(FRAMES, 0.01, 0.3, 0.1);
            for (size_t k = first; k < last; k++)
                for (int c = 0; c < 3; c++) {
                    at(&r, r.positions, k, m)[c] = at(&truth, truth.positions, k, m + 1)[c];
                    at(&r, r.positions, k, m + 1)[c] = at(&truth, truth.positions, k, m)[c];
                }
            find(&r);
            assert_int_equal(r.n_repaired, 2 * (last - first));
            assert_int_equal(r.n_masked, 0);
            for (size_t j = 0; j < FRAMES * MARKERS * 3; j++)
                assert_true(fabs(r.driving[j] - truth.positions[j]) <= 0.5e-3);
            release(&truth);
            release(&r);
        }
}

/* both markers of a gripper jump at once: far from their median, so repaired */
static void glitches_departure_of_a_gripper(void **state)
{
    (void)state;
    rg_recording r = make(FRAMES, 0.01, 0.1, 0.05);
    for (size_t k = 60; k < 62; k++) {
        for (size_t m = 10; m < 12; m++) at(&r, r.positions, k, m)[0] += 0.05;
    }
    find(&r);
    assert_int_equal(r.n_repaired, 4);
    for (size_t k = 60; k < 62; k++) {
        for (size_t m = 10; m < 12; m++) {
            assert_true(fabs(at(&r, r.driving, k, m)[0] + 0.05 - at(&r, r.positions, k, m)[0]) < 0.3e-3);
        }
    }
    release(&r);
}

/* a marker that slides along the rope for long is seen by its edges; a bend that shortens one is
 * not */
static void glitches_long_edge_is_masked(void **state)
{
    (void)state;
    rg_recording r = make(FRAMES, 0.01, 0.05, 0.0);
    for (size_t k = 20; k < 80; k++) {
        double u = sin(3.14159265 * (double)(k - 20) / 60);
        at(&r, r.positions, k, 9)[0] -= 0.05 * u; /* from the gripper, towards marker 8 */
        at(&r, r.positions, k, 9)[2] -= 0.02 * u;
    }
    find(&r);
    assert_true(r.n_masked > 10);
    for (size_t k = 0; k < FRAMES; k++) {
        for (size_t m = 0; m < MARKERS; m++) {
            if (!r.valid[k * MARKERS + m]) assert_int_equal(m, 9);
        }
    }
    assert_int_equal(r.n_repaired, 0);
    release(&r);
}

/* what a simulation is driven by must not know the free markers beyond frame 1 */
static void glitches_drivers_ignore_free_markers(void **state)
{
    (void)state;
    rg_recording a = make(FRAMES, 0.01, 0.3, 0.1), b = make(FRAMES, 0.01, 0.3, 0.1);
    int lost_a[FRAMES], lost_b[FRAMES];
    for (size_t k = 2; k < FRAMES; k++) {
        for (size_t m = 2; m < 10; m++) at(&b, b.positions, k, m)[k % 3] = 0.001 * (double)(k * m % 17);
    }
    for (int side = 0; side < 2; side++) {
        rg_recording *r = side ? &b : &a;
        at(r, r->positions, 100, 1)[0] += 0.02;
        at(r, r->positions, 150, 10)[2] += 0.008;
    }
    find(&a);
    find(&b);
    assert_int_equal(rgi_lost_frames_find(&a, lost_a, NULL, NULL), RG_OK);
    assert_int_equal(rgi_lost_frames_find(&b, lost_b, NULL, NULL), RG_OK);
    assert_memory_equal(lost_a, lost_b, sizeof lost_a);
    assert_int_equal(a.n_repaired, 2);
    assert_int_equal(b.n_repaired, 2);
    for (size_t k = 0; k < FRAMES; k++) {
        for (size_t c = 0; c < 4; c++) {
            size_t m = (size_t)clamps[c];
            assert_memory_equal(at(&a, a.driving, k, m), at(&b, b.driving, k, m), 24);
            assert_int_equal(a.valid[k * MARKERS + m], b.valid[k * MARKERS + m]);
        }
    }
    release(&a);
    release(&b);
}

/* at 1 kHz the same glitch lasts more frames; at 30 Hz real motion reaches further */
static void glitches_follow_the_interval(void **state)
{
    (void)state;
    rg_recording r = make(1000, 0.001, 0.3, 0.3);
    for (size_t k = 500; k < 520; k++) at(&r, r.positions, k, 4)[1] += 0.03;
    find(&r);
    assert_int_equal(r.n_masked, 20);
    release(&r);
    r = make(FRAMES, 1 / 30.0, 0.3, 0.05);
    find(&r);
    assert_int_equal(r.n_masked + r.n_repaired, 0);
    release(&r);
}

static void glitches_short_recordings(void **state)
{
    (void)state;
    for (size_t frames = 2; frames < 9; frames++) {
        rg_recording r = make(frames, 0.01, 0.3, 0.1);
        find(&r);
        assert_int_equal(r.n_masked + r.n_repaired, 0);
        release(&r);
    }
    rg_recording r = make(3, 0.01, 0.3, 0.1);
    rg_error err = {0};
    int outside[] = {0, 12};
    r.clamps = outside;
    r.n_clamps = 2;
    assert_int_equal(rgi_glitches_find(&r, &err), RG_ERR_ARGUMENT);
    r.clamps = clamps;
    r.n_clamps = 4;
    r.dt_s = NAN;
    assert_int_equal(rgi_glitches_find(&r, &err), RG_ERR_ARGUMENT);
    r.dt_s = 0.01;
    r.n_markers = 2;
    assert_int_equal(rgi_glitches_find(&r, &err), RG_ERR_SHAPE);
    assert_int_equal(rgi_glitches_find(NULL, &err), RG_ERR_ARGUMENT);
    release(&r);
}

/* noise of a metre: whatever is found, it must end and stay consistent */
static void glitches_of_nothing_but_noise(void **state)
{
    (void)state;
    rg_recording r = make(FRAMES, 0.01, 0, 0);
    uint64_t seed = 7;
    for (size_t i = 0; i < FRAMES * MARKERS * 3; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        r.positions[i] = (double)(seed >> 11) / 9007199254740992.0;
    }
    find(&r);
    size_t invalid = 0;
    for (size_t i = 0; i < FRAMES * MARKERS; i++) invalid += r.valid[i] == 0;
    assert_int_equal(invalid, r.n_masked + r.n_repaired);
    for (size_t i = 0; i < FRAMES * MARKERS * 3; i++) assert_true(isfinite(r.driving[i]));
    release(&r);
}

/* every kth frame of longer motion, with gaps: the numbers come out */
static void lost_frames_are_counted(void **state)
{
    (void)state;
    static const struct {
        size_t frame;
        int lost;
    } gaps[] = {{30, 1}, {60, 3}, {62, 1}, {63, 1}, {90, 10}, {120, 5}};
    rg_recording r = make(FRAMES, 0.01, 0.3, 0.1);
    int expected[FRAMES] = {0}, lost[FRAMES];
    size_t time = 0, total = 0, sum = 0;
    uint64_t seed = 3;
    for (size_t i = 0; i < sizeof gaps / sizeof gaps[0]; i++) {
        expected[gaps[i].frame] = gaps[i].lost;
        sum += (size_t)gaps[i].lost;
    }
    for (size_t k = 0; k < FRAMES; k++, time++) {
        time += (size_t)expected[k];
        place(r.positions + k * MARKERS * 3, 0.01 * (double)time, 0.3, 0.1, &seed);
    }
    rg_error err = {0};
    assert_int_equal(rgi_lost_frames_find(&r, lost, &total, &err), RG_OK);
    for (size_t k = 0; k < FRAMES; k++) {
        if (lost[k] != expected[k]) print_error("frame %zu: %d for %d\n", k, lost[k], expected[k]);
        assert_int_equal(lost[k], expected[k]);
    }
    assert_int_equal(total, sum);
    find(&r);
    assert_int_equal(r.n_masked + r.n_repaired, 0);
    release(&r);
}

/* a glitch is one marker's own: a spike or a step of one driver is no loss */
static void lost_frames_are_not_glitches(void **state)
{
    (void)state;
    rg_recording r = make(FRAMES, 0.01, 0.3, 0.1);
    int lost[FRAMES];
    size_t total;
    rg_error err = {0};
    at(&r, r.positions, 50, 0)[0] += 0.03;
    for (size_t k = 70; k < FRAMES; k++) at(&r, r.positions, k, 10)[1] += 0.02;
    for (size_t k = 120; k < 123; k++) at(&r, r.positions, k, 1)[2] -= 0.1;
    assert_int_equal(rgi_lost_frames_find(&r, lost, &total, &err), RG_OK);
    assert_int_equal(total, 0);
    assert_int_equal(rgi_lost_frames_find(NULL, lost, &total, &err), RG_ERR_ARGUMENT);
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(glitches_none_in_fast_motion),
        cmocka_unit_test(glitches_free_marker_is_masked),
        cmocka_unit_test(glitches_driver_is_repaired),
        cmocka_unit_test(glitches_swapped_drivers),
        cmocka_unit_test(glitches_departure_of_a_gripper),
        cmocka_unit_test(glitches_long_edge_is_masked),
        cmocka_unit_test(glitches_drivers_ignore_free_markers),
        cmocka_unit_test(glitches_follow_the_interval),
        cmocka_unit_test(glitches_short_recordings),
        cmocka_unit_test(glitches_of_nothing_but_noise),
        cmocka_unit_test(lost_frames_are_counted),
        cmocka_unit_test(lost_frames_are_not_glitches),
    };
    return cmocka_run_group_tests_name("glitches", tests, NULL, NULL);
}
