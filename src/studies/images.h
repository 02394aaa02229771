/* Images as the specs of several studies name them: a known set, or images of the user's own. */
#ifndef INVAR_STUDIES_IMAGES_H
#define INVAR_STUDIES_IMAGES_H

#include <invar/data.h>
#include <invar/experiment.h>
#include <invar/transform.h>

enum { STUDY_PATH_BYTES = 257 }; /* of a text in a spec */

/* What `dataset` says. What its images are is known of known sets; of the user's own once they have
 * been read, and 0 before. */
typedef struct {
    const char *name, *path;      /* path NULL: a known set, or a folder of the data directory */
    const iv_dataset_info *known; /* NULL: images of the user's own */
    iv_image_shape shape;
    size_t n_classes;
} study_images;

/* Which images something was made of. */
typedef struct {
    char name[IV_DATASET_NAME], path[STUDY_PATH_BYTES];
} study_images_id;

void study_images_note(study_images_id *id, const study_images *images);
bool study_images_are(const study_images_id *id, const study_images *images);

/* Images of the user's own that were read last: what they are and, until somebody takes them, the
 * images themselves. */
typedef struct {
    study_images_id id;
    iv_image_shape shape;
    size_t n_classes;
    iv_dataset set;
} study_own_images;

/* The rows of `dataset.name`, whose known names `choice` gives, and of `dataset.path`. */
/* clang-format off */
#define STUDY_KEYS_IMAGES(names, names_doc)                                                        \
    {"dataset.name", IV_KEY_NAME, IV_KEY_REQUIRED | IV_KEY_SWEEPABLE, .choice = names,             \
     .doc = names_doc},                                                                            \
    {"dataset.path", IV_KEY_STRING, IV_KEY_OPTIONAL,                                               \
     .doc = "folder with images of your own, relative to the working directory; without it they "  \
            "are in the folder of that name in the data directory"}
/* clang-format on */

void study_images_read(const iv_node *config, study_images *images);

/* Refuse what is known to be wrong before anything is read: names that are too long, and a path for
 * a known set (`also` is one more known name, or NULL). */
iv_status study_images_check(iv_spec_check *check, const iv_node *config, const char *also);
iv_status study_images_check_name(iv_spec_check *check, const iv_node *name); /* of another set */

/* The hooks `is_unread` and `describe` of data that begin with study_own_images, for settings that
 * begin with study_images: what images of the user's own are is filled in; nothing of known sets.
 * Fails as iv_dataset_load does. */
bool study_images_unread(const void *setting);
iv_status study_images_describe(iv_experiment *x, void *data, void *setting);

/* Load the images, n_asked of them if they are built in (made up, and n_asked of any, if
 * x->synthetic). own: where study_images_describe left them; NULL: nowhere. */
iv_status study_images_load(const iv_experiment *x, study_own_images *own,
                            const study_images *images, size_t n_asked, iv_dataset *set);

void study_own_images_clear(study_own_images *own); /* zeroed ones are fine */

#endif
