/* Training steps of every study that offers some. */
#include "bench/bench.h"

#include <stdio.h>

static iv_status replay_plan(void *state, uint32_t step) {
    return iv_plan_run(state, step);
}

static iv_status measure(bench *b, const iv_study *study, const iv_step_entry *entry,
                         size_t n_members) {
    char name[72];
    snprintf(name, sizeof name, "step/%s-%s-x%zu", study->schema->study, entry->name, n_members);
    if (!bench_wants(b, name)) return IV_OK;

    iv_step step;
    iv_bench_statistics statistics;
    iv_status status = iv_step_open(b->context, study, iv_study_schema, entry, n_members, &step);
    if (status != IV_OK) return status;
    status = bench_time_item(b, name, replay_plan, step.plan, &statistics);
    if (status == IV_OK)
        status = bench_add(b,
                           &(bench_work){.name = name,
                                         .unit = "ms/member",
                                         .scale = 1e3 / (double)n_members,
                                         .flops = step.flops},
                           &statistics, false);
    if (status == IV_OK) status = bench_profile(b, iv_plan_sequence(step.plan));
    iv_step_close(&step);
    return status;
}

iv_status bench_step(bench *b) {
    static const size_t populations[] = {1, 8};
    const iv_study *study;
    iv_status status = IV_OK;
    for (size_t i = 0; (study = iv_study_get(i)) != NULL; i++)
        for (const iv_step_entry *entry = study->steps; entry && entry->name; entry++)
            for (size_t k = 0; k < sizeof populations / sizeof *populations; k++)
                if (status == IV_OK) status = measure(b, study, entry, populations[k]);
    return status;
}
