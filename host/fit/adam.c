/* fit/adam.c: Adam on the whole gradient (RG_METHOD_ADAM; Kingma, Ba 2015).
 *
 * With z = u / s, s the prior's standard deviation (at most a quarter of the range between the
 * bounds) and g the gradient in z: m, v running means of g and g^2, debiased by the number of
 * updates t since the stage began,
 *   z -= rate m^ / (sqrt(v^) + epsilon), cut at the bounds.
 * The iterate (`to`) may rise; what the fit returns is the best point so far (u). The rate starts
 * as opts.learning_rate; after every window of 50 updates in which the best cost fell by less than
 * the tolerance it is halved, and three such windows in a row end the stage.
 * memory: [m, v][capacity]; gradient: at the iterate. */
#include <math.h>

#include "fit/fit_internal.h"

enum { WINDOW = 50 };
static const double decay_mean = 0.9, decay_square = 0.99, epsilon = 1e-12;

static double scale_of(const rgi_parameter *par) { return fmin(par->prior_std, 0.25 * (par->high - par->low)); }

rg_status rgi_fit_adam_step(rg_fit *fit, int *accepted, rg_error *err)
{
    const size_t p = fit->parameters.n;
    const double t = (double)fit->stage_iteration; /* the stage's first step is no update */
    const double mean_share = 1.0 - pow(decay_mean, t);
    const double square_share = 1.0 - pow(decay_square, t);
    double *mean = fit->memory, *square = mean + fit->capacity;
    double cost = 0.0;
    for (size_t i = 0; i < p; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        const double scale = scale_of(par);
        /* where a rod cannot be simulated there may be no slope: go on as before */
        const double g = isfinite(fit->gradient[i]) ? fit->gradient[i] * scale : 0.0;
        mean[i] = decay_mean * mean[i] + (1.0 - decay_mean) * g;
        square[i] = decay_square * square[i] + (1.0 - decay_square) * g * g;
        double move = mean[i] / mean_share / (sqrt(square[i] / square_share) + epsilon);
        fit->to[i] = fmin(fmax(fit->to[i] - scale * fit->rate * move, par->low), par->high);
    }
    RG_TRY(rgi_fit_gradient(fit, fit->to, &cost, fit->gradient, err));
    *accepted = rgi_fit_better(fit, cost);
    if (*accepted) rgi_fit_keep(fit, fit->to, cost, fit->gradient);
    if (fit->stage_iteration % WINDOW != 0) return RG_OK;
    if (fit->window_cost - fit->cost > fit->opts.tolerance * fit->window_cost) {
        fit->small = 0;
    } else {
        fit->rate *= 0.5;
        fit->small++;
    }
    fit->window_cost = fit->cost;
    return RG_OK;
}
