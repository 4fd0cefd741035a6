/* cli/section_args.c: a cross-section and a material on the command line, and how they are printed
 * (section_args.h). */
#include "cli/section_args.h"

#include <string.h>

static const char *const size_names[RGC_SECTION_SIZES] = {"radius", "a", "b", "width", "height", "outer", "inner"};

/* a_m and b_m of each kind, by their place in size_names; -1: none */
static const int size_of_kind[][2] = {
    [RG_SECTION_CIRCLE] = {0, -1},
    [RG_SECTION_ELLIPSE] = {1, 2},
    [RG_SECTION_RECTANGLE] = {3, 4},
    [RG_SECTION_TUBE] = {5, 6},
};

const rg_field rgc_section_fields[RGC_SECTION_FIELDS] = {RG_STRETCH_STIFFNESS, RG_BEND_STIFFNESS_1, RG_BEND_STIFFNESS_2,
                                                         RG_TWIST_STIFFNESS, RG_MASS_PER_LENGTH};

/* ---- the command line ---- */

static int read_sizes(const char *command, rgc_section_args *args)
{
    const int *mine = size_of_kind[args->section.kind];
    const char *kind = rg_section_name(args->section.kind);
    const int n = mine[1] < 0 ? 1 : 2;
    double *to[] = {&args->section.a_m, &args->section.b_m};
    int given = 0;
    for (int i = 0; i < RGC_SECTION_SIZES; i++)
        if (args->sizes[i] && i != mine[0] && i != mine[1])
            return rgc_complain(command, RGC_USAGE, "a %s has no --%s; it has --%s%s%s.", kind, size_names[i],
                                size_names[mine[0]], n == 2 ? " and --" : "", n == 2 ? size_names[mine[1]] : "");
    for (int k = 0; k < n; k++) {
        const char *text = args->sizes[mine[k]], *name = size_names[mine[k]];
        if (!text) continue;
        const double low = strcmp(name, "inner") == 0 ? 0.0 : 1e-9;
        if (rgc_number(name, text, low, 1e3, to[k]) != RGC_DONE) return RGC_USAGE;
        given++;
    }
    if (given == 1 && n == 2)
        return rgc_complain(command, RGC_USAGE, "a %s needs both --%s and --%s.", kind, size_names[mine[0]],
                            size_names[mine[1]]);
    args->has_sizes = given == n;
    if (args->has_sizes && args->section.kind == RG_SECTION_TUBE && !(args->section.b_m < args->section.a_m))
        return rgc_complain(command, RGC_USAGE, "--inner is %s but must be below --outer, %s.", args->sizes[6],
                            args->sizes[5]);
    return RGC_DONE;
}

static int read_material(rgc_section_args *args)
{
    rg_material *m = &args->material;
    if ((args->young && rgc_number("young", args->young, 1e-3, 1e15, &m->young_pa) != RGC_DONE) ||
        (args->shear && rgc_number("shear", args->shear, 1e-3, 1e15, &m->shear_pa) != RGC_DONE) ||
        (args->density && rgc_number("density", args->density, 1e-3, 1e6, &m->density_kg_m3) != RGC_DONE))
        return RGC_USAGE;
    args->has_material = args->young && args->shear && args->density;
    return RGC_DONE;
}

int rgc_section_read(const char *command, char **words, int n, rgc_section_args *args)
{
    if (n != 1)
        return rgc_complain(command, RGC_USAGE, "give one kind of section: circle, ellipse, rectangle or tube.");
    if (!rg_section_find(words[0], &args->section.kind))
        return rgc_complain(command, RGC_USAGE,
                            "there is no section \"%.100s\"; give circle, ellipse, rectangle or tube.", words[0]);
    int code = read_sizes(command, args);
    if (code == RGC_DONE) code = read_material(args);
    return code;
}

/* ---- what is printed ---- */

void rgc_section_values(const rg_stiffness *stiffness, double values[RGC_SECTION_FIELDS])
{
    const double all[RGC_SECTION_FIELDS] = {stiffness->stretch_n, stiffness->bend_1_n_m2, stiffness->bend_2_n_m2,
                                            stiffness->twist_n_m2, stiffness->mass_per_length_kg_m};
    memcpy(values, all, sizeof all);
}

json_t *rgc_section_json(const rg_section *section)
{
    json_t *object = json_pack("{s:s}", "kind", rg_section_name(section->kind));
    const double sizes[] = {section->a_m, section->b_m};
    for (int k = 0; k < 2; k++) {
        char name[24];
        const int at = size_of_kind[section->kind][k];
        if (at < 0) continue;
        snprintf(name, sizeof name, "%s_m", size_names[at]);
        json_object_set_new(object, name, json_real(sizes[k]));
    }
    return object;
}

json_t *rgc_section_shape_json(const rg_section_shape *shape)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "area_m2", shape->area_m2, "i1_m4", shape->i1_m4, "i2_m4", shape->i2_m4,
                     "j_m4", shape->j_m4);
}

json_t *rgc_section_material_json(const rg_material *material)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "young_pa", material->young_pa, "shear_pa", material->shear_pa,
                     "density_kg_m3", material->density_kg_m3, "poisson",
                     rg_poisson_ratio(material->young_pa, material->shear_pa));
}

json_t *rgc_section_fields_json(const rg_stiffness *stiffness)
{
    double values[RGC_SECTION_FIELDS];
    rgc_section_values(stiffness, values);
    json_t *list = json_object();
    for (int k = 0; k < RGC_SECTION_FIELDS; k++) {
        const rg_field_info *info = rg_field_describe(rgc_section_fields[k]);
        json_object_set_new(list, info->name, json_pack("{s:f, s:s}", "value", values[k], "unit", info->unit));
    }
    return list;
}

void rgc_section_print(const rg_section *section, const rg_section_shape *shape)
{
    const double sizes[] = {section->a_m, section->b_m};
    printf("%s", rg_section_name(section->kind));
    for (int k = 0; k < 2; k++)
        if (size_of_kind[section->kind][k] >= 0)
            printf(", %s %.6g m", size_names[size_of_kind[section->kind][k]], sizes[k]);
    printf("\narea %.6g m^2, I1 %.6g m^4, I2 %.6g m^4, J %.6g m^4\n", shape->area_m2, shape->i1_m4, shape->i2_m4,
           shape->j_m4);
}

void rgc_section_print_stiffness(const rg_material *material, const rg_stiffness *stiffness)
{
    double values[RGC_SECTION_FIELDS];
    rgc_section_values(stiffness, values);
    printf("E %.6g Pa, G %.6g Pa, density %.6g kg/m^3, Poisson's ratio %.4g\n", material->young_pa, material->shear_pa,
           material->density_kg_m3, rg_poisson_ratio(material->young_pa, material->shear_pa));
    for (int k = 0; k < RGC_SECTION_FIELDS; k++) {
        const rg_field_info *info = rg_field_describe(rgc_section_fields[k]);
        printf("%-18s %12.6g %s\n", info->name, values[k], info->unit);
    }
}

void rgc_section_warn_poisson(const char *command, double ratio)
{
    if (!(ratio >= -1.0 && ratio <= 0.5))
        rgc_warn(command,
                 "Poisson's ratio E/(2G) - 1 is %.4g, outside -1 to 0.5: no homogeneous isotropic material has these "
                 "E and G.",
                 ratio);
}
