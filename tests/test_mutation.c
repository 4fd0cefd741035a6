/* test_mutation.c: no sign in the adjoint may be wrong without a test that fails.
 *
 * real/real.h numbers the terms that cotangents take in. In this instantiation each is multiplied
 * by a sign that is looked up when the program runs: with all of them +1 the reverse run passes
 * <J v, w> = <v, J^T w> for every kind of input, and with any one of them -1 it fails for one. J v
 * is the tangent with all signs +1, since the tangent shares some of the adjoint's code.
 * tests/check_terms.sh sees to it that no term goes without a mark. */
#define RGI_REAL_DOUBLE
#define RGI_MUTATE

#define MOST 1000 /* terms */
static int flipped = -1;
static const char *files[MOST];
static int lines[MOST];

/* the sign of term k, and a note of where it stands */
static inline double rgi_sign_at(int k, const char *file, int line)
{
    files[k] = file;
    lines[k] = line;
    return k == flipped ? -1.0 : 1.0;
}
#define rgi_sign(k) rgi_sign_at(k, __FILE__, __LINE__)

enum { FIRST = __COUNTER__ + 1 };
#include "reverse.h"
enum { LAST = __COUNTER__ };

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "grad_table.h"
#include "mutation_scene.h"
#include "tangent_exchange.h"

_Static_assert((int)LAST <= MOST, "make the table of terms longer");

enum { SCENES = 14 };

/* a scene, directions of every kind and what the tangent makes of them */
typedef struct trial {
    const char *name;
    mutation_scene *scene;
    double v[MUTATION_KINDS][MUTATION_IN], left[MUTATION_KINDS], size[MUTATION_KINDS];
} trial;

/* where coordinate c of an observed marker is in the outputs */
static int marker_at(const mutation_scene *s, int frame, int k, int c)
{
    int begin[MUTATION_PARTS + 1];
    mutation_parts(s, begin);
    return begin[3] + 3 * (frame * s->n + s->free_markers[k]) + c;
}

/* what a loss or a Gauss-Newton product asks of markers, from the outputs of the run just made */
static void fit_cotangent(mutation_scene *s)
{
    memset(s->bar, 0, sizeof s->bar);
    for (int f = 0; f < s->frames; f++)
        for (int k = 0; k < s->n_free; k++)
            for (int c = 0; c < 3; c++) {
                const int row = f * s->n_free + k, at = marker_at(s, f, k, c);
                const double r = s->out[at] - s->pack->recorded[3 * row + c];
                s->bar[at] = s->pack->weight[row] / fmax(fabs(r), s->pack->floor) *
                             (s->opts.bar == RGI_BAR_LOSS ? r : s->dout[at]);
            }
}

/* some markers were not seen, and some residuals are below the floor */
static void fit_recorded(mutation_scene *s, uint64_t *seed)
{
    for (int f = 0; f < s->frames; f++)
        for (int k = 0; k < s->n_free; k++) {
            const int row = f * s->n_free + k;
            s->pack->weight[row] = (f + k) % 4 == 3 ? 0.0 : 1.0;
            for (int c = 0; c < 3; c++)
                s->pack->recorded[3 * row + c] = s->out[marker_at(s, f, k, c)] + 0.01 * random_signed(seed);
        }
}

static void forward(trial *t, const double *v)
{
    int flag = mutation_forward(t->scene, pack_workspace, pack_run, v);
    if (flag) fail_msg("%s: flag %d in step %g", t->name, flag, t->scene->pack->status[1]);
}

static trial *make_trial(const char *name, mutation_opts opts, uint64_t seed)
{
    trial *t = calloc(1, sizeof *t);
    double all[MUTATION_IN];
    assert_non_null(t);
    flipped = -1;
    t->name = name;
    mutation_scene *s = t->scene = mutation_scene_make(opts);
    mutation_cotangent(s, &seed, s->bar);
    mutation_direction(s, -1, &seed, all);
    forward(t, all);
    if (opts.bar != RGI_BAR_GIVEN) {
        fit_recorded(s, &seed);
        fit_cotangent(s);
    }
    for (int q = 0; q < MUTATION_KINDS; q++) {
        mutation_direction(s, q, &seed, t->v[q]);
        forward(t, t->v[q]);
        for (int i = 0; i < MUTATION_OUT; i++) {
            t->left[q] += s->dout[i] * s->bar[i];
            t->size[q] += fabs(s->dout[i] * s->bar[i]);
        }
        if (!mutation_idle(s, q) && !(t->size[q] > 0.0)) fail_msg("%s: %s moves nothing", name, mutation_names[q]);
        /* the fit's own gradient is the same number, summed in another order */
        if (opts.bar == RGI_BAR_LOSS) assert_true(fabs(s->pack->gradients[0] - t->left[q]) <= 1e-13 * t->size[q]);
    }
    forward(t, all);
    return t;
}

/* the largest difference of the two products, over the sizes of what is summed */
static double difference(trial *t, int *kind)
{
    double g[MUTATION_IN], most = 0.0;
    const int *begin = t->scene->begin;
    mutation_backward(t->scene, pack_workspace, pack_reverse, g);
    for (int q = 0; q < MUTATION_KINDS; q++) {
        double right = 0.0, size = t->size[q];
        for (int i = begin[q]; i < begin[q + 1]; i++) {
            right += t->v[q][i] * g[i];
            size += fabs(t->v[q][i] * g[i]);
        }
        double err = size > 0.0 ? fabs(t->left[q] - right) / size : 0.0;
        if (!(err <= most)) {
            most = err;
            *kind = q;
        }
    }
    return most;
}

/* The same for one step of the rollout alone, between states: a rollout's outputs ask nothing of
 * strains, of memory or of the state before, and so leave some terms zero. */
static double step_difference(trial *t, int s)
{
    rgi_kernel_pack one = rgi_kernel_pack_of(t->scene->pack);
    const rgi_kernel_pack *pack = &one;
    const int n = pack->n, term = flipped;
    const size_t size = (size_t)RGI_STATE_REALS * (size_t)n + 1;
    const rgi_input_tangent none = {0};
    const rgi_input_bar nothing = {0};
    double v[MUTATION_NODES * RGI_NT], w[MUTATION_NODES * RGI_NT];
    double scratch[RGI_BESIDE * MUTATION_NODES * RGI_JVP_SCRATCH] = {0.0};
    double left = 0.0, right = 0.0, sum = 0.0;
    uint64_t seed = 31u + (unsigned)s;
    rgi_run run;
    one.n_directions = 1;
    rgi_run_init(&run, pack, NULL);
    rgi_state_load(&run, pack->kept + (size_t)s * size, pack->kept + (size_t)(s + 1) * size);
    rgi_run_step(&run, pack, s, 1, NULL);
    for (int i = 0; i < RGI_NT * n; i++) {
        v[i] = random_signed(&seed);
        w[i] = random_signed(&seed);
    }
    /* a last edge there is not */
    v[RGI_NT * n - 1] = w[RGI_NT * n - 1] = 0.0;
    memcpy(run.tangents, v, (size_t)(RGI_NT * n) * sizeof *v);
    memcpy(run.bar, w, (size_t)(RGI_NT * n) * sizeof *w);
    rgi_tangent d = rgi_tangent_at(run.tangents, n, 0), bar = rgi_tangent_at(run.bar, n, 0);
    const rgi_course course = {d, NULL, NULL, 0};
    flipped = -1;
    if (pack->deform) rgi_deform_jvp(&run.rod, &run.step, &run.deform, run.alive, course, none, run.stress, run.dy);
    else rgi_step_jvp_beside(&run.rod, &run.step, run.alive, NULL, &course, 1, none, 0, scratch);
    tangent_exchange(run.tangents, n);
    flipped = term;
    if (pack->deform) rgi_deform_adj(&run.rod, &run.step, &run.deform, run.alive, bar, nothing, run.stress, run.dy);
    else rgi_step_adj(&run.rod, &run.step, run.alive, NULL, bar, nothing, run.stress, run.dy);
    for (int i = 0; i < RGI_NT * n; i++) {
        left += run.tangents[i] * w[i];
        right += v[i] * run.bar[i];
        sum += fabs(run.tangents[i] * w[i]) + fabs(v[i] * run.bar[i]);
    }
    return fabs(left - right) / sum;
}

static void make_trials(trial **t)
{
    const int given = RGI_BAR_GIVEN, loss = RGI_BAR_LOSS, normal = RGI_BAR_NORMAL;
    int k = 0;
#define SCENE(name, n, grip, stepper, chord, substeps, last, bar)                                                      \
    t[k] = make_trial(name,                                                                                            \
                      (mutation_opts){n, GRAD_##stepper, GRAD_##grip, chord, substeps, MUTATION_STEPS, last, bar,      \
                                      0x516eu + (unsigned)k},                                                          \
                      77u + (unsigned)k),                                                                              \
    k++
    SCENE("BDF2, ends held", 9, ENDS, BDF2, 1, 1, 4, given);
    SCENE("Euler, one end held", 8, END, EULER, 0, 2, 4, given);
    SCENE("BDF2, middle held", 7, MIDDLE, BDF2, 0, 2, 4, given);
    SCENE("Euler, free", 8, NOWHERE, EULER, 1, 1, 4, given);
    SCENE("BDF2, stands still", 8, ENDS, BDF2, 1, 1, 2, given);
    SCENE("BDF2, loss", 8, ENDS, BDF2, 1, 1, 4, loss);
    SCENE("deform, ends held", 9, ENDS, DEFORM, 1, 1, 4, given);
    SCENE("deform, mixed", 9, MIXED, DEFORM, 0, 2, 4, given);
    SCENE("deform, middle held", 8, MIDDLE, DEFORM, 1, 1, 4, given);
    SCENE("deform, free", 8, NOWHERE, DEFORM, 0, 1, 4, given);
    SCENE("deform, stands still", 9, ENDS, DEFORM, 1, 1, 2, given);
    SCENE("deform, normal", 9, ENDS, DEFORM, 1, 2, 4, normal);
    SCENE("static, ends held", 9, ENDS, STATIC, 1, 1, 4, given);
    SCENE("static, mixed", 8, MIXED, STATIC, 0, 2, 4, given);
#undef SCENE
    assert_int_equal(k, SCENES);
}

static void release(trial **t)
{
    for (int k = 0; k < SCENES; k++) {
        mutation_scene_free(t[k]->scene);
        free(t[k]);
    }
}

static void mutation_none(void **state)
{
    (void)state;
    trial *t[SCENES];
    double worst = 0.0;
    make_trials(t);
    for (int k = 0; k < SCENES; k++) {
        int kind = 0;
        double err = difference(t[k], &kind);
        print_message("%-22s %.1e (%s)\n", t[k]->name, err, mutation_names[kind]);
        /* round-off of a few thousand terms, through four solves of condition 1e3 or so */
        if (!(err <= 1e-12))
            fail_msg("%s: dot products along %s differ by %.1e", t[k]->name, mutation_names[kind], err);
        for (int s = 0; s < MUTATION_STEPS; s++) {
            err = step_difference(t[k], s);
            if (!(err <= 1e-12)) fail_msg("%s: dot products of step %d differ by %.1e", t[k]->name, s, err);
            worst = fmax(worst, err);
        }
    }
    release(t);
    grad_record("dot product", "step between states", worst, 1e-12, GRAD_AT_MOST);
}

static const char *base(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static void mutation_each(void **state)
{
    (void)state;
    trial *t[SCENES];
    double least = 1.0;
    int survivors = 0, hardest = -1;
    make_trials(t);
    for (int term = FIRST; term < LAST; term++) {
        double most = 0.0;
        flipped = term;
        for (int k = 0; k < SCENES && most <= 1e-6; k++) {
            int kind;
            double err = difference(t[k], &kind);
            if (!(err <= most)) most = err;
            for (int s = 0; s < MUTATION_STEPS && most <= 1e-6; s++) {
                err = step_difference(t[k], s);
                if (!(err <= most)) most = err;
            }
        }
        flipped = -1;
        if (most < least) {
            least = most;
            hardest = term;
        }
        /* far above the 1e-12 that the true adjoint is held to */
        if (!(most <= 1e-9)) continue;
        survivors++;
        if (files[term])
            print_error("%s:%d: this term's sign can be flipped unseen (%.1e)\n", base(files[term]), lines[term], most);
        else
            print_error("term %d of %d, after %s:%d: no scene comes there\n", term - FIRST, LAST - FIRST,
                        term > FIRST ? base(files[term - 1]) : "", term > FIRST ? lines[term - 1] : 0);
    }
    release(t);
    print_message("%d terms, %d of them unseen; the least that a flip does is %.1e (%s:%d)\n", LAST - FIRST, survivors,
                  least, base(files[hardest]), lines[hardest]);
    assert_true(LAST - FIRST > 100);
    grad_record("mutation", "terms whose sign can be flipped unseen", survivors, 0.0, GRAD_AT_MOST);
    grad_record("mutation", "least that a flipped sign does to a dot product", least, 1e-9, GRAD_AT_LEAST);
    assert_int_equal(survivors, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutation_none),
        cmocka_unit_test(mutation_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
