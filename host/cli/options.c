/* cli/options.c: what the subcommands share (cli.h).
 *
 * Options may stand before, between and after the positional arguments, as "--name value" or
 * "--name=value"; "--" ends them. Everything that a person can get wrong here becomes one sentence
 * on stderr and exit code 2. */
#include "cli/inputs.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cpu/dispatch.h"
#include "rodgrad/batch.h"

/* ---- messages ---- */

/* for --json: the first sentence that ended the program with a code other than 0, and whether a result is out */
static char failure[4096];
static int result_printed;

int rgc_complain(const char *command, int code, const char *format, ...)
{
    va_list arguments;
    rgc_progress_clear();
    fprintf(stderr, "rodgrad%s%s: ", command && *command ? " " : "", command ? command : "");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    if (code != RGC_DONE && !*failure) {
        va_start(arguments, format);
        vsnprintf(failure, sizeof failure, format, arguments);
        va_end(arguments);
    }
    return code;
}

int rgc_json_asked(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return 1;
    return 0;
}

int rgc_end_json(const char *command, int code)
{
    if (code == RGC_DONE || result_printed) return code;
    json_t *object = json_pack("{s:o, s:o, s:i}", "command", rgc_json_text(command), "status",
                               rgc_json_text(*failure ? failure : "failed"), "exit_code", code);
    rgc_print_json(command, object);
    return code;
}

/* does the sentence say that the path which the caller gave cannot be used, rather than that a disk failed? A
 * status does not tell the two apart, the system's words in the sentence do */
static int is_wrong_path(const rg_error *err)
{
    static const int reasons[] = {ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP, EACCES, EPERM, EROFS};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strstr(err->text, strerror(reasons[i]))) return 1;
    return 0;
}

int rgc_fail(const char *command, const rg_error *err)
{
    int code = RGC_FAILED;
    switch (err->status) {
    case RG_ERR_ARGUMENT:
    case RG_ERR_SHAPE:
    case RG_ERR_VALUE:
    case RG_ERR_FORMAT:
    case RG_ERR_UNSUPPORTED: code = RGC_USAGE; break;
    case RG_ERR_IO: code = is_wrong_path(err) ? RGC_USAGE : RGC_FAILED; break;
    case RG_ERR_INTERRUPTED: code = 128 + (rgc_interrupted() ? rgc_interrupted() : SIGINT); break;
    case RG_OK:
    case RG_ERR_MEMORY:
    case RG_ERR_NOT_CONVERGED:
    case RG_ERR_NUMERIC:
    case RG_ERR_DEVICE: break;
    }
    return rgc_complain(command, code, "%s", *err->text ? err->text : rg_status_text(err->status));
}

/* ---- numbers ---- */

int rgc_number(const char *option, const char *text, double low, double high, double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= low && value <= high))
        return rgc_complain(NULL, RGC_USAGE, "--%s is \"%s\" but must be a number from %g to %g.", option, text, low,
                            high);
    *out = value;
    return RGC_DONE;
}

int rgc_integer(const char *option, const char *text, long low, long high, long *out)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < low || value > high)
        return rgc_complain(NULL, RGC_USAGE, "--%s is \"%s\" but must be a whole number from %ld to %ld.", option, text,
                            low, high);
    *out = value;
    return RGC_DONE;
}

int rgc_triple(const char *text, double out[3])
{
    for (int c = 0; c < 3; c++) {
        char *end = NULL;
        out[c] = strtod(text, &end);
        if (end == text || *end != (c < 2 ? ',' : '\0') || !(fabs(out[c]) <= 1e6)) return 0;
        text = end + 1;
    }
    return 1;
}

int rgc_bytes(const char *option, const char *text, size_t *out)
{
    static const char suffixes[] = "kMG";
    char *end = NULL;
    double value = strtod(text, &end);
    if (strcmp(text, "all") == 0) {
        *out = RG_STORE_ALL;
        return RGC_DONE;
    }
    for (size_t i = 0; end != text && i < 3; i++)
        if (*end == suffixes[i]) {
            value *= pow(1e3, (double)i + 1.0);
            end++;
            break;
        }
    if (end == text || *end || !(value >= 1.0 && value <= 1e15))
        return rgc_complain(NULL, RGC_USAGE, "--%s is \"%s\" but must be all or a number of bytes, for example 200M.",
                            option, text);
    *out = (size_t)value;
    return RGC_DONE;
}

static int parse_int(const char *option, const char *text, int low, int high, int *out)
{
    long value = 0;
    int code = rgc_integer(option, text, low, high, &value);
    if (code == RGC_DONE) *out = (int)value;
    return code;
}

static int parse_units(const char *text, double *unit_m)
{
    char *end = NULL;
    double factor = rgi_unit_metres(text);
    if (factor > 0) {
        *unit_m = factor;
        return RGC_DONE;
    }
    factor = strtod(text, &end);
    if (end == text || *end || !(factor > 0) || !isfinite(factor))
        return rgc_complain(NULL, RGC_USAGE,
                            "--units is \"%s\" but must be m, cm, mm, in or a positive number of "
                            "metres per unit.",
                            text);
    *unit_m = factor;
    return RGC_DONE;
}

static int parse_gravity(const char *text, rgc_common *common)
{
    common->gravity_given = rgc_triple(text, common->gravity);
    if (common->gravity_given) return RGC_DONE;
    return rgc_complain(NULL, RGC_USAGE,
                        "--gravity is \"%s\" but must be three numbers between commas, in m/s^2, for example "
                        "0,0,-9.81.",
                        text);
}

static int parse_clamps(const char *text, rgc_common *common)
{
    const size_t room = sizeof common->import_clamps / sizeof *common->import_clamps;
    size_t n = 0;
    for (const char *at = text; strcmp(text, "none") != 0; at++) {
        char *end = NULL;
        errno = 0;
        long index = strtol(at, &end, 10);
        if (end == at || (*end && *end != ',') || errno || index < -INT_MAX || index > INT_MAX)
            return rgc_complain(NULL, RGC_USAGE,
                                "--clamp is \"%s\" but must be marker indices between commas, for "
                                "example 0,1,-2,-1 (negative ones count from the end), or none.",
                                text);
        if (n == room) return rgc_complain(NULL, RGC_USAGE, "--clamp names more than %zu markers.", room);
        common->import_clamps[n++] = (int)index;
        at = end;
        if (!*at) break;
    }
    common->import.clamps = common->import_clamps;
    common->import.n_clamps = n;
    common->clamps_given = 1;
    return RGC_DONE;
}

/* ---- the options every command has ---- */

enum {
    OPT_JSON,
    OPT_OUTPUT,
    OPT_DT,
    OPT_CLAMP,
    OPT_AXES,
    OPT_UNITS,
    OPT_STEPPER,
    OPT_SWEEPS,
    OPT_SCHEME,
    OPT_SUBSTEPS,
    OPT_GRAVITY,
    OPT_NEWTON,
    OPT_ITERATIONS,
    OPT_AT_LIMIT,
    OPT_REFINE,
    OPT_THREADS,
    OPT_BACKEND,
    OPT_REAL,
    OPT_ISA,
    OPT_HELP,
    OPT_COUNT
};

static const struct {
    const char *name, *argument, *help;
    const char *fallback; /* the default, NULL where there is none to tell */
    int from_model;       /* a model.json sets the default */
} common_options[OPT_COUNT] = {
    [OPT_JSON] = {"json", NULL, "print one JSON object on stdout, after a failure too", NULL, 0},
    [OPT_OUTPUT] = {"output", "FILE", "where to write the result (also -o)", NULL, 0},
    [OPT_DT] = {"dt", "S", "time between frames, where the recording does not say [s]", "0.01", 1},
    [OPT_CLAMP] = {"clamp", "LIST", "driving markers, or none: nothing holds the rod", "0,1,-2,-1", 1},
    [OPT_AXES] = {"axes", "LIST", "file axes that are our x, y, z (z up), for example -z,-x,y", "x,y,z", 0},
    [OPT_UNITS] = {"units", "U", "of the recording: m, cm, mm, in or metres per unit", "m", 0},
    [OPT_STEPPER] = {"stepper", "NAME", "implicit or deform (DEFORM's algorithm, twist solved)", "implicit", 1},
    [OPT_SWEEPS] = {"sweeps", "N", "of the deform stepper's projection of the lengths", "10", 1},
    [OPT_SCHEME] = {"scheme", "NAME", "be (backward Euler), bdf2, or static: every frame in equilibrium", "bdf2", 1},
    [OPT_SUBSTEPS] = {"substeps", "N", "steps per frame", "1", 1},
    [OPT_GRAVITY] = {"gravity", "X,Y,Z", "acceleration by weight [m/s^2]", "0,0,-9.81", 1},
    [OPT_NEWTON] = {"newton-tolerance", "M", "a step is solved when vertices would move by less [m]", "1e-8", 0},
    [OPT_ITERATIONS] = {"newton-iterations", "N", "Newton iterations of a step at most", "40", 0},
    [OPT_AT_LIMIT] = {"at-limit", "NAME", "freeze a rod not solved by then, or continue unsolved, with a warning",
                      "freeze", 0},
    [OPT_REFINE] = {"refine", "R", "edges between two markers", "2; of a fit by the deform stepper and of new 1", 1},
    [OPT_THREADS] = {"threads", "N", "threads", "OMP_NUM_THREADS or all cores", 0},
    [OPT_BACKEND] = {"backend", "NAME", "cpu, cuda or cuda:N (a GPU and its number)", "cpu", 0},
    [OPT_REAL] = {"real", "NAME", "double, or float: faster, about 6 digits", "double", 0},
    [OPT_ISA] = {"isa", "NAME", "avx512, avx2, sse2, scalar, or fma: one rod's fastest", "the first there is", 0},
    [OPT_HELP] = {"help", NULL, "print this and stop", NULL, 0},
};

/* which of them act in a command; why the others do not, and what to do instead */
#define BIT(option) (1u << OPT_##option)
enum {
    ALL = (1u << OPT_COUNT) - 1,
    OF_FILES = BIT(CLAMP) | BIT(AXES) | BIT(UNITS), /* about recordings that exist */
    OF_NEWTON = BIT(NEWTON) | BIT(ITERATIONS) | BIT(AT_LIMIT),
    PRINTED = ALL & ~BIT(OUTPUT)
};
static const struct {
    const char *command;
    unsigned taken;
    int has_model; /* a model.json is an input, and sets defaults */
    const char *why;
} command_options[] = {
    {"bench", ALL & ~(OF_FILES | BIT(REFINE) | BIT(GRAVITY) | BIT(AT_LIMIT)), 0,
     "its scenes are made of formulas, and a step that is not solved is no measurement"},
    {"check", PRINTED, 1, "it prints its result; redirect stdout"},
    {"evaluate", PRINTED, 1, "it prints its result; redirect stdout"},
    {"import", BIT(JSON) | BIT(OUTPUT) | BIT(DT) | OF_FILES | BIT(HELP), 0, "it simulates nothing"},
    {"new", ALL & ~(BIT(AXES) | BIT(UNITS) | OF_NEWTON | BIT(THREADS) | BIT(BACKEND) | BIT(REAL) | BIT(ISA)), 0,
     "it reads no recording and simulates nothing"},
    {"info", BIT(JSON) | BIT(HELP), 0, "it only tells what this build and this machine are"},
    {"plant", ALL & ~(OF_FILES | BIT(AT_LIMIT)), 0,
     "that is about recordings that exist, or about steps that are not solved; the driving markers of planted ones are "
     "those of the spec's model, and their motion is a solution"},
    {"report", ALL, 1, ""},
    {"section", BIT(JSON) | BIT(OUTPUT) | BIT(HELP), 0,
     "it simulates nothing, so of the common options it takes --json and -o only"},
    {"simulate", ALL, 1, ""},
};
enum { N_COMMANDS = sizeof command_options / sizeof *command_options };

/* the command's place in command_options; N_COMMANDS for one that takes all options */
static size_t command_index(const char *command)
{
    size_t i = 0;
    while (i < N_COMMANDS && strcmp(command_options[i].command, command) != 0) i++;
    return i;
}

static unsigned taken_by(const char *command)
{
    const size_t at = command_index(command);
    return at < N_COMMANDS ? command_options[at].taken : ALL;
}

static int one_of(const char *option, const char *text, const char *const *known, const char *sentence)
{
    for (size_t i = 0; known[i]; i++)
        if (strcmp(text, known[i]) == 0) return RGC_DONE;
    return rgc_complain(NULL, RGC_USAGE, "--%s is \"%s\" but must be %s.", option, text, sentence);
}

static int parse_isa(const char *text, const char **isa)
{
    *isa = text;
    return one_of("isa", text, rgi_cpu_isas, "scalar, fma, sse2, avx2 or avx512");
}

/* the context of this run of the program */
static rg_context *opened;

static void close_backend(void) { rg_context_destroy(&opened); }

static int open_backend(const char *command, rgc_common *common)
{
    rg_error err = {0};
    rg_context_opts opts = rg_context_opts_default();
    opts.backend = common->backend;
    opts.kernels = common->kernels;
    if (common->kernels && strcmp(common->backend, "cpu") == 0)
        return rgc_complain(command, RGC_USAGE,
                            "--kernels names a GPU's, and the backend is cpu; give --backend cuda.");
    if (strcmp(common->backend, "cpu") != 0 && rg_context_create(&opts, &opened, &err) != RG_OK) {
        const int length = (int)strlen(err.text) - 1; /* without the full stop */
        if (err.status != RG_ERR_UNSUPPORTED) return rgc_fail(command, &err);
        return rgc_complain(command, RGC_USAGE, "--backend %s: %.*s; --backend cpu needs no GPU.", common->backend,
                            length, err.text);
    }
    if (opened && atexit(close_backend) != 0) {
        close_backend();
        return rgc_complain(command, RGC_FAILED, "no memory to open %s.", common->backend);
    }
    common->context = opened;
    return RGC_DONE;
}

static int parse_real(const char *text, rg_real *real)
{
    if (rg_real_find(text, real)) return RGC_DONE;
    return rgc_complain(NULL, RGC_USAGE, "--real is \"%s\" but must be double or float.", text);
}

static int parse_stepper(const char *text, int *stepper)
{
    rg_stepper found = RG_STEPPER_IMPLICIT;
    if (!rg_stepper_find(text, &found))
        return rgc_complain(NULL, RGC_USAGE, "--stepper is \"%s\" but must be implicit or deform.", text);
    *stepper = (int)found;
    return RGC_DONE;
}

int rgc_bend_measure(const char *command, const char *text, rg_bend_measure *out)
{
    if (rg_bend_measure_find(text, out)) return RGC_DONE;
    return rgc_complain(command, RGC_USAGE, "--bend-measure is \"%s\" but must be averaged or normalised.", text);
}

static int parse_scheme(const char *text, int *scheme)
{
    rg_scheme found = RG_SCHEME_BE;
    if (!rg_scheme_find(text, &found))
        return rgc_complain(NULL, RGC_USAGE, "--scheme is \"%s\" but must be be, bdf2 or static.", text);
    *scheme = (int)found;
    return RGC_DONE;
}

static int parse_at_limit(const char *text, rg_at_limit *at_limit)
{
    if (rg_at_limit_find(text, at_limit)) return RGC_DONE;
    return rgc_complain(NULL, RGC_USAGE, "--at-limit is \"%s\" but must be freeze or continue.", text);
}

static int apply_common(int option, const char *text, rgc_common *common)
{
    switch (option) {
    case OPT_JSON: common->json = 1; return RGC_DONE;
    case OPT_HELP: common->help = 1; return RGC_DONE;
    case OPT_OUTPUT:
        if (!*text) return rgc_complain(NULL, RGC_USAGE, "--output needs the name of a file.");
        common->output = text;
        return RGC_DONE;
    case OPT_DT:
        common->dt_given = common->import.dt_given = 1;
        return rgc_number("dt", text, 1e-6, 10, &common->import.dt_s);
    case OPT_CLAMP: return parse_clamps(text, common);
    case OPT_AXES: common->import.axes = text; return RGC_DONE;
    case OPT_UNITS: common->import.unit_given = 1; return parse_units(text, &common->import.unit_m);
    case OPT_STEPPER: return parse_stepper(text, &common->stepper);
    case OPT_SWEEPS: return parse_int("sweeps", text, 1, 1000, &common->sweeps);
    case OPT_SCHEME: return parse_scheme(text, &common->scheme);
    case OPT_SUBSTEPS: return parse_int("substeps", text, 1, RG_MOST_SUBSTEPS, &common->substeps);
    case OPT_GRAVITY: return parse_gravity(text, common);
    case OPT_NEWTON: return rgc_number("newton-tolerance", text, 1e-14, 1.0, &common->newton_m);
    case OPT_ITERATIONS: return parse_int("newton-iterations", text, 1, 1000000, &common->newton_iterations);
    case OPT_AT_LIMIT: return parse_at_limit(text, &common->at_limit);
    case OPT_REFINE: return parse_int("refine", text, 1, 1000, &common->refine);
    case OPT_THREADS: return parse_int("threads", text, 1, 4096, &common->threads);
    case OPT_BACKEND: common->backend = text; return RGC_DONE;
    case OPT_REAL: return parse_real(text, &common->real);
    case OPT_ISA: return parse_isa(text, &common->isa);
    default: return RGC_DONE;
    }
}

static void print_help_line(const char *name, const char *argument, const char *help, const char *fallback)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
    printf("  %-22s %s", left, help);
    if (fallback) printf(" (%s)", fallback);
    putchar('\n');
}

static int is_hidden(const rgc_option *extra, size_t n_extra, const char *name)
{
    for (size_t k = 0; k < n_extra; k++)
        if (strcmp(extra[k].name, name) == 0) return 1;
    return 0;
}

static void print_help(const char *command, const char *usage, const rgc_option *extra, size_t n_extra)
{
    const size_t at = command_index(command);
    const int has_model = at < N_COMMANDS && command_options[at].has_model;
    printf("usage: %s\n\noptions, defaults in parentheses:\n", usage);
    for (size_t i = 0; i < n_extra; i++)
        print_help_line(extra[i].name, extra[i].text ? "X" : NULL, extra[i].help, NULL);
    for (int i = 0; i < OPT_COUNT; i++)
        if ((taken_by(command) & 1u << i) && !is_hidden(extra, n_extra, common_options[i].name))
            print_help_line(common_options[i].name, common_options[i].argument, common_options[i].help,
                            has_model && common_options[i].from_model ? "the model's" : common_options[i].fallback);
}

/* length of the name in "name" or "name=value" */
static int same_name(const char *argument, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(argument, name, length) == 0;
}

/* argument of option argv[*at]: behind its "=" or the next word; NULL after a sentence */
static const char *option_argument(const char *command, int argc, char **argv, int *at)
{
    const char *equals = strncmp(argv[*at], "--", 2) == 0 ? strchr(argv[*at], '=') : NULL;
    if (equals) return equals + 1;
    if (*at + 1 < argc) return argv[++*at];
    rgc_complain(command, RGC_USAGE, "%s needs an argument; see rodgrad %s --help.", argv[*at], command);
    return NULL;
}

/* which of a command's options were given: its own, then the common ones */
enum { EXTRA_MAX = 32 };
typedef struct given {
    const char *text[EXTRA_MAX + OPT_COUNT];
} given;

/* Refuse an option's second argument, which would silently replace the first; flags may be repeated. */
static int give_once(const char *command, const char *name, const char *text, const char **before)
{
    const char *first = *before;
    *before = text;
    if (!first) return RGC_DONE;
    return rgc_complain(command, RGC_USAGE, "--%s is given twice, \"%s\" and \"%s\", and takes one; leave one out.",
                        name, first, text);
}

/* no option has this name: a sentence with the names that begin like it */
static int refuse_unknown(const char *command, const char *word, const char *name, size_t length,
                          const rgc_option *extra, size_t n_extra)
{
    const char *names[64];
    char list[512] = "";
    size_t n = 0, used = 0;
    for (size_t i = 0; i < n_extra; i++)
        if (length && strncmp(extra[i].name, name, length) == 0) names[n++] = extra[i].name;
    for (int i = 0; i < OPT_COUNT; i++)
        if (length && (taken_by(command) & 1u << i) && !is_hidden(extra, n_extra, common_options[i].name) &&
            strncmp(common_options[i].name, name, length) == 0)
            names[n++] = common_options[i].name;
    for (size_t i = 0; i < n && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s--%s",
                                 i == 0      ? ""
                                 : i + 1 < n ? ", "
                                             : " or ",
                                 names[i]);
    if (n == 0) return rgc_complain(command, RGC_USAGE, "unknown option %s; see rodgrad %s --help.", word, command);
    return rgc_complain(command, RGC_USAGE, "unknown option --%.*s; options are written in full: %s.", (int)length,
                        name, list);
}

/* one option at argv[*at], which moves on over its argument */
static int parse_option(int argc, char **argv, int *at, const rgc_option *extra, size_t n_extra, rgc_common *common,
                        given *seen)
{
    const char *word = argv[*at];
    const char *name = strcmp(word, "-o") == 0 ? "output" : strcmp(word, "-h") == 0 ? "help" : "";
    if (!*name && strncmp(word, "--", 2) == 0) name = word + 2;
    size_t length = strcspn(name, "=");
    for (size_t i = 0; i < n_extra; i++) {
        if (!same_name(name, length, extra[i].name)) continue;
        if (extra[i].text) {
            *extra[i].text = option_argument(argv[0], argc, argv, at);
            if (!*extra[i].text) return RGC_USAGE;
            return give_once(argv[0], extra[i].name, *extra[i].text, &seen->text[i]);
        }
        if (name[length]) return rgc_complain(argv[0], RGC_USAGE, "--%s takes no argument.", extra[i].name);
        *extra[i].flag = 1;
        return RGC_DONE;
    }
    for (int i = 0; i < OPT_COUNT; i++) {
        if (!same_name(name, length, common_options[i].name)) continue;
        if (!(taken_by(argv[0]) & 1u << i))
            return rgc_complain(argv[0], RGC_USAGE, "it takes no --%s: %s.", common_options[i].name,
                                command_options[command_index(argv[0])].why);
        if (!common_options[i].argument && name[length])
            return rgc_complain(argv[0], RGC_USAGE, "--%s takes no argument.", common_options[i].name);
        const char *text = "";
        if (common_options[i].argument && !(text = option_argument(argv[0], argc, argv, at))) return RGC_USAGE;
        if (common_options[i].argument) {
            int code = give_once(argv[0], common_options[i].name, text, &seen->text[EXTRA_MAX + i]);
            if (code != RGC_DONE) return code;
        }
        return apply_common(i, text, common);
    }
    return refuse_unknown(argv[0], word, name, length, extra, n_extra);
}

int rgc_parse(int argc, char **argv, const char *usage, const rgc_option *extra, size_t n_extra, rgc_common *common,
              int *first, int *last)
{
    memset(common, 0, sizeof *common);
    common->import = rg_import_opts_default();
    common->scheme = -1;
    common->stepper = -1;
    common->backend = "cpu";
    *first = *last = 1;
    int options_ended = 0;
    given seen = {{NULL}};
    assert(n_extra <= EXTRA_MAX);
    for (int at = 1; at < argc; at++) {
        char *word = argv[at];
        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = 1;
        } else if (!options_ended && word[0] == '-' && word[1]) {
            int code = parse_option(argc, argv, &at, extra, n_extra, common, &seen);
            if (code != RGC_DONE) return code;
        } else {
            argv[(*last)++] = word;
        }
    }
    if (common->help) {
        print_help(argv[0], usage, extra, n_extra);
        if (fflush(stdout) != 0 || ferror(stdout))
            return rgc_complain(argv[0], RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
        return RGC_DONE;
    }
    return open_backend(argv[0], common);
}

rg_status rgc_check_steps(const rgc_common *common, rg_stepper stepper, rg_error *err)
{
    if (common->sweeps > 0 && stepper != RG_STEPPER_DEFORM)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "--sweeps is of the deform stepper, and the stepper is implicit; add --stepper deform or leave "
                       "--sweeps out.");
    if (common->scheme >= 0 && common->scheme != RG_SCHEME_STATIC && stepper == RG_STEPPER_DEFORM)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "--scheme is of the implicit stepper, and the stepper is deform; add --stepper implicit or "
                       "leave --scheme out.");
    return RG_OK;
}

rg_rollout_opts rgc_rollout_opts(const rgc_common *common, const rgi_model_file *file)
{
    rg_rollout_opts opts = file ? file->rollout : rg_rollout_opts_default();
    if (common->stepper >= 0) opts.stepper = (rg_stepper)common->stepper;
    if (common->sweeps > 0) opts.sweeps = common->sweeps;
    if (common->scheme >= 0) opts.scheme = (rg_scheme)common->scheme;
    if (common->substeps > 0) opts.substeps = common->substeps;
    if (common->gravity_given) memcpy(opts.gravity, common->gravity, sizeof opts.gravity);
    if (common->newton_m > 0.0) opts.tolerance_m = common->newton_m;
    if (common->newton_iterations > 0) opts.max_iterations = common->newton_iterations;
    opts.at_limit = common->at_limit;
    if (common->threads > 0) opts.threads = common->threads;
    if (common->isa) opts.isa = common->isa;
    opts.context = common->context;
    opts.real = common->real;
    return opts;
}

void rgc_tell_gravity(const char *command, const rgc_common *common, const rgi_model_file *file, const char *path)
{
    const double *g = common->gravity, *m = file->rollout.gravity;
    const rg_rollout_opts usual = rg_rollout_opts_default();
    if (common->gravity_given && (g[0] != m[0] || g[1] != m[1] || g[2] != m[2]))
        rgc_warn(command, "--gravity %g,%g,%g replaces the %g,%g,%g m/s^2 of %s.", g[0], g[1], g[2], m[0], m[1], m[2],
                 path);
    else if (!common->gravity_given && memcmp(m, usual.gravity, sizeof usual.gravity) != 0)
        rgc_complain(command, RGC_DONE, "gravity is %g,%g,%g m/s^2, as %s says.", m[0], m[1], m[2], path);
}

/* append a word, in single quotes where a shell would read it otherwise; `room` is large enough */
static void add_word(char *line, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./,:@%";
    char *end = line + strlen(line);
    *end++ = ' ';
    if (*word && strspn(word, plain) == strlen(word)) {
        strcpy(end, word);
        return;
    }
    *end++ = '\'';
    for (; *word; word++) {
        if (*word == '\'') {
            memcpy(end, "'\\''", 4);
            end += 4;
        } else {
            *end++ = *word;
        }
    }
    memcpy(end, "'", 2);
}

char *rgc_command_line(int argc, char **argv)
{
    size_t size = sizeof "rodgrad";
    for (int i = 0; i < argc; i++) size += 4 * strlen(argv[i]) + 3;
    char *line = malloc(size);
    if (!line) return NULL;
    strcpy(line, "rodgrad");
    for (int i = 0; i < argc; i++) add_word(line, argv[i]);
    return line;
}

/* ---- signals, progress, time, output ---- */

/* written by the handler; process-wide like the signals themselves */
static volatile sig_atomic_t signal_seen;
static int progress_shown;

static void note_signal(int number) { signal_seen = number; }

void rgc_catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal}, hangup;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    /* nohup has it ignored, and that stays */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, NULL);
    action.sa_flags = (int)(SA_RESTART | SA_RESETHAND);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGPIPE, &action, NULL);
}

int rgc_interrupted(void) { return (int)signal_seen; }

/* columns of the terminal behind stderr: the fewest that it or $COLUMNS says, 80 where neither does */
static size_t terminal_columns(void)
{
    struct winsize size;
    const char *named = getenv("COLUMNS");
    const long said = named ? strtol(named, NULL, 10) : 0;
    size_t columns = said > 0 && said < 10000 ? (size_t)said : 0;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && (!columns || size.ws_col < columns))
        columns = size.ws_col;
    return columns ? columns : 80;
}

/* cut a line of UTF-8 to so many bytes, and so at most so many columns, at the beginning of a character */
static void cut_line(char *line, size_t most)
{
    if (strlen(line) <= most) return;
    while (most > 0 && ((unsigned char)line[most] & 0xc0) == 0x80) most--;
    line[most] = '\0';
}

void rgc_progress(const char *format, ...)
{
    static double last_s; /* when a line was printed on a terminal that cannot overwrite one */
    char line[512];
    if (!isatty(STDERR_FILENO)) return;
    const char *terminal = getenv("TERM");
    const int dumb = !terminal || !*terminal || strcmp(terminal, "dumb") == 0;
    if (dumb && last_s > 0.0 && rgc_seconds() - last_s < 1.0) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    /* many terminals wrap at their last column */
    cut_line(line, terminal_columns() - 1);
    if (dumb) {
        fprintf(stderr, "%s\n", line);
        last_s = rgc_seconds();
        return;
    }
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    progress_shown = 1;
}

void rgc_progress_clear(void)
{
    if (!progress_shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress_shown = 0;
}

double rgc_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* what rgc_warn has said so far, for every JSON object that the process prints; the process's own, like stderr */
static json_t *warnings;

void rgc_warn(const char *command, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    rgc_complain(command, RGC_DONE, "warning: %s", text);
    if (!warnings) warnings = json_array();
    json_array_append_new(warnings, rgc_json_text(text));
}

void rgc_add_warnings(json_t *object)
{
    json_object_set_new(object, "warnings", warnings ? json_copy(warnings) : json_array());
}

int rgc_print_json(const char *command, json_t *object)
{
    rgc_progress_clear();
    if (!object) return rgc_complain(command, RGC_FAILED, "no memory for the JSON output.");
    rgc_add_warnings(object);
    errno = 0;
    int failed = json_dumpf(object, stdout, JSON_COMPACT) != 0;
    failed |= fputc('\n', stdout) == EOF;
    failed |= fflush(stdout) != 0 || ferror(stdout);
    json_decref(object);
    result_printed = 1; /* or as much of it as stdout took */
    if (!failed) return RGC_DONE;
    return rgc_complain(command, RGC_FAILED, "cannot write to stdout: %s.", strerror(errno ? errno : EIO));
}
