/* cli/new.c: rodgrad new: a model of a uniform straight rod, from its section, material and length, and a drive that
 * holds it where it starts, so that it can be simulated without a recording.
 *
 * The markers lie at equal distances on a straight line from the origin. The drive is a CSV recording whose frames
 * are all alike: a simulation starts from rest and its driving markers stay. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/section_args.h"
#include "io/atomic_file.h"

static const char usage[] =
    "rodgrad new KIND SIZES --young E --shear G --density RHO --length L -o model.json\n"
    "       [--clamp LIST] [--drive hold.csv] [options]\n" RGC_SECTION_USAGE "\n\n"
    "A straight rod of equal segments, and with --drive a recording in which it rests for rodgrad simulate. Where\n"
    "--clamp names two neighbours, their segment is clamped and the rod bends from the middle of it on; a marker\n"
    "without such a neighbour is a hinge. By default 0,1,-2,-1: both ends clamped. At the start m1 points up, or\n"
    "along x where the rod is vertical.";

/* the narrowest segment that a recording may have, in which neighbouring markers must not coincide [m] */
static const double spacing_min_m = 2e-5;
/* below this length over its largest width a rod bends and shears like a block */
static const double slenderness_min = 10.0;
/* positions in a drive, frames times markers: the file stays below the size that is read */
static const double samples_max = 2e7;
static const double duration_s = 5.0;

typedef struct job {
    rgc_common common;
    rgc_section_args args;
    const char *length_text, *vertices_text, *direction_text, *drive, *seconds_text, *frames_text;
    const char *stretch_relaxation, *bend_relaxation, *twist_relaxation, *drag, *measure;
    double length_m, direction[3]; /* a unit vector */
    long markers, frames;
    rgi_model_file file;
    rg_section_shape shape;
    rg_stiffness stiffness;
} job;

/* ---- the command line ---- */

/* three numbers between commas, made a unit vector */
static int read_direction(const char *text, double out[3])
{
    double size = 0.0;
    if (!rgc_triple(text, out)) goto bad;
    size = hypot(hypot(out[0], out[1]), out[2]);
    if (!(size >= 1e-6)) goto bad;
    for (int c = 0; c < 3; c++) out[c] = out[c] / size + 0.0; /* no -0 */
    return RGC_DONE;
bad:
    return rgc_complain(NULL, RGC_USAGE,
                        "--direction is \"%s\" but must be three numbers between commas that are not all 0, for "
                        "example 0,0,-1.",
                        text);
}

/* how many frames the drive has: of --frames, or as many as cover --seconds */
static int read_frames(job *j)
{
    const double dt = j->common.import.dt_s;
    double seconds = duration_s;
    if (j->seconds_text && j->frames_text)
        return rgc_complain("new", RGC_USAGE, "--seconds and --frames say the same; give one of them.");
    if (!j->drive && (j->seconds_text || j->frames_text))
        return rgc_complain("new", RGC_USAGE, "--%s is about the drive; name its file with --drive.",
                            j->seconds_text ? "seconds" : "frames");
    if (!j->drive) return RGC_DONE;
    if (j->frames_text) {
        if (rgc_integer("frames", j->frames_text, 3, 10000000, &j->frames) != RGC_DONE) return RGC_USAGE;
    } else {
        if (j->seconds_text && rgc_number("seconds", j->seconds_text, 1e-6, 1e6, &seconds) != RGC_DONE)
            return RGC_USAGE;
        const double intervals = ceil(seconds / dt * (1.0 - 1e-12));
        if (intervals < 2.0)
            return rgc_complain("new", RGC_USAGE,
                                "--seconds is %s, but a drive lasts two frames of %g s at least; give a longer time or "
                                "a shorter --dt.",
                                j->seconds_text ? j->seconds_text : "5", dt);
        j->frames = intervals < 1e9 ? (long)intervals + 1 : 1000000000L;
    }
    if ((double)j->frames * (double)j->markers > samples_max)
        return rgc_complain("new", RGC_USAGE,
                            "%ld frames of %ld markers are more than the %.0e positions that a drive may have; give "
                            "fewer frames or vertices.",
                            j->frames, j->markers, samples_max);
    return RGC_DONE;
}

static int read_numbers(job *j)
{
    if (j->vertices_text && rgc_integer("vertices", j->vertices_text, 3, 10000, &j->markers) != RGC_DONE)
        return RGC_USAGE;
    if (rgc_number("length", j->length_text, 1e-4, 1e3, &j->length_m) != RGC_DONE) return RGC_USAGE;
    if (j->length_m / (double)(j->markers - 1) < spacing_min_m)
        return rgc_complain("new", RGC_USAGE,
                            "%ld vertices on %s m are %.2g m apart, but markers must be %g m apart; give fewer.",
                            j->markers, j->length_text, j->length_m / (double)(j->markers - 1), spacing_min_m);
    if (j->direction_text && read_direction(j->direction_text, j->direction) != RGC_DONE) return RGC_USAGE;
    return read_frames(j);
}

static int ends_in_csv(const char *path)
{
    const size_t n = strlen(path);
    return n > 4 && strcasecmp(path + n - 4, ".csv") == 0;
}

static int check_arguments(const job *j)
{
    if (!j->args.has_sizes)
        return rgc_complain("new", RGC_USAGE, "give the sizes of the %s; see rodgrad new --help.",
                            rg_section_name(j->args.section.kind));
    if (!j->args.has_material) return rgc_complain("new", RGC_USAGE, "give --young, --shear and --density, all three.");
    if (!j->length_text) return rgc_complain("new", RGC_USAGE, "give the rod's --length in metres.");
    if (!j->common.output) return rgc_complain("new", RGC_USAGE, "give the model.json to write with -o.");
    if (rgc_check_suffix("new", j->common.output, ".json", NULL, NULL) != RGC_DONE) return RGC_USAGE;
    if (j->drive && !ends_in_csv(j->drive))
        return rgc_complain("new", RGC_USAGE, "the drive %s must end in .csv.", j->drive);
    return RGC_DONE;
}

/* ---- the outputs ---- */

/* one file under two names; they end differently, so that a file that is to be made cannot be meant by both */
static int same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* the frames, all alike: t,x0,y0,z0,x1,... */
static rg_status write_frames(FILE *stream, const job *j, rg_error *err)
{
    char *line = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&line, &size);
    for (long m = 0; text && m < j->markers; m++) {
        const double s = j->length_m * (double)m / (double)(j->markers - 1);
        fprintf(text, ",%.15g,%.15g,%.15g", s * j->direction[0], s * j->direction[1], s * j->direction[2]);
    }
    if (!text || fclose(text) != 0) {
        free(line);
        return RG_FAIL(err, RG_ERR_MEMORY, "No memory for a frame of %ld markers.", j->markers);
    }
    int written = fputs("t", stream) >= 0;
    for (long m = 0; m < j->markers && written; m++) written = fprintf(stream, ",x%ld,y%ld,z%ld", m, m, m) > 0;
    for (long k = 0; k < j->frames && written && !rgc_interrupted(); k++)
        written = fprintf(stream, "\n%.15g", (double)k * j->common.import.dt_s) > 0 && fputs(line, stream) >= 0;
    if (written) written = fputc('\n', stream) != EOF && fflush(stream) == 0;
    const int reason = errno;
    free(line);
    if (rgc_interrupted()) return RG_FAIL(err, RG_ERR_INTERRUPTED, "interrupted; nothing was written.");
    if (written) return RG_OK;
    return RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", j->drive, strerror(reason ? reason : EIO));
}

/* the drive takes its name after the model has been written, so that a failure leaves neither */
static rg_status write_outputs(const job *j, rg_error *err)
{
    rgi_atomic_file drive = {0};
    rg_status status = RG_OK;
    errno = 0;
    if (j->drive) status = rgi_atomic_open(&drive, j->drive, 1, err);
    if (status == RG_OK && j->drive) status = write_frames(drive.stream, j, err);
    if (status == RG_OK) status = rgi_model_file_save(j->common.output, &j->file, err);
    if (status == RG_OK && j->drive) return rgi_atomic_commit(&drive, err);
    rgi_atomic_abort(&drive);
    return status;
}

/* ---- the model ---- */

static int compare_ints(const void *left, const void *right)
{
    const int a = *(const int *)left, b = *(const int *)right;
    return (a > b) - (a < b);
}

/* the markers of --clamp, counted from 0, ascending */
static rg_status read_clamps(const job *j, int clamps[], size_t *n, rg_error *err)
{
    *n = j->common.import.n_clamps;
    if (*n >= (size_t)j->markers)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "all %ld markers are clamps; give more --vertices or fewer markers in --clamp.", j->markers);
    for (size_t i = 0; i < *n; i++) {
        const int given = j->common.import.clamps[i];
        const long marker = given < 0 ? given + j->markers : given;
        if (marker < 0 || marker >= j->markers)
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "clamp %d is not one of the %ld markers; give indices from 0 to %ld, or from -1 down to "
                           "%ld.",
                           given, j->markers, j->markers - 1, -j->markers);
        clamps[i] = (int)marker;
    }
    qsort(clamps, *n, sizeof *clamps, compare_ints);
    for (size_t i = 1; i < *n; i++)
        if (clamps[i] == clamps[i - 1])
            return RG_FAIL(err, RG_ERR_ARGUMENT, "marker %d of %ld is a clamp twice; give each one once in --clamp.",
                           clamps[i], j->markers);
    return RG_OK;
}

/* an option for a field that is the same everywhere */
static int set_field(rg_model *model, rg_field field, const char *option, const char *text)
{
    double value = 0.0, *data = rg_model_field_data(model, field);
    if (!text) return RGC_DONE;
    if (rgc_number(option, text, 0.0, 1e6, &value) != RGC_DONE) return RGC_USAGE;
    for (size_t i = 0; i < rg_model_field_entries(model, field); i++) data[i] = value;
    return RGC_DONE;
}

static int set_damping(job *j)
{
    rg_model *model = j->file.model;
    int code = set_field(model, RG_STRETCH_RELAXATION, "stretch-relaxation", j->stretch_relaxation);
    if (code == RGC_DONE) code = set_field(model, RG_BEND_RELAXATION, "bend-relaxation", j->bend_relaxation);
    if (code == RGC_DONE) code = set_field(model, RG_TWIST_RELAXATION, "twist-relaxation", j->twist_relaxation);
    if (code == RGC_DONE) code = set_field(model, RG_DRAG, "drag", j->drag);
    return code;
}

static int make_model(job *j)
{
    rg_error err = {0};
    int clamps[sizeof j->common.import_clamps / sizeof *j->common.import_clamps];
    size_t n = 0;
    const size_t refine = j->common.refine > 0 ? (size_t)j->common.refine : 1;
    rg_status status = read_clamps(j, clamps, &n, &err);
    if (status == RG_OK) status = rg_model_create((size_t)j->markers, refine, clamps, n, &j->file.model, &err);
    rg_bend_measure measure = RG_BEND_AVERAGED;
    if (status == RG_OK && j->measure && rgc_bend_measure("new", j->measure, &measure) != RGC_DONE) return RGC_USAGE;
    if (status == RG_OK) status = rg_model_set_bend_measure(j->file.model, measure, &err);
    if (status == RG_OK) status = rg_model_set_section(j->file.model, &j->args.section, &j->args.material, &err);
    if (status == RG_OK) status = rg_section_measure(&j->args.section, &j->shape, &err);
    if (status == RG_OK) status = rg_section_stiffness(&j->args.section, &j->args.material, &j->stiffness, &err);
    if (status != RG_OK) return rgc_fail("new", &err);
    double *rest = rg_model_field_data(j->file.model, RG_REST_LENGTH), whole = 0.0;
    const size_t edges = rg_model_field_entries(j->file.model, RG_REST_LENGTH);
    for (size_t i = 0; i < edges; i++) whole += rest[i];
    for (size_t i = 0; i < edges; i++) rest[i] *= j->length_m / whole;
    j->file.rollout = rgc_rollout_opts(&j->common, NULL);
    j->file.dt_s = j->common.import.dt_s;
    return set_damping(j);
}

static double width_of(const rg_section *s)
{
    switch (s->kind) {
    case RG_SECTION_CIRCLE:
    case RG_SECTION_TUBE: return 2.0 * s->a_m;
    case RG_SECTION_ELLIPSE: return 2.0 * fmax(s->a_m, s->b_m);
    case RG_SECTION_RECTANGLE: return fmax(s->a_m, s->b_m);
    }
    return 0.0;
}

static void warn(const job *j)
{
    const double slenderness = j->length_m / width_of(&j->args.section);
    rgc_section_warn_poisson("new", rg_poisson_ratio(j->args.material.young_pa, j->args.material.shear_pa));
    if (slenderness < slenderness_min)
        rgc_warn("new", "the rod is only %.3g times as long as wide; the theory of thin rods is for %g and more.",
                 slenderness, slenderness_min);
    if (rg_model_clamps(j->file.model, NULL) == 1)
        rgc_warn("new", "a single driven marker is a hinge about which the rod swings; two neighbours, such as 0,1, "
                        "clamp it.");
}

/* ---- what is printed ---- */

static json_t *result_json(const job *j)
{
    const int *clamps = NULL;
    const size_t n = rg_model_clamps(j->file.model, &clamps);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_integer(clamps[i]));
    json_t *drive = NULL;
    if (j->drive)
        drive = json_pack("{s:o, s:I, s:f}", "output", rgc_json_text(j->drive), "frames", (json_int_t)j->frames,
                          "seconds", (double)(j->frames - 1) * j->common.import.dt_s);
    return json_pack("{s:o, s:o*, s:o, s:o, s:o, s:o, s:f, s:[f, f, f], s:I, s:I, s:o, s:f}", "output",
                     rgc_json_text(j->common.output), "drive", drive, "section", rgc_section_json(&j->args.section),
                     "shape", rgc_section_shape_json(&j->shape), "material",
                     rgc_section_material_json(&j->args.material), "fields", rgc_section_fields_json(&j->stiffness),
                     "length_m", j->length_m, "direction", j->direction[0], j->direction[1], j->direction[2], "markers",
                     (json_int_t)j->markers, "vertices", (json_int_t)rg_model_vertices(j->file.model), "clamps", list,
                     "dt_s", j->file.dt_s);
}

static int print_result(const job *j)
{
    if (j->common.json) return rgc_print_json("new", result_json(j));
    const int *clamps = NULL;
    const size_t n = rg_model_clamps(j->file.model, &clamps);
    rgc_section_print(&j->args.section, &j->shape);
    rgc_section_print_stiffness(&j->args.material, &j->stiffness);
    printf("%s: %.6g m along %.4g,%.4g,%.4g, %ld markers, %zu vertices, driven:", j->common.output, j->length_m,
           j->direction[0], j->direction[1], j->direction[2], j->markers, rg_model_vertices(j->file.model));
    for (size_t i = 0; i < n; i++) printf(" %d", clamps[i]);
    if (n == 0) printf(" none");
    printf("\n");
    if (j->drive)
        printf("%s: %ld frames, %.6g s\n", j->drive, j->frames, (double)(j->frames - 1) * j->common.import.dt_s);
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("new", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static int run(job *j)
{
    if (j->drive && same_file(j->common.output, j->drive))
        return rgc_complain("new", RGC_USAGE, "the model %s and the drive %s are one file; give them two names.",
                            j->common.output, j->drive);
    rg_error err = {0};
    const rg_stepper stepper = rgc_rollout_opts(&j->common, NULL).stepper;
    if (rgc_check_steps(&j->common, stepper, &err) != RG_OK) return rgc_fail("new", &err);
    int code = make_model(j);
    if (code != RGC_DONE) return code;
    rgc_catch_signals();
    if (write_outputs(j, &err) != RG_OK) return rgc_fail("new", &err);
    warn(j);
    return print_result(j);
}

int rgc_new(int argc, char **argv)
{
    job j = {.direction = {1.0, 0.0, 0.0}, .markers = 21};
    const rgc_option extra[] = {
        RGC_SECTION_OPTIONS(j.args),
        {"length", &j.length_text, NULL, "of the rod [m]"},
        {"vertices", &j.vertices_text, NULL, "markers, at equal distances (21); --refine divides the segments between"},
        {"direction", &j.direction_text, NULL, "x,y,z along which the rod starts, from the origin, z up (1,0,0)"},
        {"drive", &j.drive, NULL, "CSV to write that holds the rod where it starts"},
        {"seconds", &j.seconds_text, NULL, "that the drive lasts (5)"},
        {"frames", &j.frames_text, NULL, "that the drive has, instead of --seconds"},
        {"stretch-relaxation", &j.stretch_relaxation, NULL, "time of the damping of stretch [s] (0.01)"},
        {"bend-relaxation", &j.bend_relaxation, NULL, "of bending [s] (0.05)"},
        {"twist-relaxation", &j.twist_relaxation, NULL, "of twist [s] (0.05)"},
        {"drag", &j.drag, NULL, "of the air, per mass [1/s] (0.05)"},
        {"bend-measure", &j.measure, NULL,
         "curvature is measured against directors averaged, or normalised (averaged)"},
    };
    int first = 0, last = 0;
    int code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &j.common, &first, &last);
    if (code != RGC_DONE || j.common.help) return code;
    code = rgc_section_read("new", argv + first, last - first, &j.args);
    if (code == RGC_DONE) code = check_arguments(&j);
    if (code == RGC_DONE) code = read_numbers(&j);
    if (code == RGC_DONE) code = run(&j);
    rgi_model_file_clear(&j.file);
    return code;
}
