/* fit/minimise.c: limited-memory BFGS between bounds (minimise.h). Our own code, from the following sources:
 *
 *   [B]  Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM J. Control
 *        Optim. 20 (1982)
 *   [N]  Nocedal, "Updating quasi-Newton matrices with limited storage", Math. Comp. 35 (1980)
 *   [NW] Nocedal, Wright, "Numerical optimization", 2nd edition (2006)
 *   [MN] Morales, Nocedal, "Remark on algorithm 778", ACM Trans. Math. Softw. 38 (2011)
 *
 * Units. Variables are z = x / scale, gradients g = scale * dF/dx.
 *
 * Memory. The last m steps s_k = z_{k+1} - z_k and changes of the gradient y_k = g_{k+1} - g_k, the newest first. A
 * pair is kept only if s.y > 1e-10 |s| |y|: the matrix stays positive definite (secant condition, [NW] 6.1). Empty
 * places are zeros.
 *
 * Held variables ([B], section 2). With w = |z - P(z - g)|, P the cut at the bounds, and e = min(w, 1e-3), a
 * variable is held if it is within e of a bound and the slope pushes it out: g_i > 0 at the lower, g_i < 0 at the upper
 * one. It goes to that bound. The others are free.
 *
 * Direction of the free ones. d = -H g, H the BFGS inverse Hessian of the pairs, by the two loops ([N]; [NW] algorithm
 * 7.4). All vectors are cut to the free variables, and pairs whose cut product is not positive are left out: H is then
 * of the free subspace. It begins from H_0 = (s.y / y.y) I of the newest pair ([NW] 7.20). Without pairs d = -g, cut to
 * a length of 1, as no curvature is known.
 *
 * Bounds. The target is t = P(z + d), and the search goes along t - z, which stays between the bounds ([MN] for
 * L-BFGS-B's subspace step). Cutting can turn d uphill. If g.(t - z) is not below a tenth of g.d, the variables that d
 * takes out of the bounds are made to go to their bound or, where that is uphill, to stay, and d is made anew for those
 * that are left, until none leaves. Each part is then downhill, so their sum is.
 *
 * Line search. phi(a) = F(z + a (t - z)), until the strong Wolfe conditions hold ([NW] 3.7) with c1 = 1e-4, c2 = 0.9:
 *   phi(a) <= phi(0) + c1 a phi'(0),   |phi'(a)| <= c2 |phi'(0)|.
 * It is algorithms 3.5 and 3.6 of [NW] in one loop: an interval from `lo`, the lowest point with the first condition,
 * to `hi`; before there is a `hi`, a grows two- to fourfold, at most to where a bound is met. In the interval the next
 * point is the minimum of the cubic through both values and slopes ([NW] 3.59), kept a tenth of the interval away from
 * its ends. Where the cost is not finite there is no cubic: the interval shrinks to three tenths.
 *
 * The iteration ends at the lowest point that was evaluated. If a < 0.1 there, all pairs are forgotten but the one of
 * this step: they tell of the curvature elsewhere. Without this rule, which is our own, tens of iterations in a row
 * aimed much too far on planted rods. If no point is lower than x, the pairs are forgotten and a second search goes
 * down the gradient. */
#include "fit/minimise.h"

#include <math.h>
#include <string.h>

enum { PAIRS = RGI_MINIMISE_PAIRS, EVALUATIONS = 12, VECTORS = 8 };
static const double near_bound = 1e-3, least_cosine = 1e-10, short_step = 0.1, sufficient = 1e-4, curvature = 0.9;

size_t rgi_minimise_memory(size_t n) { return 2 * PAIRS * n; }
size_t rgi_minimise_scratch(size_t n) { return VECTORS * n; }

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static int pair_is_sound(const double *s, const double *y, size_t n)
{
    const double product = dot(s, y, n), size = sqrt(dot(s, s, n)) * sqrt(dot(y, y, n));
    return size > 0.0 && size < INFINITY && product > least_cosine * size;
}

int rgi_minimise_memory_is_sound(size_t n, const double *memory)
{
    for (size_t k = 0; k < PAIRS; k++) {
        const double *s = memory + k * n, *y = s + PAIRS * n;
        int empty = 1;
        for (size_t i = 0; i < n; i++) empty = empty && s[i] == 0.0 && y[i] == 0.0;
        if (!empty && !pair_is_sound(s, y, n)) return 0;
    }
    return 1;
}

static void forget(rgi_minimise *m) { memset(m->memory, 0, rgi_minimise_memory(m->n) * sizeof *m->memory); }

/* the newest pair, from x to `to` */
static void remember(rgi_minimise *m, const double *x, const double *slope, const double *to, const double *slope_to)
{
    const size_t n = m->n;
    double *s = m->memory, *y = s + PAIRS * n, *step = m->scratch, *change = step + n;
    for (size_t i = 0; i < n; i++) {
        step[i] = (to[i] - x[i]) / m->scale[i];
        change[i] = (slope_to[i] - slope[i]) * m->scale[i];
    }
    if (!pair_is_sound(step, change, n)) return;
    memmove(s + n, s, (PAIRS - 1) * n * sizeof *s);
    memmove(y + n, y, (PAIRS - 1) * n * sizeof *y);
    memcpy(s, step, n * sizeof *s);
    memcpy(y, change, n * sizeof *y);
}

/* cut to the free variables */
static double free_dot(const double *a, const double *b, const double *is_free, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        if (is_free[i] != 0.0) sum += a[i] * b[i];
    return sum;
}

/* d = -H g of the free variables, zero for the others */
static void two_loops(const rgi_minimise *m, const double *g, const double *is_free, double *d)
{
    const size_t n = m->n;
    double weight[PAIRS], product[PAIRS], first = 0.0;
    for (size_t i = 0; i < n; i++) d[i] = is_free[i] != 0.0 ? -g[i] : 0.0;
    for (size_t k = 0; k < PAIRS; k++) {
        const double *s = m->memory + k * n, *y = s + PAIRS * n;
        const double sy = free_dot(s, y, is_free, n), yy = free_dot(y, y, is_free, n);
        const double size = sqrt(free_dot(s, s, is_free, n)) * sqrt(yy);
        product[k] = size > 0.0 && sy > least_cosine * size ? sy : 0.0;
        if (product[k] == 0.0) continue;
        if (first == 0.0) first = sy / yy;
        weight[k] = free_dot(s, d, is_free, n) / sy;
        for (size_t i = 0; i < n; i++)
            if (is_free[i] != 0.0) d[i] -= weight[k] * y[i];
    }
    if (first == 0.0) {
        const double length = sqrt(dot(d, d, n));
        for (size_t i = 0; i < n && length > 1.0; i++) d[i] /= length;
        return;
    }
    for (size_t i = 0; i < n; i++) d[i] *= first;
    for (size_t k = PAIRS; k-- > 0;) {
        const double *s = m->memory + k * n, *y = s + PAIRS * n;
        if (product[k] == 0.0) continue;
        const double back = free_dot(y, d, is_free, n) / product[k];
        for (size_t i = 0; i < n; i++)
            if (is_free[i] != 0.0) d[i] += (weight[k] - back) * s[i];
    }
}

/* Move from x, in units of x, towards the target. Returns phi'(0): not negative, or not finite, where there is none. */
static double aim(rgi_minimise *m, const double *x, const double *slope, double *move)
{
    const size_t n = m->n;
    double *g = m->scratch, *is_free = g + n, *d = is_free + n, width = 0.0, whole = 0.0, downhill = 0.0;
    for (size_t i = 0; i < n; i++) {
        g[i] = slope[i] * m->scale[i];
        const double to = fmin(fmax(x[i] - m->scale[i] * g[i], m->low[i]), m->high[i]);
        width += (x[i] - to) / m->scale[i] * ((x[i] - to) / m->scale[i]);
    }
    width = fmin(sqrt(width), near_bound);
    for (size_t i = 0; i < n; i++) {
        const int at_low = g[i] > 0.0 && x[i] - m->low[i] <= width * m->scale[i];
        const int at_high = g[i] < 0.0 && m->high[i] - x[i] <= width * m->scale[i];
        is_free[i] = !at_low && !at_high;
        move[i] = at_low ? m->low[i] - x[i] : at_high ? m->high[i] - x[i] : 0.0;
    }
    two_loops(m, g, is_free, d);
    for (size_t i = 0; i < n; i++) {
        if (is_free[i] != 0.0) move[i] = fmin(fmax(x[i] + m->scale[i] * d[i], m->low[i]), m->high[i]) - x[i];
        whole += g[i] * d[i];
        downhill += slope[i] * move[i];
    }
    for (int left = downhill > 0.1 * whole; left;) {
        left = 0;
        for (size_t i = 0; i < n; i++) {
            const double to = x[i] + m->scale[i] * d[i], at = fmin(fmax(to, m->low[i]), m->high[i]);
            if (is_free[i] == 0.0) continue;
            move[i] = at - x[i];
            if (to == at) continue;
            is_free[i] = 0.0;
            if (slope[i] * move[i] >= 0.0) move[i] = 0.0;
            left = 1;
        }
        if (left) two_loops(m, g, is_free, d);
    }
    return dot(slope, move, n);
}

typedef struct trial {
    double at, cost, slope; /* a, phi(a), phi'(a); the cost is infinite where there is none */
} trial;

/* [NW] 3.59: the share of the way from a to b where the cubic has its minimum; NaN where it has none */
static double cubic(trial a, trial b)
{
    const double d1 = a.slope + b.slope - 3.0 * (a.cost - b.cost) / (a.at - b.at);
    const double d2 = copysign(sqrt(d1 * d1 - a.slope * b.slope), b.at - a.at);
    return 1.0 - (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
}

/* where to try next, from lo (the lowest), hi (if bracketed) and the one before lo */
static double next(trial before, trial lo, trial hi, int bracketed, double most)
{
    if (!bracketed) {
        const double by = cubic(before, lo) * (lo.at - before.at) + before.at;
        return fmin(most, isfinite(by) && by > lo.at ? fmin(fmax(by, 2.0 * lo.at), 4.0 * lo.at) : 4.0 * lo.at);
    }
    double share = isfinite(hi.cost) ? cubic(lo, hi) : 0.3;
    if (!isfinite(share)) share = 0.5;
    return lo.at + fmin(fmax(share, 0.1), 0.9) * (hi.at - lo.at);
}

/* From x along move, phi'(0) = downhill < 0. The lowest point that is below `cost` into to, *cost_to, slope_to; returns
 * its a, 0 when there is none. */
static double search(rgi_minimise *m, const double *x, double cost, double downhill, const double *move, double *to,
                     double *cost_to, double *slope_to, int *stop)
{
    const size_t n = m->n;
    double *at = m->scratch + 5 * n, *slope = at + n, a = 1.0, most = INFINITY, found = 0.0;
    trial lo = {0.0, cost, downhill}, hi = {0.0, INFINITY, 0.0}, before = lo;
    int bracketed = 0;
    for (size_t i = 0; i < n; i++) {
        if (move[i] > 0.0) most = fmin(most, (m->high[i] - x[i]) / move[i]);
        if (move[i] < 0.0) most = fmin(most, (m->low[i] - x[i]) / move[i]);
    }
    most = fmax(most, 1.0);
    for (int k = 0; k < EVALUATIONS && !*stop; k++) {
        trial now = {a, INFINITY, 0.0};
        for (size_t i = 0; i < n; i++) {
            at[i] = fmin(fmax(x[i] + a * move[i], m->low[i]), m->high[i]);
            /* on the bound, where round-off leaves it next to it */
            if (at[i] - m->low[i] < 1e-12 * m->scale[i]) at[i] = m->low[i];
            if (m->high[i] - at[i] < 1e-12 * m->scale[i]) at[i] = m->high[i];
        }
        *stop = m->function(m->data, at, &now.cost, slope);
        if (isfinite(now.cost)) now.slope = dot(slope, move, n);
        if (!isfinite(now.cost) || !isfinite(now.slope)) now = (trial){a, INFINITY, 0.0};
        if (now.cost < (found > 0.0 ? *cost_to : cost)) {
            found = a;
            *cost_to = now.cost;
            memcpy(to, at, n * sizeof *to);
            memcpy(slope_to, slope, n * sizeof *slope_to);
        }
        if (now.cost > cost + sufficient * a * downhill || now.cost >= lo.cost) {
            hi = now;
            bracketed = 1;
        } else {
            if (fabs(now.slope) <= -curvature * downhill) break;
            if (bracketed ? now.slope * (hi.at - lo.at) >= 0.0 : now.slope >= 0.0) {
                hi = lo;
                bracketed = 1;
            }
            before = lo;
            lo = now;
        }
        if (!bracketed && a >= most) break;
        const double step = next(before, lo, hi, bracketed, most);
        if (step == a || step == lo.at || -0.5 * fabs(step - lo.at) * downhill < m->worth) break;
        a = step;
    }
    return found;
}

rgi_minimise_end rgi_minimise_iterate(rgi_minimise *m, double *x, double *cost, double *gradient)
{
    const size_t n = m->n;
    double *move = m->scratch + 3 * n, *to = move + n, *slope_to = m->scratch + 7 * n, cost_to = INFINITY;
    int stop = 0;
    m->promise = 0.0;
    for (int again = 0; again < 2; again++) {
        int empty = 1;
        for (size_t i = 0; i < rgi_minimise_memory(n) && empty; i++) empty = m->memory[i] == 0.0;
        const double downhill = aim(m, x, gradient, move);
        double went = 0.0;
        if (!again) m->promise = -0.5 * downhill;
        if (downhill <= 0.0 && m->promise <= m->worth) return RGI_MINIMISE_STATIONARY;
        if (downhill < 0.0 && downhill > -INFINITY)
            went = search(m, x, *cost, downhill, move, to, &cost_to, slope_to, &stop);
        if (went > 0.0) {
            if (went < short_step) forget(m);
            remember(m, x, gradient, to, slope_to);
            memcpy(x, to, n * sizeof *x);
            memcpy(gradient, slope_to, n * sizeof *gradient);
            *cost = cost_to;
            return RGI_MINIMISE_MOVED;
        }
        if (stop) return RGI_MINIMISE_STOPPED;
        if (empty) break;
        forget(m);
    }
    return RGI_MINIMISE_STUCK;
}
