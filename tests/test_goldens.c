/* test_goldens.c: DEFORM's published trajectories, the oracle that reproduces them, and what each
 * of rodgrad's departures from the published conventions changes.
 *
 * The goldens are read from $RODGRAD_GOLDENS, else ../shared/goldens beside the sources, the
 * recordings that drive them from $RODGRAD_RECORDINGS, else ../shared/recordings. The table of
 * departures goes to goldens-departures.md in the working folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deform_oracle.h"
#include "rodgrad/rodgrad.h"
#include "io/formats.h"
#include "probe_random.h"

enum { GOLDENS = 10, STEPS = 498, FRAMES = 500 };
typedef double (*vectors)[3];

typedef struct golden {
    char name[32];
    oracle_rod rod;
    double u0[3], metric; /* published mean |coordinate error| [1e-2 m] */
    double *recorded;     /* [FRAMES][n][3] */
    double *expected;     /* [STEPS][n][3] */
} golden;

static golden goldens[GOLDENS];
static size_t n_goldens;

/* ---- files ---- */

static const char *root(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return value ? value : otherwise;
}

static const char *golden_folder(void) { return root("RODGRAD_GOLDENS", RODGRAD_SOURCE_DIR "/../shared/goldens"); }

/* NULL where there is no such file */
static char *file_bytes(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    long end = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    char *bytes = end < 0 ? NULL : malloc((size_t)end + 1);
    *size = bytes && fseek(f, 0, SEEK_SET) == 0 ? fread(bytes, 1, (size_t)end, f) : 0;
    fclose(f);
    return bytes;
}

/* [frames][n][3] of a file in a format, NULL (and a message) where it is missing */
static double *motion(const char *path, size_t frames, size_t markers,
                      rg_status (*parse)(const void *, size_t, const char *, rgi_motion *, rg_error *))
{
    size_t size;
    char *bytes = file_bytes(path, &size);
    if (!bytes) {
        print_message("%s is missing: set RODGRAD_GOLDENS and RODGRAD_RECORDINGS\n", path);
        return NULL;
    }
    rgi_motion m;
    rg_error err = {0};
    rg_status status = parse(bytes, size, path, &m, &err);
    free(bytes);
    if (status != RG_OK) print_error("%s\n", err.text);
    assert_int_equal(status, RG_OK);
    assert_int_equal(m.n_frames, frames);
    assert_int_equal(m.n_markers, markers);
    return m.positions;
}

static json_t *field(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!value) print_error("goldens.json lacks \"%s\"\n", key);
    assert_non_null(value);
    return value;
}

static const char *text(json_t *object, const char *key)
{
    assert_true(json_is_string(field(object, key)));
    return json_string_value(field(object, key));
}

static double number(json_t *object, const char *key)
{
    assert_true(json_is_number(field(object, key)));
    return json_number_value(field(object, key));
}

static void numbers(json_t *array, double *to, size_t n)
{
    assert_int_equal(json_array_size(array), n);
    for (size_t i = 0; i < n; i++) {
        assert_true(json_is_number(json_array_get(array, i)));
        to[i] = json_number_value(json_array_get(array, i));
    }
}

static void rod_read(json_t *dlo, json_t *constants, oracle_rod *rod)
{
    memset(rod, 0, sizeof *rod);
    size_t n = (size_t)number(dlo, "n_vert"), edges = n - 1;
    double bend[ORACLE_VERTICES], clamped[4];
    assert_in_range(n, 3, ORACLE_VERTICES);
    rod->n = (int)n;
    rod->dt = number(constants, "dt");
    rod->sweeps = (int)number(constants, "pbd_sweeps");
    numbers(field(constants, "gravity"), rod->gravity, 3);
    numbers(field(dlo, "L"), rod->length, edges);
    numbers(field(dlo, "mass"), rod->mass, n);
    numbers(field(dlo, "bend_stiffness_per_edge"), bend, edges);
    numbers(field(dlo, "twist_stiffness_per_edge"), rod->twist, edges);
    numbers(field(dlo, "clamped"), clamped, 4);
    for (int i = 0; i < 4; i++) rod->fixed[(int)clamped[i]] = 1;
    for (size_t k = 1; k < edges; k++) {
        numbers(json_array_get(field(dlo, "omega_bar_prev"), k), rod->kbar[k][0], 2);
        numbers(json_array_get(field(dlo, "omega_bar_next"), k), rod->kbar[k][1], 2);
        for (int a = 0; a < 2; a++) {
            rod->bend[k][0][a] = bend[k - 1];
            rod->bend[k][1][a] = bend[k];
        }
    }
}

static int golden_read(json_t *document, json_t *one, golden *g)
{
    char path[4096];
    json_t *exact = field(one, "exact");
    const char *dlo = text(one, "dlo");
    const char *source = text(one, "source_file");
    snprintf(g->name, sizeof g->name, "%s", text(one, "name"));
    rod_read(field(field(document, "dlos"), dlo), field(document, "constants"), &g->rod);
    numbers(field(one, "u0"), g->u0, 3);
    g->metric = number(exact, "error_1e2m");
    snprintf(path, sizeof path, "%s/%s", golden_folder(), text(exact, "npy"));
    g->expected = motion(path, STEPS, (size_t)g->rod.n, rgi_npy_parse);
    assert_int_equal(strncmp(source, "data_set/", 9), 0);
    snprintf(path, sizeof path, "%s/deform/%s", root("RODGRAD_RECORDINGS", RODGRAD_SOURCE_DIR "/../shared/recordings"),
             source + 9);
    g->recorded = motion(path, FRAMES, (size_t)g->rod.n, rgi_pickle_parse);
    return g->expected && g->recorded;
}

/* reads everything once; skips the test where something is missing */
static void goldens_needed(void)
{
    char path[4096];
    size_t size;
    if (n_goldens == GOLDENS) return;
    snprintf(path, sizeof path, "%s/goldens.json", golden_folder());
    char *bytes = file_bytes(path, &size);
    if (!bytes) print_message("%s is missing: set RODGRAD_GOLDENS\n", path);
    if (!bytes) skip();
    json_error_t error;
    json_t *document = json_loadb(bytes, size, 0, &error);
    free(bytes);
    assert_non_null(document);
    json_t *cases = field(document, "cases");
    assert_int_equal(json_array_size(cases), GOLDENS);
    int complete = 1;
    for (size_t i = 0; i < GOLDENS && complete; i++) {
        free(goldens[i].expected);
        free(goldens[i].recorded);
        complete = golden_read(document, json_array_get(cases, i), &goldens[i]);
    }
    json_decref(document);
    if (!complete) skip();
    n_goldens = GOLDENS;
}

static int goldens_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        free(goldens[i].expected);
        free(goldens[i].recorded);
    }
    return 0;
}

/* ---- runs ---- */

typedef struct outcome {
    double mean, max; /* distance from the golden arrays, over steps and all vertices [m] */
    double metric;    /* mean |coordinate error| against the recording [1e-2 m] */
    double twist;     /* largest angle between a director and the untwisted frame [rad] */
    int failed;       /* steps whose twist did not converge */
} outcome;

static void golden_start(const golden *g, const oracle_switches *sw, oracle_state *s)
{
    size_t n = (size_t)g->rod.n;
    memset(s, 0, sizeof *s);
    memcpy(s->x, g->recorded + 3 * n, n * sizeof *s->x);
    for (size_t i = 0; i < 3 * n; i++) s->v[i / 3][i % 3] = (g->recorded[3 * n + i] - g->recorded[i]) / g->rod.dt;
    memcpy(s->near_u, g->u0, sizeof g->u0);
    oracle_start(&g->rod, sw, s);
}

/* positions of every step to x [STEPS][n][3] where it is not NULL */
static outcome golden_run(const golden *g, const oracle_switches *sw, double *x)
{
    outcome r = {0};
    oracle_state s;
    size_t n = (size_t)g->rod.n;
    golden_start(g, sw, &s);
    for (size_t k = 0; k < STEPS; k++) {
        const double *expected = g->expected + 3 * k * n;
        double *recorded = g->recorded + 3 * (k + 2) * n;
        r.failed += oracle_step(&g->rod, sw, &s, (vectors)recorded) < 0;
        for (size_t i = 0; i < n; i++) {
            double d[3];
            for (size_t c = 0; c < 3; c++) {
                d[c] = s.x[i][c] - expected[3 * i + c];
                r.metric += fabs(s.x[i][c] - recorded[3 * i + c]) * 100.0;
            }
            r.mean += norm(d);
            r.max = norm(d) <= r.max ? r.max : norm(d); /* keeps NaN */
            if (i + 1 < n) r.twist = fmax(r.twist, fabs(s.theta[i]));
        }
        if (x) memcpy(x + 3 * k * n, s.x, n * sizeof *s.x);
    }
    r.mean /= (double)(STEPS * n);
    r.metric /= (double)(3 * STEPS * n);
    return r;
}

static void goldens_published(void **state)
{
    (void)state;
    const oracle_switches published = {0};
    double worst = 0.0;
    goldens_needed();
    for (size_t i = 0; i < GOLDENS; i++) {
        outcome r = golden_run(&goldens[i], &published, NULL);
        print_message("%-9s max deviation %.2e m, metric %.6f\n", goldens[i].name, r.max, r.metric);
        /* the bar; a perturbation of 1e-9 m stays below 7e-9 m, so round-off stays round-off */
        assert_true(r.max <= 1e-9);
        assert_true(fabs(r.metric - goldens[i].metric) <= 1e-9);
        worst = fmax(worst, r.max);
    }
    print_message("worst of all: %.2e m\n", worst);
}

static const struct {
    const char *name;
    oracle_switches sw;
} variants[] = {
#define HELD ORACLE_FAR_HELD
#define FREE ORACLE_FAR_FREE
#define BISHOP ORACLE_FAR_BISHOP
    {"published, nothing switched", {0, BISHOP, 0, 0, 0, 0, 0, 0}},
    {"twist solved, both ends as published", {1, BISHOP, 0, 0, 0, 0, 0, 0}},
    {"far end free to spin while the force is found", {0, FREE, 0, 0, 0, 0, 0, 0}},
    {"far director held", {0, HELD, 0, 0, 0, 0, 0, 0}},
    {"twist solved, far end free to spin", {1, FREE, 0, 0, 0, 0, 0, 0}},
    {"twist solved, far director held", {1, HELD, 0, 0, 0, 0, 0, 0}},
    {"current lengths", {0, BISHOP, 1, 0, 0, 0, 0, 0}},
    {"exact frames", {0, BISHOP, 0, 1, 0, 0, 0, 0}},
    {"mean curvature", {0, BISHOP, 0, 0, 1, 0, 0, 0}},
    {"commanded positions honoured", {0, BISHOP, 0, 0, 0, 0, 1, 0}},
    {"no force cap", {0, BISHOP, 0, 0, 0, 0, 0, 1}},
    {"**all on**", {1, HELD, 1, 1, 1, 1, 1, 1}},
    {"all on, without twist solved", {0, HELD, 1, 1, 1, 1, 1, 1}},
    {"all on, without far director held", {1, BISHOP, 1, 1, 1, 1, 1, 1}},
    {"all on, without current lengths", {1, HELD, 0, 1, 1, 1, 1, 1}},
    {"all on, without exact frames", {1, HELD, 1, 0, 1, 1, 1, 1}},
    {"all on, without mean curvature", {1, HELD, 1, 1, 0, 1, 1, 1}},
    {"all on, without the twist's wrapping", {1, HELD, 1, 1, 1, 0, 1, 1}},
    {"all on, without commanded positions", {1, HELD, 1, 1, 1, 1, 0, 1}},
    {"all on, without twist solved and far director held", {0, BISHOP, 1, 1, 1, 0, 1, 1}},
    {"... nor commanded positions", {0, BISHOP, 1, 1, 1, 0, 0, 1}},
    {"... nor current lengths", {0, BISHOP, 0, 1, 1, 0, 0, 1}},
    {"... nor exact frames", {0, BISHOP, 0, 0, 1, 0, 0, 1}},
    {"... nor mean curvature", {0, BISHOP, 0, 0, 0, 0, 0, 1}},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static void table_head(FILE *f, const char *title)
{
    fprintf(f, "\n%s\n\n| departure |", title);
    for (int i = 0; i < GOLDENS; i++) fprintf(f, " %s |", goldens[i].name);
    fprintf(f, " mean |\n|---|");
    for (int i = 0; i <= GOLDENS; i++) fprintf(f, "---|");
    fprintf(f, "\n");
}

static void goldens_departures(void **state)
{
    (void)state;
    static const char file[] = "goldens-departures.md";
    static outcome r[VARIANTS][GOLDENS];
    goldens_needed();
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fprintf(f,
            "Departures from the published algorithm, ten goldens of %d steps: distance from the "
            "golden arrays\nover all steps and vertices, and mean |coordinate error| against the "
            "recordings.\n\n| departure | mean [m] | max [m] | metric [1e-2 m] |\n"
            "|---|---|---|---|\n",
            STEPS);
    for (int v = 0; v < VARIANTS; v++) {
        outcome all = {0};
        for (int i = 0; i < GOLDENS; i++) {
            r[v][i] = golden_run(&goldens[i], &variants[v].sw, NULL);
            assert_int_equal(r[v][i].failed, 0);
            assert_true(isfinite(r[v][i].mean) && isfinite(r[v][i].max));
            /* whatever is no matter of physics stays within half a millimetre */
            const oracle_switches *sw = &variants[v].sw;
            int numerics_only =
                !sw->twist_solved && sw->far == ORACLE_FAR_BISHOP && !sw->current_lengths && !sw->commanded;
            assert_true(r[v][i].mean <= 5e-4 || !numerics_only);
            all.mean += r[v][i].mean / GOLDENS;
            all.max = fmax(all.max, r[v][i].max);
            all.metric += r[v][i].metric / GOLDENS;
        }
        fprintf(f, "| %s | %.1e | %.1e | %.4f |\n", variants[v].name, all.mean, all.max, all.metric);
        print_message("%-51s mean %.1e max %.1e m, metric %.4f\n", variants[v].name, all.mean, all.max, all.metric);
    }
    for (int what = 0; what < 3; what++) {
        static const char *const titles[] = {"Mean distance [mm]", "Largest distance [mm]", "Metric [1e-2 m]"};
        table_head(f, titles[what]);
        for (int v = 0; v < VARIANTS; v++) {
            double sum = 0.0;
            fprintf(f, "| %s |", variants[v].name);
            for (int i = 0; i < GOLDENS; i++) {
                const outcome *o = &r[v][i];
                double value = what == 0 ? 1e3 * o->mean : what == 1 ? 1e3 * o->max : o->metric;
                fprintf(f, " %.3f |", value);
                sum += value;
            }
            fprintf(f, " %.3f |\n", sum / GOLDENS);
        }
    }
    assert_int_equal(fclose(f), 0);
    char *path = realpath(file, NULL);
    assert_non_null(path);
    print_message("table: %s\n", path);
    free(path);
}

enum { REALS = RG_REAL_FLOAT + 1 };

/* rodgrad's deform stepper on the same arrays: x [steps][n][3] */
static void stepper_run(const oracle_problem *p, rg_real real, double *x)
{
    const size_t n = (size_t)p->n, steps = (size_t)p->steps;
    const int clamps[] = {0, 1, p->n - 2, p->n - 1};
    rg_model *model = NULL;
    rg_batch *batch = NULL;
    rg_error err = {0};
    rg_rod_status status;
    assert_int_equal(rg_model_create(n, 1, clamps, 4, &model, &err), RG_OK);
    double *field[RG_FIELD_COUNT];
    for (int f = 0; f < RG_FIELD_COUNT; f++) field[f] = rg_model_field_data(model, (rg_field)f);
    for (size_t i = 0; i < n; i++) {
        const double before = i > 0 ? p->length[i - 1] : 0.0, after = i + 1 < n ? p->length[i] : 0.0;
        field[RG_MARKER_MASS][i] = p->mass[i] - 0.5 * 0.01 * (before + after);
        field[RG_DRAG][i] = field[RG_BEND_RELAXATION][i] = field[RG_TWIST_RELAXATION][i] = 0.0;
        field[RG_BEND_MEMORY][i] = 0.0;
        if (i + 1 < n) {
            field[RG_REST_LENGTH][i] = p->length[i];
            field[RG_MASS_PER_LENGTH][i] = 0.01;
        }
        if (i == 0 || i + 1 == n) continue;
        field[RG_BEND_STIFFNESS_1][i] = p->bend[2 * i];
        field[RG_BEND_STIFFNESS_2][i] = p->bend[2 * i + 1];
        field[RG_TWIST_STIFFNESS][i] = p->twist[i];
        for (size_t c = 0; c < 2; c++)
            field[RG_NATURAL_CURVATURE][2 * i + c] = p->kbar[2 * i + c] / (0.5 * (before + after));
    }
    rg_batch_opts opts = rg_batch_opts_default();
    opts.rollout.stepper = RG_STEPPER_DEFORM;
    opts.rollout.sweeps = p->sweeps;
    opts.rollout.real = real;
    opts.rollout.tolerance_m = 1e-14; /* twist to round-off, as the oracle has it */
    opts.rollout.max_iterations = 200;
    opts.dt_s = p->dt;
    opts.n_frames = steps;
    opts.adjoint = 0;
    memcpy(opts.rollout.gravity, p->gravity, sizeof opts.rollout.gravity);
    if (rg_batch_create(model, 1, &opts, &batch, &err) != RG_OK) fail_msg("%s", err.text);
    double *clamp_x = malloc(steps * 4 * 3 * sizeof *clamp_x);
    double *clamp_m = malloc(steps * 2 * 3 * sizeof *clamp_m);
    assert_true(clamp_x && clamp_m);
    for (size_t k = 0; k < steps; k++) {
        for (size_t c = 0; c < 4; c++)
            memcpy(clamp_x + 3 * (4 * k + c), p->commanded + 3 * (k * n + (size_t)clamps[c]), 3 * sizeof *clamp_x);
        for (size_t c = 0; c < 2; c++)
            memcpy(clamp_m + 3 * (2 * k + c), p->directors + 3 * (k * (n - 1) + c * (n - 2)), 3 * sizeof *clamp_m);
    }
    const rg_batch_inputs in = {.x0 = p->x0, .v0 = p->v0, .m0 = p->m0, .clamp_x = clamp_x, .clamp_m = clamp_m};
    const rg_batch_outputs out = {.x = x};
    if (rg_batch_forward(batch, &in, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
    if (status.flag != RG_ROD_OK)
        print_message("the stepper: %s in step %d\n", rg_rod_flag_text(status.flag), status.step);
    free(clamp_x);
    free(clamp_m);
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
}

/* a golden as plain arrays, every switch on; the clamped directors carried along their edges. stepper:
 * what rodgrad makes of them, in double and in float [REALS][STEPS][n][3], or NULL */
static void carried_run(const golden *g, double nudge, const oracle_track *track, double *stepper)
{
    static double kbar[ORACLE_VERTICES][2], bend[ORACLE_VERTICES][2], x0[ORACLE_VERTICES][3];
    static double force[ORACLE_VERTICES][3], m0[ORACLE_VERTICES][3];
    size_t n = (size_t)g->rod.n, last = n - 2;
    double energy, (*directors)[3] = calloc(STEPS * (n - 1), sizeof *directors);
    oracle_state s;
    oracle_switches untwisted = oracle_all;
    untwisted.twist_solved = 0;
    untwisted.far = ORACLE_FAR_BISHOP;
    assert_non_null(directors);
    golden_start(g, &untwisted, &s);
    memcpy(x0, s.x, sizeof x0);
    oracle_force(&g->rod, &untwisted, &s, force, &energy, m0);
    for (size_t k = 0; k < STEPS; k++)
        for (size_t j = 0; j <= last; j += last) {
            const double *old = g->recorded + 3 * ((k + 1) * n + j), *new = old + 3 * n;
            double a[3], b[3];
            for (int c = 0; c < 3; c++) a[c] = old[3 + c] - old[c];
            for (int c = 0; c < 3; c++) b[c] = new[3 + c] - new[c];
            oracle_transport(&oracle_all, a, b, k > 0 ? directors[(k - 1) * (n - 1) + j] : m0[j],
                             directors[k * (n - 1) + j]);
        }
    for (size_t k = 1; k + 1 < n; k++)
        for (int a = 0; a < 2; a++) {
            bend[k][a] = 0.5 * (g->rod.bend[k][0][a] + g->rod.bend[k][1][a]);
            kbar[k][a] = 0.5 * (g->rod.kbar[k][0][a] + g->rod.kbar[k][1][a]);
        }
    for (size_t i = 2; i + 2 < n; i++) x0[i][2] += nudge;
    oracle_problem p = {.n = g->rod.n,
                        .length = g->rod.length,
                        .mass = g->rod.mass,
                        .bend = bend[0],
                        .twist = g->rod.twist,
                        .kbar = kbar[0],
                        .dt = g->rod.dt,
                        .steps = STEPS,
                        .sweeps = g->rod.sweeps,
                        .fixed = g->rod.fixed,
                        .x0 = x0[0],
                        .v0 = s.v[0],
                        .m0 = m0[0],
                        .commanded = g->recorded + 6 * n,
                        .directors = directors[0]};
    memcpy(p.gravity, g->rod.gravity, sizeof p.gravity);
    assert_int_equal(oracle_run(&p, track), 0);
    for (int real = 0; stepper && real < REALS; real++)
        stepper_run(&p, (rg_real)real, stepper + (size_t)real * STEPS * n * 3);
    free(directors);
}

/* mean |coordinate error| of x against the golden's recording [m] */
static double recorded_error(const golden *g, const double *x)
{
    const size_t size = STEPS * (size_t)g->rod.n * 3;
    const double *recorded = g->recorded + 6 * (size_t)g->rod.n;
    double sum = 0.0;
    for (size_t k = 0; k < size; k++) sum += fabs(x[k] - recorded[k]);
    return sum / (double)size;
}

static double largest_difference(const double *a, const double *b, size_t n)
{
    double worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(a[i] - b[i]);
        worst = d <= worst ? worst : d; /* keeps NaN */
    }
    return worst;
}

/* Directors carried in time, frames untwisted in space, and rodgrad's own stepper are roads to one
 * state, as long as no vertex is twisted by nearly pi: there they start on different sides of the
 * wrap. */
static void goldens_carried(void **state)
{
    (void)state;
    goldens_needed();
    for (size_t i = 0; i < GOLDENS; i++) {
        size_t n = (size_t)goldens[i].rod.n, size = STEPS * n * 3, steps = 0;
        double *x = malloc(size * sizeof *x), *y = malloc(size * sizeof *y);
        double *z = malloc(size * sizeof *z), tau[STEPS], twisted = 0.0;
        double *own = malloc(REALS * size * sizeof *own), *in_float = own + size;
        assert_true(x && y && z && own);
        golden_run(&goldens[i], &oracle_all, x);
        carried_run(&goldens[i], 0.0, &(oracle_track){.x = y, .tau = tau}, own);
        carried_run(&goldens[i], 1e-9, &(oracle_track){.x = z}, NULL);
        while (steps < STEPS && tau[steps] < 2.95) twisted = fmax(twisted, tau[steps++]);
        double two = largest_difference(x, y, steps * n * 3);
        double nudged = largest_difference(y, z, size);
        double stepper = largest_difference(y, own, steps * n * 3);
        print_message("%-9s the deform stepper and the oracle differ by %.1e m\n", goldens[i].name, stepper);
        assert_true(stepper <= 1e-9); /* the bar of the goldens */
        double narrow = largest_difference(own, in_float, steps * n * 3);
        double metric = fabs(recorded_error(&goldens[i], in_float) - recorded_error(&goldens[i], own));
        print_message("%-9s in float: by %.1e m, and the mean error changes by %.1e m\n", goldens[i].name, narrow,
                      metric);
        /* 3e-8 m of rounding a step, seven times as much by the end (the nudge), in 498 steps at random */
        assert_true(narrow <= 5e-5 && metric <= 1e-6);
        print_message("%-9s %zu steps, twist to %.2f: two roads differ by %.1e m; start 1e-9 m off: "
                      "by %.1e m\n",
                      goldens[i].name, steps, twisted, two, nudged);
        assert_true(two <= 1e-11); /* a nudge grows by less than ten; round-off is 1e-13 */
        assert_true(nudged <= 1e-8 || steps < STEPS);
        free(x);
        free(y);
        free(z);
        free(own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_published),
        cmocka_unit_test(goldens_departures),
        cmocka_unit_test(goldens_carried),
    };
    return cmocka_run_group_tests(tests, NULL, goldens_free);
}
