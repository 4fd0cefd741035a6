/* core/section.c: cross-sections and materials to stiffnesses and back (rodgrad/section.h).
 *
 * Integrals over a section are closed formulas, but for the torsion constant of a rectangle: Prandtl's
 * stress function as a series in one direction (Timoshenko and Goodier, Theory of Elasticity, chapter 10),
 *   J = s^3 l/3 (1 - 192/pi^5 (s/l) sum over odd n of tanh(n pi l/(2 s))/n^5),
 * s the short side, l the long one. tanh is split into 1 - 2/(exp(n pi l/s) + 1): the sum of 1/n^5 is
 * 31/32 zeta(5), and what is left falls by exp(-2 pi) or more from term to term. */
#include "rodgrad/section.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define ZETA_5 1.03692775514336992633

static const struct {
    const char *name, *a, *b;
} kinds[] = {
#define SECTION_NAMES(kind, code, name, a, b) [kind] = {name, a, b},
    RG_SECTION_LIST(SECTION_NAMES)
#undef SECTION_NAMES
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

const char *rg_section_name(rg_section_kind kind) { return (unsigned)kind < N_KINDS ? kinds[kind].name : "unknown"; }

int rg_section_find(const char *name, rg_section_kind *out)
{
    for (int k = 0; k < N_KINDS && name; k++)
        if (strcmp(name, kinds[k].name) == 0) {
            *out = (rg_section_kind)k;
            return 1;
        }
    return 0;
}

/* ---- what is refused ---- */

static int is_positive(double value) { return value > 0 && isfinite(value); }

static rg_status check_kind(rg_section_kind kind, rg_error *err)
{
    if ((unsigned)kind < N_KINDS) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT, "There is no section of kind %d; give one of RG_SECTION_LIST.", (int)kind);
}

static rg_status check_section(const rg_section *section, rg_error *err)
{
    if (!section) return RG_FAIL(err, RG_ERR_ARGUMENT, "The section is NULL.");
    RG_TRY(check_kind(section->kind, err));
    const double a = section->a_m, b = section->b_m;
    const char *name = kinds[section->kind].name;
    if (!is_positive(a))
        return RG_FAIL(err, RG_ERR_VALUE, "The %s's %s is %g m; it must be positive and finite.", name,
                       kinds[section->kind].a, a);
    if (section->kind == RG_SECTION_TUBE) {
        if (!(b >= 0 && b < a))
            return RG_FAIL(err, RG_ERR_VALUE,
                           "The tube's inner radius is %g m; it must not be negative, and be below the "
                           "outer one, %g m.",
                           b, a);
    } else if (*kinds[section->kind].b && !is_positive(b)) {
        return RG_FAIL(err, RG_ERR_VALUE, "The %s's %s is %g m; it must be positive and finite.", name,
                       kinds[section->kind].b, b);
    }
    return RG_OK;
}

/* the first of n values that is not positive and finite, named */
static rg_status check_positive(const char *const *names, const char *const *units, const double *values, size_t n,
                                rg_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!is_positive(values[i]))
            return RG_FAIL(err, RG_ERR_VALUE, "%s is %g %s; it must be positive and finite.", names[i], values[i],
                           units[i]);
    return RG_OK;
}

static rg_status check_stiffness(const rg_stiffness *s, rg_error *err)
{
    static const char *const names[] = {"stretch_stiffness", "bend_stiffness_1", "bend_stiffness_2", "twist_stiffness",
                                        "mass_per_length"};
    static const char *const units[] = {"N", "N m^2", "N m^2", "N m^2", "kg/m"};
    const double values[] = {s->stretch_n, s->bend_1_n_m2, s->bend_2_n_m2, s->twist_n_m2, s->mass_per_length_kg_m};
    return check_positive(names, units, values, 5, err);
}

/* ---- forward ---- */

static double rectangle_torsion(double width, double height)
{
    const double s = fmin(width, height), l = fmax(width, height);
    double sum = 31.0 / 32.0 * ZETA_5;
    /* exp(-15 pi) is below a rounding of the sum */
    for (int n = 1; n < 15; n += 2) sum -= 2.0 / (pow(n, 5) * (exp(n * PI * l / s) + 1.0));
    return s * s * s * l / 3.0 * (1.0 - 192.0 / pow(PI, 5) * (s / l) * sum);
}

rg_status rg_section_measure(const rg_section *section, rg_section_shape *out, rg_error *err)
{
    RG_TRY(check_section(section, err));
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "The place for a section's integrals is NULL.");
    const double a = section->a_m, b = section->b_m;
    rg_section_shape s = {0};
    switch (section->kind) {
    case RG_SECTION_CIRCLE:
        s.area_m2 = PI * a * a;
        s.i1_m4 = s.i2_m4 = PI / 4.0 * (a * a) * (a * a);
        s.j_m4 = 2.0 * s.i1_m4;
        break;
    case RG_SECTION_ELLIPSE:
        s.area_m2 = PI * a * b;
        s.i1_m4 = PI / 4.0 * a * a * a * b;
        s.i2_m4 = PI / 4.0 * a * b * b * b;
        s.j_m4 = PI * a * b * (a * a) * (b * b) / (a * a + b * b);
        break;
    case RG_SECTION_RECTANGLE:
        s.area_m2 = a * b;
        s.i1_m4 = a * a * a * b / 12.0;
        s.i2_m4 = a * b * b * b / 12.0;
        s.j_m4 = rectangle_torsion(a, b);
        break;
    case RG_SECTION_TUBE:
        /* factored: a thin wall is a small difference */
        s.area_m2 = PI * (a - b) * (a + b);
        s.i1_m4 = s.i2_m4 = s.area_m2 * (a * a + b * b) / 4.0;
        s.j_m4 = 2.0 * s.i1_m4;
        break;
    }
    if (!is_positive(s.area_m2) || !is_positive(s.i1_m4) || !is_positive(s.i2_m4) || !is_positive(s.j_m4))
        return RG_FAIL(err, RG_ERR_VALUE, "The %s's sizes (%g m, %g m) are too large or too small to be computed with.",
                       kinds[section->kind].name, a, b);
    *out = s;
    return RG_OK;
}

double rg_poisson_ratio(double young_pa, double shear_pa) { return young_pa / (2.0 * shear_pa) - 1.0; }

rg_status rg_section_stiffness(const rg_section *section, const rg_material *material, rg_stiffness *out, rg_error *err)
{
    static const char *const names[] = {"Young's modulus", "The shear modulus", "The density"};
    static const char *const units[] = {"Pa", "Pa", "kg/m^3"};
    rg_section_shape shape;
    RG_TRY(rg_section_measure(section, &shape, err));
    if (!material || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "The %s is NULL.", material ? "place for stiffnesses" : "material");
    const double moduli[] = {material->young_pa, material->shear_pa, material->density_kg_m3};
    RG_TRY(check_positive(names, units, moduli, 3, err));
    const rg_stiffness s = {
        .stretch_n = material->young_pa * shape.area_m2,
        .bend_1_n_m2 = material->young_pa * shape.i1_m4,
        .bend_2_n_m2 = material->young_pa * shape.i2_m4,
        .twist_n_m2 = material->shear_pa * shape.j_m4,
        .mass_per_length_kg_m = material->density_kg_m3 * shape.area_m2,
    };
    RG_TRY(check_stiffness(&s, err)); /* a product may overflow */
    *out = s;
    return RG_OK;
}

rg_status rg_model_set_section(rg_model *model, const rg_section *section, const rg_material *material, rg_error *err)
{
    rg_stiffness s;
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "The model to set a section in is NULL.");
    RG_TRY(rg_section_stiffness(section, material, &s, err));
    const struct {
        rg_field field;
        double value;
    } set[] = {
        {RG_STRETCH_STIFFNESS, s.stretch_n},  {RG_BEND_STIFFNESS_1, s.bend_1_n_m2},
        {RG_BEND_STIFFNESS_2, s.bend_2_n_m2}, {RG_BEND_COUPLING, 0.0},
        {RG_TWIST_STIFFNESS, s.twist_n_m2},   {RG_MASS_PER_LENGTH, s.mass_per_length_kg_m},
    };
    for (size_t k = 0; k < sizeof set / sizeof *set; k++) {
        double *data = rg_model_field_data(model, set[k].field);
        for (size_t i = 0; i < rg_model_field_entries(model, set[k].field); i++) data[i] = set[k].value;
    }
    return RG_OK;
}

/* ---- back ---- */

rg_status rg_section_moduli(const rg_section *section, const rg_stiffness *stiffness, rg_moduli *out, rg_error *err)
{
    rg_section_shape shape;
    RG_TRY(rg_section_measure(section, &shape, err));
    if (!stiffness || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "The %s NULL.", stiffness ? "place for moduli is" : "stiffnesses are");
    RG_TRY(check_stiffness(stiffness, err));
    rg_moduli m = {
        .young_bend_1_pa = stiffness->bend_1_n_m2 / shape.i1_m4,
        .young_bend_2_pa = stiffness->bend_2_n_m2 / shape.i2_m4,
        .young_stretch_pa = stiffness->stretch_n / shape.area_m2,
        .shear_pa = stiffness->twist_n_m2 / shape.j_m4,
        .density_kg_m3 = stiffness->mass_per_length_kg_m / shape.area_m2,
    };
    m.poisson = rg_poisson_ratio(0.5 * m.young_bend_1_pa + 0.5 * m.young_bend_2_pa, m.shear_pa);
    *out = m;
    return RG_OK;
}

/* radii from the mean of R^2 and r^2, 2 EI/EA, and half of their difference, EA/(2 pi E) */
static rg_status tube_radii(const rg_stiffness *s, double bend, double young, rg_section *out, rg_error *err)
{
    const double mean = 2.0 * bend / s->stretch_n, half = s->stretch_n / (2.0 * PI * young);
    double inner = mean - half;
    /* a full rod, to within rounding */
    if (fabs(inner) <= 1e-12 * mean) inner = 0.0;
    if (!(inner >= 0))
        return RG_FAIL(err, RG_ERR_VALUE,
                       "No tube has stretch_stiffness %g N and bend_stiffness %g N m^2 with E = %g Pa: a "
                       "full rod of this EA has %g N m^2 already; give a larger E or another kind.",
                       s->stretch_n, bend, young, s->stretch_n * half / 2.0);
    out->a_m = sqrt(mean + half);
    out->b_m = sqrt(inner);
    return RG_OK;
}

rg_status rg_section_from_stiffness(rg_section_kind kind, const rg_stiffness *stiffness, double young_pa,
                                    rg_section *out, rg_error *err)
{
    static const char *const names[] = {"bend_stiffness_1", "bend_stiffness_2", "stretch_stiffness"};
    static const char *const units[] = {"N m^2", "N m^2", "N"};
    RG_TRY(check_kind(kind, err));
    if (!stiffness || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "The %s NULL.", stiffness ? "place for a section is" : "stiffnesses are");
    if (!(young_pa >= 0) || !isfinite(young_pa))
        return RG_FAIL(err, RG_ERR_VALUE,
                       "Young's modulus is %g Pa; it must be positive and finite, or 0 where it is not "
                       "known.",
                       young_pa);
    if (kind == RG_SECTION_TUBE && young_pa == 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "EI and EA leave one of a tube's two radii open: EI/EA gives R^2 + r^2 only; give "
                       "Young's modulus as well.");
    const double b1 = stiffness->bend_1_n_m2, b2 = stiffness->bend_2_n_m2, ea = stiffness->stretch_n;
    const double read[] = {b1, b2, ea};
    RG_TRY(check_positive(names, units, read, young_pa > 0 && kind != RG_SECTION_TUBE ? 2 : 3, err));
    if ((kind == RG_SECTION_CIRCLE || kind == RG_SECTION_TUBE) && !(fabs(b1 - b2) <= RG_SECTION_ROUND * fmax(b1, b2)))
        return RG_FAIL(err, RG_ERR_VALUE,
                       "bend_stiffness_1 is %g and bend_stiffness_2 %g N m^2, but a %s has equal ones (to "
                       "%g %%); take an ellipse or a rectangle.",
                       b1, b2, kinds[kind].name, 100.0 * RG_SECTION_ROUND);
    const double bend = 0.5 * b1 + 0.5 * b2;
    const double ratio = sqrt(b1 / b2); /* a/b of ellipse and rectangle */
    rg_section s = {.kind = kind};
    switch (kind) {
    case RG_SECTION_CIRCLE:
        s.a_m = young_pa > 0 ? pow(4.0 * bend / (PI * young_pa), 0.25) : 2.0 * sqrt(bend / ea);
        break;
    case RG_SECTION_ELLIPSE:
        s.a_m = young_pa > 0 ? pow(4.0 * b1 / (PI * young_pa) * ratio, 0.25) : 2.0 * sqrt(b1 / ea);
        s.b_m = s.a_m / ratio;
        break;
    case RG_SECTION_RECTANGLE:
        s.a_m = young_pa > 0 ? pow(12.0 * b1 / young_pa * ratio, 0.25) : sqrt(12.0 * b1 / ea);
        s.b_m = s.a_m / ratio;
        break;
    case RG_SECTION_TUBE: RG_TRY(tube_radii(stiffness, bend, young_pa, &s, err)); break;
    }
    rg_section_shape shape; /* sizes that are of use */
    RG_TRY(rg_section_measure(&s, &shape, err));
    *out = s;
    return RG_OK;
}
