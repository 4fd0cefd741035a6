/* recording_h5_files.h: HDF5 recordings for the tests, as other programs write them, and with one member that is not
 * what it should be. */
#ifndef RECORDING_H5_FILES_H
#define RECORDING_H5_FILES_H

#include <hdf5.h>

#include "recording_files.h"

enum { H5_FRAMES = 4, H5_MARKERS = 5, H5_CLAMPS = 4 };

/* How a file is made. Members that are 0 stand for what rodgrad writes itself. */
typedef struct h5_way {
    int chunked;       /* frames to a chunk; packed by shuffle, deflate and fletcher32 */
    int latest;        /* the newest file format that the library writes */
    const char *other; /* the member that is written by `write` instead */
    void (*write)(hid_t parent, const char *name);
} h5_way;

static inline hid_t h5_need(hid_t id)
{
    if (id < 0) abort();
    return id;
}

static inline void h5_attribute(hid_t object, const char *name, hid_t type, const void *value)
{
    hid_t space = h5_need(H5Screate(H5S_SCALAR));
    hid_t attribute = h5_need(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    if (value && H5Awrite(attribute, type, value) < 0) abort();
    H5Aclose(attribute);
    H5Sclose(space);
}

static inline void h5_text(hid_t object, const char *name, const char *text)
{
    hid_t type = h5_need(H5Tcopy(H5T_C_S1));
    if (H5Tset_size(type, strlen(text) + 1) < 0) abort();
    h5_attribute(object, name, type, text);
    H5Tclose(type);
}

/* An array of a type, without numbers where data is NULL. list: creation properties, H5P_DEFAULT for none. */
static inline void h5_array(hid_t group, const char *name, hid_t type, int rank, const hsize_t *shape, hid_t list,
                            hid_t memory, const void *data)
{
    hid_t space = h5_need(H5Screate_simple(rank, shape, NULL));
    hid_t set = h5_need(H5Dcreate2(group, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT));
    if (data && H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) abort();
    H5Dclose(set);
    H5Sclose(space);
}

/* the numbers of a made recording */
typedef struct h5_numbers {
    double positions[H5_FRAMES * H5_MARKERS * 3], driving[H5_FRAMES * H5_CLAMPS * 3], dt_s;
    int clamps[H5_CLAMPS], lost[H5_FRAMES], version;
    unsigned char valid[H5_FRAMES * H5_MARKERS];
} h5_numbers;

static inline h5_numbers h5_make_numbers(void)
{
    h5_numbers n = {.dt_s = 0.01, .clamps = {0, 1, 3, 4}, .version = 1};
    memset(n.valid, 1, sizeof n.valid);
    for (size_t i = 0; i < H5_FRAMES * H5_MARKERS * 3; i++)
        n.positions[i] = made_coordinate(i / (H5_MARKERS * 3), i / 3 % H5_MARKERS, i % 3);
    for (size_t i = 0; i < H5_FRAMES * H5_CLAMPS * 3; i++)
        n.driving[i] = made_coordinate(i / (H5_CLAMPS * 3), (size_t)n.clamps[i / 3 % H5_CLAMPS], i % 3);
    return n;
}

static inline void h5_member(const h5_way *way, hid_t group, const char *name, hid_t type, int rank,
                             const hsize_t *shape, hid_t memory, const void *data)
{
    if (way->other && strcmp(way->other, name) == 0) {
        way->write(group, name);
        return;
    }
    if (rank == 0) {
        h5_attribute(group, name, type, data);
        return;
    }
    hid_t list = h5_need(H5Pcreate(H5P_DATASET_CREATE));
    if (way->chunked) {
        hsize_t sides[3] = {(hsize_t)way->chunked, rank > 1 ? shape[1] : 1, 3};
        if (H5Pset_chunk(list, rank, sides) < 0 || H5Pset_shuffle(list) < 0 || H5Pset_deflate(list, 4) < 0 ||
            H5Pset_fletcher32(list) < 0)
            abort();
    }
    h5_array(group, name, type, rank, shape, list, memory, data);
    H5Pclose(list);
}

static inline void h5_member_text(const h5_way *way, hid_t object, const char *name, const char *text)
{
    if (way->other && strcmp(way->other, name) == 0) way->write(object, name);
    else h5_text(object, name, text);
}

static inline void h5_write(const char *path, h5_way way)
{
    const h5_numbers n = h5_make_numbers();
    const hsize_t all[3] = {H5_FRAMES, H5_MARKERS, 3}, some[3] = {H5_FRAMES, H5_CLAMPS, 3}, clamps[1] = {H5_CLAMPS};
    hid_t access = h5_need(H5Pcreate(H5P_FILE_ACCESS));
    if (way.latest && H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST) < 0) abort();
    hid_t file = h5_need(H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access));
    h5_member_text(&way, file, "format", "rodgrad-recording");
    h5_member_text(&way, file, "up", "z");
    h5_member(&way, file, "version", H5T_STD_I32LE, 0, NULL, H5T_NATIVE_INT, &n.version);
    hid_t parent = h5_need(H5Gcreate2(file, "recordings", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    hid_t group = h5_need(H5Gcreate2(parent, "000000", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    h5_member_text(&way, group, "name", "made");
    h5_member_text(&way, group, "source", "made by a test");
    h5_member_text(&way, group, "sha256", "");
    h5_member(&way, group, "dt_s", H5T_IEEE_F64LE, 0, NULL, H5T_NATIVE_DOUBLE, &n.dt_s);
    h5_member(&way, group, "positions", H5T_IEEE_F64LE, 3, all, H5T_NATIVE_DOUBLE, n.positions);
    h5_member(&way, group, "driving", H5T_IEEE_F64LE, 3, some, H5T_NATIVE_DOUBLE, n.driving);
    h5_member(&way, group, "valid", H5T_STD_U8LE, 2, all, H5T_NATIVE_UCHAR, n.valid);
    h5_member(&way, group, "clamps", H5T_STD_I32LE, 1, clamps, H5T_NATIVE_INT, n.clamps);
    h5_member(&way, group, "lost", H5T_STD_I32LE, 1, all, H5T_NATIVE_INT, n.lost);
    H5Gclose(group);
    H5Gclose(parent);
    H5Pclose(access);
    if (H5Fclose(file) < 0) abort();
}

#endif
