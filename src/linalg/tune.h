/* Inside the linalg room: what the tuner's files share, and where iv_gemm finds the winners. */
#ifndef INVAR_LINALG_TUNE_H
#define INVAR_LINALG_TUNE_H

#include "linalg/clblast_parameters.h"
#include "linalg/gemm.h"

#include <invar/tune.h>

/* ------------------------------------------------------------------ winners (tune_store.c) */

/* The winner for the class of one measured product. */
typedef struct {
    size_t m, n, k;
    bool transpose_a, transpose_b;
    iv_gemm_choice choice;
    double seconds, untuned_seconds;
} iv_winner;

typedef struct {
    iv_winner *winners;
    size_t n_winners;
    iv_clblast_parameters clblast; /* zeros: as installed */
    /* Of iv_kernel_parameters' rows: 1 more than the number, or 0 where it is not tuned. */
    size_t parameters[IV_MAX_KERNEL_PARAMETERS];
    char sha256[65]; /* of the file that holds them; "": of none */
} iv_tuning;

/* The winners for the context's device: loaded from the cache on the first call, empty where there
 * is no file, or one that is damaged, from elsewhere, or with an entry that makes no sense. NULL if
 * memory runs out. */
const iv_tuning *iv_tuning_of(iv_context *context);

/* The winner whose class is nearest to a product's: the same transposes, and no dimension more than
 * an octave away. NULL if there is none. */
const iv_winner *iv_tuning_find(const iv_tuning *tuning, const iv_gemm_desc *desc);

/* Use winners in this context from now on. Copies. */
iv_status iv_tuning_attach(iv_context *context, const iv_tuning *tuning);

/* Read the text of a tuning file; its winners are the caller's, to free(). False, and nothing read, if
 * it is damaged, has an entry that makes no sense, or is not about the context's device, driver and
 * version (NULL: about any). */
bool iv_tuning_read(const void *text, size_t bytes, const iv_context *context, iv_tuning *tuning);

/* Keep winners in the cache, for contexts made later. */
iv_status iv_tuning_store(iv_context *context, const iv_tuning *tuning);

/* The file in the cache folder "tuning" that holds a device's
 * winners; false if it cannot be named. */
bool iv_tuning_name(const iv_context *context, char *name, size_t name_bytes);

void iv_choice_describe(const iv_gemm_choice *choice, char *text, size_t text_bytes);

/* ------------------------------------------------------------------ kernel_parameters.c */

/* The row of a kernel's number, past the last one if there is none; whether a value is among its
 * candidates. */
size_t iv_kernel_row(const char *kernel, const char *name);
bool iv_kernel_allows(size_t row, size_t value);

/* ------------------------------------------------------------------ products (tune_product.c) */

/* A product with its operands on the device, the epilogue that the studies give one with these
 * transposes, and the right result of the first and the last member. */
typedef struct {
    iv_context *context;
    iv_gemm_desc desc;
    size_t n_checked;          /* members with a reference: 1 or 2 */
    size_t n_rows;             /* of them that have one: all m, or 256 */
    double *right, *tolerance; /* [n_checked, n_rows, n + 1]; the last column holds the row sums */
    float *result, *result_sums; /* of one member */
} iv_product;

iv_status iv_product_create(iv_context *context, size_t m, size_t n, size_t k, bool transpose_a,
                            bool transpose_b, size_t batch, iv_product *product);
void iv_product_destroy(iv_product *product); /* zeros are fine */

/* Appends one way of computing iv_gemm's result. */
typedef iv_status (*iv_product_append)(iv_sequence *sequence, const iv_gemm_desc *desc,
                                       const iv_gemm_choice *choice);

/* Run a candidate, compare it with the right result, and time it: the least of a few runs within
 * about `budget` seconds, per member. False, with the reason in `why`, if it cannot run or is
 * wrong. */
bool iv_product_measure(iv_product *product, iv_product_append append, const iv_gemm_choice *choice,
                        double budget, double *seconds, char *why, size_t why_bytes);

/* ------------------------------------------------------------------ candidates */

enum { IV_MAX_CANDIDATES = 24 };

/* What is worth measuring on a device for a product, likeliest first; the default comes first of
 * all. Returns how many. */
size_t iv_tune_candidates(const iv_device_info *device, const iv_gemm_desc *desc,
                          iv_gemm_choice candidates[IV_MAX_CANDIDATES]);

/* Sets of CLBlast's parameters to try beside the installed ones. */
size_t iv_tune_clblast_sets(const iv_clblast_parameters **sets);

/* ------------------------------------------------------------------ the tuner (tune.c) */

typedef struct {
    size_t m, n, k;
    bool transpose_a, transpose_b;
} iv_tune_shape;

/* iv_tune on given products, with a given way of appending candidates (iv_gemm_append but in
 * tests). */
iv_status iv_tune_shapes(iv_context *context, const iv_tune_shape *shapes, size_t n_shapes,
                         iv_product_append append, const iv_tune_options *options);

#endif
