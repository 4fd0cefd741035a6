/* rodgrad/section.h: stiffnesses of a rod from its material and cross-section, and back.
 *
 * The section lies in the plane of the directors m1 and m2, centred on the rod's axis, its principal axes
 * along them. kappa1 (docs/physics.md, section 2) is curvature with its binormal along m2, so the rod bends
 * towards m1 and strain grows with x1, the coordinate along m1: bend_stiffness_1 is E I1 with I1 the
 * integral of x1^2 over the section, and bend_stiffness_2 is E I2 with x2, along m2. A strip that is wide
 * along m1 is stiff in bend_stiffness_1.
 *
 *   EA = E A,  EI1 = E I1,  EI2 = E I2,  GJ = G J,  mass per length = rho A
 *
 *   kind       a_m                b_m              A              I1               J
 *   circle     radius r           unused           pi r^2         pi r^4/4         pi r^4/2
 *   ellipse    semi-axis a on m1  b on m2          pi a b         pi a^3 b/4       pi a^3 b^3/(a^2 + b^2)
 *   rectangle  width w along m1   height h on m2   w h            w^3 h/12         Saint-Venant's series
 *   tube       outer radius R     inner radius r   pi(R^2 - r^2)  pi(R^4 - r^4)/4  pi(R^4 - r^4)/2
 * (I2: a and b change places.) J: Timoshenko and Goodier, Theory of Elasticity, 3rd ed. 1970, chapter 10; to
 * double precision. All of it holds for a homogeneous isotropic rod that is thin against its length and
 * radius of curvature; a rope or a cable is none (docs/section.md). All functions are thread-safe for
 * distinct outputs and allocate nothing; on failure *out is left as it was. */
#ifndef RODGRAD_SECTION_H
#define RODGRAD_SECTION_H

#include "rodgrad/model.h"
#include "rodgrad/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* kind, code, name, what a_m is, what b_m is (empty: unused) */
#define RG_SECTION_LIST(X)                                                                                             \
    X(RG_SECTION_CIRCLE, 0, "circle", "radius", "")                                                                    \
    X(RG_SECTION_ELLIPSE, 1, "ellipse", "a", "b")                                                                      \
    X(RG_SECTION_RECTANGLE, 2, "rectangle", "width", "height")                                                         \
    X(RG_SECTION_TUBE, 3, "tube", "outer", "inner")

typedef enum rg_section_kind {
#define RG_SECTION_ENUM(kind, code, name, a, b) kind = code,
    RG_SECTION_LIST(RG_SECTION_ENUM)
#undef RG_SECTION_ENUM
} rg_section_kind;

/* "circle", ...; "unknown" for a value that is none. */
const char *rg_section_name(rg_section_kind kind);
/* The kind of that name: 1 and *out, or 0 where there is none (NULL too). */
int rg_section_find(const char *name, rg_section_kind *out);

typedef struct rg_section {
    rg_section_kind kind;
    double a_m; /* [m], see the table above; positive */
    double b_m; /* [m]; positive, but an inner radius may be 0 */
} rg_section;

typedef struct rg_section_shape {
    double area_m2;
    double i1_m4; /* integral of x1^2, x1 along m1: belongs to bend_stiffness_1 */
    double i2_m4; /* of x2^2 */
    double j_m4;  /* torsion constant */
} rg_section_shape;

typedef struct rg_material {
    double young_pa;      /* Young's modulus E */
    double shear_pa;      /* shear modulus G */
    double density_kg_m3; /* rho */
} rg_material;

/* What the model's fields of these names hold at every entry. */
typedef struct rg_stiffness {
    double stretch_n;            /* stretch_stiffness, EA */
    double bend_1_n_m2;          /* bend_stiffness_1, EI1 */
    double bend_2_n_m2;          /* bend_stiffness_2, EI2 */
    double twist_n_m2;           /* twist_stiffness, GJ */
    double mass_per_length_kg_m; /* mass_per_length */
} rg_stiffness;

/* The integrals over a section. RG_ERR_ARGUMENT (a NULL, no such kind), RG_ERR_VALUE (a size that is not
 * positive and finite, an inner radius not below the outer one, sizes whose powers a double cannot hold). */
rg_status rg_section_measure(const rg_section *section, rg_section_shape *out, rg_error *err);

/* The stiffnesses of a rod of that section and material. Errors as rg_section_measure, and RG_ERR_VALUE for a
 * modulus or density that is not positive and finite. */
rg_status rg_section_stiffness(const rg_section *section, const rg_material *material, rg_stiffness *out,
                               rg_error *err);

/* Poisson's ratio E/(2G) - 1 of an isotropic material; between -1 and 0.5 for a real one. */
double rg_poisson_ratio(double young_pa, double shear_pa);

/* Write the stiffnesses of that section and material, and a bend_coupling of 0, at every entry of the model.
 * The numbers are the same whatever the number of segments: fields do not depend on the mesh (model.h). Other
 * fields (rest lengths, relaxation times, markers) stay. Errors as rg_section_stiffness; the model is left as
 * it was then. One thread at a time per model. */
rg_status rg_model_set_section(rg_model *model, const rg_section *section, const rg_material *material, rg_error *err);

/* ---- back ---- */

/* What stiffnesses say about the material of a rod of given section. E three times, because a fitted rod
 * need not be homogeneous: they agree only if it is. */
typedef struct rg_moduli {
    double young_bend_1_pa;  /* EI1 / I1 */
    double young_bend_2_pa;  /* EI2 / I2 */
    double young_stretch_pa; /* EA / A */
    double shear_pa;         /* GJ / J */
    double density_kg_m3;    /* mass per length / A */
    double poisson;          /* E/(2G) - 1 with the mean of the two E from bending [1] */
} rg_moduli;

/* Errors as rg_section_measure, and RG_ERR_VALUE for a stiffness or mass that is not positive and finite. */
rg_status rg_section_moduli(const rg_section *section, const rg_stiffness *stiffness, rg_moduli *out, rg_error *err);

/* how far EI1 and EI2 may lie apart, relative to the larger, for a section that is round */
#define RG_SECTION_ROUND 0.01

/* The section that has these stiffnesses. Of them EI1, EI2 and, as below, EA are read; GJ and mass are not.
 *   young_pa = 0, not known: I/A = EI/EA says it alone. Circle r = 2 sqrt(EI/EA), ellipse a = 2 sqrt(EI1/EA),
 *     rectangle w = sqrt(12 EI1/EA). A tube is refused: EI/EA = (R^2 + r^2)/4 is one number for two radii.
 *   young_pa > 0: the equivalent size, which has these EI with this E. EA is read for a tube only, whose
 *     radii follow from R^2 + r^2 = 4 EI/EA and R^2 - r^2 = EA/(pi E).
 * EI of a round kind (circle, tube) is the mean of EI1 and EI2. RG_ERR_ARGUMENT (a NULL, no such kind, a
 * tube without young_pa), RG_ERR_VALUE: a number read is not positive and finite, EI1 and EI2 of a round kind
 * differ by more than RG_SECTION_ROUND, no tube has these EA and EI, or the sizes leave a double's range. */
rg_status rg_section_from_stiffness(rg_section_kind kind, const rg_stiffness *stiffness, double young_pa,
                                    rg_section *out, rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
