/* step/ldlt.h: block LDL^T of the step's Hessian over an elimination schedule, and its solves.
 *
 * Node k couples, when it is eliminated, to at most two remaining nodes: its first neighbour a (all
 * four unknowns) and its second b (position only: the half-bandwidth is 10). In a chain a = k+1 and
 * b = k+2; a branch is eliminated from its tip towards the junction by the same rule, because b is
 * always a's first neighbour, so the fill-in lands in a's block. Blocks of a node [RGI_NH]:
 *   0..9 diagonal 4x4, lower triangle by rows; 10..25 rows a x columns k; 26..37 rows b (3) x k.
 * After rgi_ldlt_factor the diagonal's places hold 1/d (on the diagonal) and the unit factor L.
 * A pivot that vanishes yields no motion: a prescribed unknown (a row and column of zeros), or the
 * last angle of a rod free to spin. Of its diagonal the neighbours' elimination leaves only
 * the rounding errors of all angles, so it is held against the largest of them, not its own; a held
 * rod's last angle keeps 1/n over the contrast of the stiffnesses, far above. */
#ifndef RGI_LDLT_H
#define RGI_LDLT_H

#include "../rod/layout.h"
#include "../real/real.h"

typedef struct rgi_schedule {
    int n;             /* nodes */
    const int *order;  /* [n] elimination order */
    const int *first;  /* [n] by node: first neighbour among those eliminated later, or -1 */
    const int *second; /* [n] by node: second neighbour, or -1; it is first[first[node]] */
} rgi_schedule;

/* column c of a node's panel col: its pivot d, 1/d, and its entries divided by it; spin: the largest angle's
 * diagonal so far */
RG_DISSOLVED void rgi_ldlt_column(int c, const real *diagonal, real (*col)[4], real *d, real *inv, real spin,
                                  rmask *indefinite)
{
    const real zero = rg_set1(0.0), diag = diagonal[c];
    real pivot = diag, scaled[3];
    for (int q = 0; q < c; q++) {
        scaled[q] = d[q] * col[c - 1][q];
        pivot = rg_fnma(col[c - 1][q], scaled[q], pivot);
    }
    real least = (c == 3 ? RGI_PIVOT_ANGLE * spin : RGI_PIVOT_OWN * rg_abs(diag)) + RG_C(1e-30);
    rmask tiny = rg_lt(rg_abs(pivot), least);
    *indefinite = rg_or(*indefinite, rg_and(rg_lt(pivot, zero), rg_not(tiny)));
    d[c] = pivot;
    inv[c] = rg_select(tiny, zero, RG_C(1.0) / rg_select(tiny, rg_set1(1.0), pivot));
    for (int r = c; r < 10; r++) {
        real v = col[r][c];
        for (int q = 0; q < c; q++) v = rg_fnma(col[r][q], scaled[q], v);
        col[r][c] = v * inv[c];
    }
}

/* a row of the panel times its pivots, by another one */
RG_FN real rgi_ldlt_row(const real *v, const real *w)
{
    return rg_dot4(v[0], w[0], v[1], w[1], v[2], w[2], v[3], w[3]);
}

/* factor in place; returns the lanes in which a pivot was negative (not positive definite) */
RG_FN rmask rgi_ldlt_factor(rgi_schedule plan, real *RG_RESTRICT blocks)
{
    rmask indefinite = rg_false();
    const real zero = rg_set1(0.0);
    real spin = zero; /* the largest angle's diagonal so far */
    for (int s = 0; s < plan.n; s++) {
        int k = plan.order[s], a = plan.first[k], b = plan.second[k];
        real *p = blocks + RGI_NH * k;
        real col[10][4]; /* the panel: rows 1..3 of the diagonal block, rows of a, rows of b */
        real diagonal[4], d[4], inv[4];
        /* rows of neighbours that are not there hold zeros, and keep them */
        for (int c = 0; c < 4; c++) {
            for (int r = c + 1; r < 4; r++) col[r - 1][c] = p[r * (r + 1) / 2 + c];
            for (int r = 0; r < 7; r++) col[3 + r][c] = p[10 + 4 * r + c];
        }
        spin = rg_max(spin, rg_abs(p[9]));
        for (int c = 0; c < 4; c++) diagonal[c] = p[c * (c + 1) / 2 + c];
        rgi_ldlt_column(0, diagonal, col, d, inv, spin, &indefinite);
        rgi_ldlt_column(1, diagonal, col, d, inv, spin, &indefinite);
        rgi_ldlt_column(2, diagonal, col, d, inv, spin, &indefinite);
        rgi_ldlt_column(3, diagonal, col, d, inv, spin, &indefinite);
        for (int c = 0; c < 4; c++) {
            p[c * (c + 1) / 2 + c] = inv[c];
            for (int r = c + 1; r < 4; r++) p[r * (r + 1) / 2 + c] = col[r - 1][c];
            for (int r = 0; r < 7; r++) p[10 + 4 * r + c] = col[3 + r][c];
        }
        if (a < 0) continue;
        real *pa = blocks + RGI_NH * a;
        for (int r = 0; r < 4; r++) {
            real v[4];
            for (int c = 0; c < 4; c++) v[c] = col[3 + r][c] * d[c];
            for (int c = 0; c <= r; c++) pa[r * (r + 1) / 2 + c] -= rgi_ldlt_row(v, col[3 + c]);
        }
        if (b < 0) continue;
        real *pb = blocks + RGI_NH * b;
        for (int r = 0; r < 3; r++) {
            real v[4];
            for (int c = 0; c < 4; c++) v[c] = col[7 + r][c] * d[c];
            for (int c = 0; c < 4; c++) pa[10 + 4 * r + c] -= rgi_ldlt_row(v, col[3 + c]);
            for (int c = 0; c <= r; c++) pb[r * (r + 1) / 2 + c] -= rgi_ldlt_row(v, col[7 + c]);
        }
    }
    return indefinite;
}

#if RGI_TEAM > 1
/* The same by a team, with the same bits: every lane factors the diagonal block for itself, takes a row of the
 * panel, and then entries of the blocks that the panel updates. */
RG_FN rmask rgi_ldlt_factor_by_team(rgi_schedule plan, real *blocks)
{
    rmask indefinite = rg_false();
    const real zero = rg_set1(0.0);
    real spin = zero;
    for (int s = 0; s < plan.n; s++) {
        int k = plan.order[s], a = plan.first[k], b = plan.second[k];
        real *p = blocks + RGI_NH * k;
        real d[4], inv[4], low[4][4];
        for (int c = 0; c < 4; c++) {
            real diag = p[c * (c + 1) / 2 + c], pivot = diag;
            for (int q = 0; q < c; q++) pivot = rg_fnma(low[c][q], d[q] * low[c][q], pivot);
            if (c == 3) spin = rg_max(spin, rg_abs(diag));
            real least = (c == 3 ? RGI_PIVOT_ANGLE * spin : RGI_PIVOT_OWN * rg_abs(diag)) + RG_C(1e-30);
            rmask tiny = rg_lt(rg_abs(pivot), least);
            indefinite = rg_or(indefinite, rg_and(rg_lt(pivot, zero), rg_not(tiny)));
            d[c] = pivot;
            inv[c] = rg_select(tiny, zero, RG_C(1.0) / rg_select(tiny, rg_set1(1.0), pivot));
            for (int r = c + 1; r < 4; r++) {
                real v = p[r * (r + 1) / 2 + c];
                for (int q = 0; q < c; q++) v = rg_fnma(low[r][q], d[q] * low[c][q], v);
                low[r][c] = v * inv[c];
            }
        }
        RG_TEAM_FOR(r, 0, a < 0 ? 0 : (b < 0 ? 4 : 7)) {
            real *row = p + 10 + 4 * r, v[4];
            for (int c = 0; c < 4; c++) {
                v[c] = row[c];
                for (int q = 0; q < c; q++) v[c] = rg_fnma(v[q], d[q] * low[c][q], v[c]);
                v[c] = v[c] * inv[c];
            }
            for (int c = 0; c < 4; c++) row[c] = v[c];
        }
        RG_TEAM_SYNC();
        RG_TEAM_ONE
        {
            for (int c = 0; c < 4; c++) {
                p[c * (c + 1) / 2 + c] = inv[c];
                for (int r = c + 1; r < 4; r++) p[r * (r + 1) / 2 + c] = low[r][c];
            }
        }
        /* a's triangle (10), b's rows of a (12), b's triangle (6) */
        RG_TEAM_FOR(e, 0, a < 0 ? 0 : (b < 0 ? 10 : 28)) {
            const int across = e >= 10 && e < 22, f = e < 10 ? e : e - (across ? 10 : 22);
            const int r = across ? f / 4 : (f > 5) + (f > 2) + (f > 0), c = across ? f % 4 : f - r * (r + 1) / 2;
            const real *v = p + 10 + 4 * (r + (e < 10 ? 0 : 4)), *w = p + 10 + 4 * (c + (e < 22 ? 0 : 4));
            real *to = blocks + (e < 22 ? RGI_NH * a + e : RGI_NH * b + f);
            const real scaled[4] = {v[0] * d[0], v[1] * d[1], v[2] * d[2], v[3] * d[3]};
            *to -= rgi_ldlt_row(scaled, w);
        }
        RG_TEAM_SYNC();
    }
    return indefinite;
}
#endif

/* Solve in place for `count` right-hand sides, y [n][4] each, `apart` reals between them; count is a constant: the
 * factor is read once for all, and their sums, which do not wait for each other, fill the pipeline. */
RG_DISSOLVED void rgi_ldlt_solve_beside(rgi_schedule plan, const real *RG_RESTRICT blocks, real *RG_RESTRICT y,
                                        const int count, int apart)
{
    for (int s = 0; s < plan.n; s++) {
        const int k = plan.order[s], a = plan.first[k], b = plan.second[k];
        const real *p = blocks + RGI_NH * k;
        real v[4][RGI_BESIDE];
        RG_UNROLLED
        for (int q = 0; q < count; q++) {
            const real *from = y + q * apart + 4 * k;
            v[0][q] = from[0];
            v[1][q] = rg_fnma(p[1], v[0][q], from[1]);
            v[2][q] = rg_fnma(p[4], v[1][q], rg_fnma(p[3], v[0][q], from[2]));
            v[3][q] = rg_fnma(p[8], v[2][q], rg_fnma(p[7], v[1][q], rg_fnma(p[6], v[0][q], from[3])));
        }
        /* first's four rows, second's three */
        for (int half = 0; half < 2; half++) {
            const int node = half ? b : a, rows = half ? 3 : 4;
            const real *l = p + (half ? 26 : 10);
            real *to = y + 4 * node;
            if (node < 0) break;
            for (int r = 0; r < rows; r++, l += 4, to++)
                for (int q = 0; q < count; q++)
                    to[q * apart] -= rg_dot4(l[0], v[0][q], l[1], v[1][q], l[2], v[2][q], l[3], v[3][q]);
        }
        RG_UNROLLED
        for (int q = 0; q < count; q++) {
            real *to = y + q * apart + 4 * k;
            to[0] = v[0][q] * p[0];
            to[1] = v[1][q] * p[2];
            to[2] = v[2][q] * p[5];
            to[3] = v[3][q] * p[9];
        }
    }
    for (int s = plan.n - 1; s >= 0; s--) {
        const int k = plan.order[s], a = plan.first[k], b = plan.second[k];
        const real *p = blocks + RGI_NH * k;
        real w[4][RGI_BESIDE];
        RG_UNROLLED
        for (int q = 0; q < count; q++)
            for (int c = 0; c < 4; c++) w[c][q] = y[q * apart + 4 * k + c];
        RG_UNROLLED
        for (int r = 0; r < 7; r++) {
            const int node = r < 4 ? a : b;
            const real l0 = p[10 + 4 * r], l1 = p[11 + 4 * r], l2 = p[12 + 4 * r], l3 = p[13 + 4 * r];
            if (node < 0) continue;
            RG_UNROLLED
            for (int q = 0; q < count; q++) {
                const real z = y[q * apart + 4 * node + r % 4];
                w[0][q] = rg_fnma(l0, z, w[0][q]);
                w[1][q] = rg_fnma(l1, z, w[1][q]);
                w[2][q] = rg_fnma(l2, z, w[2][q]);
                w[3][q] = rg_fnma(l3, z, w[3][q]);
            }
        }
        RG_UNROLLED
        for (int q = 0; q < count; q++) {
            real *v = y + q * apart + 4 * k;
            v[3] = w[3][q];
            v[2] = rg_fnma(p[8], v[3], w[2][q]);
            v[1] = rg_fnma(p[7], v[3], rg_fnma(p[4], v[2], w[1][q]));
            v[0] = rg_fnma(p[6], v[3], rg_fnma(p[3], v[2], rg_fnma(p[1], v[1], w[0][q])));
        }
    }
}

/* the same for one */
RG_FN void rgi_ldlt_solve(rgi_schedule plan, const real *RG_RESTRICT blocks, real *RG_RESTRICT y)
{
    rgi_ldlt_solve_beside(plan, blocks, y, 1, 0);
}

#if RGI_TEAM > 1
/* the same by a team, with the same bits: lanes take the rows that a node hands on to, and on the way back the
 * columns that it takes from */
RG_FN void rgi_ldlt_solve_by_team(rgi_schedule plan, const real *blocks, real *y)
{
    for (int s = 0; s < plan.n; s++) {
        int k = plan.order[s], a = plan.first[k], b = plan.second[k];
        const real *p = blocks + RGI_NH * k;
        real *v = y + 4 * k;
        real v0 = v[0];
        real v1 = rg_fnma(p[1], v0, v[1]);
        real v2 = rg_fnma(p[4], v1, rg_fnma(p[3], v0, v[2]));
        real v3_ = rg_fnma(p[8], v2, rg_fnma(p[7], v1, rg_fnma(p[6], v0, v[3])));
        RG_TEAM_FOR(r, 0, a < 0 ? 0 : (b < 0 ? 4 : 7)) {
            const real *l = p + 10 + 4 * r;
            y[r < 4 ? 4 * a + r : 4 * b + r - 4] -= rg_dot4(l[0], v0, l[1], v1, l[2], v2, l[3], v3_);
        }
        RG_TEAM_SYNC();
        RG_TEAM_ONE
        {
            v[0] = v0 * p[0];
            v[1] = v1 * p[2];
            v[2] = v2 * p[5];
            v[3] = v3_ * p[9];
        }
    }
    RG_TEAM_SYNC();
    for (int s = plan.n - 1; s >= 0; s--) {
        int k = plan.order[s], a = plan.first[k], b = plan.second[k];
        const real *p = blocks + RGI_NH * k;
        real *v = y + 4 * k;
        RG_TEAM_FOR(c, 0, 4) {
            real w = v[c];
            for (int r = 0; a >= 0 && r < 4; r++) w = rg_fnma(p[10 + 4 * r + c], y[4 * a + r], w);
            for (int r = 0; b >= 0 && r < 3; r++) w = rg_fnma(p[26 + 4 * r + c], y[4 * b + r], w);
            v[c] = w;
        }
        RG_TEAM_SYNC();
        RG_TEAM_ONE
        {
            v[2] = rg_fnma(p[8], v[3], v[2]);
            v[1] = rg_fnma(p[7], v[3], rg_fnma(p[4], v[2], v[1]));
            v[0] = rg_fnma(p[6], v[3], rg_fnma(p[3], v[2], rg_fnma(p[1], v[1], v[0])));
        }
        RG_TEAM_SYNC();
    }
}
#endif

/* out [n][4] = A y, of blocks that are not factored */
RG_FN void rgi_blocks_times(rgi_schedule plan, const real *RG_RESTRICT blocks, const real *RG_RESTRICT y,
                            real *RG_RESTRICT out)
{
    for (int i = 0; i < 4 * plan.n; i++) out[i] = rg_set1(0.0);
    for (int k = 0; k < plan.n; k++) {
        const real *p = blocks + RGI_NH * k, *v = y + 4 * k;
        for (int r = 0; r < 4; r++)
            for (int c = 0; c < 4; c++)
                out[4 * k + r] = rg_fma(p[r >= c ? r * (r + 1) / 2 + c : c * (c + 1) / 2 + r], v[c], out[4 * k + r]);
        for (int r = 0; r < 7; r++) {
            int node = r < 4 ? plan.first[k] : plan.second[k];
            if (node < 0) continue;
            int at = 4 * node + (r < 4 ? r : r - 4);
            for (int c = 0; c < 4; c++) {
                out[at] = rg_fma(p[10 + 4 * r + c], v[c], out[at]);
                out[4 * k + c] = rg_fma(p[10 + 4 * r + c], y[at], out[4 * k + c]);
            }
        }
    }
}

#endif
