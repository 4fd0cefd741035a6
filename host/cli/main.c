/* cli/main.c: the program rodgrad: hands over to one of the subcommands. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include "rodgrad/version.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"import", rgc_import, "convert recordings to HDF5; say what was found, repaired, masked"},
    {"fit", rgc_fit, "identify a rod's parameters from recordings"},
    {"evaluate", rgc_evaluate, "compare a model's predictions with recordings"},
    {"report", rgc_report, "the same as an interactive page"},
    {"check", rgc_check, "test gradients, step size and conditioning on your own recordings"},
    {"simulate", rgc_simulate, "drive a model by a recording's grippers and write what it does"},
    {"new", rgc_new, "make a model from a cross-section, a material and a length, and a drive"},
    {"plant", rgc_plant, "make recordings from known parameters"},
    {"bench", rgc_bench, "measure how fast named scenes are simulated and differentiated"},
    {"section", rgc_section, "stiffnesses of a cross-section and material, and back"},
    {"info", rgc_info, "version, libraries, instruction sets"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_commands(FILE *stream)
{
    fputs("usage: rodgrad COMMAND [ARGUMENTS]\n\ncommands:\n", stream);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\nrodgrad COMMAND --help lists a command's options; rodgrad --version the version.\n",
          stream);
}

static int flush_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain(NULL, RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    /* a file-size limit is an error of write, not the program's end */
    signal(SIGXFSZ, SIG_IGN);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_commands(stdout);
        return flush_stdout();
    }
    if (strcmp(name, "--version") == 0) {
        puts("rodgrad " RODGRAD_VERSION);
        return flush_stdout();
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    if (*name)
        return rgc_complain(NULL, RGC_USAGE,
                            "there is no command \"%.100s\"; rodgrad --help lists them.", name);
    print_commands(stderr);
    return RGC_USAGE;
}
