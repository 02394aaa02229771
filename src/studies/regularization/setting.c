/* From the spec to populations: which networks share a shape and train in lockstep. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static reg_method read_method(const char *method) {
    if (strcmp(method, "weight-tying") == 0) return REG_WEIGHT_TYING;
    return strcmp(method, "augmentation") == 0 ? REG_AUGMENTATION : REG_REGULARIZATION;
}

static iv_group_axes read_axes(const char *axes) {
    if (strcmp(axes, "xy") == 0) return IV_AXES_XY;
    return strcmp(axes, "y") == 0 ? IV_AXES_Y : IV_AXES_X;
}

static void read_setting(const iv_node *config, reg_population *p) {
    p->config = config;
    p->method = read_method(iv_spec_string(config, "run.method"));
    p->group_kind = strcmp(iv_spec_string(config, "group.kind"), "shift") == 0 ? IV_GROUP_SHIFT
                                                                               : IV_GROUP_ROTATION;
    p->axes = read_axes(iv_spec_string(config, "group.axes"));
    p->group_order = (size_t)iv_spec_integer(config, "group.order");
    p->dataset = iv_spec_string(config, "dataset.name");
    p->n_images = (size_t)iv_spec_integer(config, "dataset.images");
    p->n_train = (size_t)iv_spec_integer(config, "dataset.train");
    p->n_validation = (size_t)iv_spec_integer(config, "dataset.validation");
    p->n_test = (size_t)iv_spec_integer(config, "dataset.test");
    p->hidden = (size_t)iv_spec_integer(config, "model.hidden");
    p->layers = (size_t)iv_spec_integer(config, "model.layers");
    p->batch = (size_t)iv_spec_integer(config, "training.batch");
    p->epochs = (size_t)iv_spec_integer(config, "training.epochs");
    p->beta1 = (float)iv_spec_number(config, "training.beta1");
    p->beta2 = (float)iv_spec_number(config, "training.beta2");
    p->epsilon = (float)iv_spec_number(config, "training.epsilon");
}

/* Everything that decides shapes, data and schedule; the method aside. */
static bool same_row(const reg_population *a, const reg_population *b) {
    return a->group_kind == b->group_kind && a->axes == b->axes &&
           a->group_order == b->group_order && strcmp(a->dataset, b->dataset) == 0 &&
           a->n_images == b->n_images && a->n_train == b->n_train &&
           a->n_validation == b->n_validation && a->n_test == b->n_test && a->hidden == b->hidden &&
           a->layers == b->layers && a->batch == b->batch && a->epochs == b->epochs &&
           a->beta1 == b->beta1 && a->beta2 == b->beta2 && a->epsilon == b->epsilon;
}

static iv_status add_members(reg_population *p, const iv_spec_run *run, const iv_node *root,
                             iv_error *error) {
    const size_t n_seeds = iv_spec_length(root, "seeds");
    reg_member *members = realloc(p->members, (p->n_members + n_seeds) * sizeof *members);
    if (!members) return iv_fail(error, IV_ENOMEM, "out of memory for %zu members", n_seeds);
    p->members = members;
    for (size_t i = 0; i < n_seeds; i++)
        p->members[p->n_members++] = (reg_member){
            .run = run,
            .seed = (uint32_t)iv_spec_integer(iv_spec_element(root, "seeds", i), ""),
            .learning_rate = (float)iv_spec_number(run->config, "training.learning_rate"),
            .nu = (float)iv_spec_number(run->config, "run.nu"),
        };
    return IV_OK;
}

iv_status reg_plan_create(const iv_spec *spec, reg_plan *plan, iv_error *error) {
    const iv_node *root = iv_spec_root(spec);
    memset(plan, 0, sizeof *plan);
    plan->every_epochs = (size_t)iv_spec_integer(root, "metrics.every_epochs");
    plan->jacobian_samples = (size_t)iv_spec_integer(root, "metrics.jacobian_samples");
    plan->accuracy = iv_spec_lists(root, "metrics.names", "accuracy");
    plan->li = iv_spec_lists(root, "metrics.names", "li");
    plan->di = iv_spec_lists(root, "metrics.names", "di");
    plan->si = iv_spec_lists(root, "metrics.names", "si");
    plan->sigma_max_jacobian = iv_spec_lists(root, "metrics.names", "sigma_max_jacobian");
    plan->jacobian_spectrum = iv_spec_lists(root, "metrics.names", "jacobian_spectrum");
    plan->sigma_max = iv_spec_lists(root, "metrics.names", "sigma_max");

    iv_status status = iv_spec_expand(spec, &plan->expansion, error);
    if (status != IV_OK) return status;
    plan->populations = calloc(plan->expansion.n_runs, sizeof *plan->populations);
    if (!plan->populations) status = iv_fail(error, IV_ENOMEM, "out of memory for populations");

    size_t n_rows = 0;
    for (size_t i = 0; i < plan->expansion.n_runs && status == IV_OK; i++) {
        const iv_spec_run *run = &plan->expansion.runs[i];
        reg_population wanted = {0};
        read_setting(run->config, &wanted);
        wanted.row = n_rows;
        reg_population *home = NULL;
        for (size_t k = 0; k < plan->n_populations; k++) {
            if (!same_row(&plan->populations[k], &wanted)) continue;
            wanted.row = plan->populations[k].row;
            if (plan->populations[k].method == wanted.method) home = &plan->populations[k];
        }
        if (!home) {
            if (wanted.row == n_rows) n_rows++;
            home = &plan->populations[plan->n_populations++];
            *home = wanted;
        }
        status = add_members(home, run, root, error);
    }
    if (status != IV_OK) reg_plan_clear(plan);
    return status;
}

iv_status reg_plan_split(reg_plan *plan, const iv_device_info *device, iv_error *error) {
    size_t n_members = 0, n_pieces = 0;
    for (size_t i = 0; i < plan->n_populations; i++) n_members += plan->populations[i].n_members;
    reg_population *pieces = calloc(n_members, sizeof *pieces);
    if (!pieces) return iv_fail(error, IV_ENOMEM, "out of memory for populations");

    iv_status status = IV_OK;
    for (size_t i = 0; i < plan->n_populations; i++) {
        const reg_population *p = &plan->populations[i];
        size_t most = (size_t)iv_spec_integer(p->config, "training.population");
        if (most == 0) most = reg_members_that_fit(p, device);
        for (size_t first = 0; first < p->n_members && status == IV_OK; first += most) {
            reg_population *piece = &pieces[n_pieces];
            const size_t left = p->n_members - first;
            *piece = *p;
            piece->n_members = left < most ? left : most;
            piece->members = malloc(piece->n_members * sizeof *piece->members);
            if (!piece->members) {
                status = iv_fail(error, IV_ENOMEM, "out of memory for populations");
                break;
            }
            memcpy(piece->members, p->members + first, piece->n_members * sizeof *piece->members);
            n_pieces++;
        }
    }
    for (size_t i = 0; i < plan->n_populations; i++) free(plan->populations[i].members);
    free(plan->populations);
    plan->populations = pieces;
    plan->n_populations = n_pieces;
    return status;
}

void reg_plan_clear(reg_plan *plan) {
    for (size_t i = 0; i < plan->n_populations; i++) free(plan->populations[i].members);
    free(plan->populations);
    iv_spec_expansion_release(&plan->expansion);
    memset(plan, 0, sizeof *plan);
}

void reg_row_name(const reg_population *p, char *name, size_t size) {
    snprintf(name, size, "%s-%zu", p->group_kind == IV_GROUP_ROTATION ? "rotation" : "shift",
             p->group_order);
}

size_t reg_drift_sets(const iv_node *config, const char *trained_on,
                      const char *names[REG_MAX_DRIFT]) {
    size_t n = 0;
    for (size_t i = 0; i < iv_spec_length(config, "metrics.drift") && n < REG_MAX_DRIFT; i++) {
        const char *name = iv_spec_string(iv_spec_element(config, "metrics.drift", i), "");
        if (strcmp(name, trained_on) != 0) names[n++] = name;
    }
    return n;
}
