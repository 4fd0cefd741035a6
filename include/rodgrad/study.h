/* rodgrad/study.h: how good a model is: errors of predictions, predictions without physics to compare them with, and
 * recordings planted from known parameters. These functions are in librodgrad_io, as those of rodgrad/io.h are. */
#ifndef RODGRAD_STUDY_H
#define RODGRAD_STUDY_H

#include <stddef.h>
#include <stdint.h>

#include "rodgrad/model.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- how far a prediction is from a recording ----
 *
 * The published metric of the DEFORM recordings is the mean of |predicted - recorded| over frames 2 and later, all
 * markers (driven ones included) and the three coordinates. Beside it: distances of the free markers, which are what a
 * simulation predicts. Frames 0 and 1 are given and never count; every marker counts as recorded, glitches too. A NaN
 * in a prediction makes every number NaN.
 *
 * A recording must have positions, and clamps where n_clamps is not 0: these functions do not check it. A prediction is
 * an array [n_frames][n_markers][3] [m], as rg_simulate makes it. Thread-safe: only sums and out are written. */

/* sums over one or more recordings; zero-initialise, then add */
typedef struct rg_error_sums {
    double absolute; /* of |coordinate error| over all markers [m] */
    size_t n_absolute;
    double square; /* of squared distances over free markers [m^2] */
    size_t n_free;
    double largest; /* distance of a free marker [m] */
} rg_error_sums;

void rg_error_add(rg_error_sums *sums, const rg_recording *recording, const double *predicted);
/* add what another sum holds */
void rg_error_merge(rg_error_sums *sums, const rg_error_sums *other);

/* The published metric, the root mean square and the largest distance of free markers [m]; NaN where nothing was
 * added. */
double rg_error_l1(const rg_error_sums *sums);
double rg_error_rmse_free(const rg_error_sums *sums);
double rg_error_max(const rg_error_sums *sums);

/* Mean distance of the free markers in each frame: out[n_frames] [m]; frames 0 and 1 as predicted. */
void rg_error_over_time(const rg_recording *recording, const double *predicted, double *out);
/* Mean distance of each marker over frames 2 and later: out[n_markers] [m]. */
void rg_error_along_rod(const rg_recording *recording, const double *predicted, double *out);

/* ---- predictions without physics, to compare a simulation with ----
 *
 * Both see of the recording that they predict what a simulation sees: frames 0 and 1 and the driving markers. Both
 * return driving markers and frames 0 and 1 as recorded. */

/* Free markers stay where frame 0 has them. out: [n_frames][n_markers][3] [m]. The recording as for rg_error_add.
 * Thread-safe. */
void rg_hold_predict(const rg_recording *recording, double *out);

typedef struct rg_ridge rg_ridge;

/* Ridge regression of the free markers on where the driving markers were up to 32 frames ago. The penalty, and whether
 * the start shape helps, are chosen by cross-validation over the n training recordings, which must agree in markers,
 * clamps and frame interval. *out is released by rg_ridge_destroy.
 * RG_ERR_ARGUMENT (none, or no driving marker), RG_ERR_SHAPE (they differ, or are too many for dense algebra),
 * RG_ERR_NUMERIC, RG_ERR_MEMORY; *out is NULL then. Thread-safe. */
rg_status rg_ridge_train(const rg_recording *recordings, size_t n, rg_ridge **out, rg_error *err);
/* out: [n_frames][n_markers][3] [m]. RG_ERR_SHAPE when the recording is not like those trained on; RG_ERR_ARGUMENT,
 * RG_ERR_MEMORY. Thread-safe: *ridge is only read. */
rg_status rg_ridge_predict(const rg_ridge *ridge, const rg_recording *recording, double *out, rg_error *err);
/* Free and null *ridge. Accepts NULL and a pointer to NULL. */
void rg_ridge_destroy(rg_ridge **ridge);

/* ---- recordings simulated from known parameters, to prove a fit against its truth ----
 *
 * A planted recording starts at rest in a hanging shape, then its grippers move smoothly and at random. Its free
 * markers are exactly what rg_simulate makes of frames 0 and 1 and the grippers; noise and glitches come on top. Every
 * random number is a hash of (seed, recording, frame, marker, purpose): nothing depends on order, threads, or how many
 * recordings are made. */

/* frames times markers of all recordings in one call: some 2 GB while they are simulated */
#define RG_PLANT_MOST 2e7

typedef struct rg_plant_opts {
    size_t struct_size; /* sizeof(rg_plant_opts), set by rg_plant_opts_default; 0: of the first version */
    uint64_t seed;
    uint64_t noise_seed;   /* of noise and glitches alone; 0: as seed */
    size_t n_frames;       /* >= 3 */
    double dt_s;           /* between frames [s] */
    double noise_m;        /* standard deviation of Gaussian noise on each coordinate of free markers [m] */
    double driver_noise_m; /* the same on driving markers; the truth is driven without it [m] */
    int noise_start;       /* noise in frames 0 and 1 too, which are a simulation's start */
    double glitch_rate;    /* probability that a glitch begins, per marker and frame */
    double glitch_size_m;  /* how far a glitch throws a marker [m] */
    double speed;          /* root mean square speed of a gripper [m/s] */
    double bandwidth_hz;   /* highest frequency of its motion [Hz] */
    double range_m;        /* largest excursion of a gripper along x, y or z [m] */
    double tilt_rad;       /* root mean square angle of a gripper about each horizontal axis */
    rg_rollout_opts rollout;
} rg_plant_opts;

/* The default options into *opts, as far as it reaches: its struct_size and that of its rollout say how far. Motion and
 * length are those of the recorded cables, with 0.5 mm of noise and no glitches. Thread-safe. */
void rg_plant_opts_init(rg_plant_opts *opts);

static inline rg_plant_opts rg_plant_opts_default(void)
{
    rg_plant_opts opts;
    opts.struct_size = sizeof opts;
    opts.rollout.struct_size = sizeof opts.rollout;
    rg_plant_opts_init(&opts);
    return opts;
}

/* The default truth: a rope like the recorded ones, 12 markers on 0.95 m, gripped at 0, 1, 10 and 11, stiffness,
 * natural curvature and much else varying along it. *out is released by rg_model_destroy. RG_ERR_ARGUMENT (refine < 1),
 * RG_ERR_MEMORY. Thread-safe. */
rg_status rg_plant_model(size_t refine, rg_model **out, rg_error *err);

/* Make recordings first, ..., first + n - 1 of the sequence that the seed stands for into out[n], an array of the
 * caller's; release each with rg_recording_clear. Everything in them is marked valid: glitches are not looked for.
 * Neighbouring driving markers of the truth make a gripper; there must be one. RG_ERR_ARGUMENT (options of another
 * library, no gripper), RG_ERR_VALUE names the option that is out of range, RG_ERR_NOT_CONVERGED the recording whose
 * simulation failed; RG_ERR_MEMORY. Nothing is left in out then. Thread-safe, as rg_simulate is. */
rg_status rg_plant(const rg_model *truth, const rg_plant_opts *opts, uint64_t first, size_t n, rg_recording *out,
                   rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
