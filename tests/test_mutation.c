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
    mutation_scene scene;
    mutation_bench bench;
    double v[MUTATION_KINDS][MUTATION_IN], left[MUTATION_KINDS], size[MUTATION_KINDS];
} trial;

static size_t workspace(const rgi_pack *pack) { return rgi_run_bind(NULL, pack, NULL, NULL); }

/* what a loss or a Gauss-Newton product asks of markers, from the outputs of the run just made */
static void fit_cotangent(mutation_bench *b)
{
    const mutation_scene *s = b->s;
    const int size = mutation_frame_size(s);
    memset(b->bar, 0, sizeof b->bar);
    for (int f = 0; f < mutation_frames(s); f++)
        for (int k = 0; k < s->n_free; k++)
            for (int c = 0; c < 3; c++) {
                const int row = f * s->n_free + k;
                const int at = f * size + 7 * s->n - 1 + 3 * s->free_markers[k] + c;
                const double r = b->out[at] - b->recorded[3 * row + c];
                b->bar[at] = b->weight[row] / fmax(fabs(r), b->pack.floor) * (s->bar == RGI_BAR_LOSS ? r : b->dout[at]);
            }
}

static void forward(trial *t, const double *v)
{
    int flag = mutation_forward(&t->bench, rgi_run_all, v);
    if (flag) fail_msg("%s: flag %d in step %g", t->name, flag, t->bench.status[1]);
}

static trial *make_trial(const char *name, mutation_scene scene, int last, int bar, uint64_t seed)
{
    trial *t = calloc(1, sizeof *t);
    double all[MUTATION_IN];
    assert_non_null(t);
    flipped = -1;
    t->name = name;
    t->scene = scene;
    t->scene.last = last;
    t->scene.bar = bar;
    mutation_bench *b = &t->bench;
    mutation_bench_make(b, &t->scene, workspace);
    const int outputs = mutation_frames(&t->scene) * mutation_frame_size(&t->scene);
    mutation_cotangent(&t->scene, &seed, b->bar);
    mutation_direction(&t->scene, -1, &seed, all);
    forward(t, all);
    for (int f = 0; bar != RGI_BAR_GIVEN && f < mutation_frames(&t->scene); f++)
        for (int k = 0; k < scene.n_free; k++) {
            /* some markers were not seen, and some residuals are below the floor */
            b->weight[f * scene.n_free + k] = (f + k) % 4 == 3 ? 0.0 : 1.0;
            for (int c = 0; c < 3; c++)
                b->recorded[3 * (f * scene.n_free + k) + c] =
                    b->out[f * mutation_frame_size(&t->scene) + 7 * scene.n - 1 + 3 * scene.free_markers[k] + c] +
                    0.01 * random_signed(&seed);
        }
    if (bar != RGI_BAR_GIVEN) fit_cotangent(b);
    for (int q = 0; q < MUTATION_KINDS; q++) {
        mutation_direction(&t->scene, q, &seed, t->v[q]);
        forward(t, t->v[q]);
        for (int i = 0; i < outputs; i++) {
            t->left[q] += b->dout[i] * b->bar[i];
            t->size[q] += fabs(b->dout[i] * b->bar[i]);
        }
        if (!mutation_idle(&scene, q) && !(t->size[q] > 0.0)) fail_msg("%s: %s moves nothing", name, mutation_names[q]);
        /* the fit's own gradient is the same number, summed in another order */
        if (bar == RGI_BAR_LOSS) assert_true(fabs(b->gradients[0] - t->left[q]) <= 1e-13 * t->size[q]);
    }
    forward(t, all);
    return t;
}

/* the largest difference of the two products, over the sizes of what is summed */
static double difference(trial *t, int *kind)
{
    double g[MUTATION_IN], most = 0.0;
    int begin[MUTATION_KINDS + 1];
    mutation_places(&t->scene, begin);
    mutation_backward(&t->bench, rgi_reverse_all, g);
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
    const rgi_pack *pack = &t->bench.pack;
    const int n = t->scene.n, term = flipped;
    const size_t size = (size_t)RGI_STATE * (size_t)n + 1;
    const rgi_input_tangent none = {NULL, NULL};
    const rgi_input_bar nothing = {NULL, NULL, NULL};
    double v[MUTATION_NODES * RGI_NT], w[MUTATION_NODES * RGI_NT];
    double scratch[RGI_BESIDE * MUTATION_NODES * RGI_JVP_SCRATCH] = {0.0};
    double left = 0.0, right = 0.0, sum = 0.0;
    uint64_t seed = 31u + (unsigned)s;
    rgi_run run;
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
    else rgi_step_jvp_beside(&run.rod, &run.step, run.alive, NULL, &course, 1, none, scratch);
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
#define SCENE(name, n, grip, deform, scheme, chord, substeps, last, bar)                                               \
    t[k] = make_trial(name,                                                                                            \
                      mutation_scene_make(n, MUTATION_##grip, deform, scheme, chord, MUTATION_STEPS, substeps,         \
                                          0x516eu + (unsigned)k),                                                      \
                      last, bar, 77u + (unsigned)k),                                                                   \
    k++
    SCENE("BDF2, ends held", 9, ENDS, 0, 1, 1, 1, 4, given);
    SCENE("Euler, one end held", 8, ONE_END, 0, 0, 0, 2, 4, given);
    SCENE("BDF2, middle held", 7, MIDDLE, 0, 1, 0, 2, 4, given);
    SCENE("Euler, free", 8, NOWHERE, 0, 0, 1, 1, 4, given);
    SCENE("BDF2, stands still", 8, ENDS, 0, 1, 1, 1, 2, given);
    SCENE("BDF2, loss", 8, ENDS, 0, 1, 1, 1, 4, loss);
    SCENE("deform, ends held", 9, ENDS, 1, 0, 1, 1, 4, given);
    SCENE("deform, one end held", 9, ONE_END, 1, 0, 0, 2, 4, given);
    SCENE("deform, middle held", 8, MIDDLE, 1, 0, 1, 1, 4, given);
    SCENE("deform, free", 8, NOWHERE, 1, 0, 0, 1, 4, given);
    SCENE("deform, stands still", 9, ENDS, 1, 0, 1, 1, 2, given);
    SCENE("deform, normal", 9, ENDS, 1, 0, 1, 2, 4, normal);
    SCENE("static, ends held", 9, ENDS, 0, 2, 1, 1, 4, given);
    SCENE("static, one end held", 8, ONE_END, 0, 2, 0, 2, 4, given);
#undef SCENE
    assert_int_equal(k, SCENES);
}

static void release(trial **t)
{
    for (int k = 0; k < SCENES; k++) {
        free(t[k]->bench.workspace);
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
