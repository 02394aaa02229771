/* One progress over all populations: steps, weighted by the operations in them. */
#include "experiment/experiment.h"

#include "report/lease.h"

double experiment_flops(const iv_experiment *x, const iv_population *p, double *steps) {
    iv_work work = {0};
    x->study->work(p, &work);
    const bool fits = work.fit_steps > 0;
    *steps = fits ? work.fit_steps : (double)iv_population_steps(p);
    const double points = fits ? 0 : (double)experiment_points(p);
    return (double)p->n_members *
           (*steps * work.step_flops + points * work.point_flops + work.end_flops);
}

void experiment_progress_begin(iv_experiment *x) {
    for (size_t i = 0; i < x->populations.n; i++) {
        double steps;
        x->progress.total += experiment_flops(x, &x->populations.items[i], &steps);
        x->progress.shown_total += (uint64_t)steps;
    }
}

void experiment_progress_population(iv_experiment *x, const iv_population *population) {
    double steps;
    x->progress.done += x->progress.present;
    x->progress.present = experiment_flops(x, population, &steps);
}

static void show_share(void *state, const char *what, uint64_t done, uint64_t total) {
    const iv_experiment *x = state;
    const double present = x->progress.present * (double)done / (double)total;
    if (x->lease) iv_lease_say(x->lease, what, done, total);
    double share = (x->progress.done + present) / x->progress.total;
    if (share > 1) share = 1; /* by rounding */
    iv_progress_update(x->job->progress, what, (uint64_t)(share * (double)x->progress.shown_total),
                       x->progress.shown_total);
}

iv_progress experiment_progress_within(iv_experiment *x) {
    return (iv_progress){show_share, x};
}
