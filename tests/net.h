/* net.h: hashes of what fixed runs come to, to the last bit, against tests/net.txt (test_net.c, test_net_deform.c).
 *
 * A change that is to keep numbers keeps them; one that is not makes the table anew (target net_update) and says why.
 * "fused" stands for the instruction sets with fused multiply-add (fma, avx2, avx512), "plain" for those without
 * (scalar, sse2): one hash for all that this processor has. Where RODGRAD_TEST_BACKEND names a GPU, the rows "gpu" are
 * of that: of the shim, whose arithmetic is the CPU's.
 *
 * Bits of the inputs depend on the C library's sine, and those of fits on the BLAS, which the tests' environment tells
 * to use the code that it has for every x86-64 (OPENBLAS_CORETYPE). Each has a row of its own; where that differs, the
 * hashes do not apply on this machine, and those rows are left out with a word. Include after cmocka.h. */
#ifndef NET_H
#define NET_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lapacke.h>

#include "cpu/dispatch.h"
#include "fits.h"

#define NET_TABLE RODGRAD_SOURCE_DIR "/tests/net.txt"

/* ---- the table ---- */

enum { NET_NAME = 96, NET_MOST_ROWS = 512 };

typedef struct net_row {
    char name[NET_NAME];
    uint64_t hash;
    int seen; /* computed in this run */
} net_row;

static net_row net_rows[NET_MOST_ROWS];
static size_t n_net_rows;
static int net_updating, net_wrong, net_missing;

static inline void net_read(void)
{
    char line[2 * NET_NAME];
    FILE *f = fopen(NET_TABLE, "r");
    if (!f) return;
    while (fgets(line, sizeof line, f) && n_net_rows < NET_MOST_ROWS) {
        char *tab = strchr(line, '\t');
        unsigned long long hash;
        if (line[0] == '#' || !tab || tab - line >= NET_NAME || sscanf(tab, "%llx", &hash) != 1) continue;
        *tab = '\0';
        strcpy(net_rows[n_net_rows].name, line);
        net_rows[n_net_rows++].hash = hash;
    }
    fclose(f);
}

static inline net_row *net_find(const char *name)
{
    for (size_t i = 0; i < n_net_rows; i++)
        if (strcmp(net_rows[i].name, name) == 0) return &net_rows[i];
    return NULL;
}

/* Is the hash the table's? The name is printed by format. A name that is computed more than once has one hash, in a
 * table that is made anew too. where: what computed it, or "". */
__attribute__((format(printf, 3, 4))) static inline int net_matches(uint64_t hash, const char *where,
                                                                    const char *format, ...)
{
    char name[NET_NAME];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    assert_in_range(length, 1, NET_NAME - 1);
    net_row *r = net_find(name);
    if (!r && net_updating && n_net_rows < NET_MOST_ROWS) {
        r = &net_rows[n_net_rows++];
        strcpy(r->name, name);
    }
    if (!r) {
        print_error("%s is not in " NET_TABLE "\n", name);
        net_missing++;
        return 0;
    }
    if (net_updating && !r->seen) r->hash = hash;
    r->seen = 1;
    if (r->hash == hash) return 1;
    print_error("%s%s%s: %016llx, not %016llx\n", name, *where ? " by " : "", where, (unsigned long long)hash,
                (unsigned long long)r->hash);
    return 0;
}

#define net_check(...) (net_wrong += !net_matches(__VA_ARGS__))

static inline int net_by_name(const void *a, const void *b)
{
    return strcmp(((const net_row *)a)->name, ((const net_row *)b)->name);
}

static inline int net_write(void)
{
    FILE *f = fopen(NET_TABLE, "w");
    if (!f) {
        perror(NET_TABLE);
        return 1;
    }
    qsort(net_rows, n_net_rows, sizeof *net_rows, net_by_name);
    fputs("# hashes of fixed runs, made by test_net --update (target net_update); see tests/test_net.c\n", f);
    for (size_t i = 0; i < n_net_rows; i++)
        fprintf(f, "%s\t%016llx\n", net_rows[i].name, (unsigned long long)net_rows[i].hash);
    const int bad = ferror(f) != 0;
    return fclose(f) != 0 || bad;
}

static inline void net_open(int argc, char **argv)
{
    net_updating = argc > 1 && strcmp(argv[1], "--update") == 0;
    net_read();
}

/* a row that the table lacks is a failure, of the guards too; another hash of those is another machine's */
static inline int net_close(int failed) { return net_updating && !failed ? net_write() : failed || net_missing > 0; }

/* ---- hashes ---- */

#define NET_BEGIN 0xcbf29ce484222325u

/* FNV-1a, 64 bits */
static inline uint64_t net_hash(uint64_t hash, const double *data, size_t count)
{
    const unsigned char *bytes = (const unsigned char *)data;
    for (size_t i = 0; i < count * sizeof *data; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static const char *const net_reals[] = {"double", "float"};

/* the instruction sets that this processor has and, with a GPU, that alone; class: whose bits they share */
typedef struct net_way {
    const char *isa, *class;
} net_way;

static inline size_t net_ways(net_way *to)
{
    size_t n = 0;
    if (getenv("RODGRAD_TEST_BACKEND")) {
        to[0] = (net_way){NULL, "gpu"};
        return 1;
    }
    for (int k = 0; rgi_cpu_isas[k]; k++) {
        const char *isa = rgi_cpu_isas[k];
        const int fused = strcmp(isa, "fma") == 0 || strncmp(isa, "avx", 3) == 0;
        if (rgi_cpu_find(isa, RG_REAL_DOUBLE)) to[n++] = (net_way){isa, fused ? "fused" : "plain"};
    }
    return n;
}

/* a Cholesky factor and the eigenvalues of a symmetric matrix large enough for blocks */
static inline uint64_t net_hash_blas(void)
{
    enum { N = 96 };
    double a[N * N], b[N * N], w[N];
    uint64_t seed = 7;
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) a[i * N + j] = a[j * N + i] = random_signed(&seed) + (i == j ? N : 0);
    memcpy(b, a, sizeof a);
    assert_int_equal(LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', N, a, N), 0);
    assert_int_equal(LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', N, b, N, w), 0);
    return net_hash(net_hash(net_hash(NET_BEGIN, a, N * N), b, N * N), w, N);
}

static inline int net_blas_is_known(void)
{
    if (net_matches(net_hash_blas(), "", "BLAS")) return 1;
    print_message("fits are left out, as this machine's BLAS has other bits\n");
    return 0;
}

/* take a fit to its end and check what it comes to */
static inline void net_check_fit(rg_fit *fit, size_t n, const char *at, const char *where)
{
    const rg_fit_parameter *p = NULL;
    size_t count = 0;
    rg_error err = {0};
    uint64_t values = NET_BEGIN, deviations = NET_BEGIN, errors = NET_BEGIN;
    while (!fits_step(fit).done) continue;
    if (rg_fit_parameters(fit, &p, &count, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) {
        values = net_hash(values, &p[i].value, 1);
        deviations = net_hash(deviations, &p[i].std, 1);
    }
    for (size_t i = 0; i < n; i++) {
        const double l1 = rg_fit_recording_l1(fit, i, NULL);
        errors = net_hash(errors, &l1, 1);
    }
    net_check(values, where, "%s: parameters", at);
    net_check(deviations, where, "%s: deviations", at);
    net_check(errors, where, "%s: errors", at);
}

#endif
