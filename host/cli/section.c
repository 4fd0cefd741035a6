/* cli/section.c: rodgrad section: from a material and a cross-section to stiffnesses, and back.
 *
 * With moduli it prints the stiffnesses and, with --model and -o, writes a copy of the model that has them.
 * With a model alone it goes back: what the model's fields say about the material of a rod of that section,
 * or, where no size is given, of the section that has them. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "rodgrad/section.h"

static const char usage[] =
    "rodgrad section KIND SIZES --young E --shear G --density RHO [--model model.json -o out.json]\n"
    "       rodgrad section KIND [SIZES] --model model.json [--young E]\n"
    "KIND and SIZES: circle --radius R | ellipse --a A --b B | rectangle --width W --height H |\n"
    "       tube --outer R --inner R; lengths in metres, A and W along the director m1";

enum { SIZES = 7, FIELDS = 5 };
static const char *const size_names[SIZES] = {"radius", "a", "b", "width", "height", "outer", "inner"};

/* a_m and b_m of each kind, by their place in size_names; -1: none */
static const int size_of_kind[][2] = {
    [RG_SECTION_CIRCLE] = {0, -1},
    [RG_SECTION_ELLIPSE] = {1, 2},
    [RG_SECTION_RECTANGLE] = {3, 4},
    [RG_SECTION_TUBE] = {5, 6},
};

/* in the order of rg_stiffness, as doubles [FIELDS] */
static const rg_field fields[FIELDS] = {RG_STRETCH_STIFFNESS, RG_BEND_STIFFNESS_1, RG_BEND_STIFFNESS_2,
                                        RG_TWIST_STIFFNESS, RG_MASS_PER_LENGTH};
static const char *const modulus_names[FIELDS] = {"young_stretch_pa", "young_bend_1_pa",
                                                  "young_bend_2_pa", "shear_pa", "density_kg_m3"};
static const char *const modulus_texts[FIELDS] = {"E [Pa]", "E [Pa]", "E [Pa]", "G [Pa]",
                                                  "density [kg/m^3]"};

enum { FROM, MEAN, TO, RANGE };

typedef struct job {
    rgc_common common;
    const char *sizes[SIZES], *young, *shear, *density, *model_path;
    rg_section section;
    int has_sizes, has_material;
    rg_material material; /* young_pa 0 where --young is not given */
    rgi_model_file file;
    double range[RANGE][FIELDS]; /* of the model's fields along the rod */
    double turned;               /* largest |bend_coupling| [N m^2] */
} job;

/* ---- the command line ---- */

static int check_common(const rgc_common *c)
{
    const rgi_import_opts none = rgi_import_opts_default();
    if (c->dt_given || c->clamps_given || c->import.axes != none.axes || c->import.unit_m != none.unit_m ||
        c->scheme >= 0 || c->stepper >= 0 || c->substeps || c->newton_m > 0.0 || c->sweeps || c->refine ||
        c->threads || c->isa || c->real != RG_REAL_DOUBLE || strcmp(c->backend, "cpu") != 0)
        return rgc_complain("section", RGC_USAGE,
                            "it simulates nothing, so of the common options it takes --json and -o only.");
    return RGC_DONE;
}

static int read_sizes(job *j)
{
    const int *mine = size_of_kind[j->section.kind];
    const char *kind = rg_section_name(j->section.kind);
    const int n = mine[1] < 0 ? 1 : 2;
    double *to[] = {&j->section.a_m, &j->section.b_m};
    int given = 0;
    for (int i = 0; i < SIZES; i++)
        if (j->sizes[i] && i != mine[0] && i != mine[1])
            return rgc_complain("section", RGC_USAGE, "a %s has no --%s; it has --%s%s%s.", kind,
                                size_names[i], size_names[mine[0]], n == 2 ? " and --" : "",
                                n == 2 ? size_names[mine[1]] : "");
    for (int k = 0; k < n; k++) {
        const char *text = j->sizes[mine[k]], *name = size_names[mine[k]];
        if (!text) continue;
        const double low = strcmp(name, "inner") == 0 ? 0.0 : 1e-9;
        if (rgc_number(name, text, low, 1e3, to[k]) != RGC_DONE) return RGC_USAGE;
        given++;
    }
    if (given == 1 && n == 2)
        return rgc_complain("section", RGC_USAGE, "a %s needs both --%s and --%s.", kind,
                            size_names[mine[0]], size_names[mine[1]]);
    j->has_sizes = given == n;
    if (j->has_sizes && j->section.kind == RG_SECTION_TUBE && !(j->section.b_m < j->section.a_m))
        return rgc_complain("section", RGC_USAGE, "--inner is %s but must be below --outer, %s.", j->sizes[6],
                            j->sizes[5]);
    return RGC_DONE;
}

static int read_material(job *j)
{
    rg_material *m = &j->material;
    if ((j->young && rgc_number("young", j->young, 1e-3, 1e15, &m->young_pa) != RGC_DONE) ||
        (j->shear && rgc_number("shear", j->shear, 1e-3, 1e15, &m->shear_pa) != RGC_DONE) ||
        (j->density && rgc_number("density", j->density, 1e-3, 1e6, &m->density_kg_m3) != RGC_DONE))
        return RGC_USAGE;
    j->has_material = j->young && j->shear && j->density;
    return RGC_DONE;
}

static int check_arguments(const job *j)
{
    const char *kind = rg_section_name(j->section.kind);
    if (!j->model_path && !j->has_sizes)
        return rgc_complain("section", RGC_USAGE, "give the sizes of the %s; see rodgrad section --help.",
                            kind);
    if (!j->model_path && !j->has_material)
        return rgc_complain("section", RGC_USAGE,
                            "give --young, --shear and --density, all three, or a --model to go back from.");
    if (j->common.output && !j->model_path)
        return rgc_complain("section", RGC_USAGE,
                            "-o writes a copy of a model with other stiffnesses; name that with --model.");
    if (j->common.output && !(j->has_material && j->has_sizes))
        return rgc_complain("section", RGC_USAGE,
                            "to write %s give the sizes and --young, --shear and --density, all three.",
                            j->common.output);
    if (!j->model_path || j->common.output) return RGC_DONE;
    if (j->shear || j->density)
        return rgc_complain("section", RGC_USAGE,
                            "--%s has no use with --model alone; add -o to write a model, or leave it out.",
                            j->shear ? "shear" : "density");
    if (j->young && j->has_sizes)
        return rgc_complain("section", RGC_USAGE,
                            "--young finds the sizes from a model; leave out either it or the sizes.");
    if (!j->young && !j->has_sizes && j->section.kind == RG_SECTION_TUBE)
        return rgc_complain("section", RGC_USAGE,
                            "a model leaves one of a tube's two radii open; give --young, or --outer and "
                            "--inner.");
    return RGC_DONE;
}

/* ---- the model ---- */

/* along the rod, without the end vertices, whose entries are not used */
static void read_ranges(job *j)
{
    const rg_model *model = j->file.model;
    for (int k = 0; k < FIELDS; k++) {
        const double *data = rg_model_field(model, fields[k]);
        const size_t skip = rg_field_describe(fields[k])->location == RG_PER_VERTEX;
        const size_t n = rg_model_field_entries(model, fields[k]) - 2 * skip;
        double from = data[skip], to = data[skip], sum = 0;
        for (size_t i = skip; i < skip + n; i++) {
            from = fmin(from, data[i]);
            to = fmax(to, data[i]);
            sum += data[i] / (double)n;
        }
        j->range[FROM][k] = from;
        j->range[TO][k] = to;
        j->range[MEAN][k] = fmin(fmax(sum, from), to); /* equal entries have their own mean */
    }
    const double *coupling = rg_model_field(model, RG_BEND_COUPLING);
    for (size_t i = 1; i + 1 < rg_model_vertices(model); i++)
        j->turned = fmax(j->turned, fabs(coupling[i]));
}

static rg_stiffness stiffness_of(const double *v)
{
    return (rg_stiffness){v[0], v[1], v[2], v[3], v[4]};
}

/* ---- what is printed ---- */

static json_t *section_json(const rg_section *s)
{
    json_t *object = json_pack("{s:s}", "kind", rg_section_name(s->kind));
    const double sizes[] = {s->a_m, s->b_m};
    for (int k = 0; k < 2; k++) {
        char name[24];
        const int at = size_of_kind[s->kind][k];
        if (at < 0) continue;
        snprintf(name, sizeof name, "%s_m", size_names[at]);
        json_object_set_new(object, name, json_real(sizes[k]));
    }
    return object;
}

static json_t *shape_json(const rg_section_shape *s)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "area_m2", s->area_m2, "i1_m4", s->i1_m4, "i2_m4", s->i2_m4,
                     "j_m4", s->j_m4);
}

static void print_section(const rg_section *s, const rg_section_shape *shape)
{
    const double sizes[] = {s->a_m, s->b_m};
    printf("%s", rg_section_name(s->kind));
    for (int k = 0; k < 2; k++)
        if (size_of_kind[s->kind][k] >= 0)
            printf(", %s %.6g m", size_names[size_of_kind[s->kind][k]], sizes[k]);
    printf("\narea %.6g m^2, I1 %.6g m^4, I2 %.6g m^4, J %.6g m^4\n", shape->area_m2, shape->i1_m4,
           shape->i2_m4, shape->j_m4);
}

static int end_of_text(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("section", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static void warn_of_poisson(double ratio)
{
    if (!(ratio >= -1.0 && ratio <= 0.5))
        rgc_warn("section",
                 "Poisson's ratio E/(2G) - 1 is %.4g, outside -1 to 0.5: no homogeneous isotropic material has these "
                 "E and G.",
                 ratio);
}

static int print_stiffness(const job *j, const rg_section_shape *shape, const rg_stiffness *s)
{
    const double values[FIELDS] = {s->stretch_n, s->bend_1_n_m2, s->bend_2_n_m2, s->twist_n_m2,
                                   s->mass_per_length_kg_m};
    const rg_material *m = &j->material;
    const double poisson = rg_poisson_ratio(m->young_pa, m->shear_pa);
    warn_of_poisson(poisson);
    if (j->common.json) {
        json_t *list = json_object();
        for (int k = 0; k < FIELDS; k++) {
            const rg_field_info *info = rg_field_describe(fields[k]);
            json_object_set_new(list, info->name,
                                json_pack("{s:f, s:s}", "value", values[k], "unit", info->unit));
        }
        return rgc_print_json(
            "section", json_pack("{s:o, s:o, s:{s:f, s:f, s:f, s:f}, s:o, s:o*}", "section",
                                 section_json(&j->section), "shape", shape_json(shape), "material",
                                 "young_pa", m->young_pa, "shear_pa", m->shear_pa, "density_kg_m3",
                                 m->density_kg_m3, "poisson", poisson, "fields", list, "output",
                                 j->common.output ? rgc_json_text(j->common.output) : NULL));
    }
    print_section(&j->section, shape);
    printf("E %.6g Pa, G %.6g Pa, density %.6g kg/m^3, Poisson's ratio %.4g\n", m->young_pa, m->shear_pa,
           m->density_kg_m3, poisson);
    for (int k = 0; k < FIELDS; k++) {
        const rg_field_info *info = rg_field_describe(fields[k]);
        printf("%-18s %12.6g %s\n", info->name, values[k], info->unit);
    }
    return end_of_text();
}

static json_t *range_json(const double range[RANGE])
{
    return json_pack("{s:f, s:f, s:f}", "from", range[FROM], "mean", range[MEAN], "to", range[TO]);
}

/* moduli [FIELDS][RANGE] */
static json_t *moduli_json(const job *j, const rg_section_shape *shape, double moduli[FIELDS][RANGE],
                           double poisson)
{
    json_t *list = json_object(), *means = json_object();
    for (int k = 0; k < FIELDS; k++) {
        const double range[RANGE] = {j->range[FROM][k], j->range[MEAN][k], j->range[TO][k]};
        json_t *row = range_json(range);
        json_object_set_new(row, "unit", json_string(rg_field_describe(fields[k])->unit));
        json_object_set_new(list, rg_field_describe(fields[k])->name, row);
        json_object_set_new(means, modulus_names[k], range_json(moduli[k]));
    }
    json_object_set_new(means, "poisson", json_real(poisson));
    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o}", "section", section_json(&j->section), "sizes_given",
                     j->has_sizes, "shape", shape_json(shape), "model", rgc_json_text(j->model_path),
                     "fields", list, "moduli", means);
}

static int print_moduli(const job *j, const rg_section_shape *shape)
{
    double moduli[FIELDS][RANGE], poisson = 0;
    for (int r = 0; r < RANGE; r++) {
        rg_moduli m;
        rg_error err = {0};
        const rg_stiffness s = stiffness_of(j->range[r]);
        if (rg_section_moduli(&j->section, &s, &m, &err) != RG_OK) return rgc_fail("section", &err);
        const double values[FIELDS] = {m.young_stretch_pa, m.young_bend_1_pa, m.young_bend_2_pa, m.shear_pa,
                                       m.density_kg_m3};
        for (int k = 0; k < FIELDS; k++) moduli[k][r] = values[k];
        if (r == MEAN) poisson = m.poisson;
    }
    if (j->turned > 0)
        rgc_warn("section",
                 "bend_coupling is up to %.4g N m^2: the principal axes are turned against m1 and m2, along which "
                 "this section lies.",
                 j->turned);
    warn_of_poisson(poisson);
    if (j->common.json)
        return rgc_print_json("section", moduli_json(j, shape, moduli, poisson));
    print_section(&j->section, shape);
    printf("\n%-18s %11s %11s %11s %-6s %17s %11s %11s %11s\n", "field", "from", "mean", "to", "",
           "means", "from", "mean", "to");
    for (int k = 0; k < FIELDS; k++) {
        const rg_field_info *info = rg_field_describe(fields[k]);
        printf("%-18s %11.4g %11.4g %11.4g %-6s %17s %11.4g %11.4g %11.4g\n", info->name, j->range[FROM][k],
               j->range[MEAN][k], j->range[TO][k], info->unit, modulus_texts[k], moduli[k][FROM],
               moduli[k][MEAN], moduli[k][TO]);
    }
    printf("\nPoisson's ratio E/(2G) - 1, with the mean E of bending: %.4g\n", poisson);
    return end_of_text();
}

/* ---- the command ---- */

static rg_status write_model(job *j, rg_error *err)
{
    RG_TRY(rg_model_set_section(j->file.model, &j->section, &j->material, err));
    /* what a fit found is about other numbers */
    json_decref(j->file.fit);
    j->file.fit = NULL;
    return rgi_model_file_save(j->common.output, &j->file, err);
}

static int run(job *j)
{
    rg_error err = {0};
    rg_section_shape shape;
    rg_stiffness stiffness;
    rg_status status = RG_OK;
    if (j->model_path) status = rgi_model_file_load(j->model_path, &j->file, &err);
    if (status == RG_OK && j->model_path) read_ranges(j);
    if (status == RG_OK && !j->has_sizes) {
        stiffness = stiffness_of(j->range[MEAN]);
        status = rg_section_from_stiffness(j->section.kind, &stiffness, j->material.young_pa, &j->section,
                                           &err);
    }
    if (status == RG_OK) status = rg_section_measure(&j->section, &shape, &err);
    if (status == RG_OK && j->has_material)
        status = rg_section_stiffness(&j->section, &j->material, &stiffness, &err);
    if (status == RG_OK && j->common.output) status = write_model(j, &err);
    if (status != RG_OK) return rgc_fail("section", &err);
    return j->has_material ? print_stiffness(j, &shape, &stiffness) : print_moduli(j, &shape);
}

int rgc_section(int argc, char **argv)
{
    job j = {0};
    const rgc_option extra[] = {
        {"radius", &j.sizes[0], NULL, "of a circle [m]"},
        {"a", &j.sizes[1], NULL, "semi-axis of an ellipse along m1 [m]"},
        {"b", &j.sizes[2], NULL, "semi-axis along m2 [m]"},
        {"width", &j.sizes[3], NULL, "of a rectangle, along m1 [m]"},
        {"height", &j.sizes[4], NULL, "of a rectangle, along m2 [m]"},
        {"outer", &j.sizes[5], NULL, "outer radius of a tube [m]"},
        {"inner", &j.sizes[6], NULL, "inner radius of a tube [m]"},
        {"young", &j.young, NULL, "Young's modulus [Pa]"},
        {"shear", &j.shear, NULL, "shear modulus [Pa]"},
        {"density", &j.density, NULL, "density [kg/m^3]"},
        {"model", &j.model_path, NULL, "model to go back from or, with -o, to write a copy of"},
    };
    int first = 0, last = 0;
    int code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &j.common, &first, &last);
    if (code != RGC_DONE || j.common.help) return code;
    if (last - first != 1)
        return rgc_complain("section", RGC_USAGE,
                            "give one kind of section: circle, ellipse, rectangle or tube.");
    if (!rg_section_find(argv[first], &j.section.kind))
        return rgc_complain("section", RGC_USAGE,
                            "there is no section \"%.100s\"; give circle, ellipse, rectangle or tube.",
                            argv[first]);
    code = check_common(&j.common);
    if (code == RGC_DONE) code = read_sizes(&j);
    if (code == RGC_DONE) code = read_material(&j);
    if (code == RGC_DONE) code = check_arguments(&j);
    if (code == RGC_DONE) code = run(&j);
    rgi_model_file_clear(&j.file);
    return code;
}
