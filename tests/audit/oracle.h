/* What an audit should find, in double precision and straight from the definitions: the oracle of
 * these tests. Shares no code with the library but the readers of its own arguments. */
#ifndef INVAR_TESTS_AUDIT_ORACLE_H
#define INVAR_TESTS_AUDIT_ORACLE_H

#include "../kit/kit.h"

enum { ORACLE_LAYERS = 12, ORACLE_WIDTH = 128, ORACLE_CLASSES = 16, ORACLE_ELEMENTS = 16 };

/* A perceptron on square images [planes, side, side]; widths[0] values of an image. */
typedef struct {
    size_t planes, side, n_layers, widths[ORACLE_LAYERS + 1];
    const char *activation;
    double *weights[ORACLE_LAYERS]; /* [out, in] */
    double *biases[ORACLE_LAYERS];  /* [out], or NULL */
    double mean[3], deviation[3];   /* of what it was trained on; a deviation of 0: none */
} oracle_network;

/* Weights and biases uniform on +-scale / sqrt(inputs), multiples of 1 / grain if that is not 0. */
void oracle_random(oracle_network *network, uint32_t seed, double scale, double grain);
void oracle_free(oracle_network *network);

/* An exact group of squares: what element g makes of a plane [side, side]. */
typedef struct {
    size_t n_elements;
    void (*act)(size_t element, size_t side, const double *from, double *to);
    size_t inverse[64]; /* the element that undoes an element */
} oracle_group;

oracle_group oracle_quarter_turns(void);
oracle_group oracle_half_turns(void);
oracle_group oracle_rolls(void);  /* by half the side, to the right and down: shift:2:xy */
oracle_group oracle_thirds(void); /* by thirds of the side: shift:3:xy, nine elements */

void oracle_logits(const oracle_network *network, const double *image, double *logits);

/* Of one image; spectrum has min(classes, inputs) values. size: half the squared length of f(x);
 * changed[g] is 1 where the class predicted at g x is not that at x; kl[g] is what DI is the mean
 * of. */
typedef struct {
    double accuracy, li, di, si, spectrum[ORACLE_CLASSES], size;
    double changed[ORACLE_ELEMENTS], kl[ORACLE_ELEMENTS];
} oracle_numbers;

/* image [planes, side, side] in [0, 1] */
void oracle_measure(const oracle_network *network, const oracle_group *group, const double *image,
                    size_t label, oracle_numbers *numbers);

/* g x; and at g x the logits, and the gradient of the logit of the class predicted at x. */
void oracle_orbit(const oracle_network *network, const oracle_group *group, const double *image,
                  size_t element, double *moved, double *logits, double *saliency);

#endif
