/* deform_oracle.c: see deform_oracle.h. Names follow the goldens: edges e_k, kb_k, R_k = L_{k-1} +
 * L_k, omega(k,j) = (kb_k.m2_j, -kb_k.m1_j), J = [0 -1; 1 0].
 *
 * The published force adds, over all edges j behind a vertex, -outer(J omega, GH(i,j)): the turn of
 * the untwisted frames when vertex i moves. With h_k(i) = the turn at vertex k alone, GH(i,j) is
 * the sum of h_k(i) over k <= j, and the double sum becomes sum over k of M_k h_k(i) with
 *   M_{E-1} = dE/dtau at the last vertex,  M_k = M_{k+1} - (bending part of dE/dtheta_k),
 * the moment that holds the inner angles at zero. Where the angles are solved for, M_k is the twist
 * moment itself, by the envelope theorem. */
#include "deform_oracle.h"

#include <math.h>
#include <string.h>

#include "probe_random.h"

enum { NEWTON_ITERATIONS = 200 };
#define KB_CLAMP 20.0
#define FORCE_CAP 5.0
#define SQRT_FLOOR 1e-10
#define COPY_THRESHOLD 1e-6
#define NORM_FLOOR 1e-12
/* Newton is quadratic: a last step below this leaves an error far below round-off [rad] */
#define ANGLE_TOLERANCE 1e-10
#define ANGLE_STEP 0.2 /* longest step: stay in the basin that the rod comes from [rad] */

const oracle_switches oracle_all = {1, ORACLE_FAR_HELD, 1, 1, 1, 1, 1, 1};

static void add(double s, const double *a, double *to)
{
    for (int c = 0; c < 3; c++) to[c] += s * a[c];
}

static double largest(const double *a, int n)
{
    double r = 0.0;
    for (int i = 0; i < n; i++) r = fmax(r, fabs(a[i]));
    return r;
}

static void copy(const double *a, double *to) { memcpy(to, a, 3 * sizeof *to); }

static void normalise(const double *a, double *to)
{
    double size = fmax(norm(a), NORM_FLOOR);
    for (int c = 0; c < 3; c++) to[c] = a[c] / size;
}

static void edge(double (*x)[3], int k, double *e)
{
    for (int c = 0; c < 3; c++) e[c] = x[k + 1][c] - x[k][c];
}

/* kb_k, its denominator and the edges around it */
typedef struct corner {
    double e[3], f[3], kb[3], d;
    double le, lf; /* lengths in the denominator */
} corner;

static corner corner_make(const oracle_rod *rod, const oracle_switches *sw, double (*x)[3], int k)
{
    corner q;
    edge(x, k - 1, q.e);
    edge(x, k, q.f);
    q.le = sw->current_lengths ? norm(q.e) : rod->length[k - 1];
    q.lf = sw->current_lengths ? norm(q.f) : rod->length[k];
    q.d = q.le * q.lf + dot(q.e, q.f);
    cross(q.e, q.f, q.kb);
    for (int c = 0; c < 3; c++) {
        q.kb[c] = 2.0 * q.kb[c] / q.d;
        if (!sw->exact_frames) q.kb[c] = fmin(fmax(q.kb[c], -KB_CLAMP), KB_CLAMP);
    }
    return q;
}

/* The published half-angle rotation about w, |w| = 2 tan(angle/2). Returns 0 where it copies. */
static int rotate_half_angle(const double *w, const double *u, double *out)
{
    double m = dot(w, w), s = sqrt(fmax(m / (4.0 + m), SQRT_FLOOR));
    double c = sqrt(fmax(4.0 / (4.0 + m), SQRT_FLOOR)), axis[3], side[3], r[3] = {0};
    if (1.0 - c <= COPY_THRESHOLD) return 0;
    normalise(w, axis);
    for (int i = 0; i < 3; i++) axis[i] *= s;
    cross(axis, u, side);
    add(c * c - dot(axis, axis), u, r);
    add(2.0 * dot(axis, u), axis, r);
    add(2.0 * c, side, r);
    normalise(r, out);
    return 1;
}

static void transport_exactly(const double *a, const double *b, const double *u, double *out)
{
    double s[3], t[3], r[3];
    normalise(a, s);
    normalise(b, t);
    double k = dot(u, t) / (1.0 + dot(s, t));
    copy(u, r);
    add(-k, s, r);
    add(-k, t, r);
    add(-dot(r, t), t, r); /* round-off */
    normalise(r, out);
}

void oracle_transport(const oracle_switches *sw, const double *a, const double *b, const double *u, double *out)
{
    double w[3], r[3];
    if (sw->exact_frames) {
        transport_exactly(a, b, u, out);
        return;
    }
    double d = norm(a) * norm(b) + dot(a, b);
    cross(a, b, w);
    for (int c = 0; c < 3; c++) w[c] = 2.0 * w[c] / d;
    if (!rotate_half_angle(w, u, out)) {
        cross(b, u, w);
        cross(w, b, r);
        normalise(r, out);
    }
}

/* m2 = t x m1 */
static void second(const double *e, const double *u, double *v)
{
    double r[3];
    cross(e, u, r);
    normalise(r, v);
}

/* u, v of every edge, untwisted from the first */
static void space_frame(const oracle_rod *rod, const oracle_switches *sw, double (*x)[3], const double *near_u,
                        double (*u)[3], double (*v)[3])
{
    double e[3];
    copy(near_u, u[0]);
    edge(x, 0, e);
    second(e, u[0], v[0]);
    for (int k = 1; k < rod->n - 1; k++) {
        corner q = corner_make(rod, sw, x, k);
        if (sw->exact_frames) {
            transport_exactly(q.e, q.f, u[k - 1], u[k]);
        } else if (!rotate_half_angle(q.kb, u[k - 1], u[k])) {
            copy(u[k - 1], u[k]);
            copy(v[k - 1], v[k]);
            continue;
        }
        second(q.f, u[k], v[k]);
    }
}

/* (-dkb/dx)^T c for the three vertices of a corner; with current lengths d depends on them too */
static void corner_force(const oracle_switches *sw, const corner *q, const double *c, double (*force)[3])
{
    double before[3], after[3], de[3], df[3];
    cross(q->f, c, before);
    cross(q->e, c, after);
    copy(q->f, de); /* dd/de */
    copy(q->e, df);
    if (sw->current_lengths) {
        add(q->lf / q->le, q->e, de);
        add(q->le / q->lf, q->f, df);
    }
    double k = dot(q->kb, c);
    for (int i = 0; i < 3; i++) {
        double minus = (-2.0 * before[i] + k * de[i]) / q->d;
        double plus = (-2.0 * after[i] - k * df[i]) / q->d;
        force[0][i] -= minus;
        force[1][i] += minus + plus;
        force[2][i] -= plus;
    }
}

void oracle_evaluate(const oracle_rod *rod, const oracle_switches *sw, double (*x)[3], double (*m1)[3], double (*m2)[3],
                     const double *tau, oracle_elastic *out)
{
    memset(out, 0, sizeof *out);
    for (int k = 1; k < rod->n - 1; k++) {
        corner q = corner_make(rod, sw, x, k);
        double region = rod->length[k - 1] + rod->length[k], c[3] = {0};
        double w[2][2], jw[2][2], s[2][2], b[2][2], share = sw->mean_curvature ? 0.5 : 1.0;
        for (int j = 0; j < 2; j++) {
            w[j][0] = dot(q.kb, m2[k - 1 + j]);
            w[j][1] = -dot(q.kb, m1[k - 1 + j]);
            jw[j][0] = -w[j][1];
            jw[j][1] = w[j][0];
        }
        for (int j = 0; j < 2; j++) {
            for (int a = 0; a < 2; a++) {
                double d = w[j][a] - rod->kbar[k][j][a];
                b[j][a] = rod->bend[k][j][a] / region;
                if (sw->mean_curvature) {
                    d = 0.5 * (w[0][a] + w[1][a] - rod->kbar[k][0][a] - rod->kbar[k][1][a]);
                    b[j][a] = 0.5 * (rod->bend[k][0][a] + rod->bend[k][1][a]) / region;
                }
                s[j][a] = b[j][a] * d;
                out->energy += 0.5 * s[j][a] * d;
                /* dw/dtheta = -J w, and once more -w */
                out->turn[k - 1 + j] -= s[j][a] * jw[j][a];
                out->diag[k - 1 + j] += share * b[j][a] * jw[j][a] * jw[j][a] - s[j][a] * w[j][a];
                if (j == 1 && sw->mean_curvature) out->off[k] += 0.5 * b[j][a] * jw[0][a] * jw[1][a];
            }
            add(s[j][0], m2[k - 1 + j], c);
            add(-s[j][1], m1[k - 1 + j], c);
        }
        corner_force(sw, &q, c, out->bend_force + k - 1);

        double stiffness = 2.0 * rod->twist[k] / region, excess = tau[k] - rod->taubar[k];
        out->moment[k] = stiffness * excess;
        out->energy += 0.5 * stiffness * excess * excess;
        out->grad[k - 1] -= out->moment[k];
        out->grad[k] += out->moment[k];
        out->diag[k - 1] += stiffness;
        out->diag[k] += stiffness;
        out->off[k] -= stiffness;
    }
    for (int j = 0; j < rod->n - 1; j++) out->grad[j] += out->turn[j];
}

/* what the directors are measured from: a frame per edge and the twist that it already has */
typedef struct reference {
    double u[ORACLE_VERTICES][3], v[ORACLE_VERTICES][3], tau[ORACLE_VERTICES];
    unsigned char held[ORACLE_VERTICES]; /* edges whose angle is given */
} reference;

typedef struct directors {
    double m1[ORACLE_VERTICES][3], m2[ORACLE_VERTICES][3], tau[ORACLE_VERTICES];
} directors;

static directors directors_make(const oracle_rod *rod, const oracle_switches *sw, const reference *ref,
                                const double *theta)
{
    const double turn = 2.0 * acos(-1.0);
    directors m;
    memset(&m, 0, sizeof m);
    for (int j = 0; j < rod->n - 1; j++) {
        double c = cos(theta[j]), s = sin(theta[j]);
        add(c, ref->u[j], m.m1[j]);
        add(s, ref->v[j], m.m1[j]);
        add(c, ref->v[j], m.m2[j]);
        add(-s, ref->u[j], m.m2[j]);
        if (j > 0) m.tau[j] = ref->tau[j] + theta[j] - theta[j - 1];
        if (sw->signed_twist) m.tau[j] -= turn * round(m.tau[j] / turn);
    }
    return m;
}

/* Newton direction of the angles: H + shift I = L D L^T, shift raised until D > 0. Returns 0 where
 * there is none. */
static int newton_direction(const oracle_rod *rod, const reference *ref, const oracle_elastic *el, double *step)
{
    int edges = rod->n - 1;
    double d[ORACLE_VERTICES], l[ORACLE_VERTICES], shift = 0.0, scale = largest(el->diag, edges);
    for (int positive = 0; !positive; shift = fmax(2.0 * shift, 1e-3 * scale)) {
        if (!(shift <= 1e3 * scale)) return 0;
        positive = 1;
        for (int j = 0; j < edges && positive; j++) {
            int tied = j > 0 && !ref->held[j] && !ref->held[j - 1];
            l[j] = tied ? el->off[j] / d[j - 1] : 0.0;
            d[j] = ref->held[j] ? 1.0 : el->diag[j] + shift - (tied ? l[j] * el->off[j] : 0.0);
            positive = d[j] > 1e-12 * scale || ref->held[j];
        }
    }
    for (int j = 0; j < edges; j++) step[j] = (ref->held[j] ? 0.0 : -el->grad[j]) - (j > 0 ? l[j] * step[j - 1] : 0.0);
    for (int j = edges - 1; j >= 0; j--) step[j] = step[j] / d[j] - (j + 1 < edges ? l[j + 1] * step[j + 1] : 0.0);
    return 1;
}

/* Angles of the edges that are not held, from where they are to a minimum of the energy. */
static int solve_twist(const oracle_rod *rod, const oracle_switches *sw, double (*x)[3], const reference *ref,
                       double *theta)
{
    double step[ORACLE_VERTICES], trial[ORACLE_VERTICES];
    oracle_elastic el, next;
    directors m = directors_make(rod, sw, ref, theta);
    oracle_evaluate(rod, sw, x, m.m1, m.m2, m.tau, &el);
    for (int i = 1; i <= NEWTON_ITERATIONS; i++) {
        double length = 1.0;
        if (!newton_direction(rod, ref, &el, step)) return -1;
        double longest = largest(step, rod->n - 1);
        if (longest > ANGLE_STEP) length = ANGLE_STEP / longest;
        for (int halvings = 0;; halvings++, length *= 0.5) {
            for (int j = 0; j < rod->n - 1; j++) trial[j] = theta[j] + length * step[j];
            m = directors_make(rod, sw, ref, trial);
            oracle_evaluate(rod, sw, x, m.m1, m.m2, m.tau, &next);
            /* near the minimum round-off of the energy says nothing */
            if (next.energy <= el.energy || longest < 1e-6) break;
            if (!(halvings < 60)) return -1;
        }
        memcpy(theta, trial, (size_t)(rod->n - 1) * sizeof *theta);
        el = next;
        if (!isfinite(el.energy)) return -1;
        if (longest <= ANGLE_TOLERANCE) return i;
    }
    return -1;
}

/* bending force plus the moments' share: turns hN = kb/(2 l) at k-1, hP = -kb/(2 l) at k+1 */
static void force_of(const oracle_rod *rod, const oracle_switches *sw, double (*x)[3], const oracle_elastic *el,
                     const double *moment, double (*force)[3])
{
    memcpy(force, el->bend_force, (size_t)rod->n * sizeof *force);
    for (int k = 1; k < rod->n - 1; k++) {
        corner q = corner_make(rod, sw, x, k);
        double before = 0.5 * moment[k] / q.le, after = 0.5 * moment[k] / q.lf;
        add(before, q.kb, force[k - 1]);
        add(after - before, q.kb, force[k]);
        add(-after, q.kb, force[k + 1]);
    }
}

int oracle_force(const oracle_rod *rod, const oracle_switches *sw, oracle_state *state, double (*force)[3],
                 double *energy, double (*m1)[3])
{
    int last = rod->n - 2, iterations = 0;
    reference ref;
    memset(&ref, 0, sizeof ref);
    space_frame(rod, sw, state->x, state->near_u, ref.u, ref.v);
    ref.held[0] = 1;
    ref.held[last] = sw->far != ORACLE_FAR_FREE;
    if (!sw->twist_solved)
        for (int j = 0; j < last; j++) state->theta[j] = 0.0;
    if (sw->far == ORACLE_FAR_BISHOP || (sw->far == ORACLE_FAR_FREE && !sw->twist_solved)) state->theta[last] = 0.0;
    if (sw->far == ORACLE_FAR_HELD) {
        double a = atan2(dot(state->far_u, ref.v[last]), dot(state->far_u, ref.u[last]));
        double turn = 2.0 * acos(-1.0);
        state->theta[last] = a + turn * round((state->theta[last] - a) / turn);
    }
    if (sw->twist_solved) iterations = solve_twist(rod, sw, state->x, &ref, state->theta);

    oracle_elastic el;
    directors m = directors_make(rod, sw, &ref, state->theta);
    oracle_evaluate(rod, sw, state->x, m.m1, m.m2, m.tau, &el);
    double moment[ORACLE_VERTICES];
    memcpy(moment, el.moment, sizeof moment);
    if (!sw->twist_solved) {
        if (sw->far == ORACLE_FAR_FREE) moment[last] = -el.turn[last];
        for (int k = last - 1; k > 0; k--) moment[k] = moment[k + 1] - el.turn[k];
    }
    force_of(rod, sw, state->x, &el, moment, force);
    *energy = el.energy;
    if (m1) memcpy(m1, m.m1, (size_t)(rod->n - 1) * sizeof *m1);
    return iterations;
}

void oracle_start(const oracle_rod *rod, const oracle_switches *sw, oracle_state *state)
{
    reference ref;
    space_frame(rod, sw, state->x, state->near_u, ref.u, ref.v);
    copy(ref.u[rod->n - 2], state->far_u);
    memset(state->theta, 0, sizeof state->theta);
}

static void project(const oracle_rod *rod, const oracle_switches *sw, double (*y)[3])
{
    for (int sweep = 0; sweep < rod->sweeps; sweep++)
        for (int k = 0; k < rod->n - 1; k++) {
            double e[3], l2 = rod->length[k] * rod->length[k];
            edge(y, k, e);
            double l = 1.0 - 2.0 * l2 / (l2 + dot(e, e)), sum = rod->mass[k] + rod->mass[k + 1];
            if (rod->fixed[k] && rod->fixed[k + 1] && sw->commanded) continue;
            if (rod->fixed[k]) {
                add(-l, e, y[k + 1]);
            } else if (rod->fixed[k + 1]) {
                add(l, e, y[k]);
            } else {
                add(l * rod->mass[k + 1] / sum, e, y[k]);
                add(-l * rod->mass[k] / sum, e, y[k + 1]);
            }
        }
}

/* from x to y under the elastic force, explicitly, then the clamps, then the projection */
static void advance(const oracle_rod *rod, const oracle_switches *sw, double (*x)[3], double (*v)[3],
                    double (*force)[3], double (*commanded)[3], double (*y)[3])
{
    for (int i = 0; i < rod->n; i++) {
        double size = norm(force[i]), cut = 1.0;
        if (!sw->uncapped && size >= FORCE_CAP) cut = FORCE_CAP / size;
        for (int c = 0; c < 3; c++) {
            double f = cut * force[i][c] + rod->mass[i] * rod->gravity[c];
            y[i][c] = rod->fixed[i] ? commanded[i][c] : x[i][c] + rod->dt * (v[i][c] + rod->dt * f / rod->mass[i]);
        }
    }
    project(rod, sw, y);
    for (int i = 0; i < rod->n; i++)
        for (int c = 0; c < 3; c++) v[i][c] = (y[i][c] - x[i][c]) / rod->dt;
}

int oracle_step(const oracle_rod *rod, const oracle_switches *sw, oracle_state *state, double (*commanded)[3])
{
    double force[ORACLE_VERTICES][3], y[ORACLE_VERTICES][3], a[3], b[3], energy;
    int last = rod->n - 2, iterations = oracle_force(rod, sw, state, force, &energy, NULL);
    advance(rod, sw, state->x, state->v, force, commanded, y);
    edge(state->x, 0, a);
    edge(y, 0, b);
    oracle_transport(sw, a, b, state->near_u, state->near_u);
    edge(state->x, last, a);
    edge(y, last, b);
    oracle_transport(sw, a, b, state->far_u, state->far_u);
    memcpy(state->x, y, (size_t)rod->n * sizeof *y);
    return iterations;
}

/* signed angle about f from the transported director of e to that of f */
static double signed_twist(const double *e, const double *f, const double *me, const double *mf, const double *m2f)
{
    double p[3];
    transport_exactly(e, f, me, p);
    return atan2(-dot(p, m2f), dot(p, mf));
}

static void rod_of(const oracle_problem *p, oracle_rod *rod)
{
    memset(rod, 0, sizeof *rod);
    rod->n = p->n;
    rod->dt = p->dt;
    rod->sweeps = p->sweeps;
    copy(p->gravity, rod->gravity);
    for (int i = 0; i < p->n; i++) {
        rod->mass[i] = p->mass[i];
        rod->fixed[i] = p->fixed[i];
        if (i < p->n - 1) rod->length[i] = p->length[i];
        if (i == 0 || i == p->n - 1) continue;
        rod->twist[i] = p->twist[i];
        for (int j = 0; j < 2; j++)
            for (int a = 0; a < 2; a++) {
                rod->bend[i][j][a] = p->bend[2 * i + a];
                rod->kbar[i][j][a] = p->kbar[2 * i + a];
            }
    }
}

int oracle_run(const oracle_problem *p, const oracle_track *track)
{
    const oracle_switches *sw = &oracle_all;
    oracle_rod rod;
    double x[ORACLE_VERTICES][3], v[ORACLE_VERTICES][3], y[ORACLE_VERTICES][3];
    double force[ORACLE_VERTICES][3], theta[ORACLE_VERTICES];
    reference ref;
    if (p->n < 3 || p->n > ORACLE_VERTICES) return -1;
    rod_of(p, &rod);
    memset(&ref, 0, sizeof ref);
    size_t vertices = (size_t)p->n * sizeof *x, edges = (size_t)(p->n - 1) * sizeof *x;
    memcpy(x, p->x0, vertices);
    memcpy(v, p->v0, vertices);
    memcpy(ref.u, p->m0, edges);
    for (int j = 0; j < p->n - 1; j++) ref.held[j] = p->fixed[j] && p->fixed[j + 1];
    for (int s = 0; s < p->steps; s++) {
        double e[2][3] = {{0}};
        for (int j = 0; j < p->n - 1; j++) {
            edge(x, j, e[j % 2]);
            second(e[j % 2], ref.u[j], ref.v[j]);
            if (j > 0) ref.tau[j] = signed_twist(e[1 - j % 2], e[j % 2], ref.u[j - 1], ref.u[j], ref.v[j]);
        }
        memset(theta, 0, sizeof theta);
        int iterations = solve_twist(&rod, sw, x, &ref, theta);
        if (iterations < 0) return s + 1;
        directors m = directors_make(&rod, sw, &ref, theta);
        oracle_elastic el;
        oracle_evaluate(&rod, sw, x, m.m1, m.m2, m.tau, &el);
        force_of(&rod, sw, x, &el, el.moment, force);
        const double *given = p->commanded + 3 * (size_t)s * (size_t)p->n;
        double commanded[ORACLE_VERTICES][3];
        memcpy(commanded, given, vertices);
        advance(&rod, sw, x, v, force, commanded, y);
        for (int j = 0; j < p->n - 1; j++) {
            size_t at = 3 * ((size_t)s * (size_t)(p->n - 1) + (size_t)j);
            edge(x, j, e[0]);
            edge(y, j, e[1]);
            if (ref.held[j]) copy(p->directors + at, ref.u[j]);
            else transport_exactly(e[0], e[1], m.m1[j], ref.u[j]);
        }
        memcpy(x, y, vertices);
        size_t at = 3 * (size_t)s * (size_t)p->n;
        if (track->x) memcpy(track->x + at, x, vertices);
        if (track->v) memcpy(track->v + at, v, vertices);
        if (track->m1) memcpy(track->m1 + at - 3 * (size_t)s, ref.u, edges);
        if (track->iterations) track->iterations[s] = iterations;
        if (track->tau) track->tau[s] = largest(m.tau, p->n - 1);
    }
    return 0;
}
