/* The tuner, its winners, and what they must never change.
 *
 * Every test works in a cache directory of its own. INVAR_TEST_SMALL=1 leaves out what is too slow
 * on a simulated device. */
#include "../kit/device.h"

#include "linalg/tune.h"

#include "runtime/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* LeakSanitizer's tracer crashes on the thread-local storage of the drivers that this program loads
 * with many contexts: let it look for pointers elsewhere only. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
    return "use_tls=0";
}

static char cache_directory[] = "/tmp/invar-tune-XXXXXX";

static int make_cache(void **state) {
    (void)state;
    return !mkdtemp(cache_directory) || setenv("XDG_CACHE_HOME", cache_directory, 1) ||
           unsetenv("INVAR_GEMM_ENGINE") || unsetenv("INVAR_CACHE");
}

static int remove_cache(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", cache_directory);
    return system(command);
}

static const iv_gemm_desc example = {.m = 500, .n = 130, .k = 784, .batch = 3, .transpose_b = true};

static iv_gemm_choice choose(iv_context *context, const iv_gemm_desc *desc) {
    iv_gemm_choice choice;
    assert_ok(context, iv_gemm_choose(context, desc, &choice));
    return choice;
}

/* A winner that is the default of no device. */
static iv_winner unusual_winner(void) {
    return (iv_winner){.m = 512,
                       .n = 128,
                       .k = 784,
                       .transpose_b = true,
                       .choice = {.engine = IV_ENGINE_TILED, .tiled = {32, 16, 32, 2, 2}},
                       .seconds = 1e-3,
                       .untuned_seconds = 2e-3};
}

static void store_unusual_winner(void) {
    iv_context *context = open_context(false);
    iv_winner winner = unusual_winner();
    const iv_tuning tuning = {.winners = &winner, .n_winners = 1};
    assert_ok(context, iv_tuning_store(context, &tuning));
    iv_context_destroy(context);
}

static bool uses_unusual_winner(void) {
    iv_context *context = open_context(false);
    const iv_gemm_choice choice = choose(context, &example);
    iv_context_destroy(context);
    return choice.engine == IV_ENGINE_TILED && choice.tiled.rows == 32 &&
           choice.tiled.columns == 16 && choice.tiled.depth == 32;
}

/* ------------------------------------------------------------------ winners */

static void winners_are_used_by_contexts_made_later(void **state) {
    (void)state;
    assert_false(uses_unusual_winner());
    store_unusual_winner();
    assert_true(uses_unusual_winner());
}

static void winner_holds_for_its_class_alone(void **state) {
    (void)state;
    store_unusual_winner();
    iv_context *context = open_context(false);
    iv_gemm_desc desc = example;
    for (desc.batch = 1; desc.batch < 300; desc.batch *= 2)
        assert_int_equal(choose(context, &desc).tiled.depth, 32);
    desc = example;
    desc.k = 4 * 784;
    assert_int_equal(choose(context, &desc).tiled.depth, 0);
    desc = example;
    desc.transpose_b = false;
    assert_int_equal(choose(context, &desc).tiled.depth, 0);
    iv_context_destroy(context);
}

static void environment_overrides_winners(void **state) {
    (void)state;
    store_unusual_winner();
    iv_context *context = open_context(false);
    setenv("INVAR_GEMM_ENGINE", "clblast", 1);
    assert_int_equal(choose(context, &example).engine, IV_ENGINE_CLBLAST);
    setenv("INVAR_GEMM_ENGINE", "tiled", 1);
    assert_int_equal(choose(context, &example).tiled.depth, 32);
    setenv("INVAR_GEMM_ENGINE", "abacus", 1);
    iv_gemm_choice choice;
    assert_int_equal(iv_gemm_choose(context, &example, &choice), IV_EINVAL);
    assert_non_null(strstr(iv_context_error(context)->message, "abacus"));
    unsetenv("INVAR_GEMM_ENGINE");
    iv_context_destroy(context);
}

static size_t rows_in_use(void) {
    iv_context *context = open_context(false);
    const size_t value = iv_kernel_value(context, "rich", "ROWS");
    iv_context_destroy(context);
    return value;
}

static void store_kernel_number(void) {
    iv_context *context = open_context(false);
    assert_ok(context, iv_kernel_set(context, "rich", "ROWS", 32));
    assert_ok(context, iv_kernel_keep(context));
    iv_context_destroy(context);
}

static void kernel_numbers_are_used_by_contexts_made_later_beside_winners(void **state) {
    (void)state;
    store_unusual_winner();
    assert_int_not_equal(rows_in_use(), 32);
    store_kernel_number();
    assert_int_equal(rows_in_use(), 32);
    assert_true(uses_unusual_winner());
    store_unusual_winner(); /* a new tuning forgets them */
    assert_int_not_equal(rows_in_use(), 32);
}

/* The winners' file, as text that the caller frees. */
static char *load_file(char name[96]) {
    iv_context *context = open_context(false);
    void *data;
    size_t bytes;
    assert_true(iv_tuning_name(context, name, 96));
    assert_true(iv_cache_load("tuning", name, &data, &bytes));
    iv_context_destroy(context);
    char *text = calloc(bytes + 64, 1);
    assert_non_null(text);
    memcpy(text, data, bytes);
    free(data);
    return text;
}

static void damaged_file_is_ignored(void **state) {
    (void)state;
    char name[96], path[512];
    store_unusual_winner();
    free(load_file(name));
    snprintf(path, sizeof path, "%s/invar/tuning/%s", cache_directory, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -20, SEEK_END), 0);
    fputc('#', file);
    fclose(file);
    assert_false(uses_unusual_winner());
}

/* Replace the first `from` in the stored file by `to`; the file is whole and carries a right
 * checksum. */
static void edit_file(const char *from, const char *to) {
    char name[96];
    store_unusual_winner();
    char *text = load_file(name);
    const char *at = strstr(text, from);
    assert_non_null(at);
    char *edited = calloc(strlen(text) + strlen(to) + 1, 1);
    assert_non_null(edited);
    memcpy(edited, text, (size_t)(at - text));
    strcat(edited, to);
    strcat(edited, at + strlen(from));
    iv_cache_store("tuning", name, edited, strlen(edited));
    free(edited);
    free(text);
}

static void file_that_makes_no_sense_is_ignored(void **state) {
    (void)state;
    static const char *const edits[][2] = {
        {"\"format\": 1", "\"format\": 2"},     {"\"device\": \"", "\"device\": \"Other "},
        {"\"driver\": \"", "\"driver\": \"0"},  {"\"engine\": \"tiled\"", "\"engine\": \"warp\""},
        {"\"winners\": [", "\"winners\": [7,"}, {"\"clblast\": {", "\"clblast\": {],"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        edit_file(edits[i][0], edits[i][1]);
        assert_false(uses_unusual_winner());
    }
    edit_file("\"format\": 1", "\"format\":  1"); /* the edit itself does no harm */
    assert_true(uses_unusual_winner());
}

static void kernel_number_that_is_no_candidate_is_ignored(void **state) {
    (void)state;
    static const char *const entries[] = {"{\"rich.ROWS\": 7}",
                                          "{\"pair_loss.LANES\": 0}",
                                          "{\"rich.ROWS\": -8}",
                                          "{\"rich.ROWS\": \"8\"}",
                                          "{\"rich\": 8}",
                                          "{\"rich.LINES\": 8}",
                                          "[8]"};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        char edited[64];
        snprintf(edited, sizeof edited, "\"parameters\": %s", entries[i]);
        edit_file("\"parameters\": {}", edited);
        assert_false(uses_unusual_winner());
    }
    edit_file("\"parameters\": {}", "\"parameters\": {\"rich.ROWS\": 32}");
    assert_true(uses_unusual_winner());
    assert_int_equal(rows_in_use(), 32);
    edit_file("\"parameters\": {}", "\"parameters\": {\"rich.ROWS\": 0}");
    assert_true(uses_unusual_winner());
    assert_int_equal(rows_in_use(), 0);
}

static void tile_that_no_device_can_run_is_ignored(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    static const iv_gemm_tile bad[] = {
        {64, 64, 16, 3, 4}, {64, 64, 16, 1, 1}, {256, 256, 32, 16, 16}, {0, 64, 16, 4, 4},
        {64, 64, 16, 0, 4}, {64, 64, 7, 4, 4},  {64, 64, 4, 4, 4},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(iv_gemm_tile_fits(&bad[i]));
        if (bad[i].rows == 0) continue; /* means the default */
        iv_winner winner = unusual_winner();
        winner.choice.tiled = bad[i];
        assert_ok(context,
                  iv_tuning_store(context, &(iv_tuning){.winners = &winner, .n_winners = 1}));
        assert_false(uses_unusual_winner());
    }
    iv_context_destroy(context);
}

/* ------------------------------------------------------------------ the tuner */

typedef struct {
    size_t n_results, n_wrong, n_refused, n_untried;
    char best[64];
} heard;

static void hear_result(void *user, const iv_tune_result *result) {
    heard *h = user;
    h->n_results++;
    snprintf(h->best, sizeof h->best, "%s", result->best);
}

static void hear_note(void *user, const char *text) {
    heard *h = user;
    h->n_wrong += strstr(text, "entries are wrong") != NULL;
    h->n_refused += strstr(text, "not today") != NULL;
    h->n_untried += strstr(text, "give more time for the others") != NULL;
}

static iv_tune_options hearing(heard *h, double seconds) {
    return (iv_tune_options){
        .seconds = seconds, .result = hear_result, .note = hear_note, .user = h};
}

static const iv_tune_shape small_shape = {24, 20, 12, false, true};

static iv_status append_shortened(iv_sequence *sequence, const iv_gemm_desc *desc) {
    iv_context *context = iv_sequence_context(sequence);
    iv_gemm_desc shortened = *desc;
    shortened.k--;
    const iv_gemm_choice choice = iv_gemm_default_choice(iv_context_device(context), desc);
    return iv_gemm_append(sequence, &shortened, &choice);
}

/* Right with the default, refused for CLBlast, and with all other
 * parameters without the last term. */
static iv_status append_deceitful(iv_sequence *sequence, const iv_gemm_desc *desc,
                                  const iv_gemm_choice *choice) {
    iv_context *context = iv_sequence_context(sequence);
    if (choice->engine == IV_ENGINE_CLBLAST)
        return iv_fail(iv_context_error(context), IV_EFAILED, "not today");
    if (choice->panel.rows || choice->tiled.rows) return append_shortened(sequence, desc);
    return iv_gemm_append(sequence, desc, choice);
}

static iv_status append_wrong(iv_sequence *sequence, const iv_gemm_desc *desc,
                              const iv_gemm_choice *choice) {
    (void)choice;
    return append_shortened(sequence, desc);
}

static void wrong_and_refused_candidates_are_skipped(void **state) {
    (void)state;
    heard h = {0};
    iv_context *context = open_context(false);
    const iv_tune_options options = hearing(&h, 600);
    assert_ok(context, iv_tune_shapes(context, &small_shape, 1, append_deceitful, &options));
    assert_int_equal(h.n_results, 1);
    assert_true(h.n_wrong >= 4);
    assert_true(h.n_refused >= 1);
    assert_null(strchr(h.best, 'x')); /* no parameters: the default of an engine */
    assert_string_equal(iv_context_error(context)->message, "");
    iv_context_destroy(context);
}

static void device_on_which_nothing_is_right_fails(void **state) {
    (void)state;
    heard h = {0};
    iv_context *context = open_context(false);
    const iv_tune_options options = hearing(&h, 600);
    assert_int_equal(iv_tune_shapes(context, &small_shape, 1, append_wrong, &options), IV_EFAILED);
    assert_int_equal(h.n_results, 0);
    iv_context_destroy(context);
}

static iv_status append_slowly(iv_sequence *sequence, const iv_gemm_desc *desc,
                               const iv_gemm_choice *choice) {
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    return iv_gemm_append(sequence, desc, choice);
}

static void what_there_was_no_time_for_is_said(void **state) {
    (void)state;
    heard h = {0};
    iv_context *context = open_context(false);
    const iv_tune_options options = hearing(&h, 0.1);
    assert_ok(context, iv_tune_shapes(context, &small_shape, 1, append_slowly, &options));
    assert_int_equal(h.n_results, 1);
    assert_int_equal(h.n_untried, 1);
    iv_context_destroy(context);
}

static void command_stores_what_contexts_load(void **state) {
    (void)state;
    if (is_small_run()) SKIP_BECAUSE("too slow for a small run");
    char name[96];
    iv_context *context = open_context(false);
    assert_true(iv_tuning_name(context, name, sizeof name));
    iv_context_destroy(context);
    iv_cache_remove("tuning", name);
    assert_int_equal(system("\"" INVAR_PROGRAM "\" tune --time 5 >/dev/null 2>&1"), 0);

    context = open_context(false);
    const iv_tuning *tuning = iv_tuning_of(context);
    assert_non_null(tuning);
    assert_true(tuning->n_winners >= 1);
    for (size_t i = 0; i < tuning->n_winners; i++) assert_true(tuning->winners[i].seconds > 0.0);
    iv_context_destroy(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(winners_are_used_by_contexts_made_later),
        cmocka_unit_test(winner_holds_for_its_class_alone),
        cmocka_unit_test(kernel_numbers_are_used_by_contexts_made_later_beside_winners),
        cmocka_unit_test(environment_overrides_winners),
        cmocka_unit_test(damaged_file_is_ignored),
        cmocka_unit_test(file_that_makes_no_sense_is_ignored),
        cmocka_unit_test(kernel_number_that_is_no_candidate_is_ignored),
        cmocka_unit_test(tile_that_no_device_can_run_is_ignored),
        cmocka_unit_test(wrong_and_refused_candidates_are_skipped),
        cmocka_unit_test(device_on_which_nothing_is_right_fails),
        cmocka_unit_test(what_there_was_no_time_for_is_said),
        cmocka_unit_test(command_stores_what_contexts_load),
    };
    return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
