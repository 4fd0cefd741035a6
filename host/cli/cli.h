/* cli/cli.h: what the subcommands share: options, exit codes, interrupts, progress. */
#ifndef RGC_CLI_H
#define RGC_CLI_H

#include <stdio.h>

#include "io/model_json.h"
#include "io/recording_io.h"
#include "rodgrad/status.h"

enum { RGC_DONE = 0, RGC_FAILED = 1, RGC_USAGE = 2 }; /* 128 + signal when interrupted */

/* One file a subcommand: rgc_<name>(argc, argv), argv[0] = the subcommand's name. */
int rgc_bench(int argc, char **argv);
int rgc_check(int argc, char **argv);
int rgc_evaluate(int argc, char **argv);
int rgc_fit(int argc, char **argv);
int rgc_import(int argc, char **argv);
int rgc_info(int argc, char **argv);
int rgc_new(int argc, char **argv);
int rgc_plant(int argc, char **argv);
int rgc_report(int argc, char **argv);
int rgc_section(int argc, char **argv);
int rgc_simulate(int argc, char **argv);

/* Options that every command which reads or simulates recordings takes. */
typedef struct rgc_common {
    int json;              /* --json */
    const char *output;    /* -o, --output */
    rg_import_opts import; /* --dt (frame interval [s]), --clamp LIST, --axes, --units m|cm|mm|in|FACTOR */
    int import_clamps[64]; /* storage behind import.clamps */
    int clamps_given;      /* --clamp was on the command line */
    int dt_given;          /* --dt was */
    int scheme;            /* --scheme: rg_scheme, or -1 when not given */
    int substeps;          /* --substeps N, or 0 when not given */
    double newton_m;       /* --newton-tolerance M [m], or 0 when not given */
    int newton_iterations; /* --newton-iterations N, or 0 when not given */
    rg_at_limit at_limit;  /* --at-limit freeze|continue */
    int refine;            /* --refine R, or 0 when not given */
    int threads;           /* --threads N, or 0 */
    double gravity[3];     /* --gravity X,Y,Z [m/s^2], where it was given */
    int gravity_given;
    const char *isa;     /* --isa scalar|fma|sse2|avx2|avx512, or NULL */
    int stepper;         /* --stepper implicit|deform: rg_stepper, or -1 when not given */
    int sweeps;          /* --sweeps N, or 0 when not given */
    const char *backend; /* --backend cpu|cuda|cuda:N, "cpu" by default */
    const char *kernels; /* folder of a GPU's kernels that are preferred to the library's, or NULL */
    rg_context *context; /* that backend's, NULL for the CPU; freed when the program ends */
    rg_real real;        /* --real double|float */
    int help;            /* --help */
} rgc_common;

/* An extra option of one subcommand, for rgc_parse. */
typedef struct rgc_option {
    const char *name;  /* long name without dashes */
    const char **text; /* where to leave the argument's text; NULL for a flag */
    int *flag;         /* set to 1 when a flag is given */
    const char *help;  /* one line */
} rgc_option;

/* Parse argv. Positional arguments are moved to argv[*first .. *last-1] (they may be mixed with
 * options). `usage`: the synopsis line(s); --help prints it and the options to stdout and sets
 * common->help. An extra option hides the common one of its name; its text may be a member of *common, which is
 * emptied first. A common option that does not act in this command is refused. Opens the backend. Returns RGC_DONE, or
 * another code after printing a sentence to stderr. */
int rgc_parse(int argc, char **argv, const char *usage, const rgc_option *extra, size_t n_extra, rgc_common *common,
              int *first, int *last);

/* Parse a number option: a sentence and RGC_USAGE when it is not a number in [low, high]. */
int rgc_number(const char *option, const char *text, double low, double high, double *out);
/* Three numbers between commas, each of size 1e6 at most: 1, else 0. */
int rgc_triple(const char *text, double out[3]);
/* --bend-measure: a sentence and RGC_USAGE where there is none of this name */
int rgc_bend_measure(const char *command, const char *text, rg_bend_measure *out);
int rgc_integer(const char *option, const char *text, long low, long high, long *out);
/* "all" (everything), or bytes with k, M or G behind them, at least 1: into what rg_batch_opts calls a
 * budget */
int rgc_bytes(const char *option, const char *text, size_t *out);

/* Print err's sentence as "rodgrad <command>: sentence" and return the exit code it stands for:
 * RGC_USAGE for argument, shape, value, format, unsupported and a path that cannot be used (missing, a folder, a name
 * too long, no permission); RGC_FAILED for the rest; 128 + signal for RG_ERR_INTERRUPTED. */
int rgc_fail(const char *command, const rg_error *err);
/* The same with a sentence of one's own. */
int rgc_complain(const char *command, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Print "rodgrad <command>: warning: sentence" on stderr and keep the sentence for the JSON output. Exit code and
 * status do not change. Main thread only. */
void rgc_warn(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `warnings`, the sentences so far, into an object */
void rgc_add_warnings(json_t *object);

/* Is --json among the words of a call? Before the call is parsed, which moves them. */
int rgc_json_asked(int argc, char **argv);
/* The end of a call with --json, before the program ends with `code`: where it failed and printed no object, one with
 * the sentence that rgc_complain or rgc_fail said first: {command, status, exit_code}. Returns code. */
int rgc_end_json(const char *command, int code);

/* From now on SIGINT, SIGTERM, SIGHUP (unless it is ignored, as under nohup) and SIGUSR1 only set a flag, which
 * rgc_interrupted returns (the signal's number, else 0). A second SIGINT kills as usual. SIGPIPE is ignored. */
void rgc_catch_signals(void);
int rgc_interrupted(void);

/* A progress line on stderr: overwritten in place on a terminal, cut to its width; on one that cannot overwrite
 * (TERM is dumb or not set) a line of its own, at most one a second; silent otherwise. */
void rgc_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void rgc_progress_clear(void);

/* The command line as it could be typed again; owned by the caller, NULL without memory. */
char *rgc_command_line(int argc, char **argv);

/* Wall clock [s]. */
double rgc_seconds(void);

/* Print one JSON object and a newline on stdout, flush; RGC_FAILED and a sentence if that fails. Adds the warnings.
 * Steals the reference. */
int rgc_print_json(const char *command, json_t *object);

/* Refuse a given option that the stepper does not use: --sweeps without deform, --scheme be or bdf2 with it.
 * RG_ERR_ARGUMENT. */
rg_status rgc_check_steps(const rgc_common *common, rg_stepper stepper, rg_error *err);

/* A warning where --gravity is another than that of the model file, which it replaces; a line on stderr where it is not
 * given and the model's is not the default. */
void rgc_tell_gravity(const char *command, const rgc_common *common, const rgi_model_file *file, const char *path);

/* Merge what a model file says about the simulation with the options given (options win). */
rg_rollout_opts rgc_rollout_opts(const rgc_common *common, const rgi_model_file *file);

#endif
