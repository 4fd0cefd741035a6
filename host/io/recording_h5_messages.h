/* io/recording_h5_messages.h: what the process that reads HDF5 files (recording_h5_child.c) and the one that asks for
 * them (recording_h5_read.c) say to each other. A request is answered by a message and the arrays of each recording,
 * and by a last message: that was all, or why the file is refused. */
#ifndef RGI_RECORDING_H5_MESSAGES_H
#define RGI_RECORDING_H5_MESSAGES_H

#include <stdint.h>
#include <string.h>

#include "io/child.h"
#include "rodgrad/status.h"

enum { RGI_H5_TEXT_MAX = 4096, RGI_H5_LABEL_ROOM = 300, RGI_H5_UNIT_ROOM = 16 };
/* Deflate packs 1032 bytes into one at best: more numbers than that are not in the file. A sample is a marker in a
 * frame, three floats of 4 bytes at least. */
enum { RGI_H5_DEFLATE_RATIO = 1032, RGI_H5_SAMPLES_A_BYTE = RGI_H5_DEFLATE_RATIO / (3 * 4) };
/* of a recording: positions, valid, clamps, driving, lost */
enum { RGI_H5_ARRAYS = 5 };

/* a file on either side */
typedef struct rgi_h5_source {
    const char *path;
    rg_error *err;
    uint64_t size;                 /* of the file [bytes] */
    uint64_t samples;              /* that it can still hold */
    double unit_m;                 /* that the caller expects [m], 0: any */
    char label[RGI_H5_LABEL_ROOM]; /* group being read, for messages */
} rgi_h5_source;

/* its path follows */
typedef struct rgi_h5_request {
    uint64_t size, path_bytes;
} rgi_h5_request;

enum { RGI_H5_MESSAGE_RECORDING = 1, RGI_H5_MESSAGE_END, RGI_H5_MESSAGE_REFUSED };
/* Of a recording, its name, its source and its arrays follow. */
typedef struct rgi_h5_message {
    int kind;
    int status;     /* RGI_H5_MESSAGE_REFUSED */
    char text[768]; /* likewise */
    char label[RGI_H5_LABEL_ROOM], sha256[65];
    char units[2][RGI_H5_UNIT_ROOM]; /* that positions and driving have in the file; they are sent in metres */
    double dt_s;
    uint64_t n_frames, n_markers, n_clamps, name_bytes, source_bytes;
} rgi_h5_message;

/* Bytes of the arrays as they are sent. Samples that a file can hold do not let them overflow. */
static inline void rgi_h5_sizes(const rgi_h5_message *m, size_t *bytes)
{
    const size_t samples = (size_t)(m->n_frames * m->n_markers), driven = (size_t)(m->n_frames * m->n_clamps);
    bytes[0] = 3 * samples * sizeof(double);
    bytes[1] = samples;
    bytes[2] = (size_t)m->n_clamps * sizeof(int);
    bytes[3] = 3 * driven * sizeof(double);
    bytes[4] = (size_t)m->n_frames * sizeof(int);
}

/* Far more than a sound file of this size takes, and an end to an endless loop: a small file takes milliseconds, and a
 * file of very many small recordings, the slowest there is, 0.05 s a MB. A recording is in the child's memory as a
 * whole, which may be 16 times as large as a large file. */
static inline rgi_child_limits rgi_h5_limits(uint64_t size)
{
    const uint64_t memory = ((uint64_t)512 << 20) + 16 * size;
    return (rgi_child_limits){.cpu_s = 2 + (int)(size >> 20), .memory_bytes = (size_t)memory};
}

static inline rg_status rgi_h5_wrong(const rgi_h5_source *s, const char *field, const char *what)
{
    return RG_FAIL(s->err, RG_ERR_FORMAT, "%s: %s%s%s %s; write the file again with rodgrad import.", s->path, s->label,
                   s->label[0] != '\0' ? "/" : "", field, what);
}

/* the work of rgi_child_start: files until the caller hangs up */
void rgi_h5_work(int fd, void *unused);

#endif
