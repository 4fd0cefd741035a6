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
#include "cli/section_args.h"

static const char usage[] =
    "rodgrad section KIND SIZES --young E --shear G --density RHO [--model model.json -o out.json]\n"
    "       rodgrad section KIND [SIZES] --model model.json [--young E]\n" RGC_SECTION_USAGE;

enum { FIELDS = RGC_SECTION_FIELDS };
static const rg_field *const fields = rgc_section_fields;
static const char *const modulus_names[FIELDS] = {"young_stretch_pa", "young_bend_1_pa", "young_bend_2_pa", "shear_pa",
                                                  "density_kg_m3"};
static const char *const modulus_texts[FIELDS] = {"E [Pa]", "E [Pa]", "E [Pa]", "G [Pa]", "density [kg/m^3]"};

enum { FROM, MEAN, TO, RANGE };

typedef struct job {
    rgc_common common;
    rgc_section_args args;
    const char *model_path;
    rgi_model_file file;
    double range[RANGE][FIELDS]; /* of the model's fields along the rod */
    double turned;               /* largest |bend_coupling| [N m^2] */
} job;

/* ---- the command line ---- */

static int check_arguments(const job *j)
{
    const char *kind = rg_section_name(j->args.section.kind);
    if (!j->model_path && !j->args.has_sizes)
        return rgc_complain("section", RGC_USAGE, "give the sizes of the %s; see rodgrad section --help.", kind);
    if (!j->model_path && !j->args.has_material)
        return rgc_complain("section", RGC_USAGE,
                            "give --young, --shear and --density, all three, or a --model to go back from.");
    if (j->common.output && !j->model_path)
        return rgc_complain("section", RGC_USAGE,
                            "-o writes a copy of a model with other stiffnesses; name that with --model.");
    if (j->common.output && !(j->args.has_material && j->args.has_sizes))
        return rgc_complain("section", RGC_USAGE,
                            "to write %s give the sizes and --young, --shear and --density, all three.",
                            j->common.output);
    if (j->common.output) return rgc_check_suffix("section", j->common.output, ".json", NULL, NULL);
    if (!j->model_path) return RGC_DONE;
    if (j->args.shear || j->args.density)
        return rgc_complain("section", RGC_USAGE,
                            "--%s has no use with --model alone; add -o to write a model, or leave it out.",
                            j->args.shear ? "shear" : "density");
    if (j->args.young && j->args.has_sizes)
        return rgc_complain("section", RGC_USAGE,
                            "--young finds the sizes from a model; leave out either it or the sizes.");
    if (!j->args.young && !j->args.has_sizes && j->args.section.kind == RG_SECTION_TUBE)
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
    for (size_t i = 1; i + 1 < rg_model_vertices(model); i++) j->turned = fmax(j->turned, fabs(coupling[i]));
}

static rg_stiffness stiffness_of(const double *v) { return (rg_stiffness){v[0], v[1], v[2], v[3], v[4]}; }

/* ---- what is printed ---- */

static int end_of_text(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("section", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static int print_stiffness(const job *j, const rg_section_shape *shape, const rg_stiffness *s)
{
    const rg_material *m = &j->args.material;
    rgc_section_warn_poisson("section", rg_poisson_ratio(m->young_pa, m->shear_pa));
    if (j->common.json)
        return rgc_print_json("section",
                              json_pack("{s:o, s:o, s:o, s:o, s:o*}", "section", rgc_section_json(&j->args.section),
                                        "shape", rgc_section_shape_json(shape), "material",
                                        rgc_section_material_json(m), "fields", rgc_section_fields_json(s), "output",
                                        j->common.output ? rgc_json_text(j->common.output) : NULL));
    rgc_section_print(&j->args.section, shape);
    rgc_section_print_stiffness(m, s);
    return end_of_text();
}

static json_t *range_json(const double range[RANGE])
{
    return json_pack("{s:f, s:f, s:f}", "from", range[FROM], "mean", range[MEAN], "to", range[TO]);
}

/* moduli [FIELDS][RANGE] */
static json_t *moduli_json(const job *j, const rg_section_shape *shape, double moduli[FIELDS][RANGE], double poisson)
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
    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o}", "section", rgc_section_json(&j->args.section), "sizes_given",
                     j->args.has_sizes, "shape", rgc_section_shape_json(shape), "model", rgc_json_text(j->model_path),
                     "fields", list, "moduli", means);
}

static int print_moduli(const job *j, const rg_section_shape *shape)
{
    double moduli[FIELDS][RANGE], poisson = 0;
    for (int r = 0; r < RANGE; r++) {
        rg_moduli m;
        rg_error err = {0};
        const rg_stiffness s = stiffness_of(j->range[r]);
        if (rg_section_moduli(&j->args.section, &s, &m, &err) != RG_OK) return rgc_fail("section", &err);
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
    rgc_section_warn_poisson("section", poisson);
    if (j->common.json) return rgc_print_json("section", moduli_json(j, shape, moduli, poisson));
    rgc_section_print(&j->args.section, shape);
    printf("\n%-18s %11s %11s %11s %-6s %17s %11s %11s %11s\n", "field", "from", "mean", "to", "", "means", "from",
           "mean", "to");
    for (int k = 0; k < FIELDS; k++) {
        const rg_field_info *info = rg_field_describe(fields[k]);
        printf("%-18s %11.4g %11.4g %11.4g %-6s %17s %11.4g %11.4g %11.4g\n", info->name, j->range[FROM][k],
               j->range[MEAN][k], j->range[TO][k], info->unit, modulus_texts[k], moduli[k][FROM], moduli[k][MEAN],
               moduli[k][TO]);
    }
    printf("\nPoisson's ratio E/(2G) - 1, with the mean E of bending: %.4g\n", poisson);
    return end_of_text();
}

/* ---- the command ---- */

static rg_status write_model(job *j, rg_error *err)
{
    RG_TRY(rg_model_set_section(j->file.model, &j->args.section, &j->args.material, err));
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
    if (status == RG_OK && !j->args.has_sizes) {
        stiffness = stiffness_of(j->range[MEAN]);
        status = rg_section_from_stiffness(j->args.section.kind, &stiffness, j->args.material.young_pa,
                                           &j->args.section, &err);
    }
    if (status == RG_OK) status = rg_section_measure(&j->args.section, &shape, &err);
    if (status == RG_OK && j->args.has_material)
        status = rg_section_stiffness(&j->args.section, &j->args.material, &stiffness, &err);
    if (status == RG_OK && j->common.output) status = write_model(j, &err);
    if (status != RG_OK) return rgc_fail("section", &err);
    return j->args.has_material ? print_stiffness(j, &shape, &stiffness) : print_moduli(j, &shape);
}

int rgc_section(int argc, char **argv)
{
    job j = {0};
    const rgc_option extra[] = {
        RGC_SECTION_OPTIONS(j.args),
        {"model", &j.model_path, NULL, "model to go back from or, with -o, to write a copy of"},
    };
    int first = 0, last = 0;
    int code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &j.common, &first, &last);
    if (code != RGC_DONE || j.common.help) return code;
    code = rgc_section_read("section", argv + first, last - first, &j.args);
    if (code == RGC_DONE) code = check_arguments(&j);
    if (code == RGC_DONE) code = run(&j);
    rgi_model_file_clear(&j.file);
    return code;
}
