#include "conformance.h"

#include <dirent.h>
#include <float.h>
#include <math.h>

static const char small_size[] = "training.epochs=8";

/* ------------------------------------------------------------------ subjects */

void subject_open(const iv_study *study, const char *name, subject *s) {
    /* Populations that fit any device: small specs are not divided by memory. */
    static const iv_device_info device = {.max_alloc_bytes = SIZE_MAX / 2,
                                          .global_bytes = SIZE_MAX / 2};
    const char *const overrides[] = {small_size};
    const bool is_another = strcmp(name, study->schema->study) != 0;
    *s = (subject){.study = study, .name = name, .is_another = is_another};
    snprintf(s->path, sizeof s->path, "%s/%s.yaml", SPEC_FOLDER, s->name);
    iv_status status = iv_spec_load(s->path, overrides, is_small_run() ? 1 : 0, iv_study_schema,
                                    &s->spec, &s->error);
    if (status == IV_OK) status = iv_populations_create(study, s->spec, &s->populations, &s->error);
    /* assert_loaded looks at the error */
    if (status == IV_OK) (void)iv_populations_split(study, &device, &s->populations, &s->error);
}

void subject_close(subject *s) {
    if (s->reference) remove_scratch(&s->reference);
    iv_populations_clear(&s->populations);
    iv_spec_destroy(s->spec);
}

void assert_loaded(const subject *s) {
    if (s->error.message[0])
        fail_msg("the study %s needs a small spec to be tested with: %s", s->name,
                 s->error.message);
}

const char *const *arguments_of_run(void **folder, const subject *s, const char *spec,
                                    const char *name, ...) {
    static const char *arguments[MOST_ARGUMENTS + 1];
    int n = 0;
    arguments[n++] = "run";
    arguments[n++] = spec ? spec : s->path;
    arguments[n++] = "--out";
    arguments[n++] = in_scratch(folder, name);
    if (is_small_run()) {
        arguments[n++] = "--set";
        arguments[n++] = small_size;
    }
    va_list more;
    va_start(more, name);
    while (n < MOST_ARGUMENTS && (arguments[n] = va_arg(more, const char *))) n++;
    va_end(more);
    arguments[n] = NULL;
    return arguments;
}

const char *reference_run(subject *s) {
    static char path[SCRATCH_PATH + 16];
    assert_loaded(s);
    if (!s->reference) {
        assert_int_equal(make_scratch(&s->reference), 0);
        invar_succeeds(&s->reference,
                       arguments_of_run(&s->reference, s, NULL, "run", "--quiet", NULL));
    }
    snprintf(path, sizeof path, "%s/run", (const char *)s->reference);
    return path;
}

/* ------------------------------------------------------------------ comparing */

static bool ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), of_end = strlen(end);
    return length >= of_end && strcmp(name + length - of_end, end) == 0;
}

/* Files of folder a whose names end so are the same in b, and there are as many there. */
static size_t compare_folder(const char *a, const char *b, const char *folder, const char *end) {
    char path_a[2 * SCRATCH_PATH], path_b[2 * SCRATCH_PATH];
    size_t n = 0, n_b = 0;
    snprintf(path_a, sizeof path_a, "%s/%s", a, folder);
    snprintf(path_b, sizeof path_b, "%s/%s", b, folder);
    DIR *in_a = opendir(path_a), *in_b = opendir(path_b);
    assert_non_null(in_a);
    assert_non_null(in_b);
    for (struct dirent *entry; (entry = readdir(in_a));) {
        if (entry->d_name[0] == '.' || !ends_with(entry->d_name, end)) continue;
        snprintf(path_a, sizeof path_a, "%s/%s/%s", a, folder, entry->d_name);
        snprintf(path_b, sizeof path_b, "%s/%s/%s", b, folder, entry->d_name);
        assert_same_file(path_a, path_b);
        n++;
    }
    for (struct dirent *entry; (entry = readdir(in_b));)
        n_b += entry->d_name[0] != '.' && ends_with(entry->d_name, end);
    closedir(in_a);
    closedir(in_b);
    assert_int_equal(n, n_b);
    return n;
}

void assert_same_outputs(const char *a, const char *b) {
    static const char *const names[] = {"spec.yaml", "results.json", "metrics.jsonl"};
    char kept_a[SCRATCH_PATH + 16], kept_b[SCRATCH_PATH + 16]; /* a, b may be reused buffers */
    snprintf(kept_a, sizeof kept_a, "%s", a);
    snprintf(kept_b, sizeof kept_b, "%s", b);
    assert_same_files(kept_a, kept_b, names, sizeof names / sizeof *names);
    assert_true(compare_folder(kept_a, kept_b, "models", ".safetensors") > 0);
    assert_true(compare_folder(kept_a, kept_b, "figures", ".csv") > 0);
    compare_folder(kept_a, kept_b, "splits", ".npy"); /* of studies that split images */
}

static bool is_trained(const subject *s, size_t population) {
    iv_work work = {0};
    s->study->work(&s->populations.items[population], &work);
    return work.fit_steps == 0;
}

void assert_same_members(void **folder, subject *s, int seed) {
    char link_to_reference[SCRATCH_PATH + 16];
    snprintf(link_to_reference, sizeof link_to_reference, "%s/reference", (const char *)*folder);
    assert_int_equal(symlink(reference_run(s), link_to_reference), 0);
    size_t n = 0;
    for (size_t p = 0; p < s->populations.n; p++)
        for (size_t r = 0; r < s->populations.items[p].n_members; r++) {
            const iv_member *member = &s->populations.items[p].members[r];
            if (seed >= 0 && member->seed != (uint32_t)seed) continue;
            (is_trained(s, p) ? assert_same_member : assert_same_model)(
                folder, "reference", "run", member->run->name, (int)member->seed);
            n++;
        }
    assert_true(n > 0);
}

/* ------------------------------------------------------------------ specs that diverge */

char *spec_at_rates(const subject *s, rates which) {
    assert_loaded(s);
    const iv_node *config = s->populations.expansion.runs[0].config;
    const double rate = iv_spec_number(config, "training.learning_rate");
    iv_error error = {0};
    char path[600], *text = NULL;
    snprintf(path, sizeof path, "%s/%s-diverging.yaml", SPEC_FOLDER, s->name);
    assert_ok(&error, iv_spec_json(iv_spec_node(config, "run"), &text, &error));
    json_t *run = json_loads(text, 0, NULL), *swept = json_array();
    free(text);
    assert_non_null(run);
    json_object_del(run, "learning_rate"); /* training's is swept instead */
    if (which != BAD_RATE) json_array_append_new(swept, json_real(rate));
    if (which != GOOD_RATE)
        json_array_append_new(swept, json_real((double)LEARNING_RATE_THAT_DIVERGES));
    json_t *spec = json_pack("{s:s, s:[o], s:{s:o}}", "extends", exists(path) ? path : s->path,
                             "runs", run, "sweep", "training.learning_rate", swept);
    assert_non_null(spec);
    text = json_dumps(spec, 0);
    json_decref(spec);
    assert_non_null(text);
    return text;
}

/* ------------------------------------------------------------------ moments */

size_t n_trained(const subject *s) {
    size_t n = 0;
    for (size_t p = 0; p < s->populations.n; p++) n += is_trained(s, p);
    return n;
}

size_t trained_population(const subject *s, size_t i) {
    for (size_t p = 0; p < s->populations.n; p++)
        if (is_trained(s, p) && i-- == 0) return p;
    fail_msg("%s has too few populations", s->name);
    return 0;
}

moment in_training(const subject *s, size_t i, double share) {
    const size_t p = trained_population(s, i);
    const double steps = (double)iv_population_steps(&s->populations.items[p]);
    return (moment){.population = p, .step = (size_t)ceil(share * steps)};
}

moment in_measuring(const subject *s, size_t i) {
    static char name[512];
    const iv_population *p = &s->populations.items[trained_population(s, i)];
    const iv_member *last = &p->members[p->n_members - 1];
    snprintf(name, sizeof name, "run/models/%s-seed%u.safetensors", last->run->name,
             (unsigned)last->seed);
    return (moment){.model = name};
}
