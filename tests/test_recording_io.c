/* test_recording_io.c: recordings from and to files of each format, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/formats.h"
#include "io/recording_io.h"
#include "recording_files.h"
#include "rods.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "rodgrad-io-XXXXXX");
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

static rg_status read_one(const char *path, const rg_import_opts *opts, rg_recording **out, size_t *n, rg_error *err)
{
    memset(err, 0, sizeof *err);
    return rg_recordings_read(&path, 1, opts, out, n, err);
}

static void assert_made(const double *positions, size_t frames, size_t markers)
{
    for (size_t k = 0; k < frames; k++) {
        for (size_t m = 0; m < markers; m++) {
            for (size_t a = 0; a < 3; a++) {
                /* bits: a reader must not round */
                assert_true(positions[(k * markers + m) * 3 + a] == made_coordinate(k, m, a));
            }
        }
    }
}

/* the sentence of a refusal names the file and says `needle` */
static void assert_refused(rg_status status, rg_status expected, const rg_error *err, const char *needle)
{
    if (status != expected || strstr(err->text, needle) == NULL) {
        print_error("status %d, \"%s\"; expected %d and \"%s\"\n", status, err->text, expected, needle);
    }
    assert_int_equal(status, expected);
    assert_non_null(strstr(err->text, needle));
}

/* ---- pickle ---- */

static void pickle_value(void **state)
{
    (void)state;
    static const int protocols[] = {2, 3, 4, 5};
    for (size_t i = 0; i < 4; i++) {
        bytes b = make_pickle(protocols[i], 70, 5); /* 281 lists: memo numbers of two widths */
        rgi_motion motion;
        rg_error err = {0};
        assert_int_equal(rgi_pickle_parse(b.data, b.size, "p", &motion, &err), RG_OK);
        assert_int_equal(motion.n_frames, 70);
        assert_int_equal(motion.n_markers, 5);
        assert_true(motion.dt_s == 0);
        assert_made(motion.positions, 70, 5);
        free(motion.positions);
        bytes_free(&b);
    }
}

static rg_status parse(const void *data, size_t size, rgi_motion *motion, rg_error *err)
{
    memset(err, 0, sizeof *err);
    rg_status status = rgi_pickle_parse(data, size, "f.pkl", motion, err);
    if (status != RG_OK) {
        assert_null(motion->positions);
        assert_non_null(strstr(err->text, "f.pkl"));
    }
    return status;
}

/* tuples, ints of every width, and one list used for two axes */
static void pickle_tuples_ints_memo(void **state)
{
    (void)state;
    static const unsigned char frame[] = "\x80\x02"
                                         "(K\x01M\x02\x01J\xfe\xff\xff\xff"
                                         "tq\x00" /* (1, 258, -2) */
                                         "h\x00"
                                         "\x8a\x01\xff\x8a\x00\x8a\x02\x00\x80\x87" /* (-1, 0, -32768) */
                                         "\x87"
                                         "\x85.";
    rgi_motion motion;
    rg_error err;
    rg_status status = parse(frame, sizeof frame - 1, &motion, &err);
    if (status != RG_OK) print_error("%s\n", err.text);
    assert_int_equal(status, RG_OK);
    assert_int_equal(motion.n_frames, 1);
    assert_int_equal(motion.n_markers, 3);
    static const double expected[9] = {1, 1, -1, 258, 258, 0, -2, -2, -32768};
    for (int i = 0; i < 9; i++) assert_true(motion.positions[i] == expected[i]);
    free(motion.positions);
}

static void pickle_refuses_objects(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *needle;
    } cases[] = {
#define CASE(text, needle) {text, sizeof(text) - 1, needle}
        CASE("\x80\x02"
             "cos\nsystem\n(S'ls'\ntR.",
             "byte 2"),                                           /* GLOBAL */
        CASE("\x80\x04]\x8c\x02os\x8c\x06system\x93.", "byte 3"), /* text */
        CASE("\x80\x04]\x93.", "never executed"),
        CASE("\x80\x02]R.", "0x52 at byte 3"),
        CASE("\x80\x02]b.", "never executed"),
        CASE("\x80\x02]N\x61.", "None"),
        CASE("\x80\x01].", "protocol 1"),
        CASE("\x80\x06].", "protocol 6"),
        CASE("(lp0\n.", "not a pickle"),
        CASE("\x80\x02].x", "1 byte follows"),
        CASE("\x80\x02].", "no list of frames"),
        CASE("\x80\x02K\x01.", "no list of frames"),
        CASE("\x80\x02]]a.", "frame 0"),
        CASE("\x80\x02"
             "e.",
             "byte 2"),
        CASE("\x80\x02"
             "a.",
             "byte 2"),
        CASE("\x80\x02(a.", "byte 3"),
        CASE("\x80\x02t.", "byte 2"),
        CASE("\x80\x02\x87.", "byte 2"),
        CASE("\x80\x02h\x05.", "unset memo"),
        CASE("\x80\x02]r\xff\xff\xff\x7f.", "memo index"),
        CASE("\x80\x02q\x01.", "byte 2"),
        CASE("\x80\x02]K\x01\x61K\x02.", "single value"),
        CASE("\x80\x02\x8a\x09"
             "123456789.",
             "64 bits"),
        CASE("\x80\x02\x8b\xff\xff\xff\xff.", "64 bits"),
        CASE("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff].", "ends early"),
        CASE("\x80\x02]q\x00h\x00\x61h\x00\x61h\x00\x61.", "number"), /* [self, self, self] */
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rgi_motion motion;
        rg_error err;
        rg_status status = parse(cases[i].text, cases[i].size, &motion, &err);
        if (strstr(err.text, cases[i].needle) == NULL) print_error("case %zu: %s\n", i, err.text);
        assert_true(status == RG_ERR_FORMAT || status == RG_ERR_SHAPE);
        assert_non_null(strstr(err.text, cases[i].needle));
    }
}

static void pickle_refuses_uneven_frames(void **state)
{
    (void)state;
    bytes b = {0};
    bytes_add(&b, "\x80\x02(", 3);
    for (int k = 0; k < 3; k++) {
        for (int a = 0; a < 3; a++) {
            bytes_byte(&b, '(');
            for (int m = 0; m < 4 + (k == 2 && a == 1); m++) pickle_float(&b, m);
            bytes_byte(&b, 'l');
        }
        bytes_byte(&b, 0x87);
    }
    bytes_add(&b, "l.", 2);
    rgi_motion motion;
    rg_error err;
    assert_refused(parse(b.data, b.size, &motion, &err), RG_ERR_SHAPE, &err, "frame 2, axis 1");
    bytes_free(&b);
}

/* 30 000 references to one frame of 3 references to one list of 10 000 numbers: 9e8 from 150 kB */
static void pickle_refuses_expansion(void **state)
{
    (void)state;
    rgi_motion motion;
    rg_error err;
    bytes b = {0};
    bytes_add(&b, "\x80\x02((", 4);
    for (int m = 0; m < 10000; m++) pickle_float(&b, m);
    bytes_add(&b, "lq\x00h\x00h\x00\x87q\x01", 10);
    for (int k = 0; k < 30000; k++) bytes_add(&b, "h\x01", 2);
    bytes_add(&b, "l.", 2);
    assert_refused(parse(b.data, b.size, &motion, &err), RG_ERR_FORMAT, &err, "repeating");
    bytes_free(&b);
}

/* ---- csv ---- */

static rg_status parse_csv(const char *text, rgi_motion *motion, rg_error *err)
{
    memset(err, 0, sizeof *err);
    return rgi_csv_parse(text, strlen(text), "f.csv", motion, err);
}

static void csv_value(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1,2,3,4,5,6\n7,8,9,10,11,12\n",
        "x0,y0,z0,x1,y1,z1\n1,2,3,4,5,6\n7,8,9,10,11,12",
        "\xef\xbb\xbf# by hand\n\nX_0;Y_0;Z_0;X_1;Y_1;Z_1\r\n1;2;3;4;5;6\r\n 7; 8;9 ;10;11;12\r\n",
        "1 2 3  4 5 6\n7 8 9 10 11 12\n",
        "\"x0\"\t\"y0\"\t\"z0\"\t\"x1\"\t\"y1\"\t\"z1\"\n1\t2\t3\t4\t5\t6\n7\t8\t9\t10\t11\t12\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        rgi_motion motion;
        rg_error err;
        rg_status status = parse_csv(texts[i], &motion, &err);
        if (status != RG_OK) print_error("text %zu: %s\n", i, err.text);
        assert_int_equal(status, RG_OK);
        assert_int_equal(motion.n_frames, 2);
        assert_int_equal(motion.n_markers, 2);
        assert_true(motion.dt_s == 0);
        for (int k = 0; k < 12; k++) assert_true(motion.positions[k] == k + 1);
        free(motion.positions);
    }
}

static void csv_time_column(void **state)
{
    (void)state;
    rgi_motion motion;
    rg_error err;
    assert_int_equal(parse_csv("time,x0,y0,z0\n5.00,1,2,3\n5.02,4,5,6\n5.0401,7,8,9\n", &motion, &err), RG_OK);
    assert_int_equal(motion.n_frames, 3);
    assert_int_equal(motion.n_markers, 1);
    for (int k = 0; k < 9; k++) assert_true(motion.positions[k] == k + 1);
    /* (5.0401 - 5) / 2, up to the rounding of two subtractions */
    assert_true(fabs(motion.dt_s - 0.02005) < 1e-14);
    free(motion.positions);
    assert_refused(parse_csv("0,1,2,3\n.1,1,2,3\n.3,1,2,3\n", &motion, &err), RG_ERR_VALUE, &err, "frame 1");
    assert_refused(parse_csv("0,1,2,3\n0,1,2,3\n", &motion, &err), RG_ERR_VALUE, &err, "frame 1");
}

static void csv_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *needle;
        rg_status status;
    } cases[] = {
        {"1,2,3,4,5,6\n1,2,3,4,,6\n", "frame 1 (line 2), marker 1 has no y", RG_ERR_VALUE},
        {"1,2,3,4,5,6\n1,2,3,nan,5,6\n", "marker 1 has no x", RG_ERR_VALUE},
        {"NaN,2,3,4,5,6\n", "frame 0 (line 1), marker 0 has no x", RG_ERR_VALUE},
        {"1,2,3,4,5,6\n1,2,3,4,5\n", "line 2", RG_ERR_SHAPE},
        {"1,2,3,4,5,6\n1,2,3,4,5,6,7\n", "7 columns", RG_ERR_SHAPE},
        {"1,2\n", "2 columns", RG_ERR_SHAPE},
        {"x0,x1,y0,y1,z0,z1\n1,2,3,4,5,6\n", "column 2", RG_ERR_FORMAT},
        {"1,2,3,4,5,6\n1,2,3,4,five,6\n", "\"five\" is not a number", RG_ERR_FORMAT},
        {"1,2,3,4,5,6\n1,2,3,4,1e999,6\n", "marker 1", RG_ERR_FORMAT},
        {"", "no frames", RG_ERR_SHAPE},
        {"# nothing\n", "no frames", RG_ERR_SHAPE},
        {"x0,y0,z0\n", "no frames", RG_ERR_SHAPE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rgi_motion motion;
        rg_error err;
        rg_status status = parse_csv(cases[i].text, &motion, &err);
        assert_refused(status, cases[i].status, &err, cases[i].needle);
        assert_non_null(strstr(err.text, "f.csv"));
        assert_null(motion.positions);
    }
    rgi_motion motion;
    rg_error err = {0};
    assert_refused(rgi_csv_parse("1,2,3\0", 6, "f.csv", &motion, &err), RG_ERR_FORMAT, &err, "byte 5");
}

/* ---- npy ---- */

static void npy_round_trip(void **state)
{
    (void)state;
    double data[7 * 4 * 3];
    for (size_t i = 0; i < 84; i++) data[i] = made_coordinate(i / 12, i / 3 % 4, i % 3);
    const char *path = in_folder("a.npy");
    rg_error err = {0};
    assert_int_equal(rgi_npy_write(path, data, 7, 4, &err), RG_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal((info.st_size - 84 * 8) % 64, 0); /* numbers begin at a multiple of 64 bytes */
    rg_recording *r;
    size_t n;
    rg_import_opts opts = rg_import_opts_default();
    static const int ends[] = {0, -1};
    opts.clamps = ends;
    opts.n_clamps = 2;
    assert_int_equal(read_one(path, &opts, &r, &n, &err), RG_OK);
    assert_int_equal(n, 1);
    assert_made(r->positions, 7, 4);
    rg_recordings_free(r, n);
}

static bytes make_npy(const char *header, int version, size_t numbers, int width)
{
    bytes b = {0};
    size_t n = strlen(header);
    bytes_add(&b, "\x93NUMPY", 6);
    bytes_byte(&b, version);
    bytes_byte(&b, 0);
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) bytes_byte(&b, (int)(n >> (8 * i) & 0xff));
    bytes_add(&b, header, n);
    for (size_t i = 0; i < numbers; i++) {
        float single = (float)i;
        double number = (double)i;
        bytes_add(&b, width == 4 ? (void *)&single : (void *)&number, (size_t)width);
    }
    return b;
}

static void npy_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int version, width;
        size_t numbers;
        rg_status status;
        const char *needle;
    } cases[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 3), }  \n", 1, 8, 18, RG_OK, ""},
        {"{\"shape\":(2,3,3),\"fortran_order\":False,\"descr\":\"<f4\"}", 2, 4, 18, RG_OK, ""},
        {"{'descr': '>f8', 'fortran_order': False, 'shape': (2, 3, 3), }", 1, 8, 18, RG_ERR_UNSUPPORTED, ">f8"},
        {"{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3, 3), }", 1, 8, 18, RG_ERR_UNSUPPORTED, "Fortran"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 9), }", 1, 8, 18, RG_ERR_SHAPE, "2 dimensions"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 4), }", 1, 8, 24, RG_ERR_SHAPE, "last one"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 3, 3), }", 1, 8, 18, RG_ERR_FORMAT, "3 x 3 x 3"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (6148914691236517206, "
         "6148914691236517206, 3), }",
         1, 8, 18, RG_ERR_FORMAT, "bytes of numbers"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 3, 3), }", 1, 8, 18, RG_ERR_FORMAT,
         "64 bits"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3, 3), }", 1, 8, 0, RG_ERR_SHAPE, "no frames"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (-2, 3, 3), }", 1, 8, 18, RG_ERR_FORMAT, "not a number"},
        {"{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (2, 3, 3), }", 1, 8, 18, RG_ERR_FORMAT, "quoted"},
        {"{'descr': '<f8', 'shape': (2, 3, 3), }", 1, 8, 18, RG_ERR_FORMAT, "lacks"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 3), 'x': 1}", 1, 8, 18, RG_ERR_FORMAT, "besides"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 3)", 1, 8, 18, RG_ERR_FORMAT, "does not end"},
        {"", 1, 8, 18, RG_ERR_FORMAT, "dictionary"},
        {"{}", 3, 8, 18, RG_ERR_UNSUPPORTED, "3.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bytes b = make_npy(cases[i].header, cases[i].version, cases[i].numbers, cases[i].width);
        rgi_motion motion;
        rg_error err = {0};
        rg_status status = rgi_npy_parse(b.data, b.size, "f.npy", &motion, &err);
        assert_refused(status, cases[i].status, &err, cases[i].needle);
        if (status == RG_OK) {
            for (int k = 0; k < 18; k++) assert_true(motion.positions[k] == k);
        }
        free(motion.positions);
        bytes_free(&b);
    }
}

/* ---- hdf5 ---- */

static void h5_round_trip(void **state)
{
    (void)state;
    bytes a = make_pickle(4, 40, 7), b = make_pickle(4, 9, 5);
    write_bytes(in_folder("h1.pkl"), a.data, a.size);
    write_bytes(in_folder("h2.pkl"), b.data, b.size);
    const char *paths[] = {in_folder("h1.pkl"), in_folder("h2.pkl")};
    rg_recording *r, *back;
    size_t n, n_back;
    rg_error err = {0};
    assert_int_equal(rg_recordings_read(paths, 2, NULL, &r, &n, &err), RG_OK);
    assert_int_equal(n, 2);
    assert_string_equal(r[0].name, "h1.pkl");
    assert_int_equal(strlen(r[0].sha256), 64);
    /* a repaired driver, a masked marker and another interval must survive */
    r[0].valid[3 * 7 + 1] = 0;
    r[0].driving[(3 * 7 + 1) * 3] += 0.125;
    r[0].valid[5 * 7 + 3] = 0;
    r[0].n_repaired = r[0].n_masked = 1;
    r[0].dt_s = 1.0 / 3;
    r[0].lost[7] = 2;
    r[0].n_lost = 2;

    const char *path = in_folder("r.h5");
    assert_int_equal(rg_recordings_write_h5(path, r, n, &err), RG_OK);
    assert_int_equal(read_one(path, NULL, &back, &n_back, &err), RG_OK);
    assert_int_equal(n_back, 2);
    for (size_t i = 0; i < 2; i++) {
        size_t samples = r[i].n_frames * r[i].n_markers;
        assert_string_equal(back[i].name, r[i].name);
        assert_string_equal(back[i].source, r[i].source);
        assert_string_equal(back[i].sha256, r[i].sha256);
        assert_int_equal(back[i].n_frames, r[i].n_frames);
        assert_int_equal(back[i].n_markers, r[i].n_markers);
        assert_true(back[i].dt_s == r[i].dt_s);
        assert_int_equal(back[i].n_clamps, 4);
        assert_memory_equal(back[i].clamps, r[i].clamps, 4 * sizeof(int));
        assert_memory_equal(back[i].positions, r[i].positions, samples * 24);
        assert_memory_equal(back[i].driving, r[i].driving, samples * 24);
        assert_memory_equal(back[i].valid, r[i].valid, samples);
        assert_memory_equal(back[i].lost, r[i].lost, r[i].n_frames * sizeof(int));
        assert_int_equal(back[i].n_lost, r[i].n_lost);
        assert_int_equal(back[i].n_repaired, r[i].n_repaired);
        assert_int_equal(back[i].n_masked, r[i].n_masked);
    }
    rg_recordings_free(back, n_back);

    /* other clamps: glitches are looked for again */
    rg_import_opts opts = rg_import_opts_default();
    static const int one[] = {2};
    opts.clamps = one;
    opts.n_clamps = 1;
    assert_int_equal(read_one(path, &opts, &back, &n_back, &err), RG_OK);
    assert_int_equal(back[0].n_clamps, 1);
    assert_int_equal(back[0].clamps[0], 2);
    assert_int_equal(back[0].n_repaired + back[0].n_masked, 0);
    rg_recordings_free(back, n_back);
    rg_recordings_free(r, n);
    bytes_free(&a);
    bytes_free(&b);
}

/* Give a dataset of the first recording in an HDF5 file another unit, as a text of fixed or variable length; NULL: none
 */
static void set_unit(const char *path, const char *dataset, const char *unit, int variable)
{
    char name[64];
    snprintf(name, sizeof name, "recordings/000000/%s", dataset);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(set >= 0);
    if (H5Aexists(set, "unit") > 0) assert_true(H5Adelete(set, "unit") >= 0);
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    if (unit) {
        assert_true(H5Tset_size(type, variable ? H5T_VARIABLE : strlen(unit)) >= 0);
        hid_t attribute = H5Acreate2(set, "unit", type, space, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Awrite(attribute, type, variable ? (const void *)&unit : unit) >= 0);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(set);
    assert_true(H5Fclose(file) >= 0);
}

/* the unit in the file counts; one that is not known is refused and not taken for metres */
static void h5_units(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        double metres;
    } known[] = {{"m", 1}, {"cm", 0.01}, {"mm", 0.001}, {"in", 0.0254}, {NULL, 1}};
    bytes b = make_pickle(4, 9, 5);
    rg_recording *r, *back;
    size_t n, n_back;
    rg_error err = {0};
    const char *path = in_folder("unit.h5");
    write_bytes(in_folder("unit.pkl"), b.data, b.size);
    assert_int_equal(read_one(in_folder("unit.pkl"), NULL, &r, &n, &err), RG_OK);
    for (size_t i = 0; i < 2 * sizeof known / sizeof *known; i++) {
        const double metres = known[i / 2].metres;
        assert_int_equal(rg_recordings_write_h5(path, r, n, &err), RG_OK);
        set_unit(path, "positions", known[i / 2].unit, i % 2);
        set_unit(path, "driving", known[i / 2].unit, i % 2);
        assert_int_equal(read_one(path, NULL, &back, &n_back, &err), RG_OK);
        for (size_t k = 0; k < 9 * 5 * 3; k++) {
            assert_true(back->positions[k] == r->positions[k] * metres);
            assert_true(back->driving[k] == r->driving[k] * metres);
        }
        rg_recordings_free(back, n_back);
    }
    static const char *const datasets[] = {"positions", "driving"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rg_recordings_write_h5(path, r, n, &err), RG_OK);
        set_unit(path, datasets[i], "furlong", (int)i);
        assert_refused(read_one(path, NULL, &back, &n_back, &err), RG_ERR_FORMAT, &err, "furlong");
        assert_non_null(strstr(err.text, datasets[i]));
        assert_non_null(strstr(err.text, path));
    }
    rg_recordings_free(r, n);
    bytes_free(&b);
}

/* what the caller says of a file that speaks for itself has to be what the file says */
static void h5_options(void **state)
{
    (void)state;
    bytes b = make_pickle(4, 9, 5);
    rg_recording *r, *back;
    size_t n, n_back;
    rg_error err = {0};
    const char *path = in_folder("says.h5");
    write_bytes(in_folder("says.pkl"), b.data, b.size);
    assert_int_equal(read_one(in_folder("says.pkl"), NULL, &r, &n, &err), RG_OK);
    assert_int_equal(rg_recordings_write_h5(path, r, n, &err), RG_OK);
    rg_import_opts opts = rg_import_opts_default();
    opts.dt_s = 0.02; /* a default of the caller's, which a file overrides */
    assert_int_equal(read_one(path, &opts, &back, &n_back, &err), RG_OK);
    assert_true(back->dt_s == 0.01);
    rg_recordings_free(back, n_back);
    opts.dt_given = 1;
    assert_refused(read_one(path, &opts, &back, &n_back, &err), RG_ERR_ARGUMENT, &err, "--dt says 0.02");
    opts.dt_s = 0.01;
    opts.unit_given = 1;
    opts.axes = "+x, y, z";
    assert_int_equal(read_one(path, &opts, &back, &n_back, &err), RG_OK);
    assert_memory_equal(back->positions, r->positions, 9 * 5 * 24);
    rg_recordings_free(back, n_back);
    opts.axes = "-z,-x,y";
    assert_refused(read_one(path, &opts, &back, &n_back, &err), RG_ERR_ARGUMENT, &err, "-z,-x,y");
    opts.axes = "x,y,z";
    opts.unit_m = 0.001;
    assert_refused(read_one(path, &opts, &back, &n_back, &err), RG_ERR_ARGUMENT, &err, "--units");
    set_unit(path, "positions", "mm", 0);
    assert_refused(read_one(path, &opts, &back, &n_back, &err), RG_ERR_ARGUMENT, &err, "driving");
    set_unit(path, "driving", "mm", 0);
    assert_int_equal(read_one(path, &opts, &back, &n_back, &err), RG_OK);
    rg_recordings_free(back, n_back);
    rg_recordings_free(r, n);
    bytes_free(&b);

    /* the times in a CSV file are such a statement as well */
    static const char timed[] = "0,0,0,0,1,0,0,2,0,0\n0.5,0,0,0,1,0,0,2,0,0\n1,0,0,0,1,0,0,2,0,0\n";
    static const int first[] = {0};
    opts = rg_import_opts_default();
    opts.clamps = first;
    opts.n_clamps = 1;
    write_bytes(in_folder("timed.csv"), timed, strlen(timed));
    assert_int_equal(read_one(in_folder("timed.csv"), &opts, &r, &n, &err), RG_OK);
    assert_true(r->dt_s == 0.5);
    rg_recordings_free(r, n);
    opts.dt_given = 1;
    assert_refused(read_one(in_folder("timed.csv"), &opts, &r, &n, &err), RG_ERR_ARGUMENT, &err, "0.5 s apart");
    opts.dt_s = 0.5;
    assert_int_equal(read_one(in_folder("timed.csv"), &opts, &r, &n, &err), RG_OK);
    rg_recordings_free(r, n);
}

/* ---- recordings ---- */

static void recordings_folder_in_natural_order(void **state)
{
    (void)state;
    static const char *const files[] = {"10.pkl", "9.pkl", "a2.pkl", "a10.pkl", "007.pkl", ".8.pkl", "x.txt"};
    static const char *const expected[] = {"007.pkl", "9.pkl", "10.pkl", "a2.pkl", "a10.pkl"};
    assert_int_equal(mkdir(in_folder("order"), 0777), 0);
    bytes b = make_pickle(4, 3, 5);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "order/%s", files[i]);
        write_bytes(in_folder(name), b.data, b.size);
    }
    rg_recording *r;
    size_t n;
    rg_error err;
    assert_int_equal(read_one(in_folder("order/"), NULL, &r, &n, &err), RG_OK);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < 5; i++) assert_string_equal(r[i].name, expected[i]);
    rg_recordings_free(r, n);
    bytes_free(&b);
}

static void recordings_units_axes(void **state)
{
    (void)state;
    write_bytes(in_folder("u.csv"), "1,2,3,11,12,13,21,22,24\n1,2,3,11,12,13,21,22,24\n", 48);
    rg_import_opts opts = rg_import_opts_default();
    static const int first[] = {0};
    opts.clamps = first;
    opts.n_clamps = 1;
    opts.axes = "-z,-x,+y";
    opts.unit_m = 0.01;
    opts.dt_s = 0.5;
    rg_recording *r;
    size_t n;
    rg_error err;
    assert_int_equal(read_one(in_folder("u.csv"), &opts, &r, &n, &err), RG_OK);
    static const double expected[] = {-3, -1, 2, -13, -11, 12, -24, -21, 22};
    for (int i = 0; i < 9; i++) assert_true(r->positions[i] == expected[i] * 0.01);
    assert_true(r->dt_s == 0.5);
    rg_recordings_free(r, n);
    static const char *const bad[] = {"", "x", "x,y", "x,y,y", "x,y,w", "x,y,z,", "x y z", "x,y,--z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        opts.axes = bad[i];
        assert_refused(read_one(in_folder("u.csv"), &opts, &r, &n, &err), RG_ERR_ARGUMENT, &err, "axes");
        assert_null(r);
    }
}

static void recordings_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *needle;
        rg_status status;
    } cases[] = {
        {"0,0,0,1,0,0,2,0,0,3,0,0,4,0,0\n", "at least 2 frames", RG_ERR_SHAPE},
        {"0,0,0,1,0,0\n0,0,0,1,0,0\n", "3 markers", RG_ERR_SHAPE},
        {"0,0,0,1,0,0,2,0,0,3,0,0\n0,0,0,1,0,0,2,0,0,3,0,0\n", "all 4 markers", RG_ERR_ARGUMENT},
        {"0,0,0,1,0,0,2,0,0\n0,0,0,1,0,0,2,0,0\n", "a clamp twice", RG_ERR_ARGUMENT},
        {"0,0,0,1,0,0,2,0,0,3,0,0,4,0,0\n0,0,0,1,0,0,2,0,0,2,0,0,4,0,0\n", "markers 2 and 3 coincide in frame 1",
         RG_ERR_VALUE},
        {"0,0,0,1,0,0,2,0,0,3,0,0,4,0,0\n0,0,0,1,0,0,2,1e6,0,3,0,0,4,0,0\n", "frame 1, marker 2 has the y",
         RG_ERR_VALUE},
    };
    rg_recording *r;
    size_t n;
    rg_error err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_bytes(in_folder("bad.csv"), cases[i].text, strlen(cases[i].text));
        assert_refused(read_one(in_folder("bad.csv"), NULL, &r, &n, &err), cases[i].status, &err, cases[i].needle);
        assert_non_null(strstr(err.text, "bad.csv"));
        assert_null(r);
    }
    bytes b = make_pickle(4, 4, 5);
    /* behind 11 bytes of head, 3 lists of 3 opcodes, the first number and the opcode of the second
     */
    memcpy(b.data + 11 + 9 + 9 + 1, "\x7f\xf8\0\0\0\0\0\0", 8);
    write_bytes(in_folder("nan.pkl"), b.data, b.size);
    bytes_free(&b);
    assert_refused(read_one(in_folder("nan.pkl"), NULL, &r, &n, &err), RG_ERR_VALUE, &err, "frame 0, marker 1");

    rg_import_opts opts = rg_import_opts_default();
    static const int far[] = {0, 5};
    opts.clamps = far;
    opts.n_clamps = 2;
    write_bytes(in_folder("five.csv"), "0,0,0,1,0,0,2,0,0,3,0,0,4,0,0\n0,0,0,1,0,0,2,0,0,3,0,0,4,0,0\n", 60);
    assert_refused(read_one(in_folder("five.csv"), &opts, &r, &n, &err), RG_ERR_ARGUMENT, &err, "clamp 5");
    opts = rg_import_opts_default();
    opts.unit_m = NAN;
    assert_refused(read_one(in_folder("five.csv"), &opts, &r, &n, &err), RG_ERR_ARGUMENT, &err, "unit");

    assert_int_equal(mkdir(in_folder("empty"), 0777), 0);
    assert_refused(read_one(in_folder("empty"), NULL, &r, &n, &err), RG_ERR_ARGUMENT, &err, "holds no recording");
    assert_refused(read_one(in_folder("none.pkl"), NULL, &r, &n, &err), RG_ERR_IO, &err, "No such file");
    write_bytes(in_folder("zero.pkl"), "", 0);
    assert_refused(read_one(in_folder("zero.pkl"), NULL, &r, &n, &err), RG_ERR_FORMAT, &err, "is empty");
    write_bytes(in_folder("text.npy"), "1,2,3\n", 6);
    assert_refused(read_one(in_folder("text.npy"), NULL, &r, &n, &err), RG_ERR_FORMAT, &err, "text.npy");
    assert_refused(rg_recordings_read(NULL, 0, NULL, &r, &n, &err), RG_ERR_ARGUMENT, &err, "no recording");
    const char *const missing[] = {NULL};
    assert_refused(rg_recordings_read(NULL, 1, NULL, &r, &n, &err), RG_ERR_ARGUMENT, &err, "no recording");
    assert_refused(rg_recordings_read(missing, 1, NULL, &r, &n, &err), RG_ERR_ARGUMENT, &err, "path 0");
    assert_refused(rg_recordings_write_h5(NULL, NULL, 0, &err), RG_ERR_ARGUMENT, &err, "no file");
    opts = rg_import_opts_default();
    opts.struct_size++;
    assert_refused(read_one(in_folder("five.csv"), &opts, &r, &n, &err), RG_ERR_ARGUMENT, &err,
                   "struct_size of a rg_import_opts");
}

/* the published recordings, where they are */
static void recordings_deform(void **state)
{
    (void)state;
    const char *root = getenv("RODGRAD_RECORDINGS");
    char path[4096];
    snprintf(path, sizeof path, "%s/deform/DLO1/train", root ? root : RODGRAD_SOURCE_DIR "/../shared/recordings");
    if (access(path, R_OK) != 0) {
        print_message("no recordings in %s: set RODGRAD_RECORDINGS\n", path);
        skip();
    }
    rg_recording *r;
    size_t n;
    rg_error err;
    assert_int_equal(read_one(path, NULL, &r, &n, &err), RG_OK);
    assert_int_equal(n, 56);
    size_t masked = 0, repaired = 0;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(r[i].n_frames, 500);
        assert_int_equal(r[i].n_markers, 13);
        masked += r[i].n_masked;
        repaired += r[i].n_repaired;
    }
    /* 56 * 500 * 9 free marker frames: a percent of them would be an alarm about real motion */
    assert_in_range(masked, 50, 2520);
    /* 142 of them of the two drivers of take 89 that change places */
    assert_in_range(repaired, 142, 250);
    rg_recordings_free(r, n);
}

/* ---- forces (docs/forces-format.md), as another program reads them ---- */

/* a dataset's numbers, of this shape, whose unit is this one (NULL: it has none) */
static void *read_set(hid_t group, const char *name, int rank, const hsize_t *shape, hid_t memory, size_t size,
                      const char *unit)
{
    hsize_t have[3] = {0, 0, 0}, count = 1;
    char text[16] = "";
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    if (set < 0) fail_msg("no %s", name);
    hid_t space = H5Dget_space(set);
    assert_int_equal(H5Sget_simple_extent_ndims(space), rank);
    H5Sget_simple_extent_dims(space, have, NULL);
    for (int i = 0; i < rank; i++) {
        if (have[i] != shape[i]) fail_msg("%s: %d entries in dimension %d", name, (int)have[i], i);
        count *= shape[i];
    }
    void *data = calloc(count + 1, size);
    assert_non_null(data);
    assert_true(H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    assert_int_equal(H5Aexists(set, "unit") > 0, unit != NULL);
    if (unit) {
        hid_t attribute = H5Aopen(set, "unit", H5P_DEFAULT), type = H5Aget_type(attribute);
        assert_true(H5Tget_size(type) < sizeof text && H5Aread(attribute, type, text) >= 0);
        assert_string_equal(text, unit);
        H5Tclose(type);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    H5Dclose(set);
    return data;
}

/* all that is compared are bits: NaN equals NaN */
static void assert_floats(hid_t group, const char *name, int rank, hsize_t n, hsize_t columns, const char *unit,
                          const double *want)
{
    const hsize_t shape[3] = {n, columns, 3};
    hsize_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    double *got = read_set(group, name, rank, shape, H5T_NATIVE_DOUBLE, sizeof *got, unit);
    for (hsize_t i = 0; i < count; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0) fail_msg("%s: %.17g is not %.17g", name, got[i], want[i]);
    free(got);
}

static void assert_integers(hid_t group, const char *name, hsize_t n, const int *want)
{
    int *got = read_set(group, name, 1, &n, H5T_NATIVE_INT, sizeof *got, NULL);
    assert_memory_equal(got, want, n * sizeof *got);
    free(got);
}

static void assert_text(hid_t object, const char *name, const char *want)
{
    char text[512] = "";
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT), type = H5Aget_type(attribute);
    assert_true(attribute >= 0 && H5Tget_size(type) < sizeof text && H5Aread(attribute, type, text) >= 0);
    if (!strstr(text, want)) fail_msg("%s is \"%s\"", name, text);
    H5Tclose(type);
    H5Aclose(attribute);
}

/* what the program writes is what the library gives */
static void forces_read_back(void **state)
{
    (void)state;
    enum { MARKERS = 7, ALL = 2, FRAMES = 9 };
    static const int clamps[] = {0, 1, 5, 6};
    rg_model_file file = {.rollout = rg_rollout_opts_default(), .dt_s = 0.01};
    rg_recording *r = calloc(ALL, sizeof *r), *back = NULL;
    rg_forces forces[ALL];
    rg_rod_status statuses[ALL];
    rg_error err = {0};
    char command[1024];
    size_t n = 0;
    file.model = rods_model(MARKERS, 2, clamps, 4, 1);
    const size_t v = rg_model_vertices(file.model);
    int edges[32];
    const size_t d = rg_model_clamped_edges(file.model, edges);
    for (size_t i = 0; i < ALL; i++) {
        r[i] = rods_recording(MARKERS, FRAMES + i, clamps, 4, i);
        r[i].lost = calloc(FRAMES + i, sizeof *r[i].lost);
    }
    r[1].lost[4] = 3;
    assert_int_equal(rg_model_file_write(in_folder("rod.json"), &file, &err), RG_OK);
    assert_int_equal(rg_recordings_write_h5(in_folder("drive.h5"), r, ALL, &err), RG_OK);
    snprintf(command, sizeof command, "%s simulate %s --drive %s -o %s --forces %s --json >%s 2>&1", RODGRAD_PROGRAM,
             in_folder("rod.json"), in_folder("drive.h5"), in_folder("out.h5"), in_folder("forces.h5"), "/dev/null");
    assert_int_equal(system(command), 0);

    const char *drive = in_folder("drive.h5");
    assert_int_equal(rg_recordings_read(&drive, 1, NULL, &back, &n, &err), RG_OK);
    assert_int_equal(n, ALL);
    for (size_t i = 0; i < ALL; i++)
        forces[i] = (rg_forces){.tension = calloc((FRAMES + i) * (v - 1), sizeof(double)),
                                .reaction = calloc((FRAMES + i) * 12, sizeof(double)),
                                .reaction_moment = calloc((FRAMES + i) * d, sizeof(double)),
                                .moment = calloc((FRAMES + i) * 3 * v, sizeof(double))};
    assert_int_equal(rg_simulate_forces(file.model, back, ALL, &file.rollout, NULL, forces, statuses, &err), RG_OK);

    hid_t h5 = H5Fopen(in_folder("forces.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(h5 >= 0);
    assert_text(h5, "format", "rodgrad-forces");
    for (size_t i = 0; i < ALL; i++) {
        const size_t frames = FRAMES + i;
        char name[32];
        snprintf(name, sizeof name, "recordings/%06zu", i);
        hid_t group = H5Gopen2(h5, name, H5P_DEFAULT);
        assert_true(group >= 0);
        assert_text(group, "name", "made");
        assert_text(group, "source", "rod.json, driven by ");
        assert_text(group, "status", "ok");
        assert_floats(group, "tension", 2, frames, v - 1, "N", forces[i].tension);
        assert_floats(group, "reaction", 3, frames, 4, "N", forces[i].reaction);
        assert_floats(group, "reaction_moment", 2, frames, d, "N m", forces[i].reaction_moment);
        assert_floats(group, "moment", 3, frames, v, "N m", forces[i].moment);
        assert_true(isnan(forces[i].tension[0]) && isfinite(forces[i].tension[2 * (v - 1)]));
        int held[4];
        for (int k = 0; k < 4; k++) held[k] = rg_model_marker_vertices(file.model)[clamps[k]];
        assert_integers(group, "clamps", 4, clamps);
        assert_integers(group, "clamped_vertices", 4, held);
        assert_integers(group, "clamped_edges", d, edges);
        const hsize_t n_frames = frames, n_vertices = v, n_edges = v - 1;
        double *time = read_set(group, "time", 1, &n_frames, H5T_NATIVE_DOUBLE, sizeof *time, "s");
        double *vertex = read_set(group, "vertex_at", 1, &n_vertices, H5T_NATIVE_DOUBLE, sizeof *vertex, "m");
        double *edge = read_set(group, "edge_at", 1, &n_edges, H5T_NATIVE_DOUBLE, sizeof *edge, "m");
        for (size_t f = 0; f < frames; f++)
            assert_true(fabs(time[f] - 0.01 * (double)(f + (i == 1 && f >= 4 ? 3 : 0))) < 1e-12);
        assert_true(vertex[0] == 0.0);
        for (size_t k = 0; k + 1 < v; k++) {
            const double length = rg_model_field(file.model, RG_REST_LENGTH)[k];
            assert_true(fabs(vertex[k + 1] - vertex[k] - length) < 1e-12);
            assert_true(fabs(edge[k] - vertex[k] - 0.5 * length) < 1e-12);
        }
        free(edge);
        free(vertex);
        free(time);
        H5Gclose(group);
        free(forces[i].tension);
        free(forces[i].reaction);
        free(forces[i].reaction_moment);
        free(forces[i].moment);
    }
    H5Fclose(h5);
    rg_recordings_free(back, n);
    rg_recordings_free(r, ALL);
    rg_model_destroy(&file.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickle_value),
        cmocka_unit_test(pickle_tuples_ints_memo),
        cmocka_unit_test(pickle_refuses_objects),
        cmocka_unit_test(pickle_refuses_uneven_frames),
        cmocka_unit_test(pickle_refuses_expansion),
        cmocka_unit_test(csv_value),
        cmocka_unit_test(csv_time_column),
        cmocka_unit_test(csv_refusals),
        cmocka_unit_test(npy_round_trip),
        cmocka_unit_test(npy_headers),
        cmocka_unit_test(h5_round_trip),
        cmocka_unit_test(h5_units),
        cmocka_unit_test(h5_options),
        cmocka_unit_test(recordings_folder_in_natural_order),
        cmocka_unit_test(recordings_units_axes),
        cmocka_unit_test(recordings_refusals),
        cmocka_unit_test(recordings_deform),
        cmocka_unit_test(forces_read_back),
    };
    return cmocka_run_group_tests_name("recording_io", tests, make_folder, remove_folder);
}
