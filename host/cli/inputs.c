/* cli/inputs.c: load what a model is to predict, simulate it, and put its state into words. */
#include "cli/inputs.h"

#include <dirent.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/context.h"
#include "core/motion.h"
#include "core/words.h"

/* the model's clamps as import options: those of the far end count from there, so that a recording
 * of another length is refused for its length and not for a clamp that it lacks */
static int *clamp_list(const rg_model *model, size_t *n)
{
    const int *clamps = NULL;
    *n = rg_model_clamps(model, &clamps);
    int markers = (int)rg_model_markers(model);
    int *list = malloc((*n ? *n : 1) * sizeof *list);
    for (size_t i = 0; list && i < *n; i++) list[i] = 2 * clamps[i] < markers ? clamps[i] : clamps[i] - markers;
    return list;
}

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* is `file` one of a folder's own files? */
static int in_folder(const char *path, const struct stat *file)
{
    DIR *folder = opendir(path);
    int found = 0;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        struct stat info;
        found = fstatat(dirfd(folder), entry->d_name, &info, 0) == 0 && same_file(&info, file);
    }
    if (folder) closedir(folder);
    return found;
}

rg_status rgc_check_output(const char *output, const char *const *inputs, size_t n, rg_error *err)
{
    struct stat old, input;
    if (stat(output, &old) != 0) return RG_OK;
    for (size_t i = 0; i < n; i++) {
        if (!inputs[i] || stat(inputs[i], &input) != 0) continue;
        if (same_file(&input, &old))
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "the output %s is one of the inputs, %s, which would be lost; name another file.", output,
                           inputs[i]);
        if (S_ISDIR(input.st_mode) && in_folder(inputs[i], &old))
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "the output %s is a file of the folder %s, one of the inputs, and would be lost; name "
                           "another file.",
                           output, inputs[i]);
    }
    return RG_OK;
}

/* the folder of a path, and its name there; 0 where there is no such folder */
static int find_folder(const char *path, struct stat *folder, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash) return stat(".", folder) == 0;
    char *up = strndup(path, (size_t)(slash - path) + 1);
    const int found = up && stat(up, folder) == 0;
    free(up);
    return found;
}

int rgc_same_output(const char *a, const char *b)
{
    struct stat one, other;
    const char *name = NULL, *second = NULL;
    if (strcmp(a, b) == 0) return 1;
    if (stat(a, &one) == 0 && stat(b, &other) == 0 && same_file(&one, &other)) return 1;
    return find_folder(a, &one, &name) && find_folder(b, &other, &second) && same_file(&one, &other) &&
           strcmp(name, second) == 0;
}

int rgc_check_suffix(const char *command, const char *output, const char *first, const char *second, const char *third)
{
    const char *const suffixes[] = {first, second, third};
    size_t n = 0;
    for (; n < 3 && suffixes[n]; n++)
        if (rgi_has_suffix(output, suffixes[n])) return RGC_DONE;
    return rgc_complain(command, RGC_USAGE, "the output %s must end in %s%s%s%s%s, as this is what is written.", output,
                        first,
                        n > 2   ? ", "
                        : n > 1 ? " or "
                                : "",
                        n > 1 ? second : "", n > 2 ? " or " : "", n > 2 ? third : "");
}

static int same_motion(const rg_recording *a, const rg_recording *b)
{
    return a->n_frames == b->n_frames && a->n_markers == b->n_markers && a->dt_s == b->dt_s &&
           memcmp(a->positions, b->positions, 3 * a->n_frames * a->n_markers * sizeof *a->positions) == 0;
}

void rgc_warn_twice(const char *command, const char *kind, const rg_recording *recordings, size_t n)
{
    size_t copies = 0, first = 0, second = 0;
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            if (!same_motion(&recordings[k], &recordings[i])) continue;
            if (copies++ == 0) {
                first = k;
                second = i;
            }
            break;
        }
    if (copies == 0) return;
    char more[64] = "";
    if (copies > 1) snprintf(more, sizeof more, " (%zu of %zu are such copies)", copies, n);
    rgc_warn(command, "%srecordings %zu (%s) and %zu (%s) hold the same motion%s, which counts twice; leave one out.",
             kind, first, recordings[first].name, second, recordings[second].name, more);
}

void rgc_warn_straight(const char *command, const rg_recording *recordings, size_t n)
{
    size_t straight = 0, first = 0;
    for (size_t i = 0; i < n; i++)
        if (rgi_motion_starts_straight(&recordings[i]) && straight++ == 0) first = i;
    if (n < 2 || straight == 0) return;
    rgc_warn(command,
             "%zu of %zu recordings start straight (first of them: %s), so that nothing tells how their rod is rolled; "
             "directors start from the world's axes. If a gripper was rolled about the rod between recordings, "
             "they contradict each other in natural curvature and unequal bending stiffnesses.",
             straight, n, recordings[first].name);
}

static rg_status check_fits(const rg_recording *recording, const rg_model *model, const char *model_path, rg_error *err)
{
    size_t n_markers = rg_model_markers(model);
    if (recording->n_markers != n_markers)
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s has %zu markers but %s is a model for %zu; fit a model to recordings of "
                       "this rod.",
                       recording->name, recording->n_markers, model_path, n_markers);
    const int *clamps = NULL;
    size_t n_clamps = rg_model_clamps(model, &clamps);
    if (recording->n_clamps != n_clamps || memcmp(recording->clamps, clamps, n_clamps * sizeof *clamps) != 0)
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s has other driving markers than %s; import it with the model's \"clamps\" "
                       "or fit a model to it.",
                       recording->name, model_path);
    if (recording->n_frames < 3)
        return RG_FAIL(err, RG_ERR_SHAPE, "%s has only %zu frames; a prediction starts from two and needs a third.",
                       recording->name, recording->n_frames);
    return RG_OK;
}

rg_status rgc_read_recordings(const char *const *paths, size_t n, const rgc_common *common, const rgi_model_file *file,
                              const char *model_path, rg_recording **out, size_t *n_out, rg_error *err)
{
    *out = NULL;
    *n_out = 0;
    size_t refine = rg_model_refine(file->model);
    RG_TRY(rgc_check_steps(common, rgc_rollout_opts(common, file).stepper, err));
    if (common->refine > 0 && (size_t)common->refine != refine)
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "%s was fitted with --refine %zu and is simulated on that mesh only; fit it "
                       "again with --refine %d.",
                       model_path, refine, common->refine);
    rg_import_opts opts = common->import;
    int *clamps = NULL;
    if (!common->clamps_given) {
        clamps = clamp_list(file->model, &opts.n_clamps);
        if (!clamps)
            return RG_FAIL(err, RG_ERR_MEMORY, "No memory for %zu clamp%s.", opts.n_clamps, rgi_plural(opts.n_clamps));
        opts.clamps = clamps;
    }
    if (!common->dt_given) opts.dt_s = file->dt_s;
    rg_status status = rg_recordings_read(paths, n, &opts, out, n_out, err);
    free(clamps);
    for (size_t i = 0; i < *n_out && status == RG_OK; i++)
        status = check_fits(&(*out)[i], file->model, model_path, err);
    if (status != RG_OK) {
        rg_recordings_free(*out, *n_out);
        *out = NULL;
        *n_out = 0;
    }
    return status;
}

static int allocate_forces(const rg_model *model, const rg_recording *recordings, rgc_batch *batch)
{
    const size_t v = rg_model_vertices(model), held = rg_model_clamped_edges(model, NULL);
    batch->forces = calloc(batch->n, sizeof *batch->forces);
    for (size_t i = 0; batch->forces && i < batch->n; i++) {
        const size_t frames = recordings[i].n_frames;
        rg_forces *f = &batch->forces[i];
        /* calloc: of nothing may be NULL */
        f->tension = calloc(frames * (v - 1), sizeof *f->tension);
        f->reaction = calloc(frames * 3 * recordings[i].n_clamps + 1, sizeof *f->reaction);
        f->reaction_moment = calloc(frames * held + 1, sizeof *f->reaction_moment);
        f->moment = calloc(frames * 3 * v, sizeof *f->moment);
        if (!f->tension || !f->reaction || !f->reaction_moment || !f->moment) return 0;
    }
    return batch->forces != NULL;
}

rg_status rgc_simulate_all(const rgi_model_file *file, const rg_recording *recordings, size_t n,
                           const rg_rollout_opts *opts, int forces, rgc_batch *batch, rg_error *err)
{
    memset(batch, 0, sizeof *batch);
    batch->predicted = calloc(n, sizeof *batch->predicted);
    batch->statuses = calloc(n, sizeof *batch->statuses);
    int enough = batch->predicted != NULL && batch->statuses != NULL;
    batch->n = n;
    for (size_t i = 0; i < n && enough; i++) {
        size_t size = recordings[i].n_frames * recordings[i].n_markers * 3;
        batch->predicted[i] = malloc(size * sizeof **batch->predicted);
        enough = batch->predicted[i] != NULL;
        batch->steps += (double)(recordings[i].n_frames - 2) * opts->substeps;
    }
    if (enough && forces) enough = allocate_forces(file->model, recordings, batch);
    rg_status status = RG_OK;
    if (!enough) status = RG_FAIL(err, RG_ERR_MEMORY, "No memory for %zu simulated recording%s.", n, rgi_plural(n));
    double start = rgc_seconds();
    if (status == RG_OK && forces)
        status =
            rg_simulate_forces(file->model, recordings, n, opts, batch->predicted, batch->forces, batch->statuses, err);
    else if (status == RG_OK)
        status = rg_simulate(file->model, recordings, n, opts, batch->predicted, batch->statuses, err);
    batch->wall_s = rgc_seconds() - start;
    if (status != RG_OK) rgc_batch_clear(batch);
    return status;
}

void rgc_batch_clear(rgc_batch *batch)
{
    for (size_t i = 0; batch->predicted && i < batch->n; i++) free(batch->predicted[i]);
    for (size_t i = 0; batch->forces && i < batch->n; i++) {
        free(batch->forces[i].tension);
        free(batch->forces[i].reaction);
        free(batch->forces[i].reaction_moment);
        free(batch->forces[i].moment);
    }
    free(batch->predicted);
    free(batch->forces);
    free(batch->statuses);
    memset(batch, 0, sizeof *batch);
}

void rgc_rod_text(const rg_rod_status *status, char *text, size_t size)
{
    if (status->flag == RG_ROD_OK && status->unstable >= 0)
        snprintf(text, size, "ok, but the equilibrium of step %d is unstable", status->unstable);
    else if (status->flag == RG_ROD_OK && status->unfinished_steps > 0)
        snprintf(text, size, "ok, but %d step%s from step %d on left up to %.2g N out of balance",
                 status->unfinished_steps, rgi_plural((size_t)status->unfinished_steps), status->first_unfinished_step,
                 status->worst_residual_n);
    else if (status->flag == RG_ROD_OK) snprintf(text, size, "ok");
    else if (status->vertex >= 0)
        snprintf(text, size, "step %d, vertex %d: %s", status->step, status->vertex, rg_rod_flag_text(status->flag));
    else snprintf(text, size, "step %d: %s", status->step, rg_rod_flag_text(status->flag));
}

/* how many of n values pass a bar, the largest of them, and in words "2 of 56 rods, worst in rod 38 (62.pkl)" */
typedef struct excess {
    size_t rods, worst;
    char whose[320];
} excess;

/* the frame that a step leads to */
static size_t frame_of(const rg_recording *r, int step, int substeps)
{
    size_t frame = 1;
    for (int end = 0; frame + 1 < r->n_frames && end <= step;) {
        frame++;
        end += (r->lost ? 1 + r->lost[frame] : 1) * substeps;
    }
    return frame;
}

static excess find_excess(const double *values, double bar, const rg_recording *recordings, size_t n)
{
    excess found = {0, 0, ""};
    for (size_t i = 0; i < n; i++) {
        if (!(values[i] > bar)) continue;
        if (found.rods++ == 0 || values[i] > values[found.worst]) found.worst = i;
    }
    if (found.rods == 0) return found;
    snprintf(found.whose, sizeof found.whose, "%zu of %zu rod%s, worst in rod %zu (%.200s)", found.rods, n,
             rgi_plural(n), found.worst, recordings[found.worst].name);
    return found;
}

void rgc_warn_rods(const char *command, const rg_model *model, const rg_rod_status *statuses,
                   const rg_recording *recordings, size_t n, const rg_rollout_opts *opts)
{
    size_t rods = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (statuses[i].unstable >= 0) {
            rods++;
            first = i;
        }
    if (rods)
        rgc_warn(command,
                 "%zu of %zu rod%s came to an unstable equilibrium, first rod %zu (%s) in step %d: a real one would "
                 "leave it.",
                 rods, n, rgi_plural(n), first, recordings[first].name, statuses[first].unstable);
    double *values = calloc(n, sizeof *values);
    if (!values) return;
    const double quarter = 0.5 * acos(-1.0), half_turn = 2.0 * quarter;
    /* twist softens bending by averaged directors only; the other measure fails near half a turn */
    const int normalised = rg_model_bend_measure(model) == RG_BEND_NORMALISED;
    const double most_twist = normalised ? 2.5 : 0.5;
    for (size_t i = 0; i < n; i++)
        values[i] = statuses[i].stable_step_s > 0.0 ? recordings[i].dt_s / statuses[i].stable_step_s : 0.0;
    excess over = find_excess(values, 0.0, recordings, n);
    if (over.rods) {
        const double substeps = ceil(values[over.worst]);
        char cure[64] = "";
        if (substeps <= RG_MOST_SUBSTEPS) snprintf(cure, sizeof cure, "--substeps %d or ", (int)substeps);
        rgc_warn(command,
                 "the step is too long for the deform stepper in %s: %.3g ms, but bending waves are stable up to %.3g "
                 "ms; take %sthe implicit stepper.",
                 over.whose, 1e3 * recordings[over.worst].dt_s / opts->substeps,
                 1e3 * statuses[over.worst].stable_step_s, cure);
    }
    for (size_t i = 0; i < n; i++)
        values[i] = statuses[i].unfinished_steps ? fmax(statuses[i].worst_residual_n, DBL_MIN) : 0.0;
    over = find_excess(values, 0.0, recordings, n);
    if (over.rods) {
        const rg_rod_status *s = &statuses[over.worst];
        rgc_warn(
            command,
            "Newton did not solve every step within its %d iteration%s in %s: there %d step%s, the first up to frame "
            "%zu, left up to %.2g N out of balance, by which motion, forces and derivatives are off; raise "
            "--newton-iterations or take shorter steps with --substeps.",
            opts->max_iterations, rgi_plural((size_t)opts->max_iterations), over.whose, s->unfinished_steps,
            rgi_plural((size_t)s->unfinished_steps),
            frame_of(&recordings[over.worst], s->first_unfinished_step, opts->substeps), s->worst_residual_n);
    }
    for (size_t i = 0; i < n; i++) values[i] = statuses[i].worst_turn_rad;
    over = find_excess(values, quarter, recordings, n);
    if (over.rods)
        rgc_warn(command,
                 "a gripper turns by more than a quarter turn from one frame or step to the next in %s: %.0f degrees "
                 "up to frame %zu, and which way round is in doubt; look for driving markers that change places there, "
                 "or record more frames a second.",
                 over.whose, values[over.worst] * 90.0 / quarter,
                 frame_of(&recordings[over.worst], statuses[over.worst].worst_turn_step, opts->substeps));
    for (size_t i = 0; i < n; i++) values[i] = statuses[i].worst_twist_rad;
    over = find_excess(values, most_twist, recordings, n);
    if (over.rods && normalised) {
        rgc_warn(command,
                 "a vertex is twisted by more than %g rad in %s: %.2f rad in frame %zu; near half a turn the "
                 "direction in which the vertex bends is lost; take a finer mesh (fit with a larger --refine).",
                 most_twist, over.whose, values[over.worst],
                 frame_of(&recordings[over.worst], statuses[over.worst].worst_twist_step, opts->substeps));
    } else if (over.rods) {
        const double half = cos(0.5 * fmin(values[over.worst], half_turn));
        rgc_warn(command,
                 "a vertex is twisted by more than %g rad in %s: %.2f rad in frame %zu, which makes bending there too "
                 "soft by %.0f %%; take a finer mesh (fit with a larger --refine).",
                 most_twist, over.whose, values[over.worst],
                 frame_of(&recordings[over.worst], statuses[over.worst].worst_twist_step, opts->substeps),
                 100.0 * (1.0 - half * half));
    }
    free(values);
}

void rgc_batch_text(const rgc_batch *batch, const rg_recording *recordings, char *text, size_t size)
{
    snprintf(text, size, "ok");
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->statuses[i].flag == RG_ROD_OK) continue;
        char reason[128];
        rgc_rod_text(&batch->statuses[i], reason, sizeof reason);
        snprintf(text, size, "rod %zu (%s), %s", i, recordings[i].name, reason);
        return;
    }
}

json_t *rgc_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

json_t *rgc_json_text(const char *text)
{
    json_t *string = json_string(text);
    char *ascii = string ? NULL : strdup(text);
    if (!ascii) return string;
    for (char *c = ascii; *c; c++)
        if ((unsigned char)*c > 0x7e) *c = '?';
    string = json_string(ascii);
    free(ascii);
    return string;
}

int rgc_add_unfinished_json(json_t *object, const rg_rod_status *status)
{
    return object && json_object_set_new(object, "unfinished_steps", json_integer(status->unfinished_steps)) == 0 &&
           json_object_set_new(object, "first_unfinished_step",
                               status->unfinished_steps ? json_integer(status->first_unfinished_step) : json_null()) ==
               0 &&
           json_object_set_new(object, "worst_residual_n", rgc_json_number(status->worst_residual_n)) == 0;
}

int rgc_add_batch_json(json_t *object, const rgc_batch *batch, const rg_recording *recordings,
                       const rg_rollout_opts *opts)
{
    char status[512];
    rgc_batch_text(batch, recordings, status, sizeof status);
    json_t *more = json_pack(
        "{s:o, s:I, s:f, s:f, s:s, s:s, s:s, s:s, s:s, s:i, s:[f, f, f]}", "status", rgc_json_text(status), "steps",
        (json_int_t)batch->steps, "wall_s", batch->wall_s, "rod_steps_per_s", batch->steps / fmax(batch->wall_s, 1e-9),
        "backend", rgi_rollout_backend(opts), "isa", rgi_rollout_isa(opts), "real", rg_real_name(opts->real), "stepper",
        rg_stepper_name(opts->stepper), "scheme", rg_scheme_name(opts->scheme), "substeps", opts->substeps,
        "gravity_m_s2", opts->gravity[0], opts->gravity[1], opts->gravity[2]);
    int failed = !object || !more || json_object_update(object, more) != 0;
    json_decref(more);
    return !failed;
}
