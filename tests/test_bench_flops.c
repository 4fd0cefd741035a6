/* Operations of a rod-step, counted where the kernels do them (test_bench_flops/count.cpp), against what
 * rodgrad bench says of its rows (cli/bench_flops.h).
 *
 *   test_bench_flops                 compare
 *   test_bench_flops --update FILE   count, and write host/cli/bench_flops_table.h to FILE
 *
 * Counts are linear in few terms, so the table is a least-squares fit to small runs, and compared at other
 * vertices, tolerances, sweeps and parameters than it was made of. */
#include <lapacke.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bench_flops.h"

double bench_operations(void);

/* what a count depends on */
typedef struct point {
    rg_stepper stepper;
    rgc_mode mode;
    size_t scene, parameters;
    int substeps, sweeps;
    double tolerance_m;
} point;

/* of a rod-step */
typedef struct count {
    double flops, said;            /* counted; as rgc_flops_per_step has it */
    double terms[RGC_FLOPS_TERMS]; /* that it is linear in */
    int levels;                    /* of checkpoints */
} count;

/* a run over some frames */
typedef struct job {
    rgc_setting setting;
    rgc_arrays arrays;
    rgc_work work;
    double flops, iterations;
} job;

static void give_up(const char *why)
{
    fprintf(stderr, "test_bench_flops: %s\n", why);
    exit(1);
}

static void must(rg_status status, const rg_error *err)
{
    if (status != RG_OK) give_up(err->text);
}

static void start(const point *at, size_t frames, job *j)
{
    rg_error err = {0};
    int substeps = 0; /* of 10 ms */
    memset(j, 0, sizeof *j);
    j->setting = (rgc_setting){&rgc_scenes[at->scene], rg_rollout_opts_default(), frames, 0.0, RG_MEMORY_HOST};
    j->arrays.rods = 1;
    rg_rollout_opts *o = &j->setting.rollout;
    must(rgc_scene_substeps(j->setting.scene, at->stepper, 0.01, &substeps, &err), &err);
    j->setting.frame_s = 0.01 / substeps * at->substeps;
    o->stepper = at->stepper;
    o->substeps = at->substeps;
    o->sweeps = at->sweeps;
    o->tolerance_m = at->tolerance_m;
    o->isa = "scalar";
    must(rgc_work_create(&j->setting, &j->arrays, at->mode, at->parameters, RG_REAL_DOUBLE, 1, &j->work, &err), &err);
    const double before = bench_operations();
    must(rgc_work_run(&j->work, &err), &err);
    j->flops = bench_operations() - before;
    rgc_work_statuses(&j->work);
    const rg_rod_status *status = &j->arrays.statuses[0];
    if (status->flag != RG_ROD_OK) give_up(rg_rod_flag_text(status->flag));
    j->iterations = status->iterations;
}

static void finish(job *j)
{
    rgc_work_clear(&j->work);
    rgc_arrays_clear(&j->setting, &j->arrays);
}

/* by the difference of two runs, so that what is done once a rod drops out */
static count measure(const point *at, size_t few, size_t many)
{
    job less, more;
    count c;
    start(at, few, &less);
    start(at, many, &more);
    const double steps = (double)(many - few) * at->substeps;
    const double newton = (more.iterations - less.iterations) / steps;
    c.flops = (more.flops - less.flops) / steps;
    c.said = rgc_flops_per_step(&more.work, newton);
    c.levels = more.work.batch ? rgc_work_describe(&more.work).levels : 0;
    rgc_flops_terms(&more.work, newton, c.terms);
    finish(&less);
    finish(&more);
    return c;
}

/* ---- the table ---- */

enum { UNKNOWNS = 2 * RGC_FLOPS_TERMS, MOST_ROWS = 256 };

/* least squares of relative errors; columns scaled to 1, those of zeros get zeros */
static void fit(double *a, double *b, int rows, double *out)
{
    double scale[UNKNOWNS], singular[UNKNOWNS];
    lapack_int rank = 0;
    for (int k = 0; k < UNKNOWNS; k++) {
        scale[k] = 0.0;
        for (int i = 0; i < rows; i++) scale[k] += a[i * UNKNOWNS + k] * a[i * UNKNOWNS + k];
        scale[k] = scale[k] > 0.0 ? 1.0 / sqrt(scale[k]) : 0.0;
        for (int i = 0; i < rows; i++) a[i * UNKNOWNS + k] *= scale[k];
    }
    if (LAPACKE_dgelsd(LAPACK_ROW_MAJOR, rows, UNKNOWNS, 1, a, UNKNOWNS, b, 1, singular, 1e-10, &rank) != 0)
        give_up("the least squares failed");
    for (int k = 0; k < UNKNOWNS; k++) out[k] = b[k] * scale[k];
}

/* one stepper's and mode's row of the table */
static void make_row(rg_stepper stepper, rgc_mode mode, double *out)
{
    static double a[MOST_ROWS * UNKNOWNS], b[MOST_ROWS];
    static const size_t some[] = {1, 8, 40};
    static const double tolerances[] = {1e-3, 1e-6, 1e-9};
    int rows = 0;
    for (int i = 0; i < 3 * 3 * 2 * 2 * 3; i++) {
        const int few = mode != RGC_TANGENT, one = stepper == RG_STEPPER_IMPLICIT;
        point at = {stepper,
                    mode,
                    (size_t)(i % 3),
                    some[i / 36],
                    i / 9 % 2 ? 3 : 1,
                    i / 18 % 2 ? 10 : 4,
                    tolerances[i / 3 % 3]};
        if ((few && i / 36 > 0) || (one && i / 18 % 2)) continue;
        count c = measure(&at, 3 / (size_t)at.substeps, 6 / (size_t)at.substeps);
        double flops = c.flops;
        if (mode == RGC_ADJOINT) {
            /* the reverse run alone */
            at.mode = RGC_FORWARD;
            flops -= measure(&at, 3 / (size_t)at.substeps, 6 / (size_t)at.substeps).flops;
            if (c.levels != 1) give_up("a few steps are not kept whole");
        }
        for (int k = 0; k < RGC_FLOPS_TERMS; k++) {
            a[rows * UNKNOWNS + 2 * k] = c.terms[k] / flops;
            a[rows * UNKNOWNS + 2 * k + 1] = c.terms[k] * (double)rgc_scenes[at.scene].vertices / flops;
        }
        b[rows++] = 1.0;
    }
    fit(a, b, rows, out);
}

/* to a tenth, without a sign of zero */
static double rounded(double x) { return floor(10.0 * x + 0.5) / 10.0 + 0.0; }

static int update(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        return 1;
    }
    fprintf(file, "/* cli/bench_flops_table.h: made by test_bench_flops --update; do not edit.\n"
                  " *\n"
                  " * Operations of a rod-step, [stepper][mode][term]: constant, times vertices\n"
                  " * (bench_flops.h). Of adjoint the reverse run alone. */\n"
                  "#ifndef RGC_BENCH_FLOPS_TABLE_H\n"
                  "#define RGC_BENCH_FLOPS_TABLE_H\n\n"
                  "/* clang-format off */\n"
                  "static const double rgc_flops_table[][RGC_MODES][RGC_FLOPS_TERMS][2] = {\n");
    for (int stepper = 0; stepper < 2; stepper++) {
        fprintf(file, "    {\n        /* %s */\n", rg_stepper_name((rg_stepper)stepper));
        for (int mode = 0; mode < RGC_MODES; mode++) {
            double row[UNKNOWNS];
            make_row((rg_stepper)stepper, (rgc_mode)mode, row);
            fprintf(file, "        /* %s */\n        {", rgc_mode_names[mode]);
            for (int k = 0; k < RGC_FLOPS_TERMS; k++)
                fprintf(file, "%s{%.1f, %.1f}%s", k ? k == 4 ? "\n         " : " " : "", rounded(row[2 * k]),
                        rounded(row[2 * k + 1]), k + 1 < RGC_FLOPS_TERMS ? "," : "},\n");
        }
        fprintf(file, "    },\n");
    }
    fprintf(file, "};\n/* clang-format on */\n\n#endif\n");
    if (ferror(file) | fclose(file)) {
        perror(path);
        return 1;
    }
    return 0;
}

/* ---- the test ---- */

/* Bar: 2 %. Counts come out to the last digit but for those of mode tangent, which are not quite linear:
 * normal equations are summed in blocks of parameters. A step in which a trial climbs is more. */
static void compare(const point *at, size_t few, size_t many)
{
    const count c = measure(at, few, many);
    const double error = fabs(c.said - c.flops) / c.flops;
    printf("%-8s %-7s %-8s %3zu parameters, %d substeps, %d sweeps: %.0f, said %.0f (%+.2f %%)\n",
           rg_stepper_name(at->stepper), rgc_mode_names[at->mode], rgc_scenes[at->scene].name, at->parameters,
           at->substeps, at->sweeps, c.flops, c.said, 100.0 * (c.said - c.flops) / c.flops);
    if (!(error <= 0.02)) fail_msg("counts changed; run test_bench_flops --update host/cli/bench_flops_table.h");
}

static void bench_flops_counted(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < 2; stepper++)
        for (int mode = 0; mode < RGC_MODES; mode++)
            for (size_t scene = 0; scene < 4; scene += 3) {
                const int deform = stepper == RG_STEPPER_DEFORM;
                point at = {(rg_stepper)stepper, (rgc_mode)mode, scene, 1, 1, 10, 1e-6};
                /* one level of checkpoints, and two */
                compare(&at, 4, 8);
                compare(&at, 30, 60);
                at.substeps = 2;
                at.sweeps = deform ? 7 : 10;
                at.parameters = 8;
                compare(&at, 20, 40);
                for (at.parameters = 5; mode == RGC_TANGENT && at.parameters < 100; at.parameters *= 3)
                    compare(&at, 5, 10);
            }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--update") == 0) return update(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(bench_flops_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
