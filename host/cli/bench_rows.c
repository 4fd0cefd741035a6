/* cli/bench_rows.c: rows of bench in words and numbers (bench_rows.h). */
#include "cli/bench_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_flops.h"
#include "cli/build.h"
#include "cli/inputs.h"
#include "core/context.h"
#include "core/words.h"
#include "rodgrad/version.h"
#include "threads/pool.h"

void rgc_row_clear(rgc_row *r)
{
    rgc_work_clear(&r->work);
    free(r->times);
    free(r->kernels);
    memset(r, 0, sizeof *r);
}

void rgc_row_judge(rgc_row *r)
{
    const rgc_arrays *a = r->work.arrays;
    double iterations = 0.0;
    char reason[128] = "ok";
    size_t first = 0;
    rgc_work_statuses(&r->work);
    for (size_t i = 0; i < a->rods; i++) {
        const int back = r->work.mode == RGC_ADJOINT && a->back_statuses[i].flag != RG_ROD_OK;
        iterations += a->statuses[i].iterations;
        if (a->statuses[i].flag == RG_ROD_OK && !back) continue;
        if (r->failed++) continue;
        first = i;
        if (a->statuses[i].flag != RG_ROD_OK) rgc_rod_text(&a->statuses[i], reason, sizeof reason);
        else
            snprintf(reason, sizeof reason, "reverse run, step %d: %s", a->back_statuses[i].step,
                     rg_rod_flag_text(a->back_statuses[i].flag));
    }
    r->newton = iterations / ((double)a->rods * (double)rgc_setting_steps(r->work.setting));
    if (r->failed) snprintf(r->status, sizeof r->status, "%zu failed: rod %zu, %s", r->failed, first, reason);
    else snprintf(r->status, sizeof r->status, "ok");
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void rgc_row_sort(rgc_row *r)
{
    qsort(r->times, r->repeats, sizeof *r->times, ascending);
    if (r->kernels) qsort(r->kernels, r->repeats, sizeof *r->kernels, ascending);
}

static double median_of(const rgc_row *r, const double *times)
{
    return 0.5 * (times[(r->repeats - 1) / 2] + times[r->repeats / 2]);
}

/* the processor's name as the system gives it */
static void machine_name(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(text, size, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value += 1 + strspn(value + 1, " ");
        snprintf(text, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (file) fclose(file);
}

/* what a row's time and the processor's limits come to */
typedef struct speed {
    double median_s, rod_steps, rod_seconds; /* [s], [1/s], [s/s] */
    double bytes_per_rod;
    double flops, bytes;                /* of a rod-step */
    double peak_share, bandwidth_share; /* of 1 */
} speed;

static speed speed_of(const rgc_row *r)
{
    const double rods = (double)r->work.arrays->rods;
    speed s;
    s.median_s = median_of(r, r->times);
    s.rod_steps = rods * (double)rgc_setting_steps(r->work.setting) / s.median_s;
    s.rod_seconds = rods * (double)r->work.setting->frames * r->work.setting->frame_s / s.median_s;
    s.bytes_per_rod = (double)rgc_work_describe(&r->work).total_bytes / rods;
    s.flops = rgc_flops_per_step(&r->work, r->newton);
    s.bytes = rgc_work_bytes_per_step(&r->work);
    s.peak_share = s.flops * s.rod_steps / r->peak_flops;
    s.bandwidth_share = s.bytes * s.rod_steps / r->bandwidth;
    return s;
}

/* directions that derivatives go along together; null where there is none */
static json_t *parameters_json(const rgc_work *w)
{
    if (w->mode != RGC_TANGENT && w->mode != RGC_JVP) return json_null();
    return json_integer(w->mode == RGC_TANGENT ? (json_int_t)w->parameters : 1);
}

json_t *rgc_row_json(const rgc_row *r)
{
    const rgc_work *w = &r->work;
    const rgc_setting *of = w->setting;
    const rg_rollout_opts *o = &w->rollout;
    const int implicit = o->stepper == RG_STEPPER_IMPLICIT;
    const speed s = speed_of(r);
    char machine[160];
    machine_name(machine, sizeof machine);
    json_t *object = json_pack(
        "{s:s, s:s, s:o, s:s, s:I, s:I, s:i, s:s, s:s, s:f, s:f, s:f, s:f}", "scene", of->scene->name, "mode",
        rgc_mode_names[w->mode], "parameters", parameters_json(w), "real", rg_real_name(o->real), "batch",
        (json_int_t)w->arrays->rods, "vertices", (json_int_t)of->scene->vertices, "threads", o->threads, "backend",
        rg_context_backend(o->context), "stepper", rg_stepper_name(o->stepper), "dt_s", rgc_setting_step_s(of),
        "rod_steps_per_s", s.rod_steps, "bytes_per_rod", s.bytes_per_rod, "rod_seconds_per_s", s.rod_seconds);
    json_t *more = json_pack(
        "{s:I, s:f, s:i, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:I}", "frames", (json_int_t)of->frames, "frame_s",
        of->frame_s, "substeps", o->substeps, "steps", (json_int_t)rgc_setting_steps(of), "repeats",
        (json_int_t)r->repeats, "calls_per_repeat", (json_int_t)r->calls, "min_s", r->times[0], "median_s", s.median_s,
        "max_s", r->times[r->repeats - 1], "status", rgc_json_text(r->status), "failed_rods", (json_int_t)r->failed);
    json_t *limits = json_pack("{s:o, s:o, s:o, s:f, s:o, s:o}", "flops_per_rod_step", rgc_json_number(s.flops),
                               "peak_flops", rgc_json_number(r->peak_flops), "peak_share",
                               rgc_json_number(s.peak_share), "bytes_per_rod_step", s.bytes, "bandwidth_bytes_per_s",
                               rgc_json_number(r->bandwidth), "bandwidth_share", rgc_json_number(s.bandwidth_share));
    json_t *where =
        json_pack("{s:o, s:o, s:o, s:o, s:s, s:i, s:s, s:s, s:s, s:s}", "newton_per_step",
                  rgc_json_number(implicit ? r->newton : (double)NAN), "scheme",
                  implicit ? json_string(rg_scheme_name(o->scheme)) : json_null(), "machine", rgc_json_text(machine),
                  "device", o->context ? rgc_json_text(rg_context_device_name(o->context)) : json_null(), "isa",
                  rgc_work_isa(w), "processors", (int)rgi_pool_processors(), "compiler", RGC_COMPILER, "build_type",
                  RODGRAD_BUILD_TYPE, "flags", RODGRAD_BUILD_FLAGS, "version", rg_version());
    /* how rods lie on a GPU */
    const rgi_rollout *gpu = rgc_work_rollout(w);
    const double kernels_s = r->kernels ? median_of(r, r->kernels) : (double)NAN;
    const double steps = (double)w->arrays->rods * (double)rgc_setting_steps(of);
    json_t *on_gpu =
        gpu ? json_pack("{s:s, s:o, s:o, s:i, s:i, s:i, s:i, s:b}", "memory",
                        of->memory == RG_MEMORY_DEVICE ? "device" : "host", "kernels_s", rgc_json_number(kernels_s),
                        "kernel_rod_steps_per_s", rgc_json_number(steps / kernels_s), "team", gpu->team,
                        "team_registers", gpu->registers, "block_rods", gpu->teams, "resident_rods", gpu->resident,
                        "shared_memory", gpu->shared)
            : json_object();
    const int failed = !object || !on_gpu || !more || !limits || !where || json_object_update(object, on_gpu) != 0 ||
                       json_object_update(object, more) != 0 || json_object_update(object, limits) != 0 ||
                       json_object_update(object, where) != 0;
    json_decref(more);
    json_decref(on_gpu);
    json_decref(limits);
    json_decref(where);
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

void rgc_row_print_head(const rgc_row *first)
{
    const rgc_setting *of = first->work.setting;
    char machine[160];
    machine_name(machine, sizeof machine);
    printf("%s, %s, %s, rodgrad %s\n", machine, rgi_rollout_isa(&of->rollout), RGC_COMPILER, rg_version());
    printf("%s stepper, %s, %zu frame%s of %g ms, steps of %.4g ms; minimum, median, maximum of %zu\n\n",
           rg_stepper_name(of->rollout.stepper), rg_context_backend(of->rollout.context), of->frames,
           rgi_plural(of->frames), 1e3 * of->frame_s, 1e3 * rgc_setting_step_s(of), first->repeats);
    printf("%-7s %6s  %-11s %-6s %3s %9s %9s %9s %11s %9s %8s %5s %5s  %s\n", "scene", "batch", "mode", "real", "thr",
           "min ms", "median ms", "max ms", "rod-steps/s", "rod-s/s", "kB/rod", "peak", "mem", "status");
}

/* "  0.3%", or "-" where it is not known */
static void print_share(double share)
{
    if (isfinite(share)) printf(" %4.*f%%", share < 0.0995 ? 1 : 0, 100.0 * share);
    else printf(" %5s", "-");
}

void rgc_row_print(const rgc_row *r)
{
    const rgc_work *w = &r->work;
    const speed s = speed_of(r);
    char mode[24];
    if (w->mode == RGC_TANGENT) snprintf(mode, sizeof mode, "%s %zu", rgc_mode_names[w->mode], w->parameters);
    else snprintf(mode, sizeof mode, "%s", rgc_mode_names[w->mode]);
    printf("%-7s %6zu  %-11s %-6s %3d %9.4g %9.4g %9.4g %11.0f %9.1f %8.1f", w->setting->scene->name, w->arrays->rods,
           mode, rg_real_name(w->rollout.real), w->rollout.threads, 1e3 * r->times[0], 1e3 * s.median_s,
           1e3 * r->times[r->repeats - 1], s.rod_steps, s.rod_seconds, 1e-3 * s.bytes_per_rod);
    print_share(s.peak_share);
    print_share(s.bandwidth_share);
    printf("  %s\n", r->status);
}
