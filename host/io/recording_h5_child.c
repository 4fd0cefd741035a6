/* io/recording_h5_child.c: the process in which HDF5 reads files (recording_h5_read.c says why there is one).
 *
 * Of each group, attribute and dataset it looks at the kind of link, the type, the shape and the storage before it
 * takes numbers from it. It checks what HDF5 must be kept from; the numbers are the caller's to check. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/recording_h5.h"
#include "io/recording_h5_messages.h"
#include "io/recording_io.h"

enum { DIMENSIONS_MAX = 3 };

/* Numbers as any program writes them. HDF5 can store much else as a number, with bits anywhere in it, and converts
 * it by what the file says of them. */
static int is_plain_float(hid_t type)
{
    return H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F32LE) > 0 ||
           H5Tequal(type, H5T_IEEE_F64BE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0;
}

static int is_plain_integer(hid_t type)
{
    const hid_t plain[] = {H5T_STD_U8LE,  H5T_STD_I32LE, H5T_STD_I64LE, H5T_STD_I8LE,  H5T_STD_I16LE, H5T_STD_U16LE,
                           H5T_STD_U32LE, H5T_STD_U64LE, H5T_STD_I8BE,  H5T_STD_I16BE, H5T_STD_I32BE, H5T_STD_I64BE,
                           H5T_STD_U8BE,  H5T_STD_U16BE, H5T_STD_U32BE, H5T_STD_U64BE};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (H5Tequal(type, plain[i]) > 0) return 1;
    return 0;
}

static int is_plain(hid_t type, H5T_class_t class)
{
    return type >= 0 && H5Tget_class(type) == class &&
           (class == H5T_FLOAT ? is_plain_float(type) : is_plain_integer(type));
}

static const char *not_plain(H5T_class_t class)
{
    return class == H5T_FLOAT ? "is not stored as IEEE floats of 4 or 8 bytes"
                              : "is not stored as integers of 1, 2, 4 or 8 bytes";
}

/* A text attribute of fixed length; *text is allocated. */
static rg_status read_text(const rgi_h5_source *s, hid_t object, const char *name, char **text)
{
    *text = NULL;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return rgi_h5_wrong(s, name, "is missing");
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    int ok = type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
             H5Sget_simple_extent_npoints(space) == 1;
    const size_t size = ok ? H5Tget_size(type) : 0;
    ok = ok && size > 0 && size <= RGI_H5_TEXT_MAX;
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
    return rgi_h5_wrong(s, name, "is not a text of fixed length");
}

static rg_status read_number(const rgi_h5_source *s, hid_t object, const char *name, hid_t memory, H5T_class_t class,
                             void *value)
{
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return rgi_h5_wrong(s, name, "is missing");
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    const int plain = is_plain(type, class);
    const int ok =
        plain && space >= 0 && H5Sget_simple_extent_npoints(space) == 1 && H5Aread(attribute, memory, value) >= 0;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Aclose(attribute);
    if (!plain) return rgi_h5_wrong(s, name, not_plain(class));
    return ok ? RG_OK : rgi_h5_wrong(s, name, "is not one number");
}

/* Whether a link is a plain one: the others can lead out of the file. */
static int is_hard_link(hid_t parent, const char *name)
{
    H5L_info_t info;
    return H5Lget_info(parent, name, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
}

/* The most bytes that one stored byte of a chunk stands for, 0 where a filter is none that this reader knows: other
 * ones are found by HDF5 in libraries of their own, and bound nothing. */
static uint64_t filters_ratio(hid_t list)
{
    int seen = 0;
    const int n = H5Pget_nfilters(list);
    for (int i = 0; i < n; i++) {
        size_t n_values = 0;
        unsigned flags = 0, config = 0;
        const H5Z_filter_t filter = H5Pget_filter2(list, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config);
        const int bit = filter == H5Z_FILTER_DEFLATE      ? 1
                        : filter == H5Z_FILTER_SHUFFLE    ? 2
                        : filter == H5Z_FILTER_FLETCHER32 ? 4
                                                          : 0;
        if (bit == 0 || (seen & bit)) return 0;
        seen |= bit;
    }
    return n < 0 ? 0 : seen & 1 ? RGI_H5_DEFLATE_RATIO : 1;
}

/* What is wrong with where a dataset's numbers lie, NULL for nothing: they must all lie in this file, not in others
 * that it names, and the file must be large enough to hold them. bytes: what they take in memory, as stored. */
static const char *storage_fault(const rgi_h5_source *s, hid_t set, uint64_t bytes, size_t element)
{
    const char *fault = NULL;
    const hid_t list = H5Dget_create_plist(set);
    if (list < 0) return "is stored in a way that cannot be told";
    const H5D_layout_t layout = H5Pget_layout(list);
    uint64_t ratio = 1, chunk = element;
    if ((layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) ||
        H5Pget_external_count(list) != 0)
        fault = "is not stored in this file";
    if (!fault && layout == H5D_CHUNKED) {
        hsize_t sides[DIMENSIONS_MAX] = {0};
        const int rank = H5Pget_chunk(list, DIMENSIONS_MAX, sides);
        ratio = filters_ratio(list);
        if (ratio == 0) fault = "is packed by a filter other than shuffle, deflate (gzip) and fletcher32";
        for (int i = 0; i < rank && i < DIMENSIONS_MAX && !fault; i++) {
            if (sides[i] == 0 || chunk > UINT64_MAX / sides[i]) fault = "is cut into chunks of an impossible size";
            else chunk *= sides[i];
        }
    }
    H5Pclose(list);
    if (fault || bytes == 0) return fault;
    const uint64_t stored = H5Dget_storage_size(set);
    const uint64_t most = stored > UINT64_MAX / RGI_H5_DEFLATE_RATIO ? UINT64_MAX : stored * ratio;
    if (stored > s->size || bytes > most || (layout == H5D_CHUNKED && chunk > most))
        return "has a larger shape than the file has room for";
    return NULL;
}

/* Open a dataset and check type, rank and storage; its shape goes to shape[rank]. */
static rg_status open_array(const rgi_h5_source *s, hid_t group, const char *name, H5T_class_t class, int rank,
                            hsize_t *shape, hid_t *set)
{
    *set = -1;
    if (!is_hard_link(group, name)) return rgi_h5_wrong(s, name, "is missing");
    hid_t opened = H5Dopen2(group, name, H5P_DEFAULT);
    if (opened < 0) return rgi_h5_wrong(s, name, "is not an array");
    hid_t type = H5Dget_type(opened), space = H5Dget_space(opened);
    const char *fault = is_plain(type, class) ? NULL : not_plain(class);
    const size_t element = fault ? 1 : H5Tget_size(type);
    uint64_t bytes = element;
    if (!fault && (space < 0 || H5Sget_simple_extent_ndims(space) != rank ||
                   H5Sget_simple_extent_dims(space, shape, NULL) != rank))
        fault = "has another number of dimensions than it should";
    for (int i = 0; i < rank && !fault; i++) {
        if (shape[i] != 0 && bytes > UINT64_MAX / shape[i]) fault = "has a larger shape than the file has room for";
        else bytes *= shape[i];
    }
    if (!fault) fault = storage_fault(s, opened, bytes, element);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (!fault) {
        *set = opened;
        return RG_OK;
    }
    H5Dclose(opened);
    return rgi_h5_wrong(s, name, fault);
}

/* Read an array of a known shape into data. */
static rg_status read_array(const rgi_h5_source *s, hid_t group, const char *name, H5T_class_t class, int rank,
                            const hsize_t *expected, hid_t memory, void *data)
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
        return RG_FAIL(s->err, RG_ERR_SHAPE, "%s: the sizes of %s/%s do not fit those of positions.", s->path, s->label,
                       name);
    }
    ok = empty || H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    H5Dclose(set);
    return ok ? RG_OK : rgi_h5_wrong(s, name, "cannot be read");
}

static rg_status read_shapes(rgi_h5_source *s, hid_t group, rgi_h5_message *m)
{
    hsize_t shape[DIMENSIONS_MAX];
    hid_t set;
    RG_TRY(open_array(s, group, "positions", H5T_FLOAT, 3, shape, &set));
    H5Dclose(set);
    if (shape[0] < 2 || shape[1] < 3 || shape[2] != 3 || shape[1] > INT_MAX) {
        return RG_FAIL(s->err, RG_ERR_SHAPE,
                       "%s: %s/positions is not [frames][markers][3] of at least 2 frames and 3 markers.", s->path,
                       s->label);
    }
    m->n_frames = shape[0];
    m->n_markers = shape[1];
    /* links can name the same numbers again and again: together they must fit into the file, too */
    if (m->n_frames > s->samples / m->n_markers)
        return rgi_h5_wrong(s, "positions", "is more than the file has room for");
    s->samples -= m->n_frames * m->n_markers;
    RG_TRY(open_array(s, group, "clamps", H5T_INTEGER, 1, shape, &set));
    H5Dclose(set);
    if (shape[0] >= m->n_markers) {
        return RG_FAIL(s->err, RG_ERR_SHAPE, "%s: %s/clamps leaves no marker free.", s->path, s->label);
    }
    m->n_clamps = shape[0];
    return RG_OK;
}

/* The unit of an array of lengths into unit [RGI_H5_UNIT_ROOM]; the array's `count` numbers become metres. Without the
 * attribute they are metres, as the format says. It may be a text of variable length, which many programs write. */
static rg_status apply_unit(const rgi_h5_source *s, hid_t group, const char *name, double *data, size_t count,
                            char *unit)
{
    char *text = NULL;
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    const htri_t there = set >= 0 ? H5Aexists(set, "unit") : -1;
    rg_status status = there < 0 ? rgi_h5_wrong(s, name, "has a unit that cannot be read") : RG_OK;
    hid_t attribute = there > 0 ? H5Aopen(set, "unit", H5P_DEFAULT) : -1;
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : -1, space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    snprintf(unit, RGI_H5_UNIT_ROOM, "m");
    if (there > 0 && type >= 0 && space >= 0 && H5Tis_variable_str(type) > 0 &&
        H5Sget_simple_extent_npoints(space) == 1) {
        if (H5Aread(attribute, type, &text) < 0 || text == NULL)
            status = rgi_h5_wrong(s, name, "has a unit that cannot be read");
        else snprintf(unit, RGI_H5_UNIT_ROOM, "%s", text);
        if (text) H5free_memory(text);
    } else if (there > 0) {
        status = read_text(s, set, "unit", &text);
        if (status == RG_OK) snprintf(unit, RGI_H5_UNIT_ROOM, "%s", text);
        free(text);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    if (set >= 0) H5Dclose(set);
    if (status != RG_OK) return status;
    const double metres = rgi_unit_metres(unit);
    if (!(metres > 0.0))
        return RG_FAIL(s->err, RG_ERR_FORMAT,
                       "%s: %s/%s has the unit \"%s\"; write the attribute unit as m, cm, mm or in.", s->path, s->label,
                       name, unit);
    for (size_t i = 0; metres != 1.0 && i < count; i++) data[i] *= metres;
    return RG_OK;
}

/* The arrays of a recording, in the order in which they are sent. */
typedef struct array {
    const char *name;
    H5T_class_t class;
    int rank;
    hsize_t shape[DIMENSIONS_MAX];
    hid_t memory;
} array;

/* Read one recording and send it. */
static rg_status send_recording(rgi_h5_source *s, hid_t group, int fd)
{
    rgi_h5_message m;
    char *texts[3] = {NULL, NULL, NULL};
    void *data[RGI_H5_ARRAYS] = {NULL};
    size_t bytes[RGI_H5_ARRAYS];
    memset(&m, 0, sizeof m);
    m.kind = RGI_H5_MESSAGE_RECORDING;
    memcpy(m.label, s->label, sizeof m.label);
    rg_status status = read_text(s, group, "name", &texts[0]);
    if (status == RG_OK) status = read_text(s, group, "source", &texts[1]);
    if (status == RG_OK) status = read_text(s, group, "sha256", &texts[2]);
    if (status == RG_OK) status = read_number(s, group, "dt_s", H5T_NATIVE_DOUBLE, H5T_FLOAT, &m.dt_s);
    if (status == RG_OK) status = read_shapes(s, group, &m);
    if (status != RG_OK) goto done;
    m.name_bytes = strlen(texts[0]);
    m.source_bytes = strlen(texts[1]);
    /* one byte more than fits is no hash either */
    strncpy(m.sha256, strlen(texts[2]) < sizeof m.sha256 ? texts[2] : "too long", sizeof m.sha256 - 1);
    rgi_h5_sizes(&m, bytes);
    const array arrays[RGI_H5_ARRAYS] = {{"positions", H5T_FLOAT, 3, {m.n_frames, m.n_markers, 3}, H5T_NATIVE_DOUBLE},
                                         /* signed: unsigned, HDF5 would make a 0 of -1 */
                                         {"valid", H5T_INTEGER, 2, {m.n_frames, m.n_markers}, H5T_NATIVE_INT8},
                                         {"clamps", H5T_INTEGER, 1, {m.n_clamps}, H5T_NATIVE_INT},
                                         {"driving", H5T_FLOAT, 3, {m.n_frames, m.n_clamps, 3}, H5T_NATIVE_DOUBLE},
                                         {"lost", H5T_INTEGER, 1, {m.n_frames}, H5T_NATIVE_INT}};
    for (int i = 0; i < RGI_H5_ARRAYS; i++) {
        const array *a = &arrays[i];
        data[i] = malloc(bytes[i] + 1);
        if (data[i] == NULL) {
            status = RG_FAIL(s->err, RG_ERR_MEMORY, "%s: out of memory for %s.", s->path, s->label);
            goto done;
        }
        status = read_array(s, group, a->name, a->class, a->rank, a->shape, a->memory, data[i]);
        if (status != RG_OK) goto done;
    }
    for (int i = 0; i < 2 && status == RG_OK; i++)
        status = apply_unit(s, group, arrays[3 * i].name, data[3 * i], bytes[3 * i] / sizeof(double), m.units[i]);
    if (status != RG_OK) goto done;
    rgi_child_reply(fd, &m, sizeof m);
    rgi_child_reply(fd, texts[0], (size_t)m.name_bytes);
    rgi_child_reply(fd, texts[1], (size_t)m.source_bytes);
    for (int i = 0; i < RGI_H5_ARRAYS; i++) rgi_child_reply(fd, data[i], bytes[i]);
done:
    for (int i = 0; i < RGI_H5_ARRAYS; i++) free(data[i]);
    for (int i = 0; i < 3; i++) free(texts[i]);
    return status;
}

static rg_status check_head(const rgi_h5_source *s, hid_t file)
{
    char *format = NULL, *up = NULL;
    RG_TRY(read_text(s, file, "format", &format));
    int known = strcmp(format, RGI_H5_FORMAT) == 0;
    free(format);
    if (!known) return rgi_h5_wrong(s, "format", "is not \"" RGI_H5_FORMAT "\"");
    int version = 0;
    RG_TRY(read_number(s, file, "version", H5T_NATIVE_INT, H5T_INTEGER, &version));
    if (version != RGI_H5_VERSION) {
        return RG_FAIL(s->err, RG_ERR_UNSUPPORTED,
                       "%s: version %d of the recording format is not read, only %d; use a newer rodgrad.", s->path,
                       version, RGI_H5_VERSION);
    }
    RG_TRY(read_text(s, file, "up", &up));
    known = strcmp(up, "z") == 0;
    free(up);
    return known ? RG_OK : rgi_h5_wrong(s, "up", "is not \"z\"");
}

typedef struct sender {
    rgi_h5_source *s;
    int fd;
    rg_status status;
} sender;

static rg_status send_group(rgi_h5_source *s, hid_t parent, const char *name, H5L_type_t link, int fd)
{
    const size_t length = strlen(name);
    memset(s->label, 0, sizeof s->label);
    if (length >= sizeof s->label) return rgi_h5_wrong(s, "recordings", "has a member with too long a name");
    memcpy(s->label, name, length);
    if (link != H5L_TYPE_HARD) return rgi_h5_wrong(s, "", "is no group of this file");
    hid_t group = H5Gopen2(parent, name, H5P_DEFAULT);
    if (group < 0) return rgi_h5_wrong(s, "", "is not a group");
    rg_status status = send_recording(s, group, fd);
    H5Gclose(group);
    return status;
}

/* H5Literate's: it stops where something is wrong */
static herr_t send_member(hid_t parent, const char *name, const H5L_info_t *info, void *data)
{
    sender *to = data;
    to->status = send_group(to->s, parent, name, info->type, to->fd);
    return to->status == RG_OK ? 0 : 1;
}

static rg_status send_file(rgi_h5_source *s, int fd)
{
    hid_t file = H5Fopen(s->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) {
        return RG_FAIL(s->err, RG_ERR_FORMAT,
                       "%s is no sound HDF5 file; copy it again or write it with rodgrad import.", s->path);
    }
    RG_TRY(check_head(s, file));
    if (!is_hard_link(file, "recordings")) return rgi_h5_wrong(s, "recordings", "is missing");
    hid_t parent = H5Gopen2(file, "recordings", H5P_DEFAULT);
    if (parent < 0) return rgi_h5_wrong(s, "recordings", "is not a group");
    H5G_info_t info;
    if (H5Gget_info(parent, &info) < 0 || info.nlinks == 0 || info.nlinks > s->size) {
        return rgi_h5_wrong(s, "recordings", "holds no recording");
    }
    sender to = {.s = s, .fd = fd, .status = RG_OK};
    const herr_t stopped = H5Literate(parent, H5_INDEX_NAME, H5_ITER_INC, NULL, send_member, &to);
    if (to.status != RG_OK) return to.status;
    s->label[0] = '\0';
    if (stopped != 0) return rgi_h5_wrong(s, "recordings", "has members that cannot be listed");
    H5Gclose(parent);
    H5Fclose(file);
    return RG_OK;
}

/* A refused file is left open, as the caller ends the child then. */
void rgi_h5_work(int fd, void *unused)
{
    (void)unused;
    (void)rgi_h5_quiet_begin();
    for (;;) {
        rgi_h5_request q;
        rgi_h5_message m;
        rg_error err = {0};
        rgi_child_hear(fd, &q, sizeof q);
        char *path = calloc((size_t)q.path_bytes + 1, 1);
        if (path == NULL) return;
        rgi_child_hear(fd, path, (size_t)q.path_bytes);
        rgi_child_limit(rgi_h5_limits(q.size));
        rgi_h5_source s = {.path = path, .err = &err, .size = q.size, .samples = q.size * RGI_H5_SAMPLES_A_BYTE};
        memset(&m, 0, sizeof m);
        m.status = (int)send_file(&s, fd);
        m.kind = m.status == RG_OK ? RGI_H5_MESSAGE_END : RGI_H5_MESSAGE_REFUSED;
        memcpy(m.text, err.text, sizeof m.text - 1);
        rgi_child_reply(fd, &m, sizeof m);
        free(path);
    }
}
