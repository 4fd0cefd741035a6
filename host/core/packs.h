/* core/packs.h: packs of rods (pack.h): their memory, where they run, and what is set and read of them alike.
 *
 * Batches and a fit's residuals are made of it. All packs' arrays are in one block of memory, section by section, so
 * that what a device is sent or asked for is one piece; the tables of pack.h say which array lies where. A runner
 * is who runs the packs: the CPU's threads (packs_cpu.c) or a GPU, which has copies of them (packs_device.c).
 *
 *   rgi_packs_create -> rgi_packs_set_rod -> rgi_packs_describe_run -> place -> point -> run -> collect -> fetch */
#ifndef RGI_PACKS_H
#define RGI_PACKS_H

#include "core/coefficients.h"
#include "core/jobs.h"
#include "core/placement.h"
#include "cpu/dispatch.h"
#include "cuda/rollout.h"
#include "rod/layout.h"
#include "rodgrad/batch.h"

/* sections of memory: parameters; starts, with their tangents; what never changes; results of a run, of a reverse run,
 * the start's share of that; states that a run resumes from; what no device has a copy of */
enum {
    RGI_SECTION_SET,
    RGI_SECTION_START,
    RGI_SECTION_CONSTANT,
    RGI_SECTION_RUN,
    RGI_SECTION_REVERSE,
    RGI_SECTION_REVERSE_START,
    RGI_SECTION_STATES,
    RGI_SECTION_OWN,
    RGI_SECTIONS
};

/* what arrays are wanted for, bits: tangents of the start; external forces and a direction in every input, step by
 * step; the start's chords; a loss, its normal equations on the CPU; derivatives of markers; a reverse run; runs that
 * resume */
enum {
    RGI_WANT_ALWAYS = 0,
    RGI_WANT_TANGENTS = 1,
    RGI_WANT_INPUTS = 2,
    RGI_WANT_CHORD = 4,
    RGI_WANT_FIT = 8,
    RGI_WANT_NORMAL = 16,
    RGI_WANT_MARKERS_JVP = 32,
    RGI_WANT_ADJOINT = 64,
    RGI_WANT_CARRY = 128
};

/* rows of a series */
enum { RGI_ROWS_STEPS, RGI_ROWS_FRAMES, RGI_ROWS_GROWTH };

/* The caller's arrays in a call; a NULL pointer: the call has no such struct. single: the arrays are of floats, of the
 * structs of batch_float.h, and the pointers here are only handed on: rgi_number_get reads what they point to. */
typedef struct rgi_batch_arrays {
    const rg_batch_inputs *inputs;
    const rg_batch_outputs *outputs;
    const rg_batch_tangents *tangents;
    const rg_batch_tangent_outputs *tangent_outputs;
    const rg_batch_cotangents *cotangents;
    const rg_batch_gradients *gradients;
    /* their lists of fields [RG_FIELD_COUNT], NULL for one that is not in the list; or NULL: none of them is */
    const double *const *input_fields, *const *tangent_fields;
    double *const *gradient_fields;
    int single; /* all these arrays, fields too, are of floats, to be read by rgi_number_get and its like alone */
} rgi_batch_arrays;

typedef struct rgi_packs_opts {
    rg_rollout_opts rollout;
    rg_memory memory; /* where the caller's arrays are */
    double dt_s;
    size_t n_frames;      /* of the longest rod */
    const size_t *frames; /* [n_rods] of each rod, or NULL: all have n_frames */
    unsigned want;        /* RGI_WANT_... */
    size_t directions;    /* most that a run has */
    size_t blocks;        /* of gradients, with RGI_WANT_NORMAL */
    int block;            /* frames of one */
    double floor_m;       /* of the loss, with RGI_WANT_FIT */
    size_t budget_bytes;  /* for states, with RGI_WANT_ADJOINT (checkpoints.h) */
    size_t trace_bytes;   /* at most, for where steps end: only the CPU keeps them */
    size_t window;
    void *room; /* NULL, or rgi_packs_room_bytes for the packs' arrays and the CPU's workspace, aligned to 64 bytes */
    /* on a device, where a fit's rows go (cuda/normal.h), or NULL */
    double *rows;
    size_t rows_of_rod, rows_apart;
} rgi_packs_opts;

struct rgi_runner;
typedef struct rgi_packs {
    rgi_packs_opts opts;
    const rgi_cpu *cpu;
    const struct rgi_runner *runner;
    void *own;               /* the runner's */
    const rgi_placement *at; /* the caller's */
    rgi_plan plan;           /* with RGI_WANT_ADJOINT */
    size_t steps;            /* of the longest rod */
    int traced, ragged;      /* where steps end is kept; rods have numbers of frames of their own */
    rgi_pack *packs;         /* [at.n_packs] */
    double *memory;          /* all packs', and what the runner works on behind them; opts.room or owned */
    size_t memory_doubles, section_end[RGI_SECTIONS];
    rgi_call call; /* the last, with the caller's arrays or the runner's copies of them */
    /* directions; entry_values [n_packs][entries_capacity][W]. With RGI_WANT_INPUTS there is room for rgi_packs_places
     * of every direction, else it grows. */
    int *entry_begin;
    rgi_pack_entry *entries;
    double *entry_values;
    size_t entries_capacity;
    double *stable_step_s; /* [n_rods] as in rg_rod_status */
    size_t workers;        /* of what the host does rod by rod */
    double *coef;          /* [workers]: [n][RGI_NC], [n][3] scratch */
} rgi_packs;

/* Who runs packs. Functions return RG_ERR_DEVICE, RG_ERR_MEMORY, and what they say. */
typedef struct rgi_runner {
    unsigned never; /* RGI_WANT_... that it has no use for */
    int one_size;   /* every pack has room for the states of the largest shape */
    /* packs that have scratch states at a time, of n_packs */
    size_t (*workers)(const rgi_packs *packs);
    /* doubles of the host's memory that it works on beyond the packs'; NULL: none */
    size_t (*work_doubles)(const rgi_packs *packs);
    /* its own arrays of a pack in RGI_SECTION_OWN; base and used as in rgi_take; NULL: none */
    void (*layout)(const rgi_packs *packs, const rgi_shape *shape, rgi_pack *pack, double *base, size_t *used);
    /* all is set but `own`, on failure destroy follows; bytes: of all that `own` has */
    rg_status (*create)(rgi_packs *packs, rg_error *err);
    void (*destroy)(rgi_packs *packs);
    size_t (*bytes)(const rgi_packs *packs);
    /* `count` doubles of packs->memory have changed; sections [first, last] are wanted there (waits) */
    rg_status (*send)(rgi_packs *packs, const double *from, size_t count, rg_error *err);
    rg_status (*fetch)(rgi_packs *packs, int first, int last, rg_error *err);
    /* the entries of n directions as they are in packs */
    rg_status (*directions)(rgi_packs *packs, int n_directions, rg_error *err);
    /* The arrays of a call that is described come to where the runner reads them; RG_ERR_ARGUMENT for one in the wrong
     * memory. The packs do what packs->call says. */
    rg_status (*place)(rgi_packs *packs, const rgi_batch_arrays *of, rg_error *err);
    rg_status (*point)(rgi_packs *packs, rg_error *err);
    /* steps [begin, end): the CPU runs all of them at once */
    rg_status (*run)(rgi_packs *packs, int begin, int end, rg_error *err);
    rg_status (*reverse)(rgi_packs *packs, rg_error *err);
    /* outputs into the caller's arrays, and until they are there */
    rg_status (*collect)(rgi_packs *packs, const rgi_batch_arrays *of, rg_error *err);
    rg_status (*wait)(rgi_packs *packs, rg_error *err);
    /* the numbers of the rods' statuses [n_rods][RG_STATUS_NUMBERS], into an array in RG_MEMORY_DEVICE; single: of
     * floats
     */
    rg_status (*give_statuses)(rgi_packs *packs, int single, void *to, rg_error *err);
    /* rods whose mask [n_rods] is not 0 start anew */
    rg_status (*reset)(rgi_packs *packs, const unsigned char *mask, rg_error *err);
    /* Parameters of all rods into the packs: fields of a call, from where the caller has them. The host's are in range;
     * a rod with one of RG_MEMORY_DEVICE that is not fails at step 0 with RG_ROD_BAD_FIELD. */
    rg_status (*set_fields)(rgi_packs *packs, const rgi_batch_fields *of, rg_error *err);
    /* directions along[0 ... n - 1], at these parameters, as values of the entries that packs list */
    rg_status (*set_directions)(rgi_packs *packs, const rgi_batch_fields *at, const double *const *along, int n,
                                rg_error *err);
    /* after a reverse run: gradients to [RG_FIELD_COUNT] of fields, NULL: not asked for; there as outputs are */
    rg_status (*pull_back)(rgi_packs *packs, const rgi_batch_fields *at, double *const *to, rg_error *err);
    /* Of a runner that has RG_MEMORY_DEVICE: fields that are floats there [times][n_rods][row], to[] doubles for them,
     * until the next call with inputs, or without; bring: with their numbers. And doubles [n_rods][row] back. */
    rg_status (*widen_fields)(rgi_packs *packs, int inputs, const double *const *from, size_t times, int bring,
                              double **to, rg_error *err);
    rg_status (*narrow_fields)(rgi_packs *packs, double *const *from, double *const *to, rg_error *err);
} rgi_runner;

extern const rgi_runner rgi_runner_cpu, rgi_runner_device;

/* Packs of rods that have no parameters yet (rgi_packs_set_rod). Options and models are checked; opts' arrays need not
 * outlive the call, the placement must. *out is zeroed first, and zero on failure. RG_ERR_ARGUMENT (a budget that is
 * too small), RG_ERR_MEMORY, and on a GPU RG_ERR_UNSUPPORTED, RG_ERR_DEVICE. */
rg_status rgi_packs_create(const rgi_placement *at, const rgi_packs_opts *opts, const rgi_cpu *cpu, rgi_packs *out,
                           rg_error *err);
/* The same, and completes a placement that has shapes only: nothing is touched before the memory of the packs is had.
 */
rg_status rgi_packs_create_placed(rgi_placement *at, const rgi_models *models, const rgi_packs_opts *opts,
                                  const rgi_cpu *cpu, rgi_packs *out, rg_error *err);
void rgi_packs_clear(rgi_packs *packs);
/* Bytes of opts->room that packs of this placement need; 0: more than a size_t holds. RG_ERR_ARGUMENT as above. */
rg_status rgi_packs_room_bytes(const rgi_placement *at, const rgi_packs_opts *opts, const rgi_cpu *cpu, size_t *bytes,
                               rg_error *err);

/* A rod's coefficients and offsets, and its longest stable step; lanes that are left over repeat the pack's first rod.
 * rgi_packs_send_section(RGI_SECTION_SET) follows the last of them. */
void rgi_packs_set_rod(rgi_packs *packs, size_t rod, const rg_model *model);
rg_status rgi_packs_send_section(rgi_packs *packs, int section, rg_error *err);
/* what the host does rod by rod or pack by pack, whose results are each one's own; workers are below packs->workers */
void rgi_packs_run_jobs(const rgi_packs *packs, size_t jobs, size_t at_a_time, rgi_job job, void *arg);

/* places that a direction can change: every coefficient and offset of the largest rod */
static inline size_t rgi_packs_places(const rgi_packs *packs)
{
    return packs->at->vertices * RGI_NC + 2 * packs->at->markers;
}
/* room for so many entries of all directions, then fill entries, entry_begin and entry_values; RG_ERR_MEMORY */
rg_status rgi_packs_reserve(rgi_packs *packs, size_t entries, rg_error *err);
/* the packs' entries are those */
void rgi_packs_point_entries(rgi_packs *packs);
/* after reserve: values to the packs in their own reals, and to the runner */
rg_status rgi_packs_directions(rgi_packs *packs, int n_directions, rg_error *err);

/* packs->call for a run of these arrays [n_rods][rows][width], tangents [n_directions][n_rods][rows][width], forward
 * and, with tangents, along them, or for a reverse run after it */
void rgi_packs_describe_run(rgi_packs *packs, const rgi_batch_arrays *of);
void rgi_packs_describe_reverse(rgi_packs *packs, const rgi_batch_arrays *of);

/* how often the last call's arrays of a struct (RGI_OF_...) have all rods: once for each direction of tangents */
static inline size_t rgi_packs_times(const rgi_packs *packs, int source)
{
    return source == RGI_OF_tangents || source == RGI_OF_tangent_outputs ? (size_t)packs->call.n_directions : 1;
}

/* as far as a fetched run says */
void rgi_packs_status(const rgi_packs *packs, size_t rod, rg_rod_status *out);
rg_batch_plan rgi_packs_plan(const rgi_packs *packs, size_t more_bytes);
/* which kernels run, and how rods lie on the device; NULL on the CPU */
const rgi_rollout *rgi_packs_rollout(const rgi_packs *packs);

/* ---- for runners ---- */

/* the runner's functions of these names on the host (packs_fields.c) */
rg_status rgi_packs_set_fields(rgi_packs *packs, const rgi_batch_fields *of, rg_error *err);
void rgi_packs_set_directions(rgi_packs *packs, const rgi_batch_fields *at, const double *const *along, int n);
rg_status rgi_packs_pull_back(rgi_packs *packs, const rgi_batch_fields *at, double *const *to, rg_error *err);

/* take count doubles of a block, aligned to 64 bytes, and note in *used; with base NULL only count */
double *rgi_take(double *base, size_t *used, size_t count);
/* the pack with the most to work on that any run of a shape has: for sizes of workspaces, not to be run */
rgi_pack rgi_packs_largest(const rgi_packs *packs, const rgi_shape *shape);

#endif
