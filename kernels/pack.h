/* pack.h: a pack of rods as the host sees it: plain numbers, lane innermost.
 *
 * W lanes, one rod each, of one shape: the same vertices, clamps and markers. Arrays of
 * RGI_PACK_ARRAYS end in [W], lie in the host's memory, aligned to 64 bytes, and are filled by the host.
 * rgi_pack_run_<isa> runs all steps of the pack: forward, and with n_directions > 0 its tangents and the normal
 * equations of a fit. rgi_pack_reverse_<isa> follows a forward run with a plan and runs the steps backwards, from the
 * outputs' cotangents to those of everything that went in (reverse.h).
 * Nothing is allocated; the same bits come out whatever else runs.
 *
 * Their numbers are doubles whatever the pack computes in; what only packs look at is in its own reals (rgi_reals). */
#ifndef RGI_PACK_H
#define RGI_PACK_H

#include <stddef.h>

#include "number.h"
#include "plan.h"
#include "state.h"

typedef struct rgi_pack_entry {
    int node, coefficient; /* as rgi_entry */
} rgi_pack_entry;

/* reals of a pack's own type; the host never reads them */
typedef struct rgi_reals rgi_reals;

/* sizes that determine the lengths of a pack's arrays */
typedef struct rgi_extents {
    size_t n, markers, free, directions; /* vertices, markers, observed markers, most directions */
    size_t frames, blocks;               /* of the longest rod; of gradients */
} rgi_extents;

/* The arrays [..][W] of a pack: X(name, section, wanted, kind, count).
 * section: of the host's memory (RGI_SECTION_..., core/packs.h), by what goes to a device and comes back.
 * wanted: packs that need the array (RGI_WANT_..., core/packs.h); it is NULL in the others.
 * kind: NUMBER is converted where kernels read and write it; of IN and IO, which kernels work on in place, a run in
 * another real than double has copies, of IO also back.
 * count: reals of a lane in the extents `e`. */
#define RGI_PACK_ARRAYS(X)                                                                                             \
    /* steps of each rod; 0 for an empty lane */                                                                       \
    X(lane_steps, SET, ALWAYS, NUMBER, 1)                                                                              \
    /* [n][RGI_NC] coefficients; [n_markers][2] offsets [m] */                                                         \
    X(coef, SET, ALWAYS, IN, RGI_NC * e->n)                                                                            \
    X(offset, SET, ALWAYS, IN, 2 * e->markers)                                                                         \
    /* [2] what weights are multiplied by in J^T W J, up to the floor and beyond it */                                 \
    X(share, SET, FIT, NUMBER, 2)                                                                                      \
    /* [n][3] where rods start; directors, the last node's are not used */                                             \
    X(x0, START, ALWAYS, NUMBER, 3 * e->n)                                                                             \
    X(v0, START, ALWAYS, NUMBER, 3 * e->n)                                                                             \
    X(m0, START, ALWAYS, NUMBER, 3 * e->n)                                                                             \
    /* [n][3] unit vectors that m0 was carried from, with dx0; or NULL */                                              \
    X(chord, START, CHORD, NUMBER, 3 * e->n)                                                                           \
    /* [directions][n][3], or NULL for zero; [directions][n] turns of the directors, or NULL: as chord says */         \
    X(dx0, START, TANGENTS, NUMBER, 3 * e->n * e->directions)                                                          \
    X(dv0, START, TANGENTS, NUMBER, 3 * e->n * e->directions)                                                          \
    X(dturn0, START, INPUTS, NUMBER, e->n * e->directions)                                                             \
    /* [frames][n_free][3] observed markers [m]; [frames][n_free] 1, or 0 where masked */                              \
    X(recorded, CONSTANT, FIT, NUMBER, 3 * e->free * e->frames)                                                        \
    X(weight, CONSTANT, FIT, NUMBER, e->free * e->frames)                                                              \
    /* per rod: flag (rg_rod_flag), first bad step, iterations, worst iterations, worst increment [m], vertex of the   \
     * first bad value or -1, first step with an unstable equilibrium or -1; largest twist of a vertex [rad] and its   \
     * step or -1; of a gripped edge's material frame in one step sin^2 of half the largest rotation, and its step     \
     * or -1; steps that ended without a solution, the first of them or -1, the largest force that one left [N] */     \
    X(status, RUN, ALWAYS, IO, RGI_STATUS)                                                                             \
    /* sums of loss [m], |r| [m], loss'' [1/m], weights [1/m] */                                                       \
    X(loss, RUN, FIT, NUMBER, 4)                                                                                       \
    /* [frames][directions][n_markers][3] changes of markers */                                                        \
    X(markers_jvp, RUN, MARKERS_JVP, NUMBER, 3 * e->markers * e->directions * e->frames)                               \
    /* of a reverse run: as coef, offset; flag, step and vertex of the first value that is not finite */               \
    X(coef_bar, REVERSE, ADJOINT, IO, RGI_NC * e->n)                                                                   \
    X(offset_bar, REVERSE, ADJOINT, IO, 2 * e->markers)                                                                \
    X(adjoint_status, REVERSE, ADJOINT, IO, 3)                                                                         \
    /* as x0, v0, [n] turns */                                                                                         \
    X(x0_bar, REVERSE_START, ADJOINT, IO, 3 * e->n)                                                                    \
    X(v0_bar, REVERSE_START, ADJOINT, IO, 3 * e->n)                                                                    \
    X(turn0_bar, REVERSE_START, ADJOINT, IO, e->n)                                                                     \
    /* forward runs without directions: the state before the last and the last of each rod's last run, and 1 where     \
     * the next run starts from there; NULL: every run starts anew */                                                  \
    X(carried, STATES, CARRY, IO, 2 * (RGI_STATE_REALS * e->n + 1) + 1)                                                \
    /* [p(p+1)/2] sum of J^T W J; [blocks][p] sum of J^T w r by block */                                               \
    X(normal, OWN, NORMAL, NUMBER, (e->directions * (e->directions + 1)) / 2)                                          \
    X(gradients, OWN, NORMAL, NUMBER, e->directions * e->blocks)

/* integers of a pack's shape, which packs may share: X(name, count), of a pack `p` */
#define RGI_PACK_INTS(X)                                                                                               \
    /* elimination schedule */                                                                                         \
    X(order, p->n)                                                                                                     \
    X(first, p->n)                                                                                                     \
    X(second, p->n)                                                                                                    \
    X(marker_vertices, p->n_markers)                                                                                   \
    /* prescribed nodes; observed markers */                                                                           \
    X(fixed_x, p->n_fixed_x)                                                                                           \
    X(fixed_theta, p->n_fixed_theta)                                                                                   \
    X(free_markers, p->n_free)

/* Numbers (number.h) by rod, step and item that stay where the caller has them, distances in numbers, items next to
 * each other; data NULL: none. Output frames count as steps here. in: runs read it, out: they write it. */
typedef struct rgi_series_in {
    const void *data; /* of the pack's first rod */
    ptrdiff_t rod, step;
    int single; /* numbers are floats */
} rgi_series_in;
typedef struct rgi_series_out {
    void *data;
    ptrdiff_t rod, step;
    int single;
} rgi_series_out;

/* where cotangents of markers come from */
enum {
    RGI_BAR_GIVEN, /* markers_bar */
    RGI_BAR_LOSS,  /* the loss's derivative in the residuals */
    RGI_BAR_NORMAL /* weights times what direction 0 moved markers by: a Gauss-Newton product */
};

/* The public struct (rodgrad/batch.h) that the caller passes an array in: inputs of a run, its outputs; changes of
 * inputs (of directors turns) and of outputs, direction by direction; of a reverse run cotangents of outputs, and what
 * it puts out */
enum { RGI_OF_inputs, RGI_OF_outputs, RGI_OF_tangents, RGI_OF_tangent_outputs, RGI_OF_cotangents, RGI_OF_gradients };
#define RGI_SERIES_inputs rgi_series_in
#define RGI_SERIES_outputs rgi_series_out
#define RGI_SERIES_tangents rgi_series_in
#define RGI_SERIES_tangent_outputs rgi_series_out
#define RGI_SERIES_cotangents rgi_series_in
#define RGI_SERIES_gradients rgi_series_out

enum { RGI_ENERGIES = 5 }; /* of a rod: step/energy.h */

/* The series of a pack: X(name, rows, width, source, member, stage).
 * rows: one for each step, each frame, or each growth_every steps (RGI_ROWS_..., core/packs.h).
 * width: numbers of a row, in the widths `b` (vertices, markers, clamped, held) of rows of the caller's arrays.
 * source, member: the public struct that it is passed in, and its name there.
 * stage: the series whose device copy it shares; no call uses both. */
#define RGI_PACK_SERIES(X)                                                                                             \
    /* prescribed positions and directors at a step's end, external forces [N] */                                      \
    X(drive_x, STEPS, 3 * b->clamped, inputs, clamp_x, drive_x)                                                        \
    X(drive_m, STEPS, 3 * b->held, inputs, clamp_m, drive_m)                                                           \
    X(force, STEPS, 3 * b->vertices, inputs, force, force)                                                             \
    X(out_x, FRAMES, 3 * b->vertices, outputs, x, out_x)                                                               \
    X(out_v, FRAMES, 3 * b->vertices, outputs, v, out_v)                                                               \
    X(out_m, FRAMES, 3 * (b->vertices - 1), outputs, m, out_m)                                                         \
    X(out_markers, FRAMES, 3 * b->markers, outputs, markers, out_markers)                                              \
    X(out_tension, FRAMES, b->vertices - 1, outputs, tension, out_tension)                                             \
    X(out_reaction, FRAMES, 3 * b->clamped, outputs, reaction, out_reaction)                                           \
    X(out_torque, FRAMES, b->held, outputs, reaction_moment, out_torque)                                               \
    X(out_moment, FRAMES, 3 * b->vertices, outputs, moment, out_moment)                                                \
    X(out_energy, FRAMES, RGI_ENERGIES, outputs, energy, out_energy)                                                   \
    X(ddrive_x, STEPS, 3 * b->clamped, tangents, clamp_x, ddrive_x)                                                    \
    X(ddrive_turn, STEPS, b->held, tangents, clamp_turn, ddrive_turn)                                                  \
    X(dforce, STEPS, 3 * b->vertices, tangents, force, dforce)                                                         \
    X(out_dx, FRAMES, 3 * b->vertices, tangent_outputs, x, out_dx)                                                     \
    X(out_dv, FRAMES, 3 * b->vertices, tangent_outputs, v, out_dv)                                                     \
    X(out_dturn, FRAMES, b->vertices - 1, tangent_outputs, turn, out_dturn)                                            \
    X(out_dmarkers, FRAMES, 3 * b->markers, tangent_outputs, markers, out_dmarkers)                                    \
    X(out_dtension, FRAMES, b->vertices - 1, tangent_outputs, tension, out_dtension)                                   \
    X(out_dreaction, FRAMES, 3 * b->clamped, tangent_outputs, reaction, out_dreaction)                                 \
    X(out_dtorque, FRAMES, b->held, tangent_outputs, reaction_moment, out_dtorque)                                     \
    X(out_dmoment, FRAMES, 3 * b->vertices, tangent_outputs, moment, out_dmoment)                                      \
    X(out_denergy, FRAMES, RGI_ENERGIES, tangent_outputs, energy, out_denergy)                                         \
    X(x_bar, FRAMES, 3 * b->vertices, cotangents, x, out_dx)                                                           \
    X(v_bar, FRAMES, 3 * b->vertices, cotangents, v, out_dv)                                                           \
    X(turn_bar, FRAMES, b->vertices - 1, cotangents, turn, out_dturn)                                                  \
    X(markers_bar, FRAMES, 3 * b->markers, cotangents, markers, out_dmarkers)                                          \
    X(tension_bar, FRAMES, b->vertices - 1, cotangents, tension, out_dtension)                                         \
    X(reaction_bar, FRAMES, 3 * b->clamped, cotangents, reaction, out_dreaction)                                       \
    X(torque_bar, FRAMES, b->held, cotangents, reaction_moment, out_dtorque)                                           \
    X(moment_bar, FRAMES, 3 * b->vertices, cotangents, moment, out_dmoment)                                            \
    X(energy_bar, FRAMES, RGI_ENERGIES, cotangents, energy, out_denergy)                                               \
    X(drive_x_bar, STEPS, 3 * b->clamped, gradients, clamp_x, ddrive_x)                                                \
    X(drive_turn_bar, STEPS, b->held, gradients, clamp_turn, ddrive_turn)                                              \
    X(force_bar, STEPS, 3 * b->vertices, gradients, force, dforce)                                                     \
    /* size of the state's cotangent */                                                                                \
    X(growth, GROWTH, 1, gradients, growth, growth)

/* The start's arrays, rows of the caller's that a pack has copies of: X(name, per, less, source, member, stage), with
 * `per` numbers for each vertex but the last `less`, tangents direction by direction. Into the pack, and from it. */
#define RGI_PACK_STARTS_IN(X)                                                                                          \
    X(x0, 3, 0, inputs, x0, x0)                                                                                        \
    X(v0, 3, 0, inputs, v0, v0)                                                                                        \
    X(m0, 3, 1, inputs, m0, m0)                                                                                        \
    X(dx0, 3, 0, tangents, x0, dx0)                                                                                    \
    X(dv0, 3, 0, tangents, v0, dv0)                                                                                    \
    X(dturn0, 1, 1, tangents, turn0, dturn0)
#define RGI_PACK_STARTS_OUT(X)                                                                                         \
    X(x0_bar, 3, 0, gradients, x0, dx0)                                                                                \
    X(v0_bar, 3, 0, gradients, v0, dv0)                                                                                \
    X(turn0_bar, 1, 1, gradients, turn0, dturn0)

/* of a pack's status, the places of those numbers that rg_batch_outputs.status has (rg_status_number) */
#define RGI_STATUS_PLACES                                                                                              \
    {                                                                                                                  \
        0, 1, 5, 2, 3, 4, 11, 13                                                                                       \
    }
enum { RGI_STATUS = 14 };

#define RGI_ARRAY_NUMBER double *
#define RGI_ARRAY_IN double *
#define RGI_ARRAY_IO double *
#define RGI_ARRAY_OWN rgi_reals *
typedef struct rgi_pack {
#include "pack_members.h"
} rgi_pack;
#undef RGI_ARRAY_NUMBER
#undef RGI_ARRAY_IN
#undef RGI_ARRAY_IO
#undef RGI_ARRAY_OWN

/* one whose arrays are a device's, in what that computes in */
#define RGI_ARRAY_NUMBER void *
#define RGI_ARRAY_IN void *
#define RGI_ARRAY_IO void *
#define RGI_ARRAY_OWN void *
typedef struct rgi_device_pack {
#include "pack_members.h"
} rgi_device_pack;
#undef RGI_ARRAY_NUMBER
#undef RGI_ARRAY_IN
#undef RGI_ARRAY_IO
#undef RGI_ARRAY_OWN

/* What differs from call to call of a batch, for all rods: rows of the starts, which lie `vertices` apart (a rod may
 * have fewer), NULL: leave alone; series of rod 0. Tangents have n_directions times the rows of all_rods rods. */
typedef struct rgi_call {
    int vertices, all_rods;
    int set_tangents; /* of the start: zero where NULL */
    int single;       /* numbers of the starts are floats */
    int n_directions, bar, want_coef, want_start, growth_every;
#define RGI_MEMBER(name, ...) const void *name;
    RGI_PACK_STARTS_IN(RGI_MEMBER)
#undef RGI_MEMBER
#define RGI_MEMBER(name, rows, width, source, ...) RGI_SERIES_##source name;
    RGI_PACK_SERIES(RGI_MEMBER)
#undef RGI_MEMBER
} rgi_call;

/* where a reverse run's start goes: rows as above, or NULL */
typedef struct rgi_call_starts {
    int vertices, single;
#define RGI_MEMBER(name, ...) void *name;
    RGI_PACK_STARTS_OUT(RGI_MEMBER)
#undef RGI_MEMBER
} rgi_call_starts;

/* Statements that point the pack *to, of any of these structs, whose first rod is number `rod`, to what *call says, but
 * for the starts. */
#define RGI_NUMBERS_inputs rgi_numbers_in
#define RGI_NUMBERS_outputs rgi_numbers_out
#define RGI_NUMBERS_tangents rgi_numbers_in
#define RGI_NUMBERS_tangent_outputs rgi_numbers_out
#define RGI_NUMBERS_cotangents rgi_numbers_in
#define RGI_NUMBERS_gradients rgi_numbers_out
#define RGI_POINT_SERIES(name, rows, width, source, ...)                                                               \
    to->name = call->name;                                                                                             \
    if (call->name.data)                                                                                               \
        to->name.data = RGI_NUMBERS_##source(call->name.data, call->name.single, (ptrdiff_t)rod * call->name.rod);
#define RGI_POINT_PACK                                                                                                 \
    to->n_directions = call->n_directions;                                                                             \
    to->all_rods = call->all_rods;                                                                                     \
    to->bar = call->bar;                                                                                               \
    to->want_coef = call->want_coef;                                                                                   \
    to->want_start = call->want_start;                                                                                 \
    to->growth_every = call->growth_every;                                                                             \
    RGI_PACK_SERIES(RGI_POINT_SERIES)

#define RGI_PACK_DECLARE(isa)                                                                                          \
    size_t rgi_pack_workspace_##isa(const rgi_pack *pack);                                                             \
    void rgi_pack_run_##isa(const rgi_pack *pack);                                                                     \
    void rgi_pack_reverse_##isa(const rgi_pack *pack)
RGI_PACK_DECLARE(scalar);
RGI_PACK_DECLARE(sse2);
RGI_PACK_DECLARE(fma);
RGI_PACK_DECLARE(avx2);
RGI_PACK_DECLARE(avx512);
RGI_PACK_DECLARE(scalar_float);
RGI_PACK_DECLARE(sse2_float);
RGI_PACK_DECLARE(fma_float);
RGI_PACK_DECLARE(avx2_float);
RGI_PACK_DECLARE(avx512_float);

#endif
