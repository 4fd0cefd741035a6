/* cli/section_args.h: a cross-section and a material on the command line, and how they are printed; what
 * rodgrad section and rodgrad new share. */
#ifndef RGC_SECTION_ARGS_H
#define RGC_SECTION_ARGS_H

#include "cli/cli.h"
#include "rodgrad/section.h"

enum { RGC_SECTION_SIZES = 7, RGC_SECTION_FIELDS = 5 };

/* KIND and SIZES in a synopsis, each line behind seven blanks */
#define RGC_SECTION_USAGE                                                                                              \
    "KIND and SIZES: circle --radius R | ellipse --a A --b B | rectangle --width W --height H |\n"                     \
    "       tube --outer R --inner R; lengths in metres, A and W along the director m1"

typedef struct rgc_section_args {
    const char *sizes[RGC_SECTION_SIZES], *young, *shear, *density; /* as given; NULL where they are not */
    rg_section section;
    rg_material material;        /* 0 where not given */
    int has_sizes, has_material; /* all of them */
} rgc_section_args;

/* The rows of rgc_option that fill an rgc_section_args. */
#define RGC_SECTION_OPTIONS(args)                                                                                      \
    {"radius", &(args).sizes[0], NULL, "of a circle [m]"},                                                             \
        {"a", &(args).sizes[1], NULL, "semi-axis of an ellipse along m1 [m]"},                                         \
        {"b", &(args).sizes[2], NULL, "semi-axis along m2 [m]"},                                                       \
        {"width", &(args).sizes[3], NULL, "of a rectangle, along m1 [m]"},                                             \
        {"height", &(args).sizes[4], NULL, "of a rectangle, along m2 [m]"},                                            \
        {"outer", &(args).sizes[5], NULL, "outer radius of a tube [m]"},                                               \
        {"inner", &(args).sizes[6], NULL, "inner radius of a tube [m]"},                                               \
        {"young", &(args).young, NULL, "Young's modulus [Pa]"}, {"shear", &(args).shear, NULL, "shear modulus [Pa]"},  \
    {                                                                                                                  \
        "density", &(args).density, NULL, "density [kg/m^3]"                                                           \
    }

/* The kind from the n positional words, which must be one, then the sizes and the material where they are given.
 * RGC_USAGE after a sentence. */
int rgc_section_read(const char *command, char **words, int n, rgc_section_args *args);

/* The model's fields that a section and a material set, in the order of rg_stiffness, and their values. */
extern const rg_field rgc_section_fields[RGC_SECTION_FIELDS];
void rgc_section_values(const rg_stiffness *stiffness, double values[RGC_SECTION_FIELDS]);

/* Parts of a command's JSON; NULL without memory. material_json and fields_json: of a whole material. */
json_t *rgc_section_json(const rg_section *section);
json_t *rgc_section_shape_json(const rg_section_shape *shape);
json_t *rgc_section_material_json(const rg_material *material);
json_t *rgc_section_fields_json(const rg_stiffness *stiffness);

/* The same as text on stdout; the caller flushes. */
void rgc_section_print(const rg_section *section, const rg_section_shape *shape);
void rgc_section_print_stiffness(const rg_material *material, const rg_stiffness *stiffness);

/* Say on stderr where no material has this Poisson's ratio. */
void rgc_section_warn_poisson(const char *command, double ratio);

#endif
