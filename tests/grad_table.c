/* grad_table.c: one small file per row (see grad_table.h): check, over, worst, bar and verdict,
 * between tabs. */
#include "grad_table.h"

#include <stdio.h>
#include <stdlib.h>

static void write_row(const char *check, const char *over, const char *worst, const char *bar, const char *verdict)
{
    const char *folder = getenv("RODGRAD_GRAD_TABLE");
    char path[512];
    int at;
    if (!folder || !*folder) return;
    at = snprintf(path, sizeof path, "%s/%s--%s", folder, check, over);
    if (at < 0 || (size_t)at >= sizeof path) {
        fprintf(stderr, "the row %s, %s has too long a name\n", check, over);
        abort();
    }
    /* names of rows are sentences; those of files are plainer */
    for (char *p = path + (at - (int)snprintf(NULL, 0, "%s--%s", check, over)); *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9'))) *p = '_';
    FILE *f = fopen(path, "w");
    if (!f || fprintf(f, "%s\t%s\t%s\t%s\t%s\n", check, over, worst, bar, verdict) < 0 || fclose(f)) {
        fprintf(stderr, "cannot write %s\n", path);
        abort();
    }
}

void grad_record(const char *check, const char *over, double worst, double bar, grad_sense sense)
{
    char value[32], limit[40] = "stated";
    int good = sense == GRAD_AT_MOST ? worst <= bar : sense == GRAD_AT_LEAST ? worst >= bar : 1;
    snprintf(value, sizeof value, "%.3g", worst);
    if (sense != GRAD_STATED) snprintf(limit, sizeof limit, "%s %.3g", sense == GRAD_AT_MOST ? "≤" : "≥", bar);
    write_row(check, over, value, limit, good ? "ok" : "FAILED");
}

void grad_skip(const char *check, const char *over, const char *why)
{
    char verdict[128];
    snprintf(verdict, sizeof verdict, "left out: %s", why);
    write_row(check, over, "-", "-", verdict);
}

void grad_record_bitwise(const char *check, const char *over, double differing)
{
    write_row(check, over, differing == 0.0 ? "equal" : "unequal", "bitwise", differing == 0.0 ? "ok" : "FAILED");
}
