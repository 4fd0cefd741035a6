/* test_ldlt.c: the block LDL^T of step/ldlt.h against LAPACK on the same matrix, dense.
 *
 * A random matrix with the pattern of a schedule is a sum of B B^T over the cliques of the
 * elimination (node 4, first neighbour 4, second neighbour's position 3). The dense copy is written
 * from the layout documented in ldlt.h: 0..9 diagonal block, lower triangle by rows; 10..25 rows of
 * the first neighbour times columns of the node; 26..37 rows of the second's position. */
#define RGI_REAL_DOUBLE
#include "step/ldlt.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lapacke.h>

#include "probe_random.h"

enum { NODES = 40, SIZE = 4 * NODES };

typedef struct problem {
    int n;
    int order[NODES], first[NODES], second[NODES];
    double blocks[NODES * RGI_NH];
    double dense[SIZE * SIZE]; /* row-major, full, 4n x 4n */
    double b[SIZE];
} problem;

static rgi_schedule plan_of(const problem *p) { return (rgi_schedule){p->n, p->order, p->first, p->second}; }

static void make_chain(problem *p, int n)
{
    p->n = n;
    for (int k = 0; k < n; k++) {
        p->order[k] = k;
        p->first[k] = k + 1 < n ? k + 1 : -1;
        p->second[k] = k + 2 < n ? k + 2 : -1;
    }
}

/* a tree whose nodes' first neighbours are random earlier nodes, in a random order, leaves first */
static void make_tree(problem *p, int n, int reach, uint64_t *seed)
{
    int left[NODES];
    p->n = n;
    for (int k = 0; k < n; k++) {
        int back = 1 + (int)(random_uniform(seed) * reach);
        p->first[k] = k == 0 ? -1 : (back > k ? 0 : k - back);
        left[k] = 0;
    }
    for (int k = 1; k < n; k++) left[p->first[k]]++;
    for (int k = 0; k < n; k++) p->second[k] = p->first[k] < 0 ? -1 : p->first[p->first[k]];
    for (int s = 0; s < n; s++) {
        int pick = (int)(random_uniform(seed) * n);
        while (left[pick] != 0) pick = (pick + 1) % n;
        left[pick] = -1;
        if (p->first[pick] >= 0) left[p->first[pick]]--;
        p->order[s] = pick;
    }
}

/* where unknown i of node k's clique (node 4, first 4, second 3) is in the whole; -1: nowhere */
static int unknown(const problem *p, int k, int i)
{
    int node = i < 4 ? k : (i < 8 ? p->first[k] : p->second[k]);
    return node < 0 ? -1 : 4 * node + i % 4;
}

static void dense_from_blocks(problem *p)
{
    int m = 4 * p->n;
    memset(p->dense, 0, sizeof p->dense);
    for (int k = 0; k < p->n; k++) {
        const double *h = p->blocks + RGI_NH * k;
        for (int r = 0; r < 11; r++)
            for (int c = 0; c < 4; c++) {
                int row = unknown(p, k, r), col = 4 * k + c;
                if (row < 0 || (r < 4 && c > r)) continue;
                double v = r < 4 ? h[r * (r + 1) / 2 + c] : h[10 + 4 * (r - 4) + c];
                p->dense[row * m + col] = p->dense[col * m + row] = v;
            }
    }
}

static void add_entry(problem *p, int row, int col, double v)
{
    int kr = row / 4, kc = col / 4, r = row % 4, c = col % 4;
    if (kr == kc && r >= c) p->blocks[RGI_NH * kc + r * (r + 1) / 2 + c] += v;
    if (kr != kc && p->first[kc] == kr) p->blocks[RGI_NH * kc + 10 + 4 * r + c] += v;
    if (kr != kc && p->second[kc] == kr) p->blocks[RGI_NH * kc + 26 + 4 * r + c] += v;
}

/* random SPD: over each clique B B^T with B 11 x 5, and a diagonal of 0.1 to 1; scales spread over
 * four decades between positions and angles, as stiffness per length does */
static void fill_spd(problem *p, uint64_t *seed)
{
    memset(p->blocks, 0, sizeof p->blocks);
    for (int k = 0; k < p->n; k++) {
        double b[11][5];
        for (int i = 0; i < 11; i++)
            for (int j = 0; j < 5; j++) b[i][j] = random_signed(seed) * (i % 4 == 3 && i < 8 ? 1.0 : 100.0);
        for (int i = 0; i < 11; i++)
            for (int j = 0; j < 11; j++) {
                int row = unknown(p, k, i), col = unknown(p, k, j);
                double v = 0.0;
                for (int l = 0; l < 5; l++) v += b[i][l] * b[j][l];
                if (row >= 0 && col >= 0) add_entry(p, row, col, v);
            }
        for (int c = 0; c < 4; c++)
            p->blocks[RGI_NH * k + c * (c + 1) / 2 + c] += (c == 3 ? 1.0 : 1e4) * (0.1 + 0.9 * random_uniform(seed));
    }
    for (int i = 0; i < 4 * p->n; i++) p->b[i] = random_signed(seed);
    dense_from_blocks(p);
}

static double largest(const double *x, int n)
{
    double m = 0.0;
    for (int i = 0; i < n; i++) m = !(fabs(x[i]) <= m) ? fabs(x[i]) : m;
    return m;
}

/* solve p with our factorisation into x and return the indefinite flag */
static int solve(const problem *p, double *x)
{
    double *blocks = malloc(sizeof p->blocks);
    assert_non_null(blocks);
    memcpy(blocks, p->blocks, sizeof p->blocks);
    memcpy(x, p->b, sizeof p->b);
    int bad = rgi_ldlt_factor(plan_of(p), blocks);
    rgi_ldlt_solve(plan_of(p), blocks, x);
    free(blocks);
    return bad;
}

/* |A x - b| <= tol (|A| |x| + |b|), row by row; row `sum` (or -1: none) is the sum of the others'
 * angles' and is measured by all of them */
static void assert_backward(const problem *p, const double *x, int sum, double tol)
{
    int m = 4 * p->n;
    double all = 0.0, left = 0.0;
    for (int i = 0; i < m; i++) {
        double r = -p->b[i], s = fabs(p->b[i]);
        for (int j = 0; j < m; j++) {
            r += p->dense[i * m + j] * x[j];
            s += fabs(p->dense[i * m + j] * x[j]);
        }
        if (i % 4 == 3) all += s;
        if (i == sum) left = fabs(r);
        else if (!(fabs(r) <= tol * s)) fail_msg("%d nodes, row %d: residual %.1e of %.1e", p->n, i, fabs(r), s);
    }
    if (!(left <= tol * all)) fail_msg("%d nodes: residual %.1e of %.1e", p->n, left, all);
}

/* ours against dposv, with dpocon's estimate of the condition number */
static void assert_matches_lapack(const problem *p)
{
    int m = 4 * p->n;
    double x[SIZE], y[SIZE], rcond, anorm = 0.0, *a = malloc(sizeof p->dense);
    assert_non_null(a);
    assert_false(solve(p, x));
    memcpy(a, p->dense, sizeof p->dense);
    memcpy(y, p->b, sizeof p->b);
    anorm = LAPACKE_dlange(LAPACK_ROW_MAJOR, '1', m, m, a, m);
    assert_int_equal(LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', m, 1, a, m, y, 1), 0);
    assert_int_equal(LAPACKE_dpocon(LAPACK_ROW_MAJOR, 'L', m, a, m, anorm, &rcond), 0);
    free(a);
    double err = 0.0, scale = largest(y, m);
    for (int i = 0; i < m; i++) err = !(fabs(x[i] - y[i]) <= err) ? fabs(x[i] - y[i]) : err;
    /* both are off by a few eps times the condition number (1e5 to 1e7 here) */
    if (!(err <= 10.0 * DBL_EPSILON / rcond * scale))
        fail_msg("%d nodes: differs by %.1e, 1/cond %.1e", p->n, err / scale, rcond);
    if (!(err <= 1e-10 * scale)) fail_msg("%d nodes: differs by %.1e", p->n, err / scale);
    /* rows are short (27 entries): a backward error of a few tens of roundings */
    assert_backward(p, x, -1, 1e-14);
}

static void ldlt_chain_value(void **state)
{
    problem *p = *state;
    uint64_t seed = 101;
    for (int n = 1; n <= NODES; n++) {
        make_chain(p, n);
        fill_spd(p, &seed);
        assert_matches_lapack(p);
    }
}

/* a main rod with a branch at its middle, listed after it, and trees of every bushiness */
static void ldlt_branch_value(void **state)
{
    problem *p = *state;
    uint64_t seed = 202;
    make_chain(p, 12);
    p->n = 17;
    for (int k = 12; k < 17; k++) {
        p->first[k] = k == 12 ? 6 : k - 1;
        p->second[k] = k == 12 ? 7 : (k == 13 ? 6 : k - 2);
    }
    for (int s = 0; s < 17; s++) p->order[s] = s < 5 ? 16 - s : s - 5;
    fill_spd(p, &seed);
    assert_matches_lapack(p);
    for (int i = 0; i < 60; i++) {
        make_tree(p, 3 + i % (NODES - 2), 1 + i % 6, &seed);
        fill_spd(p, &seed);
        assert_matches_lapack(p);
    }
}

/* one entry anywhere in the blocks has its effect: no place of the layout is unused or mistaken */
static void ldlt_layout_value(void **state)
{
    problem *p = *state;
    uint64_t seed = 303;
    make_chain(p, 4);
    for (int i = 0; i < 4 * RGI_NH; i++) {
        memset(p->blocks, 0, sizeof p->blocks);
        for (int k = 0; k < 4; k++)
            for (int c = 0; c < 4; c++) p->blocks[RGI_NH * k + c * (c + 1) / 2 + c] = 1.0;
        p->blocks[i] += 0.5;
        for (int k = 0; k < SIZE; k++) p->b[k] = random_signed(&seed);
        int node = i / RGI_NH, place = i % RGI_NH;
        if ((place >= 10 && p->first[node] < 0) || (place >= 26 && p->second[node] < 0)) continue;
        dense_from_blocks(p);
        assert_matches_lapack(p);
    }
}

static void ldlt_indefinite_flag(void **state)
{
    problem *p = *state;
    uint64_t seed = 404;
    double x[SIZE], w[SIZE], *a = malloc(sizeof p->dense);
    assert_non_null(a);
    for (int i = 0; i < 40; i++) {
        if (i % 2) make_tree(p, 3 + i % 20, 3, &seed);
        else make_chain(p, 3 + i % (NODES - 2));
        fill_spd(p, &seed);
        int m = 4 * p->n;
        memcpy(a, p->dense, sizeof p->dense);
        assert_int_equal(LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', m, a, m, w), 0);
        /* shift the spectrum so that its lowest eigenvalue is just above or just below zero */
        for (int below = 0; below < 2; below++) {
            double shift = w[0] - (below ? -1.0 : 1.0) * 1e-3 * w[0];
            double kept[NODES * RGI_NH];
            memcpy(kept, p->blocks, sizeof kept);
            for (int k = 0; k < p->n; k++)
                for (int c = 0; c < 4; c++) p->blocks[RGI_NH * k + c * (c + 1) / 2 + c] -= shift;
            dense_from_blocks(p);
            int bad = solve(p, x);
            assert_int_equal(bad != 0, below);
            memcpy(p->blocks, kept, sizeof kept);
        }
    }
    free(a);
}

/* a prescribed unknown is a row and column of zeros: it stays put, the others are the solution
 * without it; whatever its right-hand side says */
static void ldlt_prescribed_value(void **state)
{
    problem *p = *state;
    uint64_t seed = 505;
    double x[SIZE], y[SIZE], *a = malloc(sizeof p->dense);
    assert_non_null(a);
    for (int i = 0; i < 60; i++) {
        if (i % 2) make_tree(p, 4 + i % 30, 3, &seed);
        else make_chain(p, 4 + i % 30);
        fill_spd(p, &seed);
        int m = 4 * p->n, fixed[SIZE], kept[SIZE], f = 0;
        for (int k = 0; k < m; k++) {
            /* whole nodes at the ends, single unknowns elsewhere, and the last node's angle */
            fixed[k] = k / 4 < i % 3 || k == m - 1 || random_uniform(&seed) < 0.15;
            if (!fixed[k]) kept[f++] = k;
        }
        for (int k = 0; k < p->n; k++)
            for (int r = 0; r < 11; r++)
                for (int c = 0; c < 4; c++) {
                    int row = unknown(p, k, r), col = 4 * k + c;
                    if (row < 0 || !(fixed[row] || fixed[col]) || (r < 4 && c > r)) continue;
                    int place = r < 4 ? r * (r + 1) / 2 + c : 10 + 4 * (r - 4) + c;
                    p->blocks[RGI_NH * k + place] = 0.0;
                }
        dense_from_blocks(p);
        assert_false(solve(p, x));
        for (int r = 0; r < f; r++) {
            y[r] = p->b[kept[r]];
            for (int c = 0; c < f; c++) a[r * f + c] = p->dense[kept[r] * m + kept[c]];
        }
        assert_int_equal(LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', f, 1, a, f, y, 1), 0);
        double scale = largest(y, f);
        for (int k = 0, r = 0; k < m; k++) {
            if (fixed[k]) assert_true(x[k] == 0.0);
            /* eps times the condition number, as above */
            else if (!(fabs(x[k] - y[r++]) <= 1e-10 * scale)) fail_msg("unknown %d of %d", k, m);
        }
    }
    free(a);
}

/* a rod free to spin: every clique sees angles only through differences of neighbours, so that the
 * same angle for all edges is a null vector, as for a naturally straight, isotropic rod; the last
 * node has no angle. Coupling to the positions from none (a straight rod) to strong, springs over
 * four decades. The last pivot vanishes: a right-hand side without net torque is still solved, the
 * last angle stays, and nothing is called indefinite. One held angle ends it. */
static void fill_spin(problem *p, double coupling, uint64_t *seed)
{
    memset(p->blocks, 0, sizeof p->blocks);
    double net = 0.0;
    for (int k = 0; k < p->n; k++) {
        double spring = pow(10.0, random_signed(seed));
        for (int l = 0; l < 5; l++) {
            double v[11];
            for (int i = 0; i < 11; i++) v[i] = 100.0 * random_signed(seed) * (l ? 1.0 : coupling);
            v[3] = l == 0 && k + 2 < p->n ? spring : 0.0;
            v[7] = -v[3];
            for (int i = 0; i < 11; i++)
                for (int j = 0; j < 11; j++) {
                    int row = unknown(p, k, i), col = unknown(p, k, j);
                    if (row >= 0 && col >= 0) add_entry(p, row, col, v[i] * v[j]);
                }
        }
        for (int c = 0; c < 3; c++) p->blocks[RGI_NH * k + c * (c + 1) / 2 + c] += 100.0;
        for (int c = 0; c < 4; c++) p->b[4 * k + c] = random_signed(seed);
        net += k + 1 < p->n ? p->b[4 * k + 3] : 0.0;
    }
    p->b[4 * p->n - 5] -= net;
    p->b[4 * p->n - 1] = 0.0;
    dense_from_blocks(p);
}

static void ldlt_spin_value(void **state)
{
    problem *p = *state;
    uint64_t seed = 606;
    const double couplings[] = {0.0, 1e-4, 1e-2, 1.0};
    double x[SIZE];
    for (int i = 0; i < 4 * (NODES - 2); i++) {
        make_chain(p, 3 + i / 4);
        fill_spin(p, couplings[i % 4], &seed);
        int last = 4 * p->n - 5;
        assert_false(solve(p, x));
        if (x[last] != 0.0) fail_msg("case %d: the last angle is %g", i, x[last]);
        assert_backward(p, x, last, 1e-14);
        p->blocks[RGI_NH * (p->n - 3) + 9] += 0.1;
        p->b[last] += 1.0;
        dense_from_blocks(p);
        assert_false(solve(p, x));
        if (!(x[last] != 0.0)) fail_msg("case %d: the last angle is held, and did not move", i);
        assert_backward(p, x, -1, 1e-14);
    }
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(problem));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ldlt_chain_value),      cmocka_unit_test(ldlt_branch_value),
        cmocka_unit_test(ldlt_layout_value),     cmocka_unit_test(ldlt_indefinite_flag),
        cmocka_unit_test(ldlt_prescribed_value), cmocka_unit_test(ldlt_spin_value),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
