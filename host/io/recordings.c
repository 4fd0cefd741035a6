/* io/recordings.c: from paths to recordings.
 *
 * A path is a file or a folder of them. A file's format is told by its first bytes, for text by its
 * name. Bare coordinates become a recording here: units and axes, clamps, checks, hash, glitches;
 * our own HDF5 files hold complete recordings and only have their clamps replaced on request. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/structs.h"
#include "io/formats.h"
#include "io/recording_io.h"

static const int DEFAULT_CLAMPS[] = {0, 1, -2, -1};
enum { N_DEFAULT_CLAMPS = 4 };

/* Two markers closer than this coincide: a tenth of the precision of motion capture. */
static const double COINCIDENT_M = 1e-5;
/* No rope of ours is longer; coordinates beyond are in another unit, or garbage. */
static const double COORDINATE_MAX_M = 1e4;
/* Files but HDF5 ones are read whole. */
static const size_t FILE_SIZE_MAX = (size_t)1 << 31;

typedef struct list {
    rg_recording *items;
    size_t n, capacity;
    rgi_h5_reader h5; /* of the HDF5 files among those that are read */
} list;

typedef struct names {
    char **items;
    size_t n, capacity;
} names;

static const rgi_struct opts_struct = {"rg_import_opts", sizeof(rg_import_opts),
                                       RGI_SIZE_UP_TO(rg_import_opts, unit_given), 0};

void rg_import_opts_init(rg_import_opts *opts)
{
    const rg_import_opts o = {.struct_size = sizeof(rg_import_opts),
                              .dt_s = 0.01,
                              .unit_m = 1.0,
                              .axes = "x,y,z",
                              .clamps = DEFAULT_CLAMPS,
                              .n_clamps = N_DEFAULT_CLAMPS,
                              .detect_glitches = 1};
    rgi_struct_give(&opts_struct, &o, opts);
}

void rg_recordings_free(rg_recording *recordings, size_t n)
{
    if (recordings == NULL) return;
    for (size_t i = 0; i < n; i++) rg_recording_clear(&recordings[i]);
    free(recordings);
}

double rgi_unit_metres(const char *name)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"cm", 0.01}, {"mm", 0.001}, {"in", 0.0254}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(name, units[i].name) == 0) return units[i].metres;
    return 0.0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

int rgi_has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcasecmp(path + n - m, suffix) == 0;
}

/* Grow an array of `element` bytes by one; 0 when memory is out. */
static int grow(void **items, size_t *capacity, size_t n, size_t element)
{
    if (n < *capacity) return 1;
    size_t more = *capacity == 0 ? 16 : 2 * *capacity;
    void *moved = more > SIZE_MAX / element ? NULL : realloc(*items, more * element);
    if (moved == NULL) return 0;
    *items = moved;
    *capacity = more;
    return 1;
}

/* Move a recording to the end of the list; it is cleared when that fails. */
static rg_status list_add(list *all, rg_recording *recording, rg_error *err)
{
    void *items = all->items;
    if (!grow(&items, &all->capacity, all->n, sizeof *all->items)) {
        rg_recording_clear(recording);
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory after %zu recordings.", all->n);
    }
    /* tables and sentences quote it: keep it on one line */
    for (char *c = recording->name; c && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    all->items = items;
    all->items[all->n++] = *recording;
    memset(recording, 0, sizeof *recording);
    return RG_OK;
}

/* axes: out[i] = sign[i] * in[from[i]] */
typedef struct axis_map {
    int from[3];
    double sign[3];
} axis_map;

static rg_status parse_axes(const char *text, axis_map *map, rg_error *err)
{
    int used[3] = {0, 0, 0};
    const char *c = text;
    for (int i = 0; i < 3; i++) {
        while (*c == ' ') c++;
        map->sign[i] = *c == '-' ? -1 : 1;
        if (*c == '-' || *c == '+') c++;
        int axis = tolower((unsigned char)*c) - 'x';
        if (axis < 0 || axis > 2 || used[axis]) goto bad;
        used[axis] = 1;
        map->from[i] = axis;
        c++;
        while (*c == ' ') c++;
        if (*c != (i < 2 ? ',' : '\0')) goto bad;
        if (i < 2) c++;
    }
    return RG_OK;
bad:
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "axes \"%s\" are not three different ones of x, y, z with optional signs, such as "
                   "\"-z,-x,y\".",
                   text);
}

static rg_status check_opts(const rg_import_opts *opts, axis_map *map, rg_error *err)
{
    if (!(opts->dt_s > 0) || !isfinite(opts->dt_s)) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the time between frames must be positive, not %g s.", opts->dt_s);
    }
    if (!(opts->unit_m > 0) || !isfinite(opts->unit_m)) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the unit must be a positive number of metres, not %g.", opts->unit_m);
    }
    if (opts->axes == NULL || (opts->n_clamps > 0 && opts->clamps == NULL)) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "import options need axes and a list of clamps.");
    }
    return parse_axes(opts->axes, map, err);
}

static int compare_ints(const void *left, const void *right)
{
    int a = *(const int *)left, b = *(const int *)right;
    return (a > b) - (a < b);
}

/* Clamps of a file with n markers: negatives resolved, ascending, each once, one marker left free.
 */
static rg_status set_clamps(rg_recording *r, const char *path, const rg_import_opts *opts, rg_error *err)
{
    size_t n = opts->n_clamps;
    int *clamps = malloc((n > 0 ? n : 1) * sizeof *clamps);
    if (clamps == NULL) return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory.", path);
    free(r->clamps);
    r->clamps = clamps;
    r->n_clamps = n;
    for (size_t i = 0; i < n; i++) {
        long long index = opts->clamps[i];
        if (index < 0) index += (long long)r->n_markers;
        if (index < 0 || index >= (long long)r->n_markers) {
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "%s: clamp %d is not one of its %zu markers; give driving markers that exist.", path,
                           opts->clamps[i], r->n_markers);
        }
        clamps[i] = (int)index;
    }
    qsort(clamps, n, sizeof *clamps, compare_ints);
    for (size_t i = 1; i < n; i++) {
        if (clamps[i] == clamps[i - 1]) {
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "%s: marker %d of its %zu markers is a clamp twice; give each one once.", path, clamps[i],
                           r->n_markers);
        }
    }
    if (n >= r->n_markers) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%s: all %zu markers are clamps; leave at least one free to predict.",
                       path, r->n_markers);
    }
    return RG_OK;
}

/* What every recording must satisfy, whatever file it came from. */
static rg_status check_recording(const rg_recording *r, const char *path, rg_error *err)
{
    if (r->n_frames < 2 || r->n_markers < 3) {
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s: %zu frames of %zu markers; a recording needs at least 2 frames and 3 markers.", path,
                       r->n_frames, r->n_markers);
    }
    if (r->n_markers > INT32_MAX) {
        return RG_FAIL(err, RG_ERR_SHAPE, "%s: %zu markers are more than a rod can have.", path, r->n_markers);
    }
    for (size_t k = 0; k < r->n_frames; k++) {
        const double *x = r->positions + k * r->n_markers * 3;
        for (size_t i = 0; i < 3 * r->n_markers; i++) {
            if (isfinite(x[i]) && fabs(x[i]) <= COORDINATE_MAX_M) continue;
            const char *advice = isfinite(x[i]) ? "check the units" : "fill the gap or cut the recording";
            return RG_FAIL(err, RG_ERR_VALUE, "%s: frame %zu, marker %zu has the %c coordinate %g m; %s.", path, k,
                           i / 3, "xyz"[i % 3], x[i], advice);
        }
        for (size_t m = 0; m + 1 < r->n_markers; m++, x += 3) {
            double d = hypot(hypot(x[3] - x[0], x[4] - x[1]), x[5] - x[2]);
            if (d > COINCIDENT_M) continue;
            return RG_FAIL(err, RG_ERR_VALUE,
                           "%s: markers %zu and %zu coincide in frame %zu; leave one out or cut the "
                           "recording.",
                           path, m, m + 1, k);
        }
    }
    return RG_OK;
}

/* Allocate what belongs to a recording beside its positions; nothing is a glitch yet. */
static rg_status complete(rg_recording *r, const char *path, rg_error *err)
{
    size_t samples = r->n_frames * r->n_markers;
    r->name = strdup(base_name(path));
    r->source = strdup(path);
    r->driving = malloc(samples * 3 * sizeof *r->driving);
    r->valid = malloc(samples);
    if (r->name == NULL || r->source == NULL || r->driving == NULL || r->valid == NULL) {
        return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory.", path);
    }
    memcpy(r->driving, r->positions, samples * 3 * sizeof *r->driving);
    memset(r->valid, 1, samples);
    return RG_OK;
}

/* Whether a file's frame interval is the one asked for, if any: to a thousandth, as people type 0.00833 for 1/120. */
static int is_interval(double dt_s, const rg_import_opts *opts)
{
    return !opts->dt_given || fabs(dt_s - opts->dt_s) <= 1e-3 * dt_s;
}

/* Bare motion to a recording. Takes motion->positions in any case. */
static rg_status build(rgi_motion *motion, const char *path, const rg_import_opts *opts, const axis_map *map,
                       rg_recording *r, rg_error *err)
{
    memset(r, 0, sizeof *r);
    r->n_frames = motion->n_frames;
    r->n_markers = motion->n_markers;
    r->dt_s = motion->dt_s > 0 ? motion->dt_s : opts->dt_s;
    r->positions = motion->positions;
    memset(motion, 0, sizeof *motion);
    double *x = r->positions;
    for (size_t i = 0; i < r->n_frames * r->n_markers; i++, x += 3) {
        double in[3] = {x[0], x[1], x[2]};
        for (int a = 0; a < 3; a++) x[a] = map->sign[a] * in[map->from[a]] * opts->unit_m;
    }
    if (!is_interval(r->dt_s, opts))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s: by its times the frames are %.9g s apart, but --dt says %.9g s; leave --dt out, or the "
                       "column of times.",
                       path, r->dt_s, opts->dt_s);
    RG_TRY(check_recording(r, path, err));
    RG_TRY(set_clamps(r, path, opts, err));
    RG_TRY(complete(r, path, err));
    return opts->detect_glitches ? rgi_glitches_find(r, err) : RG_OK;
}

/* HDF5 files begin with these bytes; they are read by their path */
static int is_h5(const unsigned char *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\211HDF\r\n\032\n", 8) == 0;
}

/* The bytes of a file; of an HDF5 file only the first ones. */
static rg_status read_whole(const char *path, unsigned char **bytes, size_t *size, rg_error *err)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) { return RG_FAIL(err, RG_ERR_IO, "%s cannot be read: %s.", path, strerror(errno)); }
    size_t capacity = (size_t)1 << 16, n = 0;
    unsigned char *buffer = malloc(capacity);
    int reason = buffer == NULL ? ENOMEM : 0;
    while (reason == 0) {
        errno = 0;
        n += fread(buffer + n, 1, capacity - n, stream);
        if (is_h5(buffer, n)) break;
        if (n < capacity) {
            if (ferror(stream)) reason = errno != 0 ? errno : EIO;
            break;
        }
        if (capacity >= FILE_SIZE_MAX) {
            reason = EFBIG;
            break;
        }
        unsigned char *moved = realloc(buffer, capacity * 2);
        if (moved == NULL) reason = ENOMEM;
        else buffer = moved;
        capacity *= 2;
    }
    fclose(stream);
    if (reason != 0) {
        free(buffer);
        if (reason == ENOMEM) return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory.", path);
        return RG_FAIL(err, RG_ERR_IO, "%s cannot be read: %s.", path, strerror(reason));
    }
    *bytes = buffer;
    *size = n;
    return RG_OK;
}

static rg_status hash(const char *path, const void *bytes, size_t size, char hex[65], rg_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    if (EVP_Digest(bytes, size, digest, &n, EVP_sha256(), NULL) != 1 || n != 32) {
        return RG_FAIL(err, RG_ERR_UNSUPPORTED, "%s: SHA-256 is not available in this OpenSSL.", path);
    }
    for (unsigned int i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return RG_OK;
}

static int is_default_clamps(const rg_import_opts *opts)
{
    return opts->n_clamps == N_DEFAULT_CLAMPS && memcmp(opts->clamps, DEFAULT_CLAMPS, sizeof DEFAULT_CLAMPS) == 0;
}

/* Our own HDF5: the clamps in it stay unless others were asked for; unit, axes and frame interval are the file's. */
static rg_status read_h5(const char *path, const rg_import_opts *opts, const axis_map *map, list *all, rg_error *err)
{
    rg_recording *found = NULL;
    size_t n = 0;
    for (int a = 0; a < 3; a++)
        if (map->from[a] != a || map->sign[a] < 0)
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "%s: rodgrad's own recordings have the axes x,y,z with z up, but --axes says %s; leave "
                           "--axes out.",
                           path, opts->axes);
    RG_TRY(rgi_h5_read(&all->h5, path, opts->unit_given ? opts->unit_m : 0.0, &found, &n, err));
    rg_status status = RG_OK;
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        char label[512];
        snprintf(label, sizeof label, "%s (%s)", path, found[i].name);
        if (!is_interval(found[i].dt_s, opts))
            status = RG_FAIL(err, RG_ERR_ARGUMENT,
                             "%s: by its dt_s the frames are %.9g s apart, but --dt says %.9g s; leave --dt out.",
                             label, found[i].dt_s, opts->dt_s);
        if (status == RG_OK) status = check_recording(&found[i], label, err);
        if (status == RG_OK && !is_default_clamps(opts)) {
            status = set_clamps(&found[i], label, opts, err);
            if (status == RG_OK) status = rgi_glitches_find(&found[i], err);
        }
        if (status == RG_OK) status = list_add(all, &found[i], err);
    }
    rg_recordings_free(found, n);
    return status;
}

static rg_status read_file(const char *path, const rg_import_opts *opts, const axis_map *map, list *all, rg_error *err)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    RG_TRY(read_whole(path, &bytes, &size, err));
    rg_status status = RG_OK;
    rgi_motion motion = {0};
    char hex[65];
    if (size == 0) {
        status = RG_FAIL(err, RG_ERR_FORMAT, "%s is empty; a recording is expected.", path);
    } else if (is_h5(bytes, size)) {
        free(bytes);
        return read_h5(path, opts, map, all, err);
    } else if (bytes[0] == 0x93) {
        status = rgi_npy_parse(bytes, size, path, &motion, err);
    } else if (bytes[0] == 0x80 || rgi_has_suffix(path, ".pkl") || rgi_has_suffix(path, ".pickle")) {
        status = rgi_pickle_parse(bytes, size, path, &motion, err);
    } else if (rgi_has_suffix(path, ".npy") || rgi_has_suffix(path, ".h5") || rgi_has_suffix(path, ".hdf5")) {
        status =
            RG_FAIL(err, RG_ERR_FORMAT, "%s does not begin as its name says; copy it again from its source.", path);
    } else {
        status = rgi_csv_parse(bytes, size, path, &motion, err);
    }
    if (status == RG_OK) status = hash(path, bytes, size, hex, err);
    free(bytes);
    if (status != RG_OK) {
        free(motion.positions);
        return status;
    }

    rg_recording recording;
    status = build(&motion, path, opts, map, &recording, err);
    if (status != RG_OK) {
        rg_recording_clear(&recording);
        return status;
    }
    memcpy(recording.sha256, hex, sizeof recording.sha256);
    return list_add(all, &recording, err);
}

/* Natural order: runs of digits compare as numbers ("9.pkl" before "10.pkl"). */
static int compare_natural(const char *a, const char *b)
{
    const char *left = a, *right = b;
    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            while (*a == '0') a++;
            while (*b == '0') b++;
            size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
            int order = n != m ? (n > m) - (n < m) : strncmp(a, b, n);
            if (order != 0) return order;
            a += n;
            b += m;
            continue;
        }
        if (*a != *b) return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        a++;
        b++;
    }
    int order = (*a != '\0') - (*b != '\0');
    return order != 0 ? order : strcmp(left, right);
}

static int compare_names(const void *left, const void *right)
{
    return compare_natural(*(char *const *)left, *(char *const *)right);
}

static int is_recording_name(const char *name)
{
    static const char *const suffixes[] = {".pkl", ".pickle", ".csv", ".npy", ".h5", ".hdf5"};
    if (name[0] == '.') return 0;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (rgi_has_suffix(name, suffixes[i])) return 1;
    }
    return 0;
}

/* Paths of the recording files in a folder, in natural order. */
static rg_status list_folder(const char *path, names *files, rg_error *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL) { return RG_FAIL(err, RG_ERR_IO, "folder %s cannot be read: %s.", path, strerror(errno)); }
    int reason = 0;
    size_t trimmed = strlen(path);
    while (trimmed > 1 && path[trimmed - 1] == '/') trimmed--;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            reason = errno;
            break;
        }
        if (!is_recording_name(entry->d_name)) continue;
        size_t size = trimmed + strlen(entry->d_name) + 2;
        void *items = files->items;
        char *full = malloc(size);
        if (full == NULL || !grow(&items, &files->capacity, files->n, sizeof *files->items)) {
            free(full);
            reason = ENOMEM;
            break;
        }
        snprintf(full, size, "%.*s/%s", (int)trimmed, path, entry->d_name);
        files->items = items;
        files->items[files->n++] = full;
    }
    closedir(folder);
    if (reason == ENOMEM) return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory.", path);
    if (reason != 0) { return RG_FAIL(err, RG_ERR_IO, "folder %s cannot be read: %s.", path, strerror(reason)); }
    if (files->n == 0) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "folder %s holds no recording (.pkl, .csv, .npy or .h5 files).", path);
    }
    qsort(files->items, files->n, sizeof *files->items, compare_names);
    return RG_OK;
}

static rg_status read_folder(const char *path, const rg_import_opts *opts, const axis_map *map, list *all,
                             rg_error *err)
{
    names files = {0};
    rg_status status = list_folder(path, &files, err);
    for (size_t i = 0; i < files.n && status == RG_OK; i++) { status = read_file(files.items[i], opts, map, all, err); }
    for (size_t i = 0; i < files.n; i++) free(files.items[i]);
    free(files.items);
    return status;
}

rg_status rg_recordings_read(const char *const *paths, size_t n, const rg_import_opts *opts, rg_recording **out,
                             size_t *n_out, rg_error *err)
{
    rg_import_opts own = rg_import_opts_default();
    *out = NULL;
    *n_out = 0;
    if (opts != NULL) RG_TRY(rgi_struct_take(&opts_struct, opts, &own, err));
    opts = &own;
    if (n == 0 || paths == NULL) return RG_FAIL(err, RG_ERR_ARGUMENT, "no recording is named; give files or folders.");
    for (size_t i = 0; i < n; i++)
        if (paths[i] == NULL) return RG_FAIL(err, RG_ERR_ARGUMENT, "path %zu is NULL; name a file or folder.", i);
    axis_map map;
    RG_TRY(check_opts(opts, &map, err));
    list all = {0};
    rg_status status = RG_OK;
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        struct stat info;
        if (stat(paths[i], &info) != 0) {
            status = RG_FAIL(err, RG_ERR_IO, "%s cannot be read: %s.", paths[i], strerror(errno));
        } else if (S_ISDIR(info.st_mode)) {
            status = read_folder(paths[i], opts, &map, &all, err);
        } else {
            status = read_file(paths[i], opts, &map, &all, err);
        }
    }
    rgi_h5_reader_close(&all.h5);
    if (status != RG_OK) {
        rg_recordings_free(all.items, all.n);
        return status;
    }
    *out = all.items;
    *n_out = all.n;
    return RG_OK;
}
