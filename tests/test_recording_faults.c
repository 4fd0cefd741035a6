/* test_recording_faults.c: damaged recordings are refused, failed writes leave nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/formats.h"
#include "io/recording_io.h"
#include "recording_files.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "rodgrad-faults-XXXXXX");
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

static size_t count_files(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

static rg_recording make_recording(void)
{
    static int clamps[] = {0, 1, 3, 4};
    static char name[] = "made", source[] = "made by a test";
    rg_recording r = {
        .name = name, .source = source, .n_frames = 30, .n_markers = 5, .dt_s = 0.01, .n_clamps = 4, .clamps = clamps};
    r.positions = calloc(30 * 15, sizeof(double));
    r.driving = calloc(30 * 15, sizeof(double));
    r.valid = malloc(30 * 5);
    assert_true(r.positions && r.driving && r.valid);
    memset(r.valid, 1, 30 * 5);
    for (size_t i = 0; i < 30 * 15; i++) { r.positions[i] = r.driving[i] = made_coordinate(i / 15, i / 3 % 5, i % 3); }
    return r;
}

static void release(rg_recording *r)
{
    free(r->positions);
    free(r->driving);
    free(r->valid);
}

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

/* ---- reading ---- */

typedef rg_status (*parser)(const void *, size_t, const char *, rgi_motion *, rg_error *);

/* a copy of exactly `size` bytes, so that a sanitizer sees a read beyond them */
static rg_status parse_copy(parser parse, const unsigned char *data, size_t size)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    rgi_motion motion;
    rg_error err = {0};
    rg_status status = parse(copy, size, "f", &motion, &err);
    if (status != RG_OK) assert_true(motion.positions == NULL && err.text[0] != '\0');
    free(motion.positions);
    free(copy);
    return status;
}

static void fault_pickle_truncated(void **state)
{
    (void)state;
    for (int protocol = 2; protocol <= 5; protocol++) {
        bytes b = make_pickle(protocol, 3, 4);
        for (size_t n = 0; n < b.size; n++) {
            assert_int_equal(parse_copy(rgi_pickle_parse, b.data, n), RG_ERR_FORMAT);
        }
        assert_int_equal(parse_copy(rgi_pickle_parse, b.data, b.size), RG_OK);
        bytes_free(&b);
    }
}

/* a flipped bit changes a number or is refused; it never crashes */
static void fault_bits_flipped(void **state)
{
    (void)state;
    bytes b = make_pickle(4, 3, 4);
    size_t accepted = 0;
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        accepted += parse_copy(rgi_pickle_parse, b.data, b.size) == RG_OK;
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    /* 36 numbers of 64 bits are free to change; beside them, the version byte and the frame's
     * length (a shorter one is not checked) are the only ones that do not matter */
    assert_in_range(accepted, 36 * 64, 36 * 64 + 8 + 64);
    bytes_free(&b);
}

static void fault_npy_damaged(void **state)
{
    (void)state;
    double data[24];
    for (int i = 0; i < 24; i++) data[i] = i;
    rg_error err = {0};
    assert_int_equal(rgi_npy_write(in_folder("d.npy"), data, 2, 4, &err), RG_OK);
    bytes b = read_bytes(in_folder("d.npy"));
    for (size_t n = 0; n < b.size; n++) { assert_int_equal(parse_copy(rgi_npy_parse, b.data, n), RG_ERR_FORMAT); }
    for (size_t bit = 0; bit < 8 * (b.size - sizeof data); bit++) {
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        parse_copy(rgi_npy_parse, b.data, b.size);
        b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    bytes_free(&b);
    unlink(in_folder("d.npy"));
}

static void fault_csv_damaged(void **state)
{
    (void)state;
    static const char text[] = "time,x0,y0,z0,x1,y1,z1\n0,1,2,3,4,5,6\n0.01,1,2,3,4,5,6\n";
    unsigned char copy[sizeof text];
    memcpy(copy, text, sizeof text);
    for (size_t n = 0; n < sizeof text; n++) parse_copy(rgi_csv_parse, copy, n);
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
        copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
        parse_copy(rgi_csv_parse, copy, sizeof text - 1);
        copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

/* A cut HDF5 file is refused. Flipped bits are HDF5's to find; ours is that what passes is sound.
 */
static void fault_h5_damaged(void **state)
{
    (void)state;
    rg_recording r = make_recording(), *back;
    rg_error err = {0};
    size_t n_back;
    const char *path = in_folder("d.h5");
    assert_int_equal(rg_recordings_write_h5(path, &r, 1, &err), RG_OK);
    bytes b = read_bytes(path);
    for (size_t n = 0; n < b.size; n += 1 + n / 16) {
        write_bytes(path, b.data, n);
        rg_status status = rg_recordings_read(&path, 1, NULL, &back, &n_back, &err);
        assert_int_not_equal(status, RG_OK);
        assert_null(back);
        assert_non_null(strstr(err.text, "d.h5"));
    }
    /* every attribute and dataset missing in turn: rename it where its name stands */
    static const char *const members[] = {"format", "version", "recordings", "000000",    "name",    "source",
                                          "sha256", "dt_s",    "clamps",     "positions", "driving", "valid"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        size_t length = strlen(members[i]), found = 0;
        bytes copy = {0};
        bytes_add(&copy, b.data, b.size);
        for (size_t k = 0; k + length < b.size; k++) {
            if (memcmp(b.data + k, members[i], length + 1) != 0) continue;
            copy.data[k] ^= 1;
            found++;
        }
        assert_true(found > 0);
        write_bytes(path, copy.data, copy.size);
        rg_status status = rg_recordings_read(&path, 1, NULL, &back, &n_back, &err);
        /* a group may have any name */
        if (strcmp(members[i], "000000") == 0 && status == RG_OK) rg_recordings_free(back, n_back);
        else assert_true(status == RG_ERR_FORMAT && strstr(err.text, members[i]) != NULL);
        bytes_free(&copy);
    }
    bytes_free(&b);
    release(&r);
    unlink(path);
}

/* ---- writing ---- */

enum { WRITERS = 3 };

static rg_status write_with(size_t writer, const char *path, rg_error *err)
{
    static const char text[8192] = "text";
    rg_recording r = make_recording();
    rg_status status;
    if (writer == 0) status = rgi_atomic_write(path, text, sizeof text, err);
    else if (writer == 1) status = rgi_npy_write(path, r.positions, r.n_frames, r.n_markers, err);
    else status = rg_recordings_write_h5(path, &r, 1, err);
    release(&r);
    return status;
}

static void fault_write_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("sub"), 0777), 0);
    write_bytes(in_folder("file"), "x", 1);
    size_t before = count_files();
    for (size_t w = 0; w < WRITERS; w++) {
        static const char *const names[] = {"none/out", "sub", "file/out"};
        for (size_t i = 0; i < 3; i++) {
            rg_error err = {0};
            /* the folder "sub" is no file, whatever the disk does */
            assert_int_equal(write_with(w, in_folder(names[i]), &err), i == 1 ? RG_ERR_ARGUMENT : RG_ERR_IO);
            assert_non_null(strstr(err.text, names[i]));
        }
        rg_error err = {0};
        assert_int_equal(write_with(w, "", &err), RG_ERR_ARGUMENT);
        /* a device is not replaced by a file */
        assert_int_equal(write_with(w, "/dev/full", &err), RG_ERR_ARGUMENT);
        struct stat info;
        assert_int_equal(stat("/dev/full", &info), 0);
        assert_true(S_ISCHR(info.st_mode));
    }
    assert_int_equal(count_files(), before);
    if (geteuid() != 0) { /* root may write everywhere */
        assert_int_equal(chmod(in_folder("sub"), 0555), 0);
        rg_error err = {0};
        assert_int_equal(write_with(0, in_folder("sub/out"), &err), RG_ERR_IO);
        assert_int_equal(chmod(in_folder("sub"), 0777), 0);
    }
}

/* a disk that is full after 1 KiB: the old file stays, nothing else does */
static void fault_write_on_full_disk(void **state)
{
    (void)state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1024;
    signal(SIGXFSZ, SIG_IGN);
    write_bytes(in_folder("out"), "old", 3);
    size_t before = count_files();
    for (size_t w = 0; w < WRITERS; w++) {
        rg_error err = {0};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        rg_status status = write_with(w, in_folder("out"), &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, RG_ERR_IO);
        assert_non_null(strstr(err.text, strerror(EFBIG)));
        assert_int_equal(count_files(), before);
        bytes b = read_bytes(in_folder("out"));
        assert_int_equal(b.size, 3);
        assert_memory_equal(b.data, "old", 3);
        bytes_free(&b);
    }
}

static void fault_write_replaces(void **state)
{
    (void)state;
    write_bytes(in_folder("kept"), "old", 3);
    assert_int_equal(chmod(in_folder("kept"), 0640), 0);
    assert_int_equal(symlink("kept", in_folder("link")), 0);
    size_t before = count_files();
    rg_error err = {0};
    assert_int_equal(rgi_atomic_write(in_folder("link"), "new text", 8, &err), RG_OK);
    struct stat info;
    assert_int_equal(lstat(in_folder("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(in_folder("kept"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(info.st_size, 8);
    assert_int_equal(count_files(), before);

    /* until the commit a reader sees the old file; an abort leaves it */
    rgi_atomic_file file;
    assert_int_equal(rgi_atomic_open(&file, in_folder("kept"), 1, &err), RG_OK);
    assert_true(fputs("never", file.stream) >= 0);
    assert_int_equal(count_files(), before + 1);
    rgi_atomic_abort(&file);
    rgi_atomic_abort(&file);
    assert_int_equal(count_files(), before);
    bytes b = read_bytes(in_folder("kept"));
    assert_memory_equal(b.data, "new text", 8);
    bytes_free(&b);
    assert_int_equal(rgi_atomic_commit(&file, &err), RG_ERR_ARGUMENT);

    /* a leftover of a killed process is stepped over */
    char leftover[300];
    snprintf(leftover, sizeof leftover, "%s.%ld-0.tmp", in_folder("kept"), (long)getpid());
    write_bytes(leftover, "left", 4);
    assert_int_equal(rgi_atomic_write(in_folder("kept"), "", 0, &err), RG_OK);
    assert_int_equal(stat(in_folder("kept"), &info), 0);
    assert_int_equal(info.st_size, 0);
    assert_int_equal(stat(leftover, &info), 0);
}

static void fault_write_incomplete_recordings(void **state)
{
    (void)state;
    rg_recording r = make_recording();
    rg_error err = {0};
    assert_int_equal(rg_recordings_write_h5(in_folder("i.h5"), &r, 0, &err), RG_ERR_ARGUMENT);
    double *positions = r.positions;
    r.positions = NULL;
    assert_int_equal(rg_recordings_write_h5(in_folder("i.h5"), &r, 1, &err), RG_ERR_ARGUMENT);
    r.positions = positions;
    r.dt_s = NAN;
    assert_int_equal(rg_recordings_write_h5(in_folder("i.h5"), &r, 1, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rgi_npy_write(in_folder("i.npy"), positions, SIZE_MAX / 2, 5, &err), RG_ERR_ARGUMENT);
    assert_int_equal(access(in_folder("i.h5"), F_OK), -1);
    assert_int_equal(access(in_folder("i.npy"), F_OK), -1);
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_pickle_truncated),
        cmocka_unit_test(fault_bits_flipped),
        cmocka_unit_test(fault_npy_damaged),
        cmocka_unit_test(fault_csv_damaged),
        cmocka_unit_test(fault_h5_damaged),
        cmocka_unit_test(fault_write_refused),
        cmocka_unit_test(fault_write_on_full_disk),
        cmocka_unit_test(fault_write_replaces),
        cmocka_unit_test(fault_write_incomplete_recordings),
    };
    return cmocka_run_group_tests_name("recording_faults", tests, make_folder, remove_folder);
}
