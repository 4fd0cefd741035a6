/* core/layout.c: the public structs and enumerations as text. Only names are written here; types, sizes and offsets are
 * the compiler's, and tests/test_layout.c compares the names with the headers. */
#include "rodgrad/layout.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rodgrad/rodgrad.h"

typedef void *(*allocate_function)(void *user, size_t bytes);
typedef void (*release_function)(void *user, void *memory, size_t bytes); /* host_release too */
typedef void *(*host_allocate_function)(void *user, size_t bytes, size_t alignment);
typedef void (*run_function)(void *user, size_t jobs, rg_job job, void *arg);

/* X(member, type, its name in the text). An enumeration is an int or, without negative constants, an unsigned int, as
 * the compiler likes; no member is declared unsigned. */
#define TYPE_LIST(X, m)                                                                                                \
    X(m, int, "int")                                                                                                   \
    X(m, unsigned, "int")                                                                                              \
    X(m, size_t, "size_t")                                                                                             \
    X(m, unsigned long long, "uint64_t")                                                                               \
    X(m, double, "double")                                                                                             \
    X(m, char, "char")                                                                                                 \
    X(m, char *, "text")                                                                                               \
    X(m, const char *, "text")                                                                                         \
    X(m, void *, "pointer")                                                                                            \
    X(m, int *, "pointer")                                                                                             \
    X(m, uint8_t *, "pointer")                                                                                         \
    X(m, double *, "pointer")                                                                                          \
    X(m, const double *, "pointer")                                                                                    \
    X(m, float *, "pointer")                                                                                           \
    X(m, const float *, "pointer")                                                                                     \
    X(m, rg_context *, "pointer")                                                                                      \
    X(m, allocate_function, "pointer")                                                                                 \
    X(m, release_function, "pointer")                                                                                  \
    X(m, host_allocate_function, "pointer")                                                                            \
    X(m, run_function, "pointer")                                                                                      \
    X(m, const rg_field_values *, "pointer")                                                                           \
    X(m, const rg_field_gradient *, "pointer")                                                                         \
    X(m, const rg_field_values_float *, "pointer")                                                                     \
    X(m, const rg_field_gradient_float *, "pointer")                                                                   \
    X(m, const rg_group_choice *, "pointer")                                                                           \
    X(m, const rg_executor *, "pointer")                                                                               \
    X(m, rg_rollout_opts, "rg_rollout_opts")

/* elements of a member that is an array of these; at least 1 for any other */
#define ELEMENTS(m, type) ((sizeof(m) + sizeof(type) - 1) / sizeof(type))
#define TYPE_NAME(m, type, name) , type * : name, type(*)[ELEMENTS(m, type)] : name
#define TYPE_COUNT(m, type, name) , type * : 0, type(*)[ELEMENTS(m, type)] : ELEMENTS(m, type)
/* the list's entries begin with a comma; a member of a type that is not in it does not compile */
#define NAME_OF(m) _Generic(&(m), void (*)(void) : NULL TYPE_LIST(TYPE_NAME, m))
#define COUNT_OF(m) _Generic(&(m), void (*)(void) : 0 TYPE_LIST(TYPE_COUNT, m))

typedef enum kind { KIND_STRUCT, KIND_MEMBER, KIND_ENUM, KIND_CONSTANT } kind;

typedef struct row {
    kind kind;
    const char *name, *type;
    size_t number, count; /* a size, an offset or a value; an array's elements */
} row;

#define MEMBER(s, m)                                                                                                   \
    {                                                                                                                  \
        KIND_MEMBER, #m, NAME_OF(((s *)0)->m), offsetof(s, m), COUNT_OF(((s *)0)->m)                                   \
    }
#define MEMBERS_1(s, m) MEMBER(s, m)
#define MEMBERS_2(s, m, ...) MEMBER(s, m), MEMBERS_1(s, __VA_ARGS__)
#define MEMBERS_3(s, m, ...) MEMBER(s, m), MEMBERS_2(s, __VA_ARGS__)
#define MEMBERS_4(s, m, ...) MEMBER(s, m), MEMBERS_3(s, __VA_ARGS__)
#define MEMBERS_5(s, m, ...) MEMBER(s, m), MEMBERS_4(s, __VA_ARGS__)
#define MEMBERS_6(s, m, ...) MEMBER(s, m), MEMBERS_5(s, __VA_ARGS__)
#define MEMBERS_7(s, m, ...) MEMBER(s, m), MEMBERS_6(s, __VA_ARGS__)
#define MEMBERS_8(s, m, ...) MEMBER(s, m), MEMBERS_7(s, __VA_ARGS__)
#define MEMBERS_9(s, m, ...) MEMBER(s, m), MEMBERS_8(s, __VA_ARGS__)
#define MEMBERS_10(s, m, ...) MEMBER(s, m), MEMBERS_9(s, __VA_ARGS__)
#define MEMBERS_11(s, m, ...) MEMBER(s, m), MEMBERS_10(s, __VA_ARGS__)
#define MEMBERS_12(s, m, ...) MEMBER(s, m), MEMBERS_11(s, __VA_ARGS__)
#define MEMBERS_13(s, m, ...) MEMBER(s, m), MEMBERS_12(s, __VA_ARGS__)
#define MEMBERS_14(s, m, ...) MEMBER(s, m), MEMBERS_13(s, __VA_ARGS__)
#define MEMBERS_15(s, m, ...) MEMBER(s, m), MEMBERS_14(s, __VA_ARGS__)
#define MEMBERS_16(s, m, ...) MEMBER(s, m), MEMBERS_15(s, __VA_ARGS__)
#define MEMBERS_17(s, m, ...) MEMBER(s, m), MEMBERS_16(s, __VA_ARGS__)
#define EIGHTEENTH(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, macro, ...) macro
/* a struct and its members, seventeen at most */
#define STRUCT(s, ...)                                                                                                 \
    {KIND_STRUCT, #s, NULL, sizeof(s), 0},                                                                             \
        EIGHTEENTH(__VA_ARGS__, MEMBERS_17, MEMBERS_16, MEMBERS_15, MEMBERS_14, MEMBERS_13, MEMBERS_12, MEMBERS_11,    \
                   MEMBERS_10, MEMBERS_9, MEMBERS_8, MEMBERS_7, MEMBERS_6, MEMBERS_5, MEMBERS_4, MEMBERS_3, MEMBERS_2, \
                   MEMBERS_1, none)(s, __VA_ARGS__)
#define ENUM(e)                                                                                                        \
    {                                                                                                                  \
        KIND_ENUM, #e, NULL, 0, 0                                                                                      \
    }
#define CONSTANT(id)                                                                                                   \
    {                                                                                                                  \
        KIND_CONSTANT, #id, NULL, id, 0                                                                                \
    }
/* an enumeration made of one of the headers' lists, whose entries begin with the constant */
#define LIST(e, list) ENUM(e) list(LISTED)
#define LISTED(id, ...) , CONSTANT(id)

static const row rows[] = {
    STRUCT(rg_error, status, line, file, text),
    STRUCT(rg_field_info, name, unit, location, components, range, symbol),
    STRUCT(rg_recording, name, source, sha256, n_frames, n_markers, dt_s, positions, driving, valid, lost, n_lost,
           n_clamps, clamps, n_repaired, n_masked),
    STRUCT(rg_context_opts, struct_size, backend, stream, allocate, release, user, kernels, executor, host_allocate,
           host_release),
    STRUCT(rg_executor, workers, run, user),
    STRUCT(rg_rollout_opts, struct_size, stepper, sweeps, scheme, substeps, tolerance_m, max_iterations, gravity,
           threads, isa, context, real, team, team_registers, block_rods, at_limit, deadline_s),
    STRUCT(rg_rod_status, flag, step, iterations, worst_iterations, worst_increment_m, vertex, unstable,
           worst_twist_rad, worst_turn_rad, stable_step_s, worst_twist_step, worst_turn_step, unfinished_steps,
           first_unfinished_step, worst_residual_n),
    STRUCT(rg_forces, struct_size, tension, reaction, reaction_moment, moment),
    STRUCT(rg_batch_opts, struct_size, rollout, dt_s, n_frames, adjoint, budget_bytes, window, memory, carry_on,
           directions),
    STRUCT(rg_batch_plan, levels, length, kept_bytes, total_bytes, forward_runs),
    STRUCT(rg_field_values, field, values),
    STRUCT(rg_field_gradient, field, values),
    STRUCT(rg_field_values_float, field, values),
    STRUCT(rg_field_gradient_float, field, values),
    STRUCT(rg_batch_inputs, struct_size, x0, v0, m0, clamp_x, clamp_m, force, fields, n_fields),
    STRUCT(rg_batch_outputs, struct_size, x, v, m, markers, tension, reaction, reaction_moment, moment, energy, status),
    STRUCT(rg_batch_tangents, struct_size, x0, v0, turn0, clamp_x, clamp_turn, force, fields, n_fields, n_directions),
    STRUCT(rg_batch_tangent_outputs, struct_size, x, v, turn, markers, tension, reaction, reaction_moment, moment,
           energy),
    STRUCT(rg_batch_cotangents, struct_size, x, v, turn, markers, tension, reaction, reaction_moment, moment, energy),
    STRUCT(rg_batch_gradients, struct_size, x0, v0, turn0, clamp_x, clamp_turn, force, fields, n_fields, growth_every,
           growth),
    STRUCT(rg_batch_inputs_float, struct_size, x0, v0, m0, clamp_x, clamp_m, force, fields, n_fields),
    STRUCT(rg_batch_outputs_float, struct_size, x, v, m, markers, tension, reaction, reaction_moment, moment, energy,
           status),
    STRUCT(rg_batch_tangents_float, struct_size, x0, v0, turn0, clamp_x, clamp_turn, force, fields, n_fields,
           n_directions),
    STRUCT(rg_batch_tangent_outputs_float, struct_size, x, v, turn, markers, tension, reaction, reaction_moment, moment,
           energy),
    STRUCT(rg_batch_cotangents_float, struct_size, x, v, turn, markers, tension, reaction, reaction_moment, moment,
           energy),
    STRUCT(rg_batch_gradients_float, struct_size, x0, v0, turn0, clamp_x, clamp_turn, force, fields, n_fields,
           growth_every, growth),
    STRUCT(rg_adjoint_status, flag, step, vertex),
    STRUCT(rg_group_choice, group, mode, prior),
    STRUCT(rg_fit_opts, struct_size, rollout, groups, n_groups, only_groups, refine, budget_bytes, method,
           max_iterations, tolerance, learning_rate, floor_m, correlation, seed, starts, bend_measure),
    STRUCT(rg_fit_progress, stage, n_stages, iteration, cost, train_l1_m, failed_rods, accepted, done, converged,
           stopped_by),
    STRUCT(rg_fit_parameter, group, element, component, logarithmic, value, std, low, high, prior_std, resolution,
           identifiable, at_bound),
    STRUCT(rg_section, kind, a_m, b_m),
    STRUCT(rg_section_shape, area_m2, i1_m4, i2_m4, j_m4),
    STRUCT(rg_material, young_pa, shear_pa, density_kg_m3),
    STRUCT(rg_stiffness, stretch_n, bend_1_n_m2, bend_2_n_m2, twist_n_m2, mass_per_length_kg_m),
    STRUCT(rg_moduli, young_bend_1_pa, young_bend_2_pa, young_stretch_pa, shear_pa, density_kg_m3, poisson),

    LIST(rg_status, RG_STATUS_LIST),
    ENUM(rg_location),
    CONSTANT(RG_PER_EDGE),
    CONSTANT(RG_PER_VERTEX),
    CONSTANT(RG_PER_MARKER),
    ENUM(rg_range),
    CONSTANT(RG_ANY),
    CONSTANT(RG_NONNEGATIVE),
    CONSTANT(RG_POSITIVE),
    LIST(rg_field, RG_FIELD_LIST),
    LIST(rg_bend_measure, RG_BEND_MEASURE_LIST),
    LIST(rg_scheme, RG_SCHEME_LIST),
    LIST(rg_stepper, RG_STEPPER_LIST),
    LIST(rg_real, RG_REAL_LIST),
    LIST(rg_at_limit, RG_AT_LIMIT_LIST),
    LIST(rg_rod_flag, RG_ROD_STATUS_LIST),
    LIST(rg_status_number, RG_STATUS_NUMBER_LIST),
    ENUM(rg_memory),
    CONSTANT(RG_MEMORY_HOST),
    CONSTANT(RG_MEMORY_DEVICE),
    LIST(rg_section_kind, RG_SECTION_LIST),
    LIST(rg_group, RG_GROUP_LIST),
    ENUM(rg_group_mode),
    CONSTANT(RG_HELD),
    CONSTANT(RG_UNIFORM),
    CONSTANT(RG_ALONG),
    LIST(rg_fit_method, RG_METHOD_LIST),
    LIST(rg_fit_stop_reason, RG_STOP_LIST),
};

enum { N_ROWS = sizeof rows / sizeof *rows, LINE = 80 };
static char text[N_ROWS * LINE + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void write_text(void)
{
    char *at = text;
    for (int i = 0; i < N_ROWS; i++) {
        const row *r = rows + i;
        char line[LINE + 1], count[24] = "";
        if (r->count > 0) snprintf(count, sizeof count, " %zu", r->count);
        switch (r->kind) {
        case KIND_STRUCT: snprintf(line, sizeof line, "struct %s %zu\n", r->name, r->number); break;
        case KIND_MEMBER: snprintf(line, sizeof line, "  %s %s %zu%s\n", r->name, r->type, r->number, count); break;
        case KIND_ENUM: snprintf(line, sizeof line, "enum %s\n", r->name); break;
        case KIND_CONSTANT: snprintf(line, sizeof line, "  %s %zu\n", r->name, r->number); break;
        }
        for (const char *c = line; *c; c++) *at++ = *c;
    }
}

const char *rg_layout_text(void)
{
    pthread_once(&once, write_text);
    return text;
}
