/* What an audit found, in sentences that follow from its numbers. */
#include "audit/audit.h"

#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Below this share of the logits' size, LI is rounding: their distance is below a thousandth. */
static const double rounding = 1e-6;

/* Elements of a group up to which each has a number in a sentence. */
enum { FEW_ELEMENTS = 8 };

iv_status audit_describe_elements(iv_audit *audit, const iv_group *group, iv_error *error) {
    const iv_group unknown = {.kind = IV_GROUP_LISTED, .n_elements = audit->n_elements};
    audit->elements = calloc(audit->n_elements, sizeof *audit->elements);
    if (!audit->elements) return iv_fail(error, IV_ENOMEM, "out of memory for an audit");
    for (size_t g = 0; g < audit->n_elements; g++)
        iv_group_describe(group ? group : &unknown, g, audit->elements[g]);
    return IV_OK;
}

static double value_of(const iv_audit_model *model, iv_audit_metric metric) {
    return model->n_images[metric] > 0 ? model->all[metric]->value : (double)NAN;
}

/* "a", ", b" or " and c" */
static const char *between(size_t i, size_t n) {
    return i == 0 ? "" : i + 1 < n ? ", " : n > 2 ? ", and " : " and ";
}

/* ------------------------------------------------------------------ predictions */

static void add_accuracy(iv_text *text, const iv_audit *audit, const iv_audit_model *model) {
    char accuracy[AUDIT_CELL];
    audit_format(accuracy, value_of(model, IV_AUDIT_ACCURACY), IV_AUDIT_ACCURACY);
    iv_text_format(text, "It classifies %s%% of the images rightly, all %zu elements counted. ",
                   accuracy, audit->n_elements);
}

static void add_changes(iv_text *text, const iv_audit *audit, const iv_audit_model *model) {
    const iv_audit_number *changes = model->all[IV_AUDIT_CHANGES];
    char share[AUDIT_CELL], most[AUDIT_CELL];
    size_t low = 1, high = 1;
    for (size_t g = 1; g < audit->n_elements; g++) {
        if (changes[g].value < changes[low].value) low = g;
        if (changes[g].value > changes[high].value) high = g;
    }
    if (changes[high].value == 0) {
        iv_text_add(text, "Its prediction changes for no image under any element. ");
        return;
    }
    audit_format(share, changes[low].value, IV_AUDIT_CHANGES);
    audit_format(most, changes[high].value, IV_AUDIT_CHANGES);
    iv_text_add(text, "Its prediction changes for ");
    if (audit->n_elements > FEW_ELEMENTS) {
        iv_text_format(text, "%s%% (%s) to %s%% (%s) of the images. ", share, audit->elements[low],
                       most, audit->elements[high]);
        return;
    }
    for (size_t g = 1; g < audit->n_elements; g++) {
        audit_format(share, changes[g].value, IV_AUDIT_CHANGES);
        iv_text_format(text, "%s%s%%%s %s", between(g - 1, audit->n_elements - 1), share,
                       g == 1 ? " of the images when they are" : " when", audit->elements[g]);
    }
    iv_text_add(text, ". ");
}

/* ------------------------------------------------------------------ logits */

static void add_logits(iv_text *text, const iv_audit_model *model) {
    const double li = value_of(model, IV_AUDIT_LI), size = value_of(model, IV_AUDIT_SIZE);
    char shown[AUDIT_CELL], of[AUDIT_CELL], di[AUDIT_CELL];
    audit_format(shown, li, IV_AUDIT_LI);
    audit_format(of, size, IV_AUDIT_SIZE);
    audit_format(di, value_of(model, IV_AUDIT_DI), IV_AUDIT_DI);
    if (!isfinite(li) || !isfinite(size)) {
        iv_text_add(text, "Its logits are not finite. ");
    } else if (li == 0) {
        iv_text_add(text, "It is invariant: the logits of an image and of all its moved copies are "
                          "the same, to the last bit. ");
    } else if (li < rounding * size) {
        iv_text_format(text,
                       "It is invariant up to rounding: the logits of an image and of its moved "
                       "copies differ by LI %s, below a millionth of their size (½|f(x)|² is %s on "
                       "average). ",
                       shown, of);
    } else {
        iv_text_format(
            text,
            "The logits of an image and of its moved copies differ by ½|f(x) − f(g x)|² "
            "= %s on average (LI), %.3g%% of their size (½|f(x)|² is %s on average); the "
            "class distributions by %s nats (DI). ",
            shown, 100 * li / size, of, di);
    }
}

static void add_saliency(iv_text *text, const iv_audit_model *model) {
    const double si = value_of(model, IV_AUDIT_SI);
    if (!isfinite(si)) return;
    iv_text_format(text,
                   "Saliency maps of an image and of its moved copies, the latter moved back, %s: "
                   "the cosine between them is %.3g on average (SI). ",
                   si > 0.999  ? "are the same"
                   : si > 0.5  ? "are alike"
                   : si > 0.1  ? "are somewhat alike"
                   : si > -0.1 ? "are unrelated"
                               : "point in opposite directions",
                   si);
}

static void add_jacobian(iv_text *text, const iv_audit_model *model) {
    const double sigma = value_of(model, IV_AUDIT_SIGMA);
    if (!isfinite(sigma)) return;
    iv_text_format(text,
                   "A small change of an image moves the logits by at most %.3g times its length "
                   "(σ<sub>max</sub>, a mean over %zu images). ",
                   sigma, model->n_images[IV_AUDIT_SIGMA]);
}

/* The classes whose distributions move most and least, if there are two that can be told apart. */
static void add_classes(iv_text *text, const iv_audit *audit, const iv_audit_model *model) {
    const iv_audit_number *of = model->classes[IV_AUDIT_DI];
    size_t low = SIZE_MAX, high = SIZE_MAX;
    for (size_t c = 0; c < audit->n_classes; c++) {
        if (!isfinite(of[c].value)) continue;
        if (low == SIZE_MAX || of[c].value < of[low].value) low = c;
        if (high == SIZE_MAX || of[c].value > of[high].value) high = c;
    }
    if (low == SIZE_MAX || !(of[high].low > of[low].high)) return;
    if (of[low].low == of[low].high || of[high].low == of[high].high) return; /* a single image */
    iv_text_format(text,
                   "Images of class %zu move most (DI %.3g), those of class %zu least (DI %.3g).",
                   high, of[high].value, low, of[low].value);
}

/* ------------------------------------------------------------------ directions */

/* What a direction is made of: its generators, the largest share first, down to a fifth. */
static void add_direction(iv_text *text, const iv_audit_direction *direction) {
    bool said[IV_N_GENERATORS] = {false};
    for (size_t n = 0; n < IV_N_GENERATORS; n++) {
        size_t best = 0;
        double largest = -1;
        for (size_t g = 0; g < IV_N_GENERATORS; g++)
            if (!said[g] && fabs(direction->generators[g]) > largest)
                largest = fabs(direction->generators[best = g]);
        if (n > 0 && largest < 0.2) return;
        said[best] = true;
        iv_text_format(text, "%s%s (%+.2f)", n ? ", " : "", iv_generator_name((iv_generator)best),
                       direction->generators[best]);
    }
}

static void add_directions(iv_text *text, const iv_audit_model *model) {
    if (!model->directions) return;
    const iv_audit_direction *least = &model->directions[0],
                             *most = &model->directions[IV_N_GENERATORS - 1];
    iv_text_add(text, "<p>Of the infinitesimal affine transformations, it feels this one least: ");
    add_direction(text, least);
    iv_text_format(text, ", with a sensitivity of %.3g; and this one most: ", least->sensitivity);
    add_direction(text, most);
    iv_text_format(text, ", with %.3g.</p>\n", most->sensitivity);
}

void audit_add_words(iv_text *text, const iv_audit *audit, const iv_audit_model *model) {
    iv_text_add(text, "<p>");
    add_accuracy(text, audit, model);
    add_changes(text, audit, model);
    add_logits(text, model);
    add_saliency(text, model);
    add_jacobian(text, model);
    add_classes(text, audit, model);
    iv_text_add(text, "</p>\n");
    add_directions(text, model);
}
