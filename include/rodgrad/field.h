/* rodgrad/field.h: the physical fields of a rod (model.h): their names, units and ranges. The kernels read it too. */
#ifndef RODGRAD_FIELD_H
#define RODGRAD_FIELD_H

/* where a field lives, and so how many entries it has */
typedef enum rg_location {
    RG_PER_EDGE,   /* vertices - 1 entries */
    RG_PER_VERTEX, /* vertices entries; bend and twist entries of the two end vertices are unused */
    RG_PER_MARKER  /* markers entries */
} rg_location;

/* what values a field may take (all must be finite) */
typedef enum rg_range { RG_ANY, RG_NONNEGATIVE, RG_POSITIVE } rg_range;

/* id, JSON name, unit, location, components per entry, range, symbol */
#define RG_FIELD_LIST(X)                                                                                               \
    X(RG_REST_LENGTH, "rest_length", "m", RG_PER_EDGE, 1, RG_POSITIVE, "L")                                            \
    X(RG_MASS_PER_LENGTH, "mass_per_length", "kg/m", RG_PER_EDGE, 1, RG_POSITIVE, "rho")                               \
    X(RG_MARKER_MASS, "marker_mass", "kg", RG_PER_MARKER, 1, RG_NONNEGATIVE, "m_k")                                    \
    X(RG_MARKER_OFFSET, "marker_offset", "m", RG_PER_MARKER, 2, RG_ANY, "o")                                           \
    X(RG_STRETCH_STIFFNESS, "stretch_stiffness", "N", RG_PER_EDGE, 1, RG_POSITIVE, "EA")                               \
    X(RG_BEND_STIFFNESS_1, "bend_stiffness_1", "N m^2", RG_PER_VERTEX, 1, RG_POSITIVE, "B11")                          \
    X(RG_BEND_STIFFNESS_2, "bend_stiffness_2", "N m^2", RG_PER_VERTEX, 1, RG_POSITIVE, "B22")                          \
    X(RG_BEND_COUPLING, "bend_coupling", "N m^2", RG_PER_VERTEX, 1, RG_ANY, "B12")                                     \
    X(RG_NATURAL_CURVATURE, "natural_curvature", "1/m", RG_PER_VERTEX, 2, RG_ANY, "kappa_bar")                         \
    X(RG_TWIST_STIFFNESS, "twist_stiffness", "N m^2", RG_PER_VERTEX, 1, RG_POSITIVE, "GJ")                             \
    X(RG_NATURAL_TWIST, "natural_twist", "rad/m", RG_PER_VERTEX, 1, RG_ANY, "tau_bar")                                 \
    X(RG_STRETCH_RELAXATION, "stretch_relaxation", "s", RG_PER_EDGE, 1, RG_NONNEGATIVE, "T_s")                         \
    X(RG_BEND_RELAXATION, "bend_relaxation", "s", RG_PER_VERTEX, 1, RG_NONNEGATIVE, "T_b")                             \
    X(RG_TWIST_RELAXATION, "twist_relaxation", "s", RG_PER_VERTEX, 1, RG_NONNEGATIVE, "T_t")                           \
    X(RG_BEND_MEMORY, "bend_memory", "1", RG_PER_VERTEX, 1, RG_NONNEGATIVE, "r_m")                                     \
    X(RG_BEND_MEMORY_TIME, "bend_memory_time", "s", RG_PER_VERTEX, 1, RG_POSITIVE, "tau_m")                            \
    X(RG_DRAG, "drag", "1/s", RG_PER_VERTEX, 1, RG_NONNEGATIVE, "c")

typedef enum rg_field {
#define RG_FIELD_ENUM(id, name, unit, location, components, range, symbol) id,
    RG_FIELD_LIST(RG_FIELD_ENUM)
#undef RG_FIELD_ENUM
        RG_FIELD_COUNT
} rg_field;

#endif
