/* study/plant.h: recordings simulated from known parameters, to prove a fit against its truth.
 *
 * A planted recording starts at rest in a hanging shape, then its grippers move smoothly and at
 * random. Its free markers are exactly what rg_simulate makes of frames 0 and 1 and the grippers;
 * noise and glitches come on top. Every random number is a hash of (seed, recording, frame, marker,
 * purpose): nothing depends on order, threads, or how many recordings are made. */
#ifndef RGI_PLANT_H
#define RGI_PLANT_H

#include "rodgrad/model.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"

/* frames times markers of all recordings in one call: some 2 GB while they are simulated */
#define RGI_PLANT_MOST 2e7

typedef struct rgi_plant_opts {
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
} rgi_plant_opts;

/* Motion and length of the recorded cables; 0.5 mm of noise, no glitches. */
rgi_plant_opts rgi_plant_opts_default(void);

/* The default truth: a rope like the recorded ones, 12 markers on 0.95 m, gripped at 0, 1, 10 and
 * 11, stiffness, natural curvature and much else varying along it. RG_ERR_ARGUMENT (refine < 1),
 * RG_ERR_MEMORY. */
rg_status rgi_plant_model(size_t refine, rg_model **out, rg_error *err);

/* Make recordings first, ..., first + n - 1 of the sequence that the seed stands for into out[n];
 * release each with rg_recording_clear. Everything in them is marked valid: who wants glitches
 * found looks for them. Neighbouring driving markers of the truth make a gripper; there must be
 * one. RG_ERR_ARGUMENT and RG_ERR_VALUE name the option that is out of range, RG_ERR_NOT_CONVERGED
 * the recording whose simulation failed; RG_ERR_MEMORY. Nothing is left in out then. */
rg_status rgi_plant(const rg_model *truth, const rgi_plant_opts *opts, uint64_t first, size_t n, rg_recording *out,
                    rg_error *err);

#endif
