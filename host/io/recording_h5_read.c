/* io/recording_h5_read.c: rodgrad's HDF5 recordings are read here (docs/recording-format.md).
 *
 * libhdf5 trusts what a file says of itself: bytes that are damaged can make it read where nothing is, loop
 * without end or take all memory. So files are read by a child process (child.h), and HDF5 runs nowhere else on a
 * file's bytes. The child (recording_h5_child.c) sends recording by recording. The caller trusts nothing that arrives:
 * it bounds sizes before it allocates and looks at every number.
 *
 * The child sends the recordings, rather than only trying whether they can be read: a second reading in the caller
 * could still crash, since what a damaged file does depends on where memory lies, and it would cost more. One child
 * reads all files of a call: a folder of 56 files of 200 kB takes 38 ms, where reading in the caller itself took 26 ms
 * and a child for each file takes 125 ms, most of it for HDF5 to start. Where the child ends early, a new one reads the
 * file that it was at again: an earlier file may have left damage in its memory, and the file that is named must be the
 * damaged one. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/formats.h"
#include "io/recording_h5_messages.h"
#include "io/recording_io.h"

/* Put the driving columns into place and count what is not valid. */
static rg_status place(const rgi_h5_source *s, rg_recording *r, const double *columns)
{
    size_t samples = r->n_frames * r->n_markers;
    for (size_t i = 0; i < samples * 3; i++) {
        if (!isfinite(r->positions[i])) return rgi_h5_wrong(s, "positions", "holds a value that is not finite");
    }
    for (size_t i = 0; i < samples; i++) {
        if (r->valid[i] > 1) return rgi_h5_wrong(s, "valid", "holds something besides 0 and 1");
        r->n_masked += r->valid[i] == 0;
    }
    memcpy(r->driving, r->positions, samples * 3 * sizeof *r->driving);
    for (size_t c = 0; c < r->n_clamps; c++) {
        int marker = r->clamps[c];
        if (marker < 0 || (size_t)marker >= r->n_markers || (c > 0 && marker <= r->clamps[c - 1])) {
            return rgi_h5_wrong(s, "clamps", "is not an ascending list of markers");
        }
        for (size_t k = 0; k < r->n_frames; k++) {
            const double *x = columns + (k * r->n_clamps + c) * 3;
            if (!isfinite(x[0]) || !isfinite(x[1]) || !isfinite(x[2])) {
                return rgi_h5_wrong(s, "driving", "holds a value that is not finite");
            }
            memcpy(r->driving + (k * r->n_markers + (size_t)marker) * 3, x, 3 * sizeof *x);
            if (r->valid[k * r->n_markers + (size_t)marker]) continue;
            r->n_repaired++;
            r->n_masked--;
        }
    }
    return RG_OK;
}

static rg_status count_lost(const rgi_h5_source *s, rg_recording *r)
{
    for (size_t k = 0; k < r->n_frames; k++) {
        /* a rollout steps through lost frames: a damaged count must not make it endless */
        if (r->lost[k] < 0 || r->lost[k] > 10000 || (k == 0 && r->lost[k] != 0))
            return rgi_h5_wrong(s, "lost", "holds a number that is no count of lost frames");
        r->n_lost += (size_t)r->lost[k];
    }
    return RG_OK;
}

static rg_status check_hash(const rgi_h5_source *s, rg_recording *r)
{
    const size_t n = strlen(r->sha256);
    const int ok = (n == 0 || n == 64) && strspn(r->sha256, "0123456789abcdef") == n;
    return ok ? RG_OK : rgi_h5_wrong(s, "sha256", "is not 64 hexadecimal digits");
}

static rg_status check_units(const rgi_h5_source *s, const rgi_h5_message *m)
{
    static const char *const names[2] = {"positions", "driving"};
    for (int i = 0; i < 2 && s->unit_m > 0.0; i++) {
        char unit[RGI_H5_UNIT_ROOM];
        memcpy(unit, m->units[i], sizeof unit);
        unit[sizeof unit - 1] = '\0';
        const double metres = rgi_unit_metres(unit);
        if (fabs(metres - s->unit_m) > 1e-9 * s->unit_m)
            return RG_FAIL(s->err, RG_ERR_ARGUMENT,
                           "%s: the unit of %s/%s is %s, but --units says %g m; leave --units out.", s->path, s->label,
                           names[i], unit, s->unit_m);
    }
    return RG_OK;
}

/* The rest of a recording after its message. *broken: the child stopped, and there is no sentence yet. */
static rg_status receive_recording(rgi_h5_source *s, const rgi_h5_message *m, rgi_child *child, rg_recording *r,
                                   int *broken)
{
    const uint64_t samples =
        m->n_markers > 0 && m->n_frames <= s->samples / m->n_markers ? m->n_frames * m->n_markers : UINT64_MAX;
    *broken = m->n_frames < 2 || m->n_markers < 3 || m->n_markers > INT_MAX || m->n_clamps >= m->n_markers ||
              m->name_bytes > RGI_H5_TEXT_MAX || m->source_bytes > RGI_H5_TEXT_MAX || samples > s->samples;
    if (*broken) return RG_ERR_IO;
    s->samples -= samples;
    size_t bytes[RGI_H5_ARRAYS];
    rgi_h5_sizes(m, bytes);
    r->n_frames = (size_t)m->n_frames;
    r->n_markers = (size_t)m->n_markers;
    r->n_clamps = (size_t)m->n_clamps;
    r->dt_s = m->dt_s;
    memcpy(r->sha256, m->sha256, sizeof r->sha256);
    r->sha256[sizeof r->sha256 - 1] = '\0';
    r->name = calloc((size_t)m->name_bytes + 1, 1);
    r->source = calloc((size_t)m->source_bytes + 1, 1);
    r->positions = malloc(bytes[0]);
    r->driving = malloc(bytes[0]);
    r->valid = malloc(bytes[1]);
    r->clamps = malloc(bytes[2] + 1);
    r->lost = malloc(bytes[4]);
    double *columns = malloc(bytes[3] + 1);
    rg_status status = RG_OK;
    if (r->name == NULL || r->source == NULL || r->positions == NULL || r->driving == NULL || r->valid == NULL ||
        r->clamps == NULL || r->lost == NULL || columns == NULL) {
        status = RG_FAIL(s->err, RG_ERR_MEMORY, "%s: out of memory for %s.", s->path, s->label);
        goto done;
    }
    void *const data[RGI_H5_ARRAYS] = {r->positions, r->valid, r->clamps, columns, r->lost};
    *broken = !rgi_child_read(child, r->name, (size_t)m->name_bytes) ||
              !rgi_child_read(child, r->source, (size_t)m->source_bytes);
    for (int i = 0; i < RGI_H5_ARRAYS && !*broken; i++) *broken = !rgi_child_read(child, data[i], bytes[i]);
    if (*broken) {
        status = RG_ERR_IO;
        goto done;
    }
    status = check_units(s, m);
    if (status == RG_OK) status = check_hash(s, r);
    if (status == RG_OK && (!(r->dt_s > 0) || !isfinite(r->dt_s)))
        status = rgi_h5_wrong(s, "dt_s", "is not a positive number");
    if (status == RG_OK) status = count_lost(s, r);
    if (status == RG_OK) status = place(s, r, columns);
done:
    free(columns);
    return status;
}

/* Recordings until the child says that there are no more. */
static rg_status receive_all(rgi_h5_source *s, rgi_child *child, rg_recording **all, size_t *n, int *broken)
{
    size_t room = 0;
    for (;;) {
        rgi_h5_message m;
        *broken = !rgi_child_read(child, &m, sizeof m);
        if (*broken) return RG_ERR_IO;
        m.text[sizeof m.text - 1] = m.label[sizeof m.label - 1] = '\0';
        if (m.kind == RGI_H5_MESSAGE_END && *n > 0) return RG_OK;
        if (m.kind == RGI_H5_MESSAGE_REFUSED && (m.status == RG_ERR_FORMAT || m.status == RG_ERR_SHAPE ||
                                                 m.status == RG_ERR_UNSUPPORTED || m.status == RG_ERR_MEMORY))
            return RG_FAIL(s->err, (rg_status)m.status, "%s", m.text);
        *broken = m.kind != RGI_H5_MESSAGE_RECORDING;
        if (*broken) return RG_ERR_IO;
        if (*n == room) {
            room = room == 0 ? 16 : 2 * room;
            rg_recording *more = room <= SIZE_MAX / sizeof *more ? realloc(*all, room * sizeof *more) : NULL;
            if (more == NULL) return RG_FAIL(s->err, RG_ERR_MEMORY, "%s: out of memory.", s->path);
            *all = more;
        }
        memcpy(s->label, m.label, sizeof s->label);
        memset(&(*all)[*n], 0, sizeof **all);
        /* a half-read recording is cleared with the others */
        const rg_status status = receive_recording(s, &m, child, &(*all)[(*n)++], broken);
        if (status != RG_OK) return status;
    }
}

/* One file by the reader's child. *broken: the child stopped, and there is no sentence yet. */
static rg_status read_file(rgi_h5_reader *reader, rgi_h5_source *s, rg_recording **all, size_t *n, int *broken)
{
    *broken = 0;
    if (!reader->runs) {
        char purpose[600];
        snprintf(purpose, sizeof purpose, "to read %s in", s->path);
        RG_TRY(rgi_child_start(rgi_h5_work, NULL, purpose, &reader->child, s->err));
        reader->runs = 1;
        reader->files = 0;
    }
    s->samples = s->size * RGI_H5_SAMPLES_A_BYTE;
    rgi_h5_request q;
    memset(&q, 0, sizeof q);
    q.size = s->size;
    q.path_bytes = strlen(s->path);
    rgi_child_expect(&reader->child, rgi_h5_limits(s->size));
    *broken =
        !rgi_child_send(&reader->child, &q, sizeof q) || !rgi_child_send(&reader->child, s->path, (size_t)q.path_bytes);
    return *broken ? RG_ERR_IO : receive_all(s, &reader->child, all, n, broken);
}

static void end_child(rgi_h5_reader *reader, char *how, size_t room)
{
    if (reader->runs) rgi_child_end(&reader->child, how, room);
    reader->runs = 0;
}

void rgi_h5_reader_close(rgi_h5_reader *reader)
{
    char how[128];
    end_child(reader, how, sizeof how);
}

rg_status rgi_h5_read(rgi_h5_reader *reader, const char *path, double unit_m, rg_recording **out, size_t *n_out,
                      rg_error *err)
{
    *out = NULL;
    *n_out = 0;
    struct stat info;
    if (stat(path, &info) != 0) return RG_FAIL(err, RG_ERR_IO, "%s cannot be read: %s.", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) {
        return RG_FAIL(err, RG_ERR_FORMAT, "%s is no regular file, as an HDF5 file must be; copy it to one.", path);
    }
    rgi_h5_source s = {.path = path, .err = err, .size = (uint64_t)info.st_size, .unit_m = unit_m};
    /* 2^40 bytes are no recording, and keep what follows from overflowing */
    if (s.size >> 40) return RG_FAIL(err, RG_ERR_IO, "%s cannot be read: %s.", path, strerror(EFBIG));
    for (;;) {
        int broken = 0;
        char how[128] = "";
        rg_status status = read_file(reader, &s, out, n_out, &broken);
        if (status == RG_OK) {
            reader->files++;
            return RG_OK;
        }
        const size_t before = reader->files;
        rg_recordings_free(*out, *n_out);
        *out = NULL;
        *n_out = 0;
        end_child(reader, how, sizeof how);
        if (!broken) return status;
        if (before > 0) continue;
        return RG_FAIL(err, RG_ERR_IO,
                       "%s is damaged: the process that read it did not finish, %s; copy the file again or write it "
                       "with rodgrad import.",
                       path, how);
    }
}
