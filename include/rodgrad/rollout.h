/* rodgrad/rollout.h: simulate recordings with a model, on the CPU or a GPU.
 *
 * A rollout starts from frames 0 and 1 of a recording (positions, and velocities by their
 * difference), is driven by its gripped markers in every later frame, and predicts the others. It
 * reads nothing else of the recording: free markers from frame 2 on may hold anything. A rod without clamps flies: its
 * velocity is that at frame 1 of a body that fell freely since frame 0. */
#ifndef RODGRAD_ROLLOUT_H
#define RODGRAD_ROLLOUT_H

#include <stddef.h>

#include "rodgrad/context.h"
#include "rodgrad/model.h"
#include "rodgrad/recording.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* be: backward Euler, first order. bdf2 (default): second-order backward differences, whose first step is backward
 * Euler. static: every step ends in equilibrium with what holds and loads the rod then, without inertia, drag and
 * damping, the bending memory relaxed (docs/physics.md, section 8). */
#define RG_SCHEME_LIST(X)                                                                                              \
    X(RG_SCHEME_BE, 0, "be")                                                                                           \
    X(RG_SCHEME_BDF2, 1, "bdf2")                                                                                       \
    X(RG_SCHEME_STATIC, 2, "static")

typedef enum rg_scheme {
#define RG_SCHEME_ENUM(name, code, text) name = code,
    RG_SCHEME_LIST(RG_SCHEME_ENUM)
#undef RG_SCHEME_ENUM
} rg_scheme;

/* "be", "bdf2", "static"; "unknown" for anything else. Thread-safe. */
const char *rg_scheme_name(rg_scheme scheme);
/* The scheme of this name into *out; 0 when there is none. Thread-safe. */
int rg_scheme_find(const char *name, rg_scheme *out);

/* implicit (default): every step minimises an incremental potential. deform: DEFORM's algorithm, with
 * quasi-static twist, explicit forces and projection of the lengths; it uses no scheme, stretch stiffness
 * or stretch relaxation, takes models of RG_BEND_AVERAGED only, and is stable only while the step
 * resolves the bending waves (docs/physics.md, section 6). */
#define RG_STEPPER_LIST(X)                                                                                             \
    X(RG_STEPPER_IMPLICIT, 0, "implicit")                                                                              \
    X(RG_STEPPER_DEFORM, 1, "deform")

typedef enum rg_stepper {
#define RG_STEPPER_ENUM(name, code, text) name = code,
    RG_STEPPER_LIST(RG_STEPPER_ENUM)
#undef RG_STEPPER_ENUM
} rg_stepper;

/* "implicit", "deform"; "unknown" for anything else. Thread-safe. */
const char *rg_stepper_name(rg_stepper stepper);
/* The stepper of this name into *out; 0 when there is none. Thread-safe. */
int rg_stepper_find(const char *name, rg_stepper *out);

/* What is computed in. float: faster, twice as many rods side by side on the CPU, with six digits or so of
 * positions, fewer of derivatives (docs/float.md), whatever the arrays of inputs and outputs are of. Newton's method
 * then stops at increments of 2e-6 m, whatever the tolerance says. */
#define RG_REAL_LIST(X)                                                                                                \
    X(RG_REAL_DOUBLE, 0, "double")                                                                                     \
    X(RG_REAL_FLOAT, 1, "float")

typedef enum rg_real {
#define RG_REAL_ENUM(name, code, text) name = code,
    RG_REAL_LIST(RG_REAL_ENUM)
#undef RG_REAL_ENUM
} rg_real;

/* "double", "float"; "unknown" for anything else. Thread-safe. */
const char *rg_real_name(rg_real real);
/* The real of this name into *out; 0 when there is none. Thread-safe. */
int rg_real_find(const char *name, rg_real *out);

/* What happens to a rod whose step Newton has not solved at its limit, max_iterations or deadline_s. freeze (default):
 * the rod is flagged RG_ROD_NOT_CONVERGED and stays where it was. continue: the step ends with the last iterate: the
 * trial that the next iteration would have begun with, or where the search along the increment refuses that one, the
 * last that it took. The rod is simulated further, its flag stays RG_ROD_OK, and its status
 * counts the step. Motion and forces are then off by what the step left out of balance (worst_residual_n of
 * rg_rod_status). A step that ends so takes one assembly of its equations more, about half an iteration. Failures of
 * another kind, a value that is not finite, a fold or a twist by half a turn, end a rod as ever. Tangents and adjoints
 * through such a step are a solved step's formulas at the iterate: each other's transpose, and off from the solution's
 * derivative by about as much as the iterate is from the solution. Of the implicit stepper with inertia. */
#define RG_AT_LIMIT_LIST(X)                                                                                            \
    X(RG_LIMIT_FREEZE, 0, "freeze")                                                                                    \
    X(RG_LIMIT_CONTINUE, 1, "continue")

typedef enum rg_at_limit {
#define RG_AT_LIMIT_ENUM(name, code, text) name = code,
    RG_AT_LIMIT_LIST(RG_AT_LIMIT_ENUM)
#undef RG_AT_LIMIT_ENUM
} rg_at_limit;

/* "freeze", "continue"; "unknown" for anything else. Thread-safe. */
const char *rg_at_limit_name(rg_at_limit at_limit);
/* What happens at the limit by this name into *out; 0 when there is none. Thread-safe. */
int rg_at_limit_find(const char *name, rg_at_limit *out);

enum { RG_MOST_SUBSTEPS = 1000 }; /* of a frame; for shorter steps give a recording with shorter frames */

typedef struct rg_rollout_opts {
    size_t struct_size; /* sizeof(rg_rollout_opts), set by rg_rollout_opts_default; 0: of the first version */
    rg_stepper stepper;
    int sweeps; /* of the deform stepper's projection, 1 to 1000 (default 10) */
    rg_scheme scheme;
    int substeps;       /* steps per frame, 1 to RG_MOST_SUBSTEPS; drivers are interpolated between frames */
    double tolerance_m; /* Largest error that Newton leaves in positions at the end of a step [m] (default 1e-8).
                         * It stops at an increment below this, or where the last increments, converging
                         * quadratically, predict a next one below a tenth of it. No strict bound: of violent
                         * single steps of random rods one in several hundred leaves more, within a hundred
                         * times (docs/physics.md, section 3). */
    int max_iterations; /* Newton iterations per step at most (default 40), after which at_limit applies;
                           RG_SCHEME_STATIC, whose steps may be a long way, takes 25 times as many */
    double gravity[3];  /* acceleration by weight [m/s^2] (default 0, 0, -9.81) */
    int threads;     /* Jobs at a time, at most; a caller's executor may have fewer workers. 0: all of its workers, or
                      * without an executor OMP_NUM_THREADS or all processors that the process may run on */
    const char *isa; /* "avx512", "avx2", "sse2" (rods side by side), "scalar", or "fma" (x86 with AVX2), a rod at a
                      * time. NULL: what is fastest for this many rods of those that have the bits of this machine's
                      * best. avx512, avx2 and fma have the same bits; scalar and sse2 have others. On the CPU only */
    rg_context *context; /* NULL: the CPU. Must outlive what is made with it */
    rg_real real;        /* default RG_REAL_DOUBLE */
    /* On a GPU, 0 on the CPU; 0 (default) stands for what suits the real and the number of vertices. Other kernels than
     * the default ones must be in the context's folder of kernels. Last bits depend on `team`, on nothing else here. */
    int team;             /* threads that work on a rod: 4, 8, 16 or 32 */
    int team_registers;   /* cap on a thread's registers, 255 at most */
    int block_rods;       /* rods of a block of threads, at most */
    rg_at_limit at_limit; /* default RG_LIMIT_FREEZE */
    /* Wall-clock time for the Newton iterations of a step [s]; 0 (default): none. When it has passed after an
     * iteration, at_limit applies to the rods that are not solved, as after max_iterations; at least one iteration is
     * made. Rods that lie side by side share a step's time, so that a call of many rods has it for each group of them
     * and each step. A step takes longer by the iteration that was under way, by what comes before and after Newton,
     * and by the derivatives that are asked for. RESULTS DEPEND ON TIMING then: on the machine, on its other work and
     * on the rods that lie side by side. On the CPU only, of the implicit stepper with inertia; not for batches whose
     * adjoint runs steps again from checkpoints (rg_batch_opts.budget_bytes), fits and planted recordings, which must
     * find the same twice. */
    double deadline_s;
} rg_rollout_opts;

/* The default options into *opts, as far as it reaches: its struct_size says how far. Thread-safe. */
void rg_rollout_opts_init(rg_rollout_opts *opts);

static inline rg_rollout_opts rg_rollout_opts_default(void)
{
    rg_rollout_opts opts;
    opts.struct_size = sizeof opts;
    rg_rollout_opts_init(&opts);
    return opts;
}

/* Why a rod was frozen. */
#define RG_ROD_STATUS_LIST(X)                                                                                          \
    X(RG_ROD_OK, 0, "ok")                                                                                              \
    X(RG_ROD_NOT_CONVERGED, 1, "Newton did not converge")                                                              \
    X(RG_ROD_NONFINITE, 2, "a value stopped being finite")                                                             \
    X(RG_ROD_FOLDED, 3, "two neighbouring edges fold back on each other")                                              \
    X(RG_ROD_TWIST_WRAPPED, 4, "the twist at a vertex turned by half a turn in one step")                              \
    X(RG_ROD_UNSTABLE, 5,                                                                                              \
      "the projection left an edge stretched by half: the step is too long "                                           \
      "for the stiffness, take more substeps")                                                                         \
    X(RG_ROD_BAD_FIELD, 6, "a field of the rod is out of its range")

typedef enum rg_rod_flag {
#define RG_ROD_STATUS_ENUM(name, code, text) name = code,
    RG_ROD_STATUS_LIST(RG_ROD_STATUS_ENUM)
#undef RG_ROD_STATUS_ENUM
} rg_rod_flag;

typedef struct rg_rod_status {
    rg_rod_flag flag;
    int step;                 /* first bad step (0-based; steps run through lost frames too) */
    int iterations;           /* Newton iterations over the whole rollout */
    int worst_iterations;     /* of one step */
    double worst_increment_m; /* largest last (or foretold next) Newton increment of a step [m] */
    int vertex;               /* the first vertex that went wrong there, or -1 */
    int unstable; /* RG_SCHEME_STATIC: the first step whose equilibrium is unstable (the energy falls in some
                     direction), or -1 */
    /* Where a rod that did not fail may be wrong (docs/physics.md, section 9): */
    double worst_twist_rad; /* largest twist of a vertex [rad]. With RG_BEND_AVERAGED bending is too soft by the square
                             * of cos(twist/2): by 6 % at 0.5 */
    double worst_turn_rad;  /* largest rotation of a gripped edge's material frame in one step, or between two frames of
                             * a recording [rad], pi at most: a rotation by more looks like one by less, the other way
                             * round. Beyond pi/2 it is in doubt */
    double stable_step_s;   /* RG_STEPPER_DEFORM, where the step is longer than bending waves allow: the longest one
                             * that they do [s], an estimate; else 0 */
    int worst_twist_step, worst_turn_step; /* of those, or -1 */
    /* RG_LIMIT_CONTINUE: steps of this call that ended without a solution, and the first of them, or -1 */
    int unfinished_steps, first_unfinished_step;
    double worst_residual_n; /* Largest force out of balance that such a step left [N]: a component, at a free vertex,
                              * of what mass times acceleration, drag and internal forces lack of gravity and external
                              * forces. 0 where no step did; in single precision never below rounding errors */
} rg_rod_status;

const char *rg_rod_flag_text(rg_rod_flag flag);

/* The instruction set that this processor gets by default ("avx512", ...). Thread-safe. */
const char *rg_cpu_isa(void);

/* Simulate n recordings (markers and clamps as the model's; any frame counts) in one batch.
 * out[i]: [n_frames_i][n_markers][3] [m], caller-allocated; frames 0 and 1 and the driving markers
 * are copied from `positions`; from a rod's failure on, its free markers stay where the last good
 * step left them. statuses: [n]. A rod that fails is flagged, the call still returns RG_OK.
 * RG_ERR_ARGUMENT, RG_ERR_SHAPE, RG_ERR_VALUE (frames 0, 1 or a driver not finite, coincident
 * vertices), RG_ERR_MEMORY, RG_ERR_UNSUPPORTED, RG_ERR_DEVICE; nothing is written to out then. The
 * result does not depend on the number of threads, on n, or on the order of recordings. Thread-safe: the
 * arguments are only read, but calls that share a context must take turns. */
rg_status rg_simulate(const rg_model *model, const rg_recording *recordings, size_t n, const rg_rollout_opts *opts,
                      double *const *out, rg_rod_status *statuses, rg_error *err);

/* Where the forces of one recording go, a row for each of its frames; NULL where not wanted. V vertices, E edges,
 * C clamped vertices and D clamped edges of the model: row entry k of C is vertex
 * rg_model_marker_vertices(model)[clamps[k]], entry k of D is edge k of rg_model_clamped_edges. Units and signs are
 * those of rg_batch_outputs (batch.h), at the frame's last step. */
typedef struct rg_forces {
    size_t struct_size;      /* sizeof(rg_forces), the same in all of an array; 0: of the first version */
    double *tension;         /* [n_frames][E] in each edge [N], positive where it pulls */
    double *reaction;        /* [n_frames][C][3] with which the hold acts on each clamped vertex [N] */
    double *reaction_moment; /* [n_frames][D] with which the hold turns each clamped edge about its tangent [N m] */
    double *moment;          /* [n_frames][V][3] of bending and twist at each vertex [N m] */
} rg_forces;

/* rg_simulate that also gives forces[i], of recording i; the arrays are the caller's. Markers and statuses are
 * rg_simulate's, to the bit; out may be NULL here. Rows of frames 0 and 1, which are given and not simulated, and of
 * frames from a rod's failure on are NaN. Frames that were lost have no row: they are simulated, and nothing is kept.
 * A recorded gripper is not exactly as long as the model's edge in it, so that the tension of a clamped edge, and with
 * it the reactions of its two vertices, can be large; the sum of the reactions of a hold is not affected.
 * Errors as rg_simulate, and RG_ERR_ARGUMENT for the deform stepper, which has no forces; nothing is written then.
 * Results do not depend on threads, on n or on the order of recordings. Thread-safe as rg_simulate is. */
rg_status rg_simulate_forces(const rg_model *model, const rg_recording *recordings, size_t n,
                             const rg_rollout_opts *opts, double *const *out, const rg_forces *forces,
                             rg_rod_status *statuses, rg_error *err);

/* The force and moment of a hold of several vertices in one frame: with which clamps [first, end) of the model, a
 * gripper of neighbouring markers for instance, act on the rod, force = sum f_i [N],  moment = sum (x_i - point) x f_i
 * + sum t_j m_j [N m], over their vertices i and the clamped edges j between two of them, whose tangents t_j point to
 * the next vertex. All arrays are the caller's, on the host: clamp_x [C][3] where the clamped vertices are [m] (a row
 * of rg_batch_inputs.clamp_x; the driving markers of a recording's frame); reaction [C][3] and reaction_moment [D] a
 * frame's rows of rg_forces or, of one rod, of rg_batch_outputs; point [3] what the moment is about. force [3] and
 * moment [3] are written; NULL: not wanted. Without moment clamp_x, reaction_moment and point may be NULL, without
 * clamped edges among these clamps reaction_moment. NaN in reactions gives NaN. RG_ERR_ARGUMENT: an array that is
 * missing, first and end that are no clamps; RG_ERR_VALUE: two neighbouring clamps at one place; nothing is written
 * then. Thread-safe. */
rg_status rg_hold_wrench(const rg_model *model, size_t first, size_t end, const double *clamp_x, const double *reaction,
                         const double *reaction_moment, const double point[3], double force[3], double moment[3],
                         rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
