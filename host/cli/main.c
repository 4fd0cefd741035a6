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
    for (size_t i = 0; i < N_COMMANDS; i++) fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\nrodgrad help COMMAND or rodgrad COMMAND --help lists its options; rodgrad --version says the version.\n",
          stream);
}

static int flush_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain(NULL, RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static int unknown_command(const char *name)
{
    return rgc_complain(NULL, RGC_USAGE, "there is no command \"%.100s\"; rodgrad help lists them.", name);
}

/* the place of a command in `commands`; N_COMMANDS where there is none of this name */
static size_t find(const char *name)
{
    size_t i = 0;
    while (i < N_COMMANDS && strcmp(name, commands[i].name) != 0) i++;
    return i;
}

/* rodgrad help [COMMAND] */
static int help(int argc, char **argv)
{
    char option[] = "--help";
    if (argc > 2)
        return rgc_complain("help", RGC_USAGE, "it takes one command at most, and \"%.100s\" was given as well.",
                            argv[2]);
    if (argc == 2) {
        const size_t i = find(argv[1]);
        char *words[] = {argv[1], option, NULL};
        return i < N_COMMANDS ? commands[i].run(2, words) : unknown_command(argv[1]);
    }
    print_commands(stdout);
    return flush_stdout();
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "help") == 0) return help(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return help(1, argv);
    if (strcmp(name, "--version") == 0) {
        printf("rodgrad %s\n", rg_version());
        return flush_stdout();
    }
    const size_t i = find(name);
    if (i < N_COMMANDS) return commands[i].run(argc - 1, argv + 1);
    if (*name) return unknown_command(name);
    print_commands(stderr);
    return RGC_USAGE;
}

int main(int argc, char **argv)
{
    const int json = rgc_json_asked(argc, argv);
    const char *command = argc > 1 ? argv[1] : "";
    /* a file-size limit is an error of write, not the program's end */
    signal(SIGXFSZ, SIG_IGN);
    const int code = run(argc, argv);
    return json ? rgc_end_json(command, code) : code;
}
