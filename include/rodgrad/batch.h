/* rodgrad/batch.h: many rods at once, and derivatives of whatever comes out with respect to whatever goes
 * in.
 *
 * A batch holds n_rods rods, each with parameters of its own, on one mesh or on a mesh each. Inputs, outputs
 * and their derivatives are dense arrays of doubles (of floats: batch_float.h) that the caller owns, rods outermost:
 *   V vertices, E = V - 1 edges, C clamped vertices, D clamped edges (both ends clamped), M markers,
 *   S = n_frames * substeps steps, F = n_frames frames (outputs at the end of every frame).
 * V, C, D and M, and with them the entries of fields, are the most that any rod has. A rod that has fewer uses
 * the first of each of its rows; the rest is not read, and of outputs and gradients not written.
 * Directors are unit vectors perpendicular to their edges: to 1e-6, within which they are used as they are, and
 * beyond which they are refused. A tangent or cotangent of a director is one number, its turn about its edge [rad],
 * on top of the parallel transport that follows the edge; so it goes with derivatives of positions that hold this
 * turn fixed.
 *
 *   rg_batch_create -> rg_batch_forward -> (your loss and its derivatives) -> rg_batch_adjoint
 *                   -> rg_batch_jvp
 * Everything is allocated at create (on a GPU copies of the host's arrays, and what runs with fields need, by the first
 * call that needs them). Results do not depend on threads, on n_rods, on a rod's place or on what is kept for the
 * adjoint: the same bits. One thread at a time per batch or, of the runs of one batch, per tape.
 *
 * On a GPU (rollout.context) arrays may lie in the host's memory or all in the GPU's (`memory`). With the GPU's, a call
 * enqueues its work on the context's stream and returns, unless it hands out statuses; starts, prescribed directors and
 * fields are not checked then: a rod with a bad start fails, and so does one with a field out of its range, at step 0
 * with RG_ROD_BAD_FIELD; its gradients of fields are zero. Statuses and models are always the host's.
 * Derivations: docs/physics.md, sections 3, 4, 6 and 7. */
#ifndef RODGRAD_BATCH_H
#define RODGRAD_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "rodgrad/model.h"
#include "rodgrad/rollout.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* budget_bytes: keep every state */
#define RG_STORE_ALL SIZE_MAX

/* where the caller's arrays are */
typedef enum rg_memory {
    RG_MEMORY_HOST,
    RG_MEMORY_DEVICE /* of the context's GPU; managed memory too */
} rg_memory;

typedef struct rg_batch_opts {
    size_t struct_size;      /* sizeof(rg_batch_opts), set by rg_batch_opts_default; 0: of the first version */
    rg_rollout_opts rollout; /* substeps: steps of a frame; gravity is in it too */
    double dt_s;             /* of a frame [s] (default 0.01) */
    size_t n_frames;         /* simulated (default 1) */
    int adjoint;             /* keep states so that rg_batch_adjoint can follow (default 1) */
    size_t budget_bytes;     /* for kept states; 0 (default): two levels of checkpoints with the least
                                memory; RG_STORE_ALL; else the fewest levels that fit */
    size_t window;           /* steps; > 0 cuts the adjoint: a window's outputs see inputs of that window
                                only. Biased: docs/physics.md, section 7. 0: exact (default) */
    rg_memory memory;        /* of all arrays of all calls (default RG_MEMORY_HOST) */
    int carry_on;            /* a forward run goes on where the last one ended, but for rods that rg_batch_reset
                                named, which start from its inputs; with adjoint = 0 and without rg_batch_jvp.
                                (default 0) */
    size_t directions;       /* most that a call of rg_batch_jvp or rg_tape_jvp may have; 0 (default): 1. Memory for
                                them is had at create: each takes about 30 numbers a vertex of every rod, on a GPU 65 */
} rg_batch_opts;

/* The default options into *opts, as far as it reaches: its struct_size and that of its rollout say how far.
 * Thread-safe. */
void rg_batch_opts_init(rg_batch_opts *opts);

static inline rg_batch_opts rg_batch_opts_default(void)
{
    rg_batch_opts opts;
    opts.struct_size = sizeof opts;
    opts.rollout.struct_size = sizeof opts.rollout;
    rg_batch_opts_init(&opts);
    return opts;
}

typedef struct rg_batch rg_batch;

/* A batch of n_rods (>= 1) rods that all start with the parameters of `model`, which is copied.
 * RG_ERR_ARGUMENT (options out of range; a budget too small, with the least that works),
 * RG_ERR_MEMORY, RG_ERR_UNSUPPORTED, RG_ERR_DEVICE; *out is NULL then. On a GPU every call below may return
 * RG_ERR_DEVICE, whose sentence names the CUDA call, and RG_ERR_ARGUMENT for an array in the wrong memory. */
rg_status rg_batch_create(const rg_model *model, size_t n_rods, const rg_batch_opts *opts, rg_batch **out,
                          rg_error *err);
/* Free and null *batch. Accepts NULL and a pointer to NULL. */
void rg_batch_destroy(rg_batch **batch);

/* A batch of n_rods (>= 1) rods with a model each (models [n_rods], copied): any mesh, markers and clamps. Results
 * are those of a batch of each rod alone, to the bit. Faster where rods of one mesh and clamps follow each other:
 * those alone share the CPU's SIMD, and the copies of the mesh on a GPU. budget_bytes counts every rod as the
 * largest. Errors as rg_batch_create; that of a model names the rod. */
rg_status rg_batch_create_ragged(const rg_model *const *models, size_t n_rods, const rg_batch_opts *opts,
                                 rg_batch **out, rg_error *err);

/* Parameters of one rod, from a model of its mesh and clamps; copied. RG_ERR_ARGUMENT, RG_ERR_SHAPE,
 * RG_ERR_VALUE, RG_ERR_MEMORY; the rod keeps what it had then. */
rg_status rg_batch_set_model(rg_batch *batch, size_t rod, const rg_model *model, rg_error *err);

/* What a rod has of V, C and D, with the clamped vertices and edges in the order of the arrays; pointers live as
 * long as the batch. 0 and NULL where there is no such rod. */
size_t rg_batch_rod_vertices(const rg_batch *batch, size_t rod);
size_t rg_batch_rod_clamped_vertices(const rg_batch *batch, size_t rod, const int **vertices);
size_t rg_batch_rod_clamped_edges(const rg_batch *batch, size_t rod, const int **edges);
/* those of rod 0 */
size_t rg_batch_clamped_vertices(const rg_batch *batch, const int **vertices);
size_t rg_batch_clamped_edges(const rg_batch *batch, const int **edges);

/* What a batch keeps and for how much: decided at create, before anything runs. */
typedef struct rg_batch_plan {
    int levels;          /* 1: every state; 2: checkpoints; more: checkpoints within */
    size_t length[12];   /* [levels] steps of a piece; length[0] = S */
    size_t kept_bytes;   /* states and checkpoints */
    size_t total_bytes;  /* all memory of the batch with its own tape */
    double forward_runs; /* how often a step is run, its first time included, at most */
} rg_batch_plan;

rg_batch_plan rg_batch_describe(const rg_batch *batch);
/* The plan in a sentence, cut to size bytes. */
void rg_batch_plan_text(const rg_batch_plan *plan, char *text, size_t size);

/* A field of all rods, among inputs and tangents: values [n_rods][entries][components], in the field's unit. NULL: as
 * though it were not in the list. */
typedef struct rg_field_values {
    rg_field field;
    const double *values;
} rg_field_values;

/* The derivatives with respect to a field of all rods: values [n_rods][entries][components], written; NULL: not asked
 * for. */
typedef struct rg_field_gradient {
    rg_field field;
    double *values;
} rg_field_gradient;

/* Numbers of a status in rg_batch_outputs.status: those of rg_rod_status of these names */
#define RG_STATUS_NUMBER_LIST(X)                                                                                       \
    X(RG_STATUS_FLAG, "flag") /* of rg_rod_flag; 0: all is well */                                                     \
    X(RG_STATUS_STEP, "step")                                                                                          \
    X(RG_STATUS_VERTEX, "vertex")                                                                                      \
    X(RG_STATUS_ITERATIONS, "iterations")                                                                              \
    X(RG_STATUS_WORST_ITERATIONS, "worst_iterations")                                                                  \
    X(RG_STATUS_WORST_INCREMENT, "worst_increment_m")                                                                  \
    X(RG_STATUS_UNFINISHED_STEPS, "unfinished_steps")                                                                  \
    X(RG_STATUS_WORST_RESIDUAL, "worst_residual_n")

typedef enum rg_status_number {
#define RG_STATUS_NUMBER_ENUM(id, name) id,
    RG_STATUS_NUMBER_LIST(RG_STATUS_NUMBER_ENUM)
#undef RG_STATUS_NUMBER_ENUM
        RG_STATUS_NUMBERS
} rg_status_number;

typedef struct rg_batch_inputs {
    size_t struct_size;    /* sizeof(rg_batch_inputs); 0: of the first version (version.h) */
    const double *x0, *v0; /* [n_rods][V][3] [m], [m/s] */
    const double *m0;      /* [n_rods][E][3] directors */
    const double *clamp_x; /* [n_rods][S][C][3] prescribed positions at the end of each step [m] */
    const double *clamp_m; /* [n_rods][S][D][3] prescribed directors there */
    const double *force;   /* [n_rods][S][V][3] external forces [N], or NULL */
    /* [n_fields] parameters of this run instead of the models', each field once. Tangents and gradients of fields are
     * taken there, by the adjoint too, which reads them again. The list may go when the call returns, the values may
     * not. */
    const rg_field_values *fields;
    size_t n_fields;
} rg_batch_inputs;

typedef struct rg_batch_outputs { /* NULL where not wanted */
    size_t struct_size;           /* sizeof(rg_batch_outputs); 0: of the first version (version.h) */
    double *x, *v;                /* [n_rods][F][V][3] */
    double *m;                    /* [n_rods][F][E][3] */
    double *markers;              /* [n_rods][F][M][3] */
    /* [n_rods][F][E] force in each edge [N], positive where it pulls, elastic and viscous; 0 from the frame on in which
     * the rod failed. Of the implicit stepper alone: the deform stepper keeps lengths by projection. In single
     * precision off by about 1e-7 of the stretch stiffness, as rounded lengths are. */
    double *tension;
    /* What holds the rod, of the implicit stepper alone, 0 from the frame on in which the rod failed: what the equation
     * of motion of the frame's last step lacks at prescribed unknowns. Rows as in clamp_x and clamp_m. reaction
     * [n_rods][F][C][3]: the force with which the hold acts on the rod at each clamped vertex [N]: mass times
     * acceleration, drag and internal forces, less gravity and `force` there. A rod at rest that hangs from one vertex
     * has its weight in it, upwards.
     * reaction_moment [n_rods][F][D]: the moment with which the hold turns each clamped edge about its tangent t, which
     * points to the next vertex [N m], right-handed; with `turn` the power of the hold is sum reaction.dx/dt +
     * sum reaction_moment dturn/dt.
     * A clamp of several vertices acts on the rod, about a point c, with the force sum f_i and the moment
     * sum (x_i - c) x f_i + sum t_j moment_j, over its vertices i and edges j: two vertices bend the rod with a couple
     * of forces, each of them large. rg_hold_wrench (rollout.h) computes them. */
    double *reaction;
    double *reaction_moment;
    /* [n_rods][F][V][3] moments at vertices between two edges [N m], elastic, viscous and the memory's; 0 at the two
     * end vertices and from the frame on in which the rod failed. Of the implicit stepper alone. They are the
     * derivatives of the rod's potential by the vertex's strains (docs/physics.md, section 2): two of bending and that
     * of twist. With the directors m1 and m2 = t x m1 at the vertex, moment[0] m2 - moment[1] m1 + moment[2] t is,
     * while angles between edges are small, the moment with which the rod beyond the vertex acts on the rod before it.
     */
    double *moment;
    /* [n_rods][F][5] energies of each rod [J]: kinetic, of stretch, of bending with its memory's spring, of twist, and
     * of weight, which is 0 at the origin; 0 from the frame on in which the rod failed. Of the implicit stepper alone.
     */
    double *energy;
    /* [n_rods][RG_STATUS_NUMBERS] how each rod ended, as numbers: what of `statuses` a program needs that masks rods on
     * the GPU. With RG_MEMORY_DEVICE nothing waits for it. */
    double *status;
} rg_batch_outputs;

/* Simulate. inputs stay the caller's and must live, unchanged, until the adjoint of this run is done;
 * statuses [n_rods] or NULL. A rod that fails is flagged and stays where the last good step left it.
 * RG_ERR_ARGUMENT (a missing array; tension, reactions, moments or energies with the deform stepper), RG_ERR_VALUE
 * (coincident vertices at the start, a director of m0 or clamp_m that is not a unit vector across its edge: the
 * sentence names rod, step and edge; a field out of its range: rod, field and entry); nothing is written then. A
 * prescribed value that is not finite ends its rod at its step. */
rg_status rg_batch_forward(rg_batch *batch, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                           rg_rod_status *statuses, rg_error *err);

/* With carry_on: rods whose mask is not 0 start from the next run's x0, v0 and m0; the others go on. mask
 * [n_rods], the host's. RG_ERR_ARGUMENT. */
rg_status rg_batch_reset(rg_batch *batch, const unsigned char *mask, rg_error *err);

/* Directions in everything that goes in; NULL: zero. Shapes as in rg_batch_inputs; turns [rad]. Of n_directions > 1
 * every array begins with [n_directions], outermost: clamp_turn is [n_directions][n_rods][S][D]. */
typedef struct rg_batch_tangents {
    size_t struct_size; /* sizeof(rg_batch_tangents); 0: of the first version (version.h) */
    const double *x0, *v0;
    const double *turn0; /* [n_rods][E] */
    const double *clamp_x;
    const double *clamp_turn; /* [n_rods][S][D] */
    const double *force;
    const rg_field_values *fields; /* [n_fields] each field once */
    size_t n_fields;
    size_t n_directions; /* 1 to rg_batch_opts.directions; 0: 1 */
} rg_batch_tangents;

/* Every array begins with [n_directions] as those of rg_batch_tangents do. */
typedef struct rg_batch_tangent_outputs { /* NULL where not wanted */
    size_t struct_size;                   /* sizeof(rg_batch_tangent_outputs); 0: of the first version (version.h) */
    double *x, *v;
    double *turn; /* [n_rods][F][E] */
    double *markers;
    double *tension;         /* [n_rods][F][E] [N] */
    double *reaction;        /* [n_rods][F][C][3] [N] */
    double *reaction_moment; /* [n_rods][F][D] [N m] */
    double *moment;          /* [n_rods][F][V][3] [N m] */
    double *energy;          /* [n_rods][F][5] [J] */
} rg_batch_tangent_outputs;

/* Simulate, and carry the directions along (forward mode): each costs a solve with the step's factor, and its results
 * are, to the bit, those of a call with it alone. Errors as rg_batch_forward, and RG_ERR_ARGUMENT for more directions
 * than the batch was created for. An adjoint may follow as after rg_batch_forward. */
rg_status rg_batch_jvp(rg_batch *batch, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                       const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                       rg_rod_status *statuses, rg_error *err);

/* The derivatives of a scalar with respect to the outputs; NULL: zero. */
typedef struct rg_batch_cotangents {
    size_t struct_size; /* sizeof(rg_batch_cotangents); 0: of the first version (version.h) */
    const double *x, *v;
    const double *turn; /* [n_rods][F][E] */
    const double *markers;
    const double *tension;         /* [n_rods][F][E] [1/N] */
    const double *reaction;        /* [n_rods][F][C][3] [1/N] */
    const double *reaction_moment; /* [n_rods][F][D] [1/(N m)] */
    const double *moment;          /* [n_rods][F][V][3] [1/(N m)] */
    const double *energy;          /* [n_rods][F][5] [1/J] */
} rg_batch_cotangents;

/* ... and with respect to what went in; NULL: not asked for, not computed. */
typedef struct rg_batch_gradients {
    size_t struct_size; /* sizeof(rg_batch_gradients); 0: of the first version (version.h) */
    double *x0, *v0;
    double *turn0;
    double *clamp_x;
    double *clamp_turn;
    double *force;
    const rg_field_gradient *fields; /* [n_fields] each field once */
    size_t n_fields;
    size_t growth_every; /* steps; with growth */
    double *growth;      /* [n_rods][S / growth_every + 1]: size of the state's cotangent after every
                            growth_every steps, sqrt(sum x_bar^2 + (v_bar / frame)^2), S's last */
} rg_batch_gradients;

/* Where the reverse run first met a value that is not finite; flag RG_ROD_OK, step and vertex -1: nowhere */
typedef struct rg_adjoint_status {
    rg_rod_flag flag;
    int step, vertex;
} rg_adjoint_status;

/* The adjoint of the last rg_batch_forward or rg_batch_jvp (reverse mode): one reverse run gives all
 * gradients. A rod that failed has the gradient of what it did until then. statuses [n_rods] or NULL.
 * RG_ERR_ARGUMENT: nothing was run, a rod got another model since, the batch was created without `adjoint`, growth
 * without growth_every. */
rg_status rg_batch_adjoint(rg_batch *batch, const rg_batch_cotangents *cotangents, const rg_batch_gradients *gradients,
                           rg_adjoint_status *statuses, rg_error *err);

/* A tape holds one run of a batch: its states and results. A batch has one of its own, which rg_batch_forward, _jvp,
 * _adjoint and _reset use; more of them let several runs wait for their adjoints, and several threads run one batch:
 * two forward runs, then two adjoints. All tapes of a batch read its models, and only read them: rg_batch_set_model
 * must not run during a call of any of its tapes. One thread at a time per tape; on a GPU, one per context. */
typedef struct rg_tape rg_tape;

/* Bytes of the host's memory that a tape of this batch lies in. RG_ERR_ARGUMENT. */
rg_status rg_batch_tape_bytes(const rg_batch *batch, size_t *bytes, rg_error *err);
/* A tape of a batch, which must outlive it. memory: NULL, or rg_batch_tape_bytes bytes, aligned to 64, the caller's,
 * which outlive the tape: its states and what steps work on lie there, and only descriptions of its packs and, on a
 * GPU, what is there are allocated. A ragged batch's tapes are as its own. RG_ERR_ARGUMENT, RG_ERR_MEMORY,
 * RG_ERR_DEVICE; *out is NULL then. */
rg_status rg_tape_create(const rg_batch *batch, void *memory, rg_tape **out, rg_error *err);
/* Free and null *tape. Accepts NULL and a pointer to NULL. */
void rg_tape_destroy(rg_tape **tape);

/* As rg_batch_forward, rg_batch_jvp, rg_batch_adjoint and rg_batch_reset, of this tape's runs. None of them allocates
 * memory on the CPU. */
rg_status rg_tape_forward(rg_tape *tape, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                          rg_rod_status *statuses, rg_error *err);
rg_status rg_tape_jvp(rg_tape *tape, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                      const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                      rg_rod_status *statuses, rg_error *err);
rg_status rg_tape_adjoint(rg_tape *tape, const rg_batch_cotangents *cotangents, const rg_batch_gradients *gradients,
                          rg_adjoint_status *statuses, rg_error *err);
rg_status rg_tape_reset(rg_tape *tape, const unsigned char *mask, rg_error *err);

/* Directors m0 of a start without twist: `first`, made a unit vector across the first edge, carried along the curve by
 * parallel transport. positions [n_vertices][3] [m], n_vertices >= 2, no two neighbours at one place; directors
 * [n_vertices - 1][3], one unit vector across each edge, written; both the caller's, on the host. first [3], of any
 * length but not along the first edge, or NULL: towards the last vertex, for a straight curve upwards (z), for a
 * vertical one along x, which is what rg_simulate starts from. Where an edge goes straight back the transport is any
 * half turn. A rod's natural_curvature and bend stiffnesses are components in its directors: give the `first` that they
 * refer to. RG_ERR_ARGUMENT, RG_ERR_VALUE; nothing is written then. Thread-safe. */
rg_status rg_directors_along(const double *positions, size_t n_vertices, const double *first, double *directors,
                             rg_error *err);

/* Prescribed directors for given prescribed positions: those of m0 carried along their edges by parallel
 * transport, without turn. clamp_m [n_rods][S][D][3] is written. RG_ERR_VALUE where a clamped edge has no
 * length, or its director in m0 is not a unit vector across it. */
rg_status rg_batch_carry_directors(const rg_batch *batch, const double *m0, const double *x0, const double *clamp_x,
                                   double *clamp_m, rg_error *err);

/* The rate of growth [1/s] of n sizes taken every interval_s: the slope of their logarithm, by least
 * squares. Of tangents or cotangents it is an estimate of the largest finite-time Lyapunov exponent: a
 * gradient over T seconds is useless where rate * T passes some 20. NaN when fewer than two are
 * positive. */
double rg_growth_rate(const double *sizes, size_t n, double interval_s);

/* Multiple shooting: the rods of a batch as n_rods consecutive segments of one rollout, each with a start
 * of its own. Adds to *cost weight/2 sum |x_end(k) - x0(k+1)|^2 + time^2 |v_end(k) - v0(k+1)|^2, and its
 * derivatives to x_bar, v_bar (of the last frame's outputs, [n_rods][F][V][3]) and x0_bar, v0_bar
 * [n_rods][V][3]. x, v: outputs of the run. Directors and memory start anew in each segment.
 * RG_ERR_ARGUMENT, also where rods differ in mesh or clamps. */
rg_status rg_batch_shooting(const rg_batch *batch, const rg_batch_inputs *inputs, const double *x, const double *v,
                            double weight, double time_s, double *cost, double *x_bar, double *v_bar, double *x0_bar,
                            double *v0_bar, rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
