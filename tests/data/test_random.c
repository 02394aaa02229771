/* Random numbers on the host: the library's known answers, exactness, and the laws they must
 * follow. */
#include "../kit/files.h"

#include <invar/data.h>
#include <invar/random.h>

#include <math.h>

/* The vectors of Random123's tests/kat_vectors for philox4x32-10 whose upper counter words are
 * zero, and the others through the library itself, which shows that its constants are the published
 * ones. */
static void philox_gives_the_published_known_answers(void **state) {
    (void)state;
    uint32_t words[4];
    iv_philox(0, 0, 0, 0, words);
    const uint32_t zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    assert_memory_equal(words, zeros, sizeof words);

    const philox4x32_ctr_t ones = {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}};
    const philox4x32_key_t ones_key = {{0xffffffff, 0xffffffff}};
    const uint32_t after_ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    assert_memory_equal(philox4x32_R(10, ones, ones_key).v, after_ones, sizeof after_ones);

    const philox4x32_ctr_t pi = {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    const philox4x32_key_t pi_key = {{0xa4093822, 0x299f31d0}};
    const uint32_t after_pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    assert_memory_equal(philox4x32_R(10, pi, pi_key).v, after_pi, sizeof after_pi);
}

/* The documented layout: key {seed, stream}, counter {index, step, 0, 0}; written out from the
 * paper's round function. */
static void philox_places_its_arguments_as_documented(void **state) {
    (void)state;
    uint32_t counter[4] = {40, 30, 0, 0}, key[2] = {10, 20}, words[4];
    for (int round = 0; round < 10; round++) {
        const uint64_t first = (uint64_t)0xD2511F53 * counter[0];
        const uint64_t second = (uint64_t)0xCD9E8D57 * counter[2];
        const uint32_t next[] = {(uint32_t)(second >> 32) ^ counter[1] ^ key[0], (uint32_t)second,
                                 (uint32_t)(first >> 32) ^ counter[3] ^ key[1], (uint32_t)first};
        memcpy(counter, next, sizeof next);
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    iv_philox(10, 20, 30, 40, words);
    assert_memory_equal(words, counter, sizeof words);
}

static void uniforms_are_exact_multiples_in_their_range(void **state) {
    (void)state;
    assert_true(iv_uniform(0) == 0.0f && iv_uniform(0xff) == 0.0f);
    assert_true((double)iv_uniform(0xffffffff) == 1.0 - ldexp(1, -24));
    assert_true((double)iv_uniform_symmetric(0) == -1.0);
    assert_true((double)iv_uniform_symmetric(0xffffffff) == 1.0 - ldexp(1, -23));
    assert_true(iv_uniform_symmetric(0x80000000) == 0.0f);
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t words[4];
        iv_philox(1, IV_STREAM_TEST, 0, i, words);
        assert_true((double)iv_uniform(words[0]) == ldexp(words[0] >> 8, -24));
        assert_true((double)iv_uniform_symmetric(words[0]) == ldexp(words[0] >> 8, -23) - 1);
    }
}

static void bounded_integers_stay_below_their_bound(void **state) {
    (void)state;
    assert_int_equal(iv_below(0xffffffff, 0), 0);
    assert_int_equal(iv_below(0xffffffff, 1), 0);
    assert_int_equal(iv_below(0xffffffff, 7), 6);
    assert_int_equal(iv_below(0xffffffff, 0xffffffff), 0xfffffffe);
    assert_int_equal(iv_below(0, 7), 0);
    assert_int_equal(iv_below(0x80000000, 10), 5);
}

/* Chi-square with d degrees of freedom has mean d and variance 2 d; for d >= 5 a value beyond
 * d + 6 sqrt(2 d) + 12 has probability below 1e-6 (checked against its tail for d = 5, 23, 399).
 * The draws are fixed by the seeds, so a pass stays a pass. */
static void assert_uniform(const char *what, const double *counts, size_t n_cells,
                           double expected) {
    double sum = 0;
    for (size_t i = 0; i < n_cells; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    const double freedom = (double)n_cells - 1;
    if (sum > freedom + 6 * sqrt(2 * freedom) + 12)
        fail_msg("%s: chi-square %g with %g degrees of freedom", what, sum, freedom);
}

/* Box and Muller in double precision from the same two words. */
static void normal_oracle(uint32_t word0, uint32_t word1, double out[2]) {
    const double pi = 3.14159265358979323846;
    const double radius = sqrt(-2 * log(ldexp((word0 >> 8) + 1.0, -24)));
    const double turn = (word1 >> 30) / 4.0 + ldexp((double)((word1 >> 6) & 0xffffff), -26) - 0.125;
    out[0] = radius * cos(2 * pi * turn);
    out[1] = radius * sin(2 * pi * turn);
}

/* Each of the three factors has a relative error of at most 2 units in the last place (2^-23), and
 * the radius is at most 5.77: 6 * 5.77 * 2^-24 * 2 = 4e-6; measured 8e-7. */
static void assert_normal_is_right(uint32_t word0, uint32_t word1) {
    float found[2];
    double expected[2];
    iv_normal(word0, word1, found);
    normal_oracle(word0, word1, expected);
    for (int i = 0; i < 2; i++)
        if (!(fabs((double)found[i] - expected[i]) < 1e-6))
            fail_msg("words %08x %08x: %.9g, expected %.9g", word0, word1, (double)found[i],
                     expected[i]);
}

static void normals_are_those_of_the_formula(void **state) {
    (void)state;
    static const uint32_t edges[] = {0,          0xff,       0x100,      0x3fffffff, 0x40000000,
                                     0x5a827999, 0x7fffffff, 0x80000000, 0xb504f300, 0xb504f400,
                                     0xc0000000, 0xffffff00, 0xffffffff, 0xfffffeff};
    const size_t n = sizeof edges / sizeof *edges;
    for (size_t i = 0; i < n * n; i++) assert_normal_is_right(edges[i / n], edges[i % n]);
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t words[4];
        iv_philox(3, IV_STREAM_TEST, 0, i, words);
        assert_normal_is_right(words[0], words[1]);
    }
}

/* Shares of 400000 numbers in 40 cells that the normal law makes
 * equally likely, and of the pairs. */
static void normals_follow_the_normal_law_and_pairs_are_independent(void **state) {
    (void)state;
    enum { CELLS = 40, DRAWS = 200000 };
    double counts[CELLS] = {0}, pairs[100] = {0};
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint32_t words[4];
        float normal[2];
        iv_philox(9, IV_STREAM_TEST, 1, i, words);
        iv_normal(words[0], words[1], normal);
        const double first = 0.5 * erfc(-(double)normal[0] / sqrt(2));
        const double second = 0.5 * erfc(-(double)normal[1] / sqrt(2));
        counts[(int)(first * CELLS)]++;
        counts[(int)(second * CELLS)]++;
        pairs[(int)(first * 10) * 10 + (int)(second * 10)]++;
    }
    assert_uniform("normal numbers", counts, CELLS, 2.0 * DRAWS / CELLS);
    assert_uniform("pairs of them", pairs, 100, DRAWS / 100.0);
}

static int is_permutation(const int32_t *values, uint32_t n) {
    uint8_t *seen = calloc(n + 1, 1);
    int good = 1;
    for (uint32_t i = 0; i < n && good; i++) {
        good = values[i] >= 0 && (uint32_t)values[i] < n && !seen[values[i]];
        if (good) seen[values[i]] = 1;
    }
    free(seen);
    return good;
}

static const uint32_t sizes[] = {1,    2,    3,    4,     5,     7,     8,     9,
                                 15,   16,   17,   31,    100,   255,   256,   257,
                                 1000, 1024, 1025, 12000, 16384, 16385, 20000, 60000};

static void permutation_holds_every_index_once(void **state) {
    (void)state;
    int32_t *values = malloc(60000 * sizeof *values);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t seed = 0; seed < 3; seed++) {
            iv_permutation(seed, IV_STREAM_TEST, sizes[i], values);
            assert_true(is_permutation(values, sizes[i]));
        }
    iv_permutation(0, IV_STREAM_TEST, 0, values);
    free(values);
}

static void shuffle_sends_every_index_to_another_place(void **state) {
    (void)state;
    int32_t *values = malloc(60000 * sizeof *values);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            for (uint32_t k = 0; k < sizes[i]; k++)
                values[k] = (int32_t)iv_shuffle(5, IV_STREAM_TEST, epoch, sizes[i], k);
            assert_true(is_permutation(values, sizes[i]));
        }
    free(values);
}

static void shuffle_of_two_to_the_31_stays_in_range(void **state) {
    (void)state;
    const uint32_t n = 0x80000000U;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(iv_shuffle(1, IV_STREAM_TEST, 0, n, i) < n);
        assert_true(iv_shuffle(1, IV_STREAM_TEST, 0, n, n - 1 - i) < n);
    }
}

typedef void (*permuter)(uint32_t seed, uint32_t n, int32_t *out);

static void by_permutation(uint32_t seed, uint32_t n, int32_t *out) {
    iv_permutation(seed, IV_STREAM_TEST, n, out);
}

static void by_shuffle_of_seeds(uint32_t seed, uint32_t n, int32_t *out) {
    for (uint32_t i = 0; i < n; i++) out[i] = (int32_t)iv_shuffle(seed, IV_STREAM_TEST, 0, n, i);
}

static void by_shuffle_of_epochs(uint32_t seed, uint32_t n, int32_t *out) {
    for (uint32_t i = 0; i < n; i++) out[i] = (int32_t)iv_shuffle(3, IV_STREAM_TEST, seed, n, i);
}

/* All n! permutations of few elements, equally often. */
static void assert_all_orders_are_equally_likely(permuter permute) {
    for (uint32_t n = 2; n <= 5; n++) {
        double counts[3125] = {0}, orders[120];
        const uint32_t n_draws = 60000;
        for (uint32_t seed = 0; seed < n_draws; seed++) {
            int32_t values[5];
            uint32_t code = 0;
            permute(seed, n, values);
            for (uint32_t i = 0; i < n; i++) code = code * n + (uint32_t)values[i];
            counts[code]++;
        }
        size_t n_orders = 0, factorial = 1;
        for (size_t code = 0; code < 3125; code++)
            if (counts[code] > 0 && n_orders < 120) orders[n_orders++] = counts[code];
        for (size_t i = 2; i <= n; i++) factorial *= i;
        assert_int_equal(n_orders, factorial);
        assert_uniform("orders", orders, n_orders, (double)n_draws / (double)factorial);
    }
}

static void permutation_gives_all_orders_equally_often(void **state) {
    (void)state;
    assert_all_orders_are_equally_likely(by_permutation);
}

static void shuffle_gives_all_orders_equally_often(void **state) {
    (void)state;
    assert_all_orders_are_equally_likely(by_shuffle_of_seeds);
    assert_all_orders_are_equally_likely(by_shuffle_of_epochs);
}

/* Where indices go over many epochs: (i, place of i) over a coarse grid, and neighbours' places. */
static void shuffle_spreads_indices_and_neighbours_evenly(void **state) {
    (void)state;
    enum { N = 20000, CELLS = 20, EPOCHS = 40 };
    double *places = calloc(CELLS * CELLS, sizeof *places),
           *pairs = calloc(CELLS * CELLS, sizeof *pairs);
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        uint32_t before = iv_shuffle(7, IV_STREAM_TEST, epoch, N, N - 1) * CELLS / N;
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t cell = iv_shuffle(7, IV_STREAM_TEST, epoch, N, i) * CELLS / N;
            places[i * CELLS / N * CELLS + cell]++;
            pairs[before * CELLS + cell]++;
            before = cell;
        }
    }
    const double expected = (double)N * EPOCHS / (CELLS * CELLS);
    assert_uniform("places", places, CELLS * CELLS, expected);
    assert_uniform("neighbours", pairs, CELLS * CELLS, expected);
    free(places);
    free(pairs);
}

/* Two epochs, or two seeds, agree on about one index in expectation (a Poisson law: beyond 10 has
 * probability 1e-8). */
static void shuffles_of_different_epochs_are_unrelated(void **state) {
    (void)state;
    const uint32_t n = 4096;
    for (uint32_t epoch = 1; epoch < 20; epoch++) {
        unsigned same_epoch = 0, same_seed = 0;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t first = iv_shuffle(1, IV_STREAM_TEST, 0, n, i);
            same_epoch += first == iv_shuffle(1, IV_STREAM_TEST, epoch, n, i);
            same_seed += first == iv_shuffle(1 + epoch, IV_STREAM_TEST, 0, n, i);
        }
        assert_true(same_epoch <= 10 && same_seed <= 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_known_answers),
        cmocka_unit_test(philox_places_its_arguments_as_documented),
        cmocka_unit_test(uniforms_are_exact_multiples_in_their_range),
        cmocka_unit_test(bounded_integers_stay_below_their_bound),
        cmocka_unit_test(normals_are_those_of_the_formula),
        cmocka_unit_test(normals_follow_the_normal_law_and_pairs_are_independent),
        cmocka_unit_test(permutation_holds_every_index_once),
        cmocka_unit_test(shuffle_sends_every_index_to_another_place),
        cmocka_unit_test(shuffle_of_two_to_the_31_stays_in_range),
        cmocka_unit_test(permutation_gives_all_orders_equally_often),
        cmocka_unit_test(shuffle_gives_all_orders_equally_often),
        cmocka_unit_test(shuffle_spreads_indices_and_neighbours_evenly),
        cmocka_unit_test(shuffles_of_different_epochs_are_unrelated),
    };
    return cmocka_run_group_tests_name("random numbers", tests, NULL, NULL);
}
