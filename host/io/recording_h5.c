/* io/recording_h5.c: rodgrad's HDF5 recordings, as docs/recording-format.md describes them.
 *
 * Every group, attribute and dataset is checked before it is used: kind of link, type, shape,
 * storage. HDF5 prints its own error stack by default; that is switched off while we are inside. */
#include <hdf5.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/atomic_file.h"
#include "io/formats.h"
#include "io/recording_io.h"

static const char FORMAT_NAME[] = "rodgrad-recording";
enum { FORMAT_VERSION = 1, TEXT_MAX = 4096, DIMENSIONS_MAX = 3 };
/* deflate packs 1032 bytes into one at best: more coordinates than that are not in the file */
enum { DEFLATE_RATIO = 1032 };

typedef struct quiet {
    H5E_auto2_t print;
    void *data;
} quiet;

static quiet quiet_begin(void)
{
    quiet q = {NULL, NULL};
    H5Eget_auto2(H5E_DEFAULT, &q.print, &q.data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return q;
}

static void quiet_end(quiet q) { H5Eset_auto2(H5E_DEFAULT, q.print, q.data); }

/* ---- writing ---- */

static int write_text(hid_t object, const char *name, const char *text)
{
    size_t n = strlen(text);
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    int ok = type >= 0 && space >= 0 && H5Tset_size(type, n > 0 ? n : 1) >= 0 &&
             H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0;
    hid_t attribute = ok ? H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
    if (attribute >= 0) ok = H5Aclose(attribute) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return ok;
}

static int write_scalar(hid_t object, const char *name, hid_t stored, hid_t memory,
                        const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute =
        space >= 0 ? H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    int ok = attribute >= 0 && H5Awrite(attribute, memory, value) >= 0;
    if (attribute >= 0) ok = H5Aclose(attribute) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    return ok;
}

static int write_array(hid_t group, const char *name, int rank, const hsize_t *shape, hid_t stored,
                       hid_t memory, const void *data, const char *unit)
{
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t set = space >= 0
                    ? H5Dcreate2(group, name, stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)
                    : -1;
    hsize_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    int ok =
        set >= 0 && (count == 0 || H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    if (ok && unit != NULL) ok = write_text(set, "unit", unit);
    if (set >= 0) ok = H5Dclose(set) >= 0 && ok;
    if (space >= 0) H5Sclose(space);
    return ok;
}

/* The driving markers' columns of a recording, [n_frames][n_clamps][3]; NULL when memory is out. */
static double *gather_driving(const rg_recording *r)
{
    size_t n = r->n_clamps;
    double *columns = malloc((r->n_frames * n * 3 + 1) * sizeof *columns);
    if (columns == NULL) return NULL;
    for (size_t k = 0; k < r->n_frames; k++) {
        for (size_t c = 0; c < n; c++) {
            memcpy(columns + (k * n + c) * 3,
                   r->driving + (k * r->n_markers + (size_t)r->clamps[c]) * 3, 3 * sizeof *columns);
        }
    }
    return columns;
}

static int write_recording(hid_t parent, size_t index, const rg_recording *r)
{
    char label[32];
    snprintf(label, sizeof label, "%06zu", index);
    hid_t group = H5Gcreate2(parent, label, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    double *driving = gather_driving(r);
    int *none = r->lost == NULL ? calloc(r->n_frames, sizeof *none) : NULL;
    int ok = group >= 0 && driving != NULL && (r->lost != NULL || none != NULL);
    ok = ok && write_text(group, "name", r->name != NULL ? r->name : "");
    ok = ok && write_text(group, "source", r->source != NULL ? r->source : "");
    ok = ok && write_text(group, "sha256", r->sha256);
    ok = ok && write_scalar(group, "dt_s", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &r->dt_s);
    hsize_t all[3] = {r->n_frames, r->n_markers, 3}, some[3] = {r->n_frames, r->n_clamps, 3};
    ok = ok &&
         write_array(group, "clamps", 1, &some[1], H5T_STD_I32LE, H5T_NATIVE_INT, r->clamps, NULL);
    ok = ok && write_array(group, "positions", 3, all, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE,
                           r->positions, "m");
    ok = ok &&
         write_array(group, "driving", 3, some, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, driving, "m");
    ok = ok && write_array(group, "valid", 2, all, H5T_STD_U8LE, H5T_NATIVE_UINT8, r->valid, NULL);
    ok = ok && write_array(group, "lost", 1, all, H5T_STD_I32LE, H5T_NATIVE_INT,
                           r->lost != NULL ? r->lost : none, NULL);
    free(none);
    free(driving);
    if (group >= 0) ok = H5Gclose(group) >= 0 && ok;
    return ok;
}

static int write_contents(hid_t file, const rg_recording *recordings, size_t n)
{
    int version = FORMAT_VERSION;
    int ok = write_text(file, "format", FORMAT_NAME) &&
             write_scalar(file, "version", H5T_STD_I32LE, H5T_NATIVE_INT, &version) &&
             write_text(file, "up", "z");
    hid_t parent = ok ? H5Gcreate2(file, "recordings", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = parent >= 0;
    for (size_t i = 0; i < n && ok; i++) ok = write_recording(parent, i, &recordings[i]);
    if (parent >= 0) ok = H5Gclose(parent) >= 0 && ok;
    return ok && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0;
}

/* The bytes of the HDF5 file, made in memory: a full disk then fails our write, whose errors are
 * precise, and not one inside HDF5, which could not release the file any more. */
static void *make_image(const rg_recording *recordings, size_t n, size_t *size)
{
    void *image = NULL;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = -1;
    /* grows by 1 MiB; 0: nothing goes to a disk, so the name is a label only */
    if (access >= 0 && H5Pset_fapl_core(access, (size_t)1 << 20, 0) >= 0)
        file = H5Fcreate("recordings.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    if (file >= 0 && write_contents(file, recordings, n)) {
        ssize_t bytes = H5Fget_file_image(file, NULL, 0);
        if (bytes > 0) image = malloc((size_t)bytes);
        if (image != NULL && H5Fget_file_image(file, image, (size_t)bytes) != bytes) {
            free(image);
            image = NULL;
        }
        *size = bytes > 0 ? (size_t)bytes : 0;
    }
    if (file >= 0) H5Fclose(file);
    if (access >= 0) H5Pclose(access);
    return image;
}

rg_status rgi_recordings_write_h5(const char *path, const rg_recording *recordings, size_t n,
                                  rg_error *err)
{
    if (n == 0 || recordings == NULL) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%s: there is no recording to write.", path);
    }
    for (size_t i = 0; i < n; i++) {
        const rg_recording *r = &recordings[i];
        int complete = r->positions != NULL && r->driving != NULL && r->valid != NULL &&
                       (r->clamps != NULL || r->n_clamps == 0);
        if (!complete || r->n_frames < 2 || r->n_markers < 3 || !(r->dt_s > 0)) {
            return RG_FAIL(err, RG_ERR_ARGUMENT, "%s: recording %zu is not complete.", path, i);
        }
    }
    quiet q = quiet_begin();
    size_t size = 0;
    void *image = make_image(recordings, n, &size);
    quiet_end(q);
    if (image == NULL) {
        return RG_FAIL(err, RG_ERR_MEMORY, "%s: out of memory for %zu recordings.", path, n);
    }
    rg_status status = rgi_atomic_write(path, image, size, err);
    free(image);
    return status;
}

/* ---- reading ---- */

typedef struct source {
    const char *path;
    rg_error *err;
    uint64_t size;   /* of the file [bytes] */
    double unit_m;   /* that the caller expects [m], 0: any */
    char label[300]; /* group being read, for messages */
} source;

static rg_status wrong(const source *s, const char *field, const char *what)
{
    return RG_FAIL(s->err, RG_ERR_FORMAT,
                   "%s: %s%s%s %s; write the file again with rodgrad import.", s->path, s->label,
                   s->label[0] != '\0' ? "/" : "", field, what);
}

/* A text attribute, of fixed or variable length; *text is allocated. */
static rg_status read_text(const source *s, hid_t object, const char *name, char **text)
{
    *text = NULL;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return wrong(s, name, "is missing");
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    size_t size = type >= 0 ? H5Tget_size(type) : 0;
    int ok = type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING &&
             H5Sget_simple_extent_npoints(space) == 1 && H5Tis_variable_str(type) == 0 &&
             size > 0 && size <= TEXT_MAX;
    if (ok) {
        *text = calloc(size + 1, 1);
        ok = *text != NULL && H5Aread(attribute, type, *text) >= 0;
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Aclose(attribute);
    if (ok) return RG_OK;
    free(*text);
    *text = NULL;
    return wrong(s, name, "is not a text of fixed length");
}

static rg_status read_number(const source *s, hid_t object, const char *name, hid_t memory,
                             H5T_class_t class, void *value)
{
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return wrong(s, name, "is missing");
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    int ok = type >= 0 && space >= 0 && H5Tget_class(type) == class &&
             H5Sget_simple_extent_npoints(space) == 1 && H5Aread(attribute, memory, value) >= 0;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Aclose(attribute);
    return ok ? RG_OK : wrong(s, name, "is not one number");
}

/* Whether a link is a plain one: the others can lead out of the file. */
static int is_hard_link(hid_t parent, const char *name)
{
    H5L_info_t info;
    return H5Lget_info(parent, name, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
}

/* Whether a dataset's numbers lie in this file, not in others that it names. */
static int is_stored_here(hid_t set)
{
    hid_t list = H5Dget_create_plist(set);
    if (list < 0) return 0;
    H5D_layout_t layout = H5Pget_layout(list);
    int ok = (layout == H5D_COMPACT || layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED) &&
             H5Pget_external_count(list) == 0;
    H5Pclose(list);
    return ok;
}

/* Open a dataset and check type class, rank and storage; its shape goes to shape[rank]. */
static rg_status open_array(const source *s, hid_t group, const char *name, H5T_class_t class,
                            int rank, hsize_t *shape, hid_t *set)
{
    *set = -1;
    if (!is_hard_link(group, name)) return wrong(s, name, "is missing");
    hid_t opened = H5Dopen2(group, name, H5P_DEFAULT);
    if (opened < 0) return wrong(s, name, "is not an array");
    hid_t type = H5Dget_type(opened), space = H5Dget_space(opened);
    hsize_t found[DIMENSIONS_MAX] = {0};
    int ok = type >= 0 && space >= 0 && H5Tget_class(type) == class &&
             H5Sget_simple_extent_ndims(space) == rank &&
             H5Sget_simple_extent_dims(space, found, NULL) == rank && is_stored_here(opened);
    uint64_t count = 1,
             bound = s->size > UINT64_MAX / DEFLATE_RATIO ? UINT64_MAX : s->size * DEFLATE_RATIO;
    for (int i = 0; i < rank && ok; i++) {
        shape[i] = found[i];
        ok = found[i] == 0 || count <= bound / found[i];
        count *= found[i];
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (ok) {
        *set = opened;
        return RG_OK;
    }
    H5Dclose(opened);
    return wrong(s, name, "has another type, shape or storage than it should");
}

/* Read an array of a known shape into data. */
static rg_status read_array(const source *s, hid_t group, const char *name, H5T_class_t class,
                            int rank, const hsize_t *expected, hid_t memory, void *data)
{
    hsize_t shape[DIMENSIONS_MAX];
    hid_t set;
    RG_TRY(open_array(s, group, name, class, rank, shape, &set));
    int ok = 1, empty = 0;
    for (int i = 0; i < rank; i++) {
        ok = ok && shape[i] == expected[i];
        empty = empty || shape[i] == 0;
    }
    if (!ok) {
        H5Dclose(set);
        return RG_FAIL(s->err, RG_ERR_SHAPE,
                       "%s: the sizes of %s/%s do not fit those of positions.", s->path, s->label,
                       name);
    }
    ok = empty || H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    H5Dclose(set);
    return ok ? RG_OK : wrong(s, name, "cannot be read");
}

static rg_status read_shapes(const source *s, hid_t group, rg_recording *r)
{
    hsize_t shape[DIMENSIONS_MAX];
    hid_t set;
    RG_TRY(open_array(s, group, "positions", H5T_FLOAT, 3, shape, &set));
    H5Dclose(set);
    if (shape[0] < 2 || shape[1] < 3 || shape[2] != 3 || shape[1] > INT_MAX) {
        return RG_FAIL(
            s->err, RG_ERR_SHAPE,
            "%s: %s/positions is not [frames][markers][3] of at least 2 frames and 3 markers.",
            s->path, s->label);
    }
    r->n_frames = (size_t)shape[0];
    r->n_markers = (size_t)shape[1];
    RG_TRY(open_array(s, group, "clamps", H5T_INTEGER, 1, shape, &set));
    H5Dclose(set);
    if (shape[0] >= r->n_markers) {
        return RG_FAIL(s->err, RG_ERR_SHAPE, "%s: %s/clamps leaves no marker free.", s->path,
                       s->label);
    }
    r->n_clamps = (size_t)shape[0];
    return RG_OK;
}

/* The unit of an array of lengths that was read: its `count` numbers become metres. A file without the attribute is in
 * metres, as the format says. */
static rg_status apply_unit(const source *s, hid_t group, const char *name, double *data, size_t count)
{
    char unit[16] = "m", *moved = NULL;
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    const int there = set >= 0 ? H5Aexists(set, "unit") != 0 : 1;
    hid_t attribute = set >= 0 && there ? H5Aopen(set, "unit", H5P_DEFAULT) : -1;
    int known = !there || attribute >= 0;
    if (attribute >= 0) {
        hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
        known = type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1;
        if (known && H5Tis_variable_str(type) > 0) {
            known = H5Aread(attribute, type, &moved) >= 0 && moved != NULL;
            if (known) snprintf(unit, sizeof unit, "%s", moved);
            if (moved) H5free_memory(moved);
        } else if (known) {
            char text[TEXT_MAX + 1] = "";
            known = H5Tget_size(type) <= TEXT_MAX && H5Aread(attribute, type, text) >= 0;
            snprintf(unit, sizeof unit, "%s", text);
        }
        if (space >= 0) H5Sclose(space);
        if (type >= 0) H5Tclose(type);
        H5Aclose(attribute);
    }
    if (set >= 0) H5Dclose(set);
    const double metres = known ? rgi_unit_metres(unit) : 0.0;
    if (!(metres > 0.0))
        return RG_FAIL(s->err, RG_ERR_FORMAT,
                       "%s: %s/%s has the unit \"%s\"; write the attribute unit as m, cm, mm or in.", s->path, s->label,
                       name, known ? unit : "?");
    if (s->unit_m > 0.0 && fabs(metres - s->unit_m) > 1e-9 * metres)
        return RG_FAIL(s->err, RG_ERR_ARGUMENT,
                       "%s: the unit of %s/%s is %s, but --units says %g m; leave --units out.", s->path, s->label,
                       name, unit, s->unit_m);
    for (size_t i = 0; metres != 1.0 && i < count; i++) data[i] *= metres;
    return RG_OK;
}

/* Put the driving columns into place and count what is not valid. */
static rg_status place(const source *s, rg_recording *r, const double *columns)
{
    size_t samples = r->n_frames * r->n_markers;
    for (size_t i = 0; i < samples * 3; i++) {
        if (!isfinite(r->positions[i]))
            return wrong(s, "positions", "holds a value that is not finite");
    }
    for (size_t i = 0; i < samples; i++) {
        if (r->valid[i] > 1) return wrong(s, "valid", "holds something besides 0 and 1");
        r->n_masked += r->valid[i] == 0;
    }
    memcpy(r->driving, r->positions, samples * 3 * sizeof *r->driving);
    for (size_t c = 0; c < r->n_clamps; c++) {
        int marker = r->clamps[c];
        if (marker < 0 || (size_t)marker >= r->n_markers || (c > 0 && marker <= r->clamps[c - 1])) {
            return wrong(s, "clamps", "is not an ascending list of markers");
        }
        for (size_t k = 0; k < r->n_frames; k++) {
            const double *x = columns + (k * r->n_clamps + c) * 3;
            if (!isfinite(x[0]) || !isfinite(x[1]) || !isfinite(x[2])) {
                return wrong(s, "driving", "holds a value that is not finite");
            }
            memcpy(r->driving + (k * r->n_markers + (size_t)marker) * 3, x, 3 * sizeof *x);
            if (r->valid[k * r->n_markers + (size_t)marker]) continue;
            r->n_repaired++;
            r->n_masked--;
        }
    }
    return RG_OK;
}

static rg_status count_lost(const source *s, rg_recording *r)
{
    for (size_t k = 0; k < r->n_frames; k++) {
        /* a rollout steps through lost frames: a damaged count must not make it endless */
        if (r->lost[k] < 0 || r->lost[k] > 10000 || (k == 0 && r->lost[k] != 0))
            return wrong(s, "lost", "holds a number that is no count of lost frames");
        r->n_lost += (size_t)r->lost[k];
    }
    return RG_OK;
}

static rg_status read_hash(const source *s, hid_t group, rg_recording *r)
{
    char *text = NULL;
    RG_TRY(read_text(s, group, "sha256", &text));
    size_t n = strlen(text);
    int ok = (n == 0 || n == 64) && strspn(text, "0123456789abcdef") == n;
    if (ok) memcpy(r->sha256, text, n + 1);
    free(text);
    return ok ? RG_OK : wrong(s, "sha256", "is not 64 hexadecimal digits");
}

static rg_status read_recording(const source *s, hid_t group, rg_recording *r)
{
    RG_TRY(read_text(s, group, "name", &r->name));
    RG_TRY(read_text(s, group, "source", &r->source));
    RG_TRY(read_hash(s, group, r));
    RG_TRY(read_number(s, group, "dt_s", H5T_NATIVE_DOUBLE, H5T_FLOAT, &r->dt_s));
    if (!(r->dt_s > 0) || !isfinite(r->dt_s)) return wrong(s, "dt_s", "is not a positive number");
    RG_TRY(read_shapes(s, group, r));

    /* read_shapes bounded the product by the file's size, so none of these overflow */
    size_t samples = r->n_frames * r->n_markers;
    r->positions = malloc(samples * 3 * sizeof *r->positions);
    r->driving = malloc(samples * 3 * sizeof *r->driving);
    r->valid = malloc(samples);
    r->clamps = malloc((r->n_clamps + 1) * sizeof *r->clamps);
    r->lost = malloc(r->n_frames * sizeof *r->lost);
    double *columns = malloc((r->n_frames * r->n_clamps * 3 + 1) * sizeof *columns);
    rg_status status = RG_OK;
    if (r->positions == NULL || r->driving == NULL || r->valid == NULL || r->clamps == NULL ||
        r->lost == NULL || columns == NULL) {
        status = RG_FAIL(s->err, RG_ERR_MEMORY, "%s: out of memory for %s.", s->path, s->label);
        goto done;
    }
    hsize_t all[3] = {r->n_frames, r->n_markers, 3}, some[3] = {r->n_frames, r->n_clamps, 3};
    status = read_array(s, group, "positions", H5T_FLOAT, 3, all, H5T_NATIVE_DOUBLE, r->positions);
    if (status != RG_OK) goto done;
    status = read_array(s, group, "valid", H5T_INTEGER, 2, all, H5T_NATIVE_UINT8, r->valid);
    if (status != RG_OK) goto done;
    status = read_array(s, group, "clamps", H5T_INTEGER, 1, &some[1], H5T_NATIVE_INT, r->clamps);
    if (status != RG_OK) goto done;
    status = read_array(s, group, "driving", H5T_FLOAT, 3, some, H5T_NATIVE_DOUBLE, columns);
    if (status != RG_OK) goto done;
    status = apply_unit(s, group, "positions", r->positions, samples * 3);
    if (status == RG_OK) status = apply_unit(s, group, "driving", columns, r->n_frames * r->n_clamps * 3);
    if (status != RG_OK) goto done;
    status = read_array(s, group, "lost", H5T_INTEGER, 1, all, H5T_NATIVE_INT, r->lost);
    if (status == RG_OK) status = count_lost(s, r);
    if (status == RG_OK) status = place(s, r, columns);
done:
    free(columns);
    return status;
}

static rg_status check_head(const source *s, hid_t file)
{
    char *format = NULL, *up = NULL;
    RG_TRY(read_text(s, file, "format", &format));
    int known = strcmp(format, FORMAT_NAME) == 0;
    free(format);
    if (!known) return wrong(s, "format", "is not \"rodgrad-recording\"");
    int version = 0;
    RG_TRY(read_number(s, file, "version", H5T_NATIVE_INT, H5T_INTEGER, &version));
    if (version != FORMAT_VERSION) {
        return RG_FAIL(
            s->err, RG_ERR_UNSUPPORTED,
            "%s: version %d of the recording format is not read, only %d; use a newer rodgrad.",
            s->path, version, FORMAT_VERSION);
    }
    RG_TRY(read_text(s, file, "up", &up));
    known = strcmp(up, "z") == 0;
    free(up);
    return known ? RG_OK : wrong(s, "up", "is not \"z\"");
}

/* Read the i-th group in order of names. */
static rg_status read_nth(source *s, hid_t parent, size_t i, rg_recording *r)
{
    s->label[0] = '\0';
    ssize_t length = H5Lget_name_by_idx(parent, ".", H5_INDEX_NAME, H5_ITER_INC, i, s->label,
                                        sizeof s->label, H5P_DEFAULT);
    if (length < 0 || (size_t)length >= sizeof s->label) {
        s->label[0] = '\0';
        return wrong(s, "recordings", "has a member whose name cannot be read");
    }
    if (!is_hard_link(parent, s->label)) return wrong(s, "", "is no group of this file");
    hid_t group = H5Gopen2(parent, s->label, H5P_DEFAULT);
    if (group < 0) return wrong(s, "", "is not a group");
    rg_status status = read_recording(s, group, r);
    H5Gclose(group);
    return status;
}

static rg_status read_all(source *s, hid_t file, rg_recording **out, size_t *n_out)
{
    RG_TRY(check_head(s, file));
    if (!is_hard_link(file, "recordings")) return wrong(s, "recordings", "is missing");
    hid_t parent = H5Gopen2(file, "recordings", H5P_DEFAULT);
    if (parent < 0) return wrong(s, "recordings", "is not a group");
    H5G_info_t info;
    rg_status status = RG_OK;
    size_t n = 0;
    rg_recording *all = NULL;
    if (H5Gget_info(parent, &info) < 0 || info.nlinks == 0 || info.nlinks > s->size) {
        status = wrong(s, "recordings", "holds no recording");
    } else if ((all = calloc((size_t)info.nlinks, sizeof *all)) == NULL) {
        status = RG_FAIL(s->err, RG_ERR_MEMORY, "%s: out of memory.", s->path);
    }
    while (status == RG_OK && n < info.nlinks) {
        status = read_nth(s, parent, n, &all[n]);
        n++; /* a half-read recording is cleared with the others */
    }
    H5Gclose(parent);
    if (status != RG_OK) {
        rgi_recordings_free(all, n);
        return status;
    }
    *out = all;
    *n_out = n;
    return RG_OK;
}

rg_status rgi_h5_read(const char *path, double unit_m, rg_recording **out, size_t *n_out, rg_error *err)
{
    *out = NULL;
    *n_out = 0;
    struct stat info;
    source s = {.path = path, .err = err, .unit_m = unit_m};
    quiet q = quiet_begin();
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    rg_status status;
    if (file < 0 || stat(path, &info) != 0) {
        status = RG_FAIL(err, RG_ERR_FORMAT,
                         "%s is no sound HDF5 file; copy it again or write it with rodgrad import.",
                         path);
    } else {
        s.size = (uint64_t)info.st_size;
        status = read_all(&s, file, out, n_out);
    }
    if (file >= 0) H5Fclose(file);
    quiet_end(q);
    return status;
}
