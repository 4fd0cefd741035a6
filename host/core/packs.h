/* core/packs.h: where the arrays of packs lie, and what is set and read of every pack alike.
 *
 * All packs' arrays are in one block of memory, section by section, so that what a device is sent or asked for is one
 * piece. The tables of cpu/pack.h say which array lies where. */
#ifndef RGI_PACKS_H
#define RGI_PACKS_H

#include "core/motion.h"
#include "cpu/dispatch.h"
#include "rodgrad/rollout.h"

/* sections of memory: parameters; starts, with their tangents; changes of parameters; what never changes; results of a
 * run, of a reverse run, the start's share of that; states that a run resumes from; what no device has a copy of */
enum {
    RGI_SECTION_SET,
    RGI_SECTION_START,
    RGI_SECTION_ENTRIES,
    RGI_SECTION_CONSTANT,
    RGI_SECTION_RUN,
    RGI_SECTION_REVERSE,
    RGI_SECTION_REVERSE_START,
    RGI_SECTION_STATES,
    RGI_SECTION_OWN,
    RGI_SECTIONS
};

/* what arrays are wanted for, bits: tangents of the start, turns among them, changes of parameters; the start's chords;
 * a loss, its normal equations on the CPU; markers, their derivatives; a reverse run; runs that resume */
enum {
    RGI_WANT_ALWAYS = 0,
    RGI_WANT_TANGENTS = 1,
    RGI_WANT_TURNS = 2,
    RGI_WANT_CHANGES = 4,
    RGI_WANT_CHORD = 8,
    RGI_WANT_FIT = 16,
    RGI_WANT_NORMAL = 32,
    RGI_WANT_MARKERS = 64,
    RGI_WANT_MARKERS_JVP = 128,
    RGI_WANT_ADJOINT = 256,
    RGI_WANT_CARRY = 512
};

/* rows of a series */
enum { RGI_ROWS_STEPS, RGI_ROWS_FRAMES, RGI_ROWS_GROWTH };

/* the options in range, and the instructions they mean. RG_ERR_ARGUMENT, RG_ERR_UNSUPPORTED. */
rg_status rgi_rollout_check(const rg_rollout_opts *opts, const rgi_cpu **cpu, rg_error *err);
/* RG_ERR_ARGUMENT for equilibria of a model that nothing holds, and for a measure of bending that the stepper does not
 * know */
rg_status rgi_rollout_check_model(const rg_rollout_opts *opts, const rg_model *model, rg_error *err);

/* a pack's shape and scheme; the shape must outlive it */
void rgi_pack_setup(rgi_pack *pack, const rgi_shape *shape, const rg_rollout_opts *opts, double dt_s);

/* take count doubles of a block, aligned to 64 bytes, and note in *used; with base NULL only count */
double *rgi_take(double *base, size_t *used, size_t count);
/* likewise room for so many reals of each lane */
rgi_reals *rgi_take_reals(const rgi_cpu *cpu, double *base, size_t *used, size_t reals);

/* the arrays of a section that are wanted (bits), W lanes each; base and used as in rgi_take */
void rgi_pack_layout(rgi_pack *pack, const rgi_extents *extents, unsigned want, int section, size_t w, double *base,
                     size_t *used);

/* one lane's of a pack's status [RGI_STATUS][w] */
void rgi_lane_status(const double *status, size_t w, size_t lane, rg_rod_status *out);

#endif
