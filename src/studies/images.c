/* Images as specs name them. */
#include "studies/images.h"

#include <stdio.h>
#include <string.h>

void study_images_read(const iv_node *config, study_images *images) {
    *images = (study_images){
        .name = iv_spec_string(config, "dataset.name"),
        .path = iv_spec_has(config, "dataset.path") ? iv_spec_string(config, "dataset.path") : NULL,
    };
    const iv_dataset_info *known = images->known = iv_dataset_info_find(images->name);
    if (!known) return;
    images->shape = (iv_image_shape){known->channels, known->height, known->width};
    images->n_classes = known->n_classes;
}

iv_status study_images_check_name(iv_spec_check *check, const iv_node *node) {
    const char *name = iv_spec_string(node, "");
    if (strlen(name) < IV_DATASET_NAME) return IV_OK;
    return iv_spec_refuse(check, node,
                          "the name of images, `%s`, has %zu bytes, expected at most %d", name,
                          strlen(name), IV_DATASET_NAME - 1);
}

iv_status study_images_check(iv_spec_check *check, const iv_node *config, const char *also) {
    const iv_node *name = iv_spec_node(config, "dataset.name");
    const char *word = iv_spec_string(name, "");
    const iv_status status = study_images_check_name(check, name);
    const bool known = iv_dataset_info_find(word) || (also && strcmp(word, also) == 0);
    if (status != IV_OK || !known || !iv_spec_has(config, "dataset.path")) return status;
    return iv_spec_refuse(check, iv_spec_node(config, "dataset.path"),
                          "`dataset.path` is set for %s, expected only for images of your own: "
                          "give them another name",
                          word);
}

/* ------------------------------------------------------------------ reading */

static iv_status read_own(const iv_experiment *x, const study_images *images, iv_dataset *set) {
    iv_error *error = iv_context_error(x->context);
    return images->path ? iv_own_images_load(images->path, images->name, set, error)
                        : iv_dataset_load(x->job->data_dir, images->name, 0, set, error);
}

void study_images_note(study_images_id *id, const study_images *images) {
    snprintf(id->name, sizeof id->name, "%s", images->name);
    snprintf(id->path, sizeof id->path, "%s", images->path ? images->path : "");
}

bool study_images_are(const study_images_id *id, const study_images *images) {
    return strcmp(id->name, images->name) == 0 &&
           strcmp(id->path, images->path ? images->path : "") == 0;
}

bool study_images_unread(const void *setting) {
    return !((const study_images *)setting)->known;
}

iv_status study_images_describe(iv_experiment *x, void *data, void *setting) {
    study_own_images *own = data;
    study_images *images = setting;
    if (images->known) return IV_OK;
    if (!study_images_are(&own->id, images)) {
        study_own_images_clear(own);
        const iv_status status = read_own(x, images, &own->set);
        if (status != IV_OK) return status;
        study_images_note(&own->id, images);
        own->shape = (iv_image_shape){own->set.channels, own->set.height, own->set.width};
        own->n_classes = own->set.n_classes;
    }
    images->shape = own->shape;
    images->n_classes = own->n_classes;
    return IV_OK;
}

void study_own_images_clear(study_own_images *own) {
    iv_dataset_clear(&own->set);
    *own = (study_own_images){0};
}

/* Those that were described are handed over: a second reading is rare, and memory is not. */
static iv_status take_own(const iv_experiment *x, study_own_images *own, const study_images *images,
                          iv_dataset *set) {
    if (!own || !study_images_are(&own->id, images) || !own->set.pixels)
        return read_own(x, images, set);
    *set = own->set;
    own->set = (iv_dataset){0};
    return IV_OK;
}

/* Say in run.json which files these are, and here if they are not the published ones. */
static iv_status record_files(const iv_experiment *x, const iv_dataset_info *info) {
    char path[4096], sha256[65], name[256];
    iv_error *error = iv_context_error(x->context);
    iv_status status = IV_OK;
    for (size_t i = 0; !info->built_in && info->files[i] && status == IV_OK; i++) {
        iv_error unread = {0};
        const iv_file_state state =
            iv_dataset_file_verify(x->job->data_dir, info, i, path, sha256, &unread);
        snprintf(name, sizeof name, "%s/%s", info->name, info->files[i]);
        if (!*sha256) return iv_fail(error, IV_EDATA, "%s", unread.message);
        status = iv_run_dir_add_data(x->job->dir, name, sha256, state != IV_FILE_DIFFERENT, error);
    }
    return status;
}

iv_status study_images_load(const iv_experiment *x, study_own_images *own,
                            const study_images *images, size_t n_asked, iv_dataset *set) {
    iv_error *error = iv_context_error(x->context);
    if (!images->known) return take_own(x, own, images, set);
    if (x->synthetic) return iv_synthetic_images(images->known, n_asked, set, error);
    const iv_status status = iv_dataset_load(x->job->data_dir, images->name, n_asked, set, error);
    return status == IV_OK && x->training && x->job->dir ? record_files(x, images->known) : status;
}
