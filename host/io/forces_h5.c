/* io/forces_h5.c: see forces_h5.h. */
#include "io/forces_h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/motion.h"
#include "core/recording.h"
#include "io/h5_write.h"

enum { VERSION = 1 };

typedef struct contents {
    const rg_model *model;
    const rgi_shape *shape;
    const rg_recording *recordings;
    size_t n;
    const rg_forces *forces;
    const rg_rod_status *statuses;
} contents;

static int write_integers(hid_t group, const char *name, size_t n, const int *values)
{
    const hsize_t shape[1] = {n};
    return rgi_h5_write_array(group, name, 1, shape, H5T_STD_I32LE, H5T_NATIVE_INT, values, NULL);
}

static int write_floats(hid_t group, const char *name, int rank, size_t n, size_t columns, const double *values,
                        const char *unit)
{
    const hsize_t shape[3] = {n, columns, 3};
    return rgi_h5_write_array(group, name, rank, shape, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values, unit);
}

/* where the rows and columns of the datasets are: times of frames, arc lengths at rest of this recording's rod */
static int write_places(hid_t group, const contents *c, const rg_recording *r)
{
    const rgi_shape *s = c->shape;
    const size_t v = s->n;
    double *time = malloc((r->n_frames + 3 * v) * sizeof *time);
    unsigned char *slipped = malloc(v);
    int ok = time && slipped;
    if (ok) {
        double *length = time + r->n_frames, *vertex = length + v, *edge = vertex + v;
        time[0] = vertex[0] = 0.0;
        for (size_t f = 1; f < r->n_frames; f++) time[f] = time[f - 1] + r->dt_s * rgi_motion_gap(r, f);
        memcpy(length, rg_model_field(c->model, RG_REST_LENGTH), (v - 1) * sizeof *length);
        (void)rgi_motion_slip(s, r, length, slipped);
        for (size_t i = 0; i + 1 < v; i++) {
            edge[i] = vertex[i] + 0.5 * length[i];
            vertex[i + 1] = vertex[i] + length[i];
        }
        ok = write_floats(group, "time", 1, r->n_frames, 0, time, "s") &&
             write_floats(group, "vertex_at", 1, v, 0, vertex, "m") &&
             write_floats(group, "edge_at", 1, v - 1, 0, edge, "m") &&
             write_integers(group, "clamps", r->n_clamps, r->clamps) &&
             write_integers(group, "clamped_vertices", s->n_fixed_x, s->fixed_x) &&
             write_integers(group, "clamped_edges", s->n_fixed_theta, s->fixed_theta);
    }
    free(slipped);
    free(time);
    return ok;
}

static int write_recording(hid_t parent, size_t i, const contents *c)
{
    const rg_recording *r = &c->recordings[i];
    const rg_forces *f = &c->forces[i];
    const rg_rod_status *status = &c->statuses[i];
    const rgi_shape *s = c->shape;
    const size_t frames = r->n_frames;
    char label[32], text[160] = "ok";
    snprintf(label, sizeof label, "%06zu", i);
    if (status->flag != RG_ROD_OK)
        snprintf(text, sizeof text, "step %d: %s", status->step, rg_rod_flag_text(status->flag));
    hid_t group = H5Gcreate2(parent, label, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int ok = group >= 0 && rgi_h5_write_text(group, "name", r->name) && rgi_h5_write_text(group, "source", r->source) &&
             rgi_h5_write_text(group, "status", text) &&
             rgi_h5_write_scalar(group, "dt_s", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &r->dt_s) &&
             write_places(group, c, r) && write_floats(group, "tension", 2, frames, s->n - 1, f->tension, "N") &&
             write_floats(group, "reaction", 3, frames, s->n_fixed_x, f->reaction, "N") &&
             write_floats(group, "reaction_moment", 2, frames, s->n_fixed_theta, f->reaction_moment, "N m") &&
             write_floats(group, "moment", 3, frames, s->n, f->moment, "N m");
    if (group >= 0) ok = H5Gclose(group) >= 0 && ok;
    return ok;
}

static int write_contents(hid_t file, const void *given)
{
    const contents *c = given;
    const int version = VERSION;
    int ok = rgi_h5_write_text(file, "format", "rodgrad-forces") &&
             rgi_h5_write_scalar(file, "version", H5T_STD_I32LE, H5T_NATIVE_INT, &version);
    hid_t parent = ok ? H5Gcreate2(file, "recordings", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) : -1;
    ok = parent >= 0;
    for (size_t i = 0; i < c->n && ok; i++) ok = write_recording(parent, i, c);
    if (parent >= 0) ok = H5Gclose(parent) >= 0 && ok;
    return ok;
}

rg_status rgi_forces_image(const rg_model *model, const rg_recording *recordings, size_t n, const rg_forces *forces,
                           const rg_rod_status *statuses, void **image, size_t *size, rg_error *err)
{
    rg_recording *complete = NULL;
    rgi_shape *shape = NULL;
    *image = NULL;
    RG_TRY(rgi_recordings_complete(recordings, n, &complete, err));
    rg_status status = rgi_shape_create(NULL, model, &shape, err);
    if (status == RG_OK) {
        const contents all = {model, shape, complete, n, forces, statuses};
        *image = rgi_h5_image(write_contents, &all, size);
        if (!*image) status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the forces of %zu recordings.", n);
    }
    rgi_shape_destroy(&shape);
    free(complete);
    return status;
}
