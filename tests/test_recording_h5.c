/* test_recording_h5.c: HDF5 recordings of other programs, with types and storage that are refused, and damaged.
 *
 * test_recording_h5 N: N damaged files more, each of another seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/formats.h"
#include "io/recording_io.h"
#include "recording_h5_files.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "rodgrad-h5-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* HDF5 as it is where a file's bytes lead it astray, told by the file's name */
hid_t __real_H5Fopen(const char *name, unsigned flags, hid_t access);
hid_t __wrap_H5Fopen(const char *name, unsigned flags, hid_t access);
hid_t __wrap_H5Fopen(const char *name, unsigned flags, hid_t access)
{
    static int poisoned;
    if (poisoned || strstr(name, "crash")) raise(SIGSEGV);
    if (strstr(name, "abort")) abort();
    if (strstr(name, "leave")) exit(0);
    if (strstr(name, "loop"))
        for (volatile unsigned long n = 0;; n++) continue;
    poisoned = strstr(name, "poison") != NULL;
    return __real_H5Fopen(name, flags, access);
}

static rg_status read_one(const char *path, rg_recording **out, size_t *n, rg_error *err)
{
    memset(err, 0, sizeof *err);
    return rg_recordings_read(&path, 1, NULL, out, n, err);
}

static void assert_made(const rg_recording *r)
{
    const h5_numbers n = h5_make_numbers();
    assert_int_equal(r->n_frames, H5_FRAMES);
    assert_int_equal(r->n_markers, H5_MARKERS);
    assert_memory_equal(r->positions, n.positions, sizeof n.positions);
    assert_memory_equal(r->driving, n.positions, sizeof n.positions);
    assert_memory_equal(r->valid, n.valid, sizeof n.valid);
    assert_memory_equal(r->clamps, n.clamps, sizeof n.clamps);
    assert_string_equal(r->name, "made");
}

static void accepted(const char *what, h5_way way)
{
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err;
    const char *path = in_folder("accepted.h5");
    h5_write(path, way);
    if (read_one(path, &r, &n, &err) != RG_OK) fail_msg("%s: %s", what, err.text);
    assert_int_equal(n, 1);
    assert_made(r);
    rg_recordings_free(r, n);
}

static void refused(h5_way way, const char *needle)
{
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err;
    const char *path = in_folder("refused.h5");
    h5_write(path, way);
    const rg_status status = read_one(path, &r, &n, &err);
    if (status != RG_ERR_FORMAT || !strstr(err.text, "refused.h5") || !strstr(err.text, way.other) ||
        !strstr(err.text, needle))
        fail_msg("%s: status %d, \"%s\" instead of \"%s\"", way.other, (int)status, err.text, needle);
    assert_null(r);
}

/* ---- types ---- */

static const hsize_t all[3] = {H5_FRAMES, H5_MARKERS, 3};

static void clamps_as(hid_t parent, hid_t type)
{
    const h5_numbers n = h5_make_numbers();
    const hsize_t shape[1] = {H5_CLAMPS};
    h5_array(parent, "clamps", type, 1, shape, H5P_DEFAULT, H5T_NATIVE_INT, n.clamps);
}

static void clamps_of_64_bits(hid_t parent, const char *name)
{
    (void)name;
    clamps_as(parent, H5T_STD_U64BE);
}

static void clamps_of_8_bits(hid_t parent, const char *name)
{
    (void)name;
    clamps_as(parent, H5T_STD_I8LE);
}

static void positions_big_endian(hid_t parent, const char *name)
{
    const h5_numbers n = h5_make_numbers();
    h5_array(parent, name, H5T_IEEE_F64BE, 3, all, H5P_DEFAULT, H5T_NATIVE_DOUBLE, n.positions);
}

static void h5_of_other_programs(void **state)
{
    (void)state;
    accepted("plain", (h5_way){0});
    accepted("chunked", (h5_way){.chunked = 3});
    accepted("latest", (h5_way){.latest = 1});
    accepted("latest and chunked", (h5_way){.chunked = 1, .latest = 1});
    accepted("64 bits", (h5_way){.other = "clamps", .write = clamps_of_64_bits});
    accepted("8 bits", (h5_way){.other = "clamps", .write = clamps_of_8_bits});
    accepted("big endian", (h5_way){.other = "positions", .write = positions_big_endian});
}

/* a type of the writer's, as an attribute or as an array of frames, markers and coordinates without numbers */
static void write_as(hid_t parent, const char *name, hid_t type)
{
    static const char *const attributes[] = {"version", "dt_s", "name", "up"};
    int is_attribute = 0;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        is_attribute |= strcmp(name, attributes[i]) == 0;
    if (is_attribute) h5_attribute(parent, name, type, NULL);
    else h5_array(parent, name, type, strcmp(name, "valid") == 0 ? 2 : 3, all, H5P_DEFAULT, type, NULL);
}

static void as_compound(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcreate(H5T_COMPOUND, 16));
    H5Tinsert(type, "a", 0, H5T_IEEE_F64LE);
    H5Tinsert(type, "b", 8, H5T_STD_I32LE);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_opaque(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcreate(H5T_OPAQUE, 8));
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_vlen(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tvlen_create(H5T_IEEE_F64LE));
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_array(hid_t parent, const char *name)
{
    static const hsize_t sides[2] = {2, 2};
    hid_t type = h5_need(H5Tarray_create2(H5T_IEEE_F64LE, 2, sides));
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_enum(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tenum_create(H5T_STD_U8LE));
    unsigned char value = 1;
    H5Tenum_insert(type, "TRUE", &value);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_text(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcopy(H5T_C_S1));
    H5Tset_size(type, 8);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_long_text(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcopy(H5T_C_S1));
    H5Tset_size(type, 5000);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_variable_text(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcopy(H5T_C_S1));
    H5Tset_size(type, H5T_VARIABLE);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_bits(hid_t parent, const char *name) { write_as(parent, name, H5T_STD_B8LE); }
static void as_float(hid_t parent, const char *name) { write_as(parent, name, H5T_IEEE_F64LE); }
static void as_integer(hid_t parent, const char *name) { write_as(parent, name, H5T_STD_I32LE); }

/* a float of 9 bytes, one with its sign in the middle, an integer of 5 bits and one of 512 bytes */
static void as_wide_float(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcopy(H5T_IEEE_F64LE));
    H5Tset_size(type, 9);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_odd_float(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcopy(H5T_IEEE_F64LE));
    H5Tset_fields(type, 40, 41, 11, 0, 40);
    H5Tset_ebias(type, 7);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_narrow_integer(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcopy(H5T_STD_I32LE));
    H5Tset_precision(type, 5);
    H5Tset_offset(type, 3);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void as_wide_integer(hid_t parent, const char *name)
{
    hid_t type = h5_need(H5Tcopy(H5T_STD_I32LE));
    H5Tset_size(type, 512);
    write_as(parent, name, type);
    H5Tclose(type);
}

static void h5_types(void **state)
{
    (void)state;
    static const char floats[] = "IEEE floats of 4 or 8 bytes", integers[] = "integers of 1, 2, 4 or 8 bytes",
                      text[] = "a text of fixed length";
    static const struct {
        const char *member;
        void (*write)(hid_t, const char *);
        const char *needle;
    } cases[] = {
        /* clang-format off */
        {"positions", as_compound, floats},  {"positions", as_opaque, floats},
        {"positions", as_vlen, floats},      {"positions", as_array, floats},
        {"positions", as_text, floats},      {"positions", as_integer, floats},
        {"positions", as_wide_float, floats}, {"positions", as_odd_float, floats},
        {"driving", as_odd_float, floats},   {"driving", as_vlen, floats},
        {"dt_s", as_compound, floats},       {"dt_s", as_odd_float, floats},
        {"dt_s", as_vlen, floats},           {"dt_s", as_integer, floats},
        {"valid", as_enum, integers},        {"valid", as_bits, integers},
        {"valid", as_compound, integers},    {"valid", as_float, integers},
        {"valid", as_narrow_integer, integers}, {"clamps", as_wide_integer, integers},
        {"lost", as_vlen, integers},         {"lost", as_wide_integer, integers},
        {"version", as_wide_integer, integers}, {"version", as_compound, integers},
        {"version", as_float, integers},     {"name", as_variable_text, text},
        {"name", as_long_text, text},        {"name", as_integer, text},
        {"name", as_vlen, text},             {"up", as_compound, text},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refused((h5_way){.other = cases[i].member, .write = cases[i].write}, cases[i].needle);
        refused((h5_way){.other = cases[i].member, .write = cases[i].write, .latest = 1}, cases[i].needle);
    }
}

/* HDF5 makes 0 of what an unsigned type cannot hold */
static void valid_of_minus_one(hid_t parent, const char *name)
{
    int values[H5_FRAMES * H5_MARKERS];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) values[i] = i == 7 ? -1 : 1;
    h5_array(parent, name, H5T_STD_I32LE, 2, all, H5P_DEFAULT, H5T_NATIVE_INT, values);
}

static void h5_valid_is_0_or_1(void **state)
{
    (void)state;
    refused((h5_way){.other = "valid", .write = valid_of_minus_one}, "something besides 0 and 1");
}

/* ---- storage ---- */

static void with_list(hid_t parent, const char *name, int rank, const hsize_t *shape, hid_t type, hid_t list)
{
    const h5_numbers n = h5_make_numbers();
    const int is_made = rank == 3 && shape[0] == H5_FRAMES;
    h5_array(parent, name, type, rank, shape, list, H5T_NATIVE_DOUBLE, is_made ? n.positions : NULL);
    H5Pclose(list);
}

static void outside(hid_t parent, const char *name)
{
    hid_t list = h5_need(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_external(list, in_folder("outside"), 0, H5F_UNLIMITED);
    with_list(parent, name, 3, all, H5T_IEEE_F64LE, list);
}

static void by_scaling(hid_t parent, const char *name)
{
    hid_t list = h5_need(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_chunk(list, 3, all);
    H5Pset_scaleoffset(list, H5Z_SO_FLOAT_DSCALE, 9);
    with_list(parent, name, 3, all, H5T_IEEE_F64LE, list);
}

static void packed_twice(hid_t parent, const char *name)
{
    hid_t list = h5_need(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_chunk(list, 3, all);
    H5Pset_deflate(list, 9);
    H5Pset_deflate(list, 9);
    with_list(parent, name, 3, all, H5T_IEEE_F64LE, list);
}

/* no numbers were ever written: the shape is a word only */
static void empty_and_huge(hid_t parent, const char *name)
{
    const hsize_t shape[3] = {(hsize_t)1 << 40, 1000, 3}, sides[3] = {1, 1000, 3};
    hid_t list = h5_need(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_chunk(list, 3, sides);
    H5Pset_deflate(list, 1);
    with_list(parent, name, 3, shape, H5T_IEEE_F64LE, list);
}

static void empty(hid_t parent, const char *name)
{
    const hsize_t shape[3] = {H5_FRAMES, H5_MARKERS, 3};
    h5_array(parent, name, H5T_IEEE_F64LE, 3, shape, H5P_DEFAULT, H5T_NATIVE_DOUBLE, NULL);
}

static void of_four_dimensions(hid_t parent, const char *name)
{
    const hsize_t shape[4] = {H5_FRAMES, H5_MARKERS, 3, 1};
    h5_array(parent, name, H5T_IEEE_F64LE, 4, shape, H5P_DEFAULT, H5T_NATIVE_DOUBLE, NULL);
}

static void h5_storage(void **state)
{
    (void)state;
    static const char room[] = "larger shape than the file has room for";
    refused((h5_way){.other = "positions", .write = outside}, "not stored in this file");
    refused((h5_way){.other = "positions", .write = by_scaling}, "filter other than");
    refused((h5_way){.other = "positions", .write = packed_twice}, "filter other than");
    refused((h5_way){.other = "positions", .write = empty_and_huge}, room);
    refused((h5_way){.other = "positions", .write = empty}, room);
    refused((h5_way){.other = "driving", .write = empty}, room);
    refused((h5_way){.other = "positions", .write = of_four_dimensions}, "number of dimensions");
}

/* a thousand names for the same numbers, which pack well: more memory than any file of this size could ask for */
static void h5_many_names(void **state)
{
    (void)state;
    enum { FRAMES = 60000, NAMES = 1000 };
    const char *path = in_folder("names.h5");
    const hsize_t shape[3] = {FRAMES, H5_MARKERS, 3}, driven[3] = {FRAMES, 0, 3}, sides[3] = {6000, H5_MARKERS, 3};
    double *x = calloc(FRAMES * H5_MARKERS * 3, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < FRAMES * H5_MARKERS; i++) x[3 * i] = (double)(i % H5_MARKERS);
    h5_write(path, (h5_way){0});
    hid_t file = h5_need(H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT));
    hid_t group = h5_need(H5Gopen2(file, "recordings/000000", H5P_DEFAULT));
    static const char *const replaced[] = {"positions", "driving", "valid", "clamps", "lost"};
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) H5Ldelete(group, replaced[i], H5P_DEFAULT);
    hid_t list = h5_need(H5Pcreate(H5P_DATASET_CREATE));
    hid_t flat = h5_need(H5Pcreate(H5P_DATASET_CREATE)), line = h5_need(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_chunk(list, 3, sides);
    H5Pset_chunk(flat, 2, sides);
    H5Pset_chunk(line, 1, sides);
    H5Pset_deflate(list, 9);
    H5Pset_deflate(flat, 9);
    H5Pset_deflate(line, 9);
    h5_array(group, "positions", H5T_IEEE_F64LE, 3, shape, list, H5T_NATIVE_DOUBLE, x);
    h5_array(group, "driving", H5T_IEEE_F64LE, 3, driven, H5P_DEFAULT, H5T_NATIVE_DOUBLE, NULL);
    memset(x, 0, FRAMES * H5_MARKERS * 3 * sizeof *x);
    h5_array(group, "lost", H5T_STD_I32LE, 1, shape, line, H5T_NATIVE_INT, x);
    h5_array(group, "valid", H5T_STD_U8LE, 2, shape, flat, H5T_NATIVE_UCHAR, x);
    h5_array(group, "clamps", H5T_STD_I32LE, 1, driven + 1, H5P_DEFAULT, H5T_NATIVE_INT, NULL);
    free(x);
    H5Pclose(list);
    H5Pclose(flat);
    H5Pclose(line);
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err;
    H5Fflush(file, H5F_SCOPE_GLOBAL);
    /* once is honest */
    for (int k = 0; k < NAMES; k++) {
        char name[32];
        if (k == 1) {
            H5Gclose(group);
            H5Fclose(file);
            if (read_one(path, &r, &n, &err) != RG_OK) fail_msg("%s", err.text);
            rg_recordings_free(r, n);
            file = h5_need(H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT));
            group = h5_need(H5Gopen2(file, "recordings/000000", H5P_DEFAULT));
        }
        if (k == 0) continue;
        snprintf(name, sizeof name, "recordings/%06d", k);
        if (H5Lcreate_hard(group, ".", file, name, H5P_DEFAULT, H5P_DEFAULT) < 0) abort();
    }
    H5Gclose(group);
    H5Fclose(file);
    assert_int_equal(read_one(path, &r, &n, &err), RG_ERR_FORMAT);
    assert_non_null(strstr(err.text, "more than the file has room for"));
}

/* ---- where HDF5 does not come back ---- */

static void h5_crashes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *needle;
    } cases[] = {{"crash.h5", "signal 11"},
                 {"abort.h5", "signal 6"},
                 {"leave.h5", "exit code 0"},
                 {"loop.h5", "time that the file's size allows"}};
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mkdir(in_folder("many"), 0777), 0);
        char name[64];
        snprintf(name, sizeof name, "many/%s", cases[i].name);
        /* after another file it would be tried twice, for twice the time */
        if (!strstr(cases[i].name, "loop")) h5_write(in_folder("many/0.h5"), (h5_way){0});
        h5_write(in_folder(name), (h5_way){0});
        h5_write(in_folder("many/z.h5"), (h5_way){0});
        assert_int_equal(read_one(in_folder("many"), &r, &n, &err), RG_ERR_IO);
        if (!strstr(err.text, cases[i].name) || !strstr(err.text, cases[i].needle) || !strstr(err.text, "is damaged"))
            fail_msg("%s: %s", cases[i].name, err.text);
        assert_null(r);
        char command[128];
        snprintf(command, sizeof command, "rm -r %s/many", folder);
        assert_int_equal(system(command), 0);
    }
}

/* a file that leaves damage behind must not be taken for the next one's */
static void h5_crash_of_another_file(void **state)
{
    (void)state;
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err;
    assert_int_equal(mkdir(in_folder("poisoned"), 0777), 0);
    h5_write(in_folder("poisoned/1.h5"), (h5_way){0});
    h5_write(in_folder("poisoned/2-poison.h5"), (h5_way){0});
    h5_write(in_folder("poisoned/3.h5"), (h5_way){0});
    h5_write(in_folder("poisoned/4.h5"), (h5_way){0});
    if (read_one(in_folder("poisoned"), &r, &n, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) assert_made(&r[i]);
    rg_recordings_free(r, n);
}

static void h5_not_a_regular_file(void **state)
{
    (void)state;
    rgi_h5_reader reader = {0};
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err = {0};
    const char *path = in_folder("fifo.h5");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(rgi_h5_read(&reader, path, 0.0, &r, &n, &err), RG_ERR_FORMAT);
    assert_non_null(strstr(err.text, "no regular file"));
    assert_int_equal(rgi_h5_read(&reader, in_folder("none.h5"), 0.0, &r, &n, &err), RG_ERR_IO);
    assert_non_null(strstr(err.text, "none.h5"));
    rgi_h5_reader_close(&reader);
}

/* ---- damaged files ---- */

enum { WAYS = 4 };
static const h5_way ways[WAYS] = {{0}, {.chunked = 2}, {.latest = 1}, {.chunked = 1, .latest = 1}};

static bytes read_bytes(const char *path)
{
    bytes b = {0};
    unsigned char chunk[4096];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) bytes_add(&b, chunk, n);
    fclose(f);
    return b;
}

/* Damaged bytes are a recording or a sentence that names the file. Returns whether they are one. */
static int read_damaged(rgi_h5_reader *reader, const unsigned char *data, size_t size)
{
    const char *path = in_folder("damaged.h5");
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err = {0};
    write_bytes(path, data, size);
    const rg_status status = rgi_h5_read(reader, path, 0.0, &r, &n, &err);
    if (status != RG_OK) {
        assert_true(r == NULL && n == 0 && err.status == status && strstr(err.text, "damaged.h5"));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(r[i].n_frames >= 2 && r[i].n_markers >= 3 && r[i].n_clamps < r[i].n_markers && r[i].dt_s > 0.0);
        assert_true(r[i].n_frames * r[i].n_markers <= 86 * size);
        for (size_t k = 0; k < 3 * r[i].n_frames * r[i].n_markers; k++)
            assert_true(isfinite(r[i].positions[k]) && isfinite(r[i].driving[k]));
    }
    rg_recordings_free(r, n);
    return 1;
}

static void h5_truncated(void **state)
{
    (void)state;
    for (int k = 0; k < WAYS; k++) {
        rgi_h5_reader reader = {0};
        h5_write(in_folder("sound.h5"), ways[k]);
        bytes b = read_bytes(in_folder("sound.h5"));
        for (size_t n = 8; n < b.size; n += 1 + b.size / 30) assert_int_equal(read_damaged(&reader, b.data, n), 0);
        assert_int_equal(read_damaged(&reader, b.data, b.size), 1);
        bytes_free(&b);
        rgi_h5_reader_close(&reader);
    }
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One to four numbers of 1 to 8 bytes are replaced by what leads a reader astray: extremes, single bits, sizes,
 * addresses, and words from elsewhere in the file. */
static void replace(bytes *b, uint64_t seed)
{
    const size_t words = 1 + next(&seed) % 4;
    for (size_t i = 0; i < words; i++) {
        const size_t width = (size_t)1 << next(&seed) % 4, at = next(&seed) % (b->size - width);
        const size_t from = next(&seed) % (b->size - 8);
        uint64_t value = 0;
        switch (next(&seed) % 6) {
        case 0: break;
        case 1: value = ~value; break;
        case 2: value = (uint64_t)1 << next(&seed) % 64; break;
        case 3: memcpy(&value, b->data + from, 8); break;
        case 4: value = from; break;
        default: value = next(&seed) % 256; break;
        }
        memcpy(b->data + at, &value, width);
    }
}

static void damage(uint64_t first, uint64_t count)
{
    rgi_h5_reader reader = {0};
    bytes sound[WAYS];
    size_t read = 0;
    for (int k = 0; k < WAYS; k++) {
        h5_write(in_folder("sound.h5"), ways[k]);
        sound[k] = read_bytes(in_folder("sound.h5"));
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        bytes b = {0};
        bytes_add(&b, sound[seed % WAYS].data, sound[seed % WAYS].size);
        replace(&b, seed);
        read += (size_t)read_damaged(&reader, b.data, b.size);
        bytes_free(&b);
    }
    for (int k = 0; k < WAYS; k++) bytes_free(&sound[k]);
    rgi_h5_reader_close(&reader);
    /* much of a small file is room that nothing uses */
    print_message("%zu of %zu damaged files can be read\n", read, (size_t)count);
    assert_true(read > 0 && read < count);
}

static uint64_t more;

static void h5_damaged(void **state)
{
    (void)state;
    damage(0, 500);
}

static void h5_damaged_more(void **state)
{
    (void)state;
    damage(500, more);
}

/* each byte's bits, one after the other in a stride that meets all places of the file */
static void h5_flipped(void **state)
{
    (void)state;
    for (int k = 0; k < WAYS; k++) {
        rgi_h5_reader reader = {0};
        h5_write(in_folder("sound.h5"), ways[k]);
        bytes b = read_bytes(in_folder("sound.h5"));
        for (size_t bit = 0; bit < 8 * b.size; bit += 8 * b.size / 150 | 1) {
            b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            read_damaged(&reader, b.data, b.size);
            b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        bytes_free(&b);
        rgi_h5_reader_close(&reader);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h5_of_other_programs),
        cmocka_unit_test(h5_types),
        cmocka_unit_test(h5_valid_is_0_or_1),
        cmocka_unit_test(h5_storage),
        cmocka_unit_test(h5_many_names),
        cmocka_unit_test(h5_crashes),
        cmocka_unit_test(h5_crash_of_another_file),
        cmocka_unit_test(h5_not_a_regular_file),
        cmocka_unit_test(h5_truncated),
        cmocka_unit_test(h5_flipped),
        cmocka_unit_test(h5_damaged),
    };
    const struct CMUnitTest longer[] = {cmocka_unit_test(h5_damaged_more)};
    more = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (more > 0) return cmocka_run_group_tests_name("recording_h5_more", longer, make_folder, remove_folder);
    return cmocka_run_group_tests_name("recording_h5", tests, make_folder, remove_folder);
}
