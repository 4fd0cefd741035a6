/* cli/import.c: rodgrad import: recordings of any known format into one HDF5 file, with a report of
 * what was found in them: lost frames, glitches masked and repaired, the largest jump. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "core/words.h"

static const char usage[] =
    "rodgrad import PATH... -o rec.h5 [options]\n\n"
    "PATH is a recording (.pkl, .csv, .npy, .h5) or a folder of them. A table of what was found "
    "goes\n"
    "to stderr: marker frames masked (free markers) and repaired (driving markers), frames that "
    "were\n"
    "lost while recording, and the largest step of a marker from one frame to the next.";

/* what the report says of one recording */
typedef struct finding {
    size_t lost, gaps; /* frames that were lost, intervals that lost some */
    double jump_m;
    size_t jump_frame, jump_marker; /* the frame it arrives at */
} finding;

static void examine(const rg_recording *r, finding *found)
{
    memset(found, 0, sizeof *found);
    found->lost = r->n_lost;
    for (size_t k = 1; k < r->n_frames; k++) {
        found->gaps += r->lost && r->lost[k] > 0;
        for (size_t m = 0; m < r->n_markers; m++) {
            const double *x = r->positions + (k * r->n_markers + m) * 3;
            const double *y = x - r->n_markers * 3;
            double jump = hypot(hypot(x[0] - y[0], x[1] - y[1]), x[2] - y[2]);
            if (jump <= found->jump_m) continue;
            found->jump_m = jump;
            found->jump_frame = k;
            found->jump_marker = m;
        }
    }
}

static void print_table(const rg_recording *recordings, const finding *found, size_t n)
{
    size_t masked = 0, repaired = 0, lost = 0, gaps = 0, samples = 0;
    fprintf(stderr, "%-20s %7s %8s %9s %7s %9s %12s %13s\n", "recording", "frames", "markers", "dt [s]", "masked",
            "repaired", "lost frames", "largest jump");
    for (size_t i = 0; i < n; i++) {
        const rg_recording *r = &recordings[i];
        char loss[48];
        if (found[i].gaps) snprintf(loss, sizeof loss, "%zu in %zu", found[i].lost, found[i].gaps);
        else snprintf(loss, sizeof loss, "0");
        fprintf(stderr, "%-20s %7zu %8zu %9.6g %7zu %9zu %12s %10.1f mm\n", r->name, r->n_frames, r->n_markers, r->dt_s,
                r->n_masked, r->n_repaired, loss, 1e3 * found[i].jump_m);
        masked += r->n_masked;
        repaired += r->n_repaired;
        lost += found[i].lost;
        gaps += found[i].gaps;
        samples += r->n_frames * (r->n_markers - r->n_clamps);
    }
    fprintf(stderr,
            "%zu recording%s: %zu marker frame%s masked (%.2f %% of the free ones), %zu repaired, "
            "%zu frame%s lost in %zu gap%s.\n",
            n, rgi_plural(n), masked, rgi_plural(masked), samples ? 100.0 * (double)masked / (double)samples : 0.0,
            repaired, lost, rgi_plural(lost), gaps, rgi_plural(gaps));
}

static json_t *clamps_json(const rg_recording *r)
{
    json_t *list = json_array();
    for (size_t c = 0; c < r->n_clamps; c++) json_array_append_new(list, json_integer(r->clamps[c]));
    return list;
}

/* NULL without memory */
static json_t *result_json(const char *output, const rg_recording *recordings, const finding *found, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const rg_recording *r = &recordings[i];
        json_t *file = json_pack("{s:o, s:o, s:s, s:I, s:I, s:f, s:o, s:I, s:I, s:I, s:I, s:{s:f, s:I, s:I}}", "name",
                                 rgc_json_text(r->name), "source", rgc_json_text(r->source), "sha256", r->sha256,
                                 "frames", (json_int_t)r->n_frames, "markers", (json_int_t)r->n_markers, "dt_s",
                                 r->dt_s, "clamps", clamps_json(r), "masked", (json_int_t)r->n_masked, "repaired",
                                 (json_int_t)r->n_repaired, "lost_frames", (json_int_t)found[i].lost, "gaps",
                                 (json_int_t)found[i].gaps, "largest_jump", "m", found[i].jump_m, "frame",
                                 (json_int_t)found[i].jump_frame, "marker", (json_int_t)found[i].jump_marker);
        if (json_array_append_new(list, file) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:o}", "status", "ok", "output", rgc_json_text(output), "files", list);
}

static int run(const rgc_common *common, const char *const *paths, size_t n_paths, rg_recording **recordings, size_t *n,
               finding **found)
{
    rg_error err = {0};
    rg_status status = rgc_check_output(common->output, paths, n_paths, &err);
    if (status == RG_OK) status = rg_recordings_read(paths, n_paths, &common->import, recordings, n, &err);
    if (status != RG_OK) return rgc_fail("import", &err);
    *found = calloc(*n, sizeof **found);
    if (!*found) return rgc_complain("import", RGC_FAILED, "no memory for %zu recording%s.", *n, rgi_plural(*n));
    rgc_warn_twice("import", "", *recordings, *n);
    for (size_t i = 0; i < *n; i++) examine(&(*recordings)[i], &(*found)[i]);
    /* from here an interrupt waits until the file is whole */
    rgc_catch_signals();
    status = rg_recordings_write_h5(common->output, *recordings, *n, &err);
    if (status != RG_OK) return rgc_fail("import", &err);
    print_table(*recordings, *found, *n);
    if (!common->json) return RGC_DONE;
    json_t *object = result_json(common->output, *recordings, *found, *n);
    if (!object) return rgc_complain("import", RGC_FAILED, "no memory for the result.");
    return rgc_print_json("import", object);
}

int rgc_import(int argc, char **argv)
{
    rgc_common common;
    int first, last;
    int code = rgc_parse(argc, argv, usage, NULL, 0, &common, &first, &last);
    if (code != RGC_DONE || common.help) return code;
    if (first == last) return rgc_complain("import", RGC_USAGE, "give the recordings or folders to convert.");
    if (!common.output) return rgc_complain("import", RGC_USAGE, "give the HDF5 file to write with -o.");
    code = rgc_check_suffix("import", common.output, ".h5", ".hdf5", NULL);
    if (code != RGC_DONE) return code;

    rg_recording *recordings = NULL;
    finding *found = NULL;
    size_t n = 0;
    code = run(&common, (const char *const *)argv + first, (size_t)(last - first), &recordings, &n, &found);
    free(found);
    rg_recordings_free(recordings, n);
    return code;
}
