/* Data: image sets, splits, and the files that hold arrays.
 *
 * Everything here runs on the host and is deterministic: the same files and seeds give the same
 * bytes on any machine. Errors about files name the path, what was found, what was expected and
 * what to do. */
#ifndef INVAR_DATA_H
#define INVAR_DATA_H

#include <invar/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ image sets */

enum { IV_DATASET_NAME = 32 };

/* Labelled images. The official training images come first, then the official test images. Images
 * of the user's own may have no test part: all of them are training images then. */
typedef struct {
    char name[IV_DATASET_NAME];
    size_t n_images;
    size_t n_training; /* how many of them are official training images; the rest are test images */
    size_t n_classes;  /* labels are below this */
    size_t channels, height, width;
    uint8_t *pixels; /* [n_images, channels, height, width], rows from the top down */
    uint8_t *labels; /* [n_images] */
} iv_dataset;

/* Where data files are: `override` if not NULL or empty (the --data option), else $INVAR_DATA_DIR,
 * else $XDG_DATA_HOME/invar, else ~/.local/share/invar. Writes the path, which need not exist, into
 * `path`. IV_EINVAL if it does not fit `size` bytes, IV_EDATA if none of the variables is set, not
 * even HOME. */
iv_status iv_data_directory(const char *override, char *path, size_t size, iv_error *error);

/* Which of a set's images. */
typedef enum { IV_PART_ALL, IV_PART_TRAINING, IV_PART_TEST } iv_dataset_part;

/* An image set that Invar knows by name: one row of a table. What its images are, and either the
 * function that makes them (built in) or the files that they are read from. */
typedef struct iv_dataset_info iv_dataset_info;
struct iv_dataset_info {
    const char *name;      /* as specs and commands write it; the folder of its files */
    const char *title;     /* one line: what it is */
    const char *reference; /* to cite, as BibTeX; NULL: nothing to cite */
    size_t channels, height, width;
    size_t n_classes;
    size_t n_training, n_test; /* official numbers of images; 0: as many as wanted */
    bool built_in;             /* made, in any number; else read from files, always whole */
    bool mostly_zero;          /* iv_mostly_zero of its pixels */
    bool meaningless;          /* labels say nothing: to measure on, not to learn from */

    /* Built in: make n images of a seed. */
    iv_status (*make)(uint32_t seed, size_t n_images, iv_dataset *dataset, iv_error *error);

    /* Otherwise: read all files, or those of a part. `dataset` has its name, the rest is zeroed before; it may hold
     * memory after a failure. */
    iv_status (*load)(const iv_dataset_info *info, const char *directory, iv_dataset_part part,
                      iv_dataset *dataset, iv_error *error);
    const char *files[7];   /* without .gz; ends with NULL */
    const char *sha256s[7]; /* of the uncompressed files, in hexadecimal; NULL if none is known */
    const char *base_url;   /* official download, where FILE.gz lie directly, or the archive */

    /* Where the files are published together: the name of their .tar.gz, its SHA-256, the folder
     * that it unpacks to, in which the files may be left, and the folder and a file of another
     * version that people take for it. NULL otherwise. */
    const char *archive, *archive_sha256, *unpacked;
    const char *mistaken_folder, *mistaken_file;
};

/* The i-th known image set, or NULL after the last. */
const iv_dataset_info *iv_dataset_info_get(size_t i);

/* The image set of that name, or NULL. */
const iv_dataset_info *iv_dataset_info_find(const char *name);

/* The i-th of those that `fits` says yes to, or NULL after the last. */
const iv_dataset_info *iv_dataset_info_match(bool (*fits)(const iv_dataset_info *info), size_t i);

typedef enum {
    IV_DATASETS_ALL,
    IV_DATASETS_BUILT_IN,
    IV_DATASETS_OF_FILES,
} iv_dataset_choice;

/* Names for a message, in the order of the table: with ", " and " or ", "digits or noise".
 * text  out, cut to `size` bytes; 256 are enough. Returns it. */
const char *iv_dataset_names(iv_dataset_choice choice, const char *separator, const char *last,
                             char *text, size_t size);

/* Load an image set by name: one of the table, or images of the user's own in the folder
 * DIRECTORY/NAME (see iv_own_images_load).
 *
 * directory  what iv_data_directory found; not used by the built-in sets
 * n_images   size of a built-in set (of seed 0), 20000 if 0; the others are always read whole
 *
 * IV_EDATA if a file is missing, truncated, too long, corrupt, or not what its header or name says;
 * IV_EINVAL for an unknown name, with the known ones. Free with iv_dataset_clear. */
iv_status iv_dataset_load(const char *directory, const char *name, size_t n_images,
                          iv_dataset *dataset, iv_error *error);

/* The same of the training or the test images alone, where these are files of their own, as those of
 * the table's sets are: the others are not read, and need not be there. Other sets are loaded
 * whole. */
iv_status iv_dataset_load_part(const char *directory, const char *name, size_t n_images,
                               iv_dataset_part part, iv_dataset *dataset, iv_error *error);

/* The row of an image set by name, as iv_dataset_load finds it: the table's, or one made for the
 * user's own set, whose files are read whole for it. The latter's name and title are `name`, which
 * must outlive it. Fails as iv_dataset_load does, but reads no files of the table's sets. */
iv_status iv_dataset_describe(const char *directory, const char *name, iv_dataset_info *info,
                              iv_error *error);

/* Load images of the user's own from a folder, in one of these formats, which docs/own-images.md
 * describes: IDX files under MNIST's names, pairs of .npy files, PNG files in a folder per class.
 * Any number of images and up to 256 classes; grey or in colour, of one size.
 *
 * folder  "~/" at its beginning is the home directory
 * name    the dataset's
 *
 * IV_EDATA, with file and reason, for what is missing, damaged or does not fit together. Free with
 * iv_dataset_clear. */
iv_status iv_own_images_load(const char *folder, const char *name, iv_dataset *dataset,
                             iv_error *error);

/* Bring images into the order of a seeded permutation, training and test images each among
 * themselves: own images often come class by class. IV_ENOMEM. */
iv_status iv_dataset_shuffle(iv_dataset *dataset, uint32_t seed, iv_error *error);

/* Free what a dataset holds and zero it. A zeroed dataset is fine. */
void iv_dataset_clear(iv_dataset *dataset);

/* Drawn digits, 1 x 28 x 28, 10 classes, class of image i uniform: strokes drawn with a round pen
 * of varying thickness, distorted by a random affine map and a smooth elastic displacement, with
 * slight noise. Image i depends on the seed and i alone, not on n_images. Integer arithmetic and
 * correctly rounded operations throughout: the bytes are the same on every machine. The first six
 * sevenths count as official training images. */
iv_status iv_digits_make(uint32_t seed, size_t n_images, iv_dataset *dataset, iv_error *error);

/* Uniform random bytes, 1 x 28 x 28, 10 classes, label i % 10:
 * nothing can be learned but by heart. */
iv_status iv_noise_make(uint32_t seed, size_t n_images, iv_dataset *dataset, iv_error *error);

/* Images to measure time and memory with in the place of real ones: of the shape, the number of
 * classes and the sparsity (mostly_zero) of `info`, of which nothing else is read. Scribbles or
 * uniform random bytes, with label i % n_classes, the same on every machine. */
iv_status iv_synthetic_images(const iv_dataset_info *info, size_t n_images, iv_dataset *dataset,
                              iv_error *error);

/* Make planes of height x width as sparse as handwriting: random bytes at half of the places in the
 * middle (20 x 20 of MNIST's 28 x 28), 0 elsewhere. Eight of them share about as many zeros as
 * eight of MNIST's, 49% to 50%.
 * pixels  [n_planes, height, width] */
void iv_scribble(uint8_t *pixels, size_t n_planes, size_t height, size_t width);

/* Whether so many of n pixels are 0 that products should pass over them. */
bool iv_mostly_zero(const uint8_t *pixels, size_t n);

/* A seeded permutation of a pool of images: the first n_training indices are the training set, the
 * next n_validation the validation set, the next n_test the test set, the rest unused.
 * out  [n_pool]
 * IV_EINVAL if the three do not fit the pool, or the pool is above 2^31 - 1. */
iv_status iv_split(uint32_t seed, size_t n_pool, size_t n_training, size_t n_validation,
                   size_t n_test, int32_t *out, iv_error *error);

/* ------------------------------------------------------------------ the data directory */

typedef enum {
    IV_FILE_MISSING,
    IV_FILE_DAMAGED,   /* unreadable, cut, corrupt gzip, or an impossible size */
    IV_FILE_DIFFERENT, /* readable, but not the published bytes */
    IV_FILE_UNCHECKED, /* readable; no checksum is known */
    IV_FILE_GOOD,
} iv_file_state;

/* Check file number `file` of an image set, plain or .gz, against its published SHA-256.
 * path    out, at least 4096 bytes: the file looked at (the plain name if there is none)
 * sha256  out, 65 bytes: hexadecimal digest of the uncompressed bytes; "" if they cannot be read
 * What is wrong with a damaged file is left in `error`, which is no failure of this function. */
iv_file_state iv_dataset_file_verify(const char *directory, const iv_dataset_info *info,
                                     size_t file, char *path, char *sha256, iv_error *error);

/* Whether a file of a set is there, plain or .gz.
 * path  out, at least 4096 bytes: the file found, or where it is expected */
bool iv_dataset_file_find(const char *directory, const iv_dataset_info *info, size_t file,
                          char *path);

/* Bytes received so far and in total (0 if unknown) of a file; return nonzero to cancel. */
typedef int (*iv_fetch_progress)(const char *file, uint64_t received, uint64_t total, void *state);

/* Download the files of an image set that are not already there in their published form. Each is
 * checked against its SHA-256 before it gets its name; nothing else is left behind.
 *
 * mirror    a URL or NULL for the official site; files are at MIRROR/NAME/FILE.gz, archives at
 *           MIRROR/NAME/ARCHIVE
 * progress  NULL for none
 *
 * An archive is checked, unpacked and removed, unless all its files are there already.
 *
 * IV_EINVAL if the set is built in, IV_EDATA if the bytes are not the
 * published ones, IV_EINTERRUPTED if cancelled, IV_EFAILED if the network or the disk fails. */
iv_status iv_dataset_fetch(const char *directory, const iv_dataset_info *info, const char *mirror,
                           iv_fetch_progress progress, void *state, iv_error *error);

/* Write a dataset of one channel as four uncompressed IDX files with MNIST's names into a
 * directory, which is made if it does not exist. */
iv_status iv_dataset_write_idx(const char *directory, const iv_dataset *dataset, iv_error *error);

/* ------------------------------------------------------------------ files */

typedef struct {
    const void *data;
    size_t bytes;
} iv_file_part;

/* Write a file so that at every moment, also after a crash, `path` holds either what it held before
 * or all of the new bytes: to a temporary file beside it, flushed to disk, then renamed. On failure
 * the temporary file is removed. A path that is a device or a pipe (/dev/stdout) is written
 * directly. IV_EFAILED with the system's reason: disk full, quota, permission, missing folder. */
iv_status iv_write_file_atomically(const char *path, const void *bytes, size_t n_bytes,
                                   iv_error *error);
iv_status iv_write_parts_atomically(const char *path, const iv_file_part *parts, size_t n_parts,
                                    iv_error *error);

/* Read a whole file of at most `limit` bytes; the caller frees *bytes, which has a zero byte after
 * its end. IV_EDATA if it is missing, unreadable, larger, or not a regular file. */
iv_status iv_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *n_bytes,
                       iv_error *error);

/* Remove from a folder what processes that were killed had begun to write there under temporary
 * names. For those alone who know that no living process writes into it. */
iv_status iv_remove_temporaries(const char *folder, iv_error *error);

/* Make a directory and its missing parents. */
iv_status iv_make_directories(const char *path, iv_error *error);

/* ------------------------------------------------------------------ NumPy arrays */

enum { IV_ARRAY_MAX_RANK = 8 };

typedef enum {
    IV_ARRAY_UINT8,
    IV_ARRAY_INT32,
    IV_ARRAY_FLOAT32,
    IV_ARRAY_INT8,
    IV_ARRAY_INT16,
    IV_ARRAY_UINT16,
    IV_ARRAY_UINT32,
    IV_ARRAY_INT64,
    IV_ARRAY_UINT64,
} iv_array_type;

/* As NumPy calls it: "uint8". */
const char *iv_array_type_name(iv_array_type type);

/* An array in C order. */
typedef struct {
    iv_array_type type;
    unsigned rank;
    size_t shape[IV_ARRAY_MAX_RANK];
    void *data;
} iv_array;

/* Element i of an array of integers; INT64_MAX for what is beyond it, -1 of an array of floats. */
int64_t iv_array_integer(const iv_array *array, size_t i);

/* Write a .npy file (format 1.0, little-endian), atomically. */
iv_status iv_npy_write(const char *path, const iv_array *array, iv_error *error);

/* Read a .npy file (format 1.0 to 3.0, little-endian, C order) of one of these types. The caller
 * frees array->data with free(). IV_EDATA for anything else, and for a size that does not match. */
iv_status iv_npy_read(const char *path, iv_array *array, iv_error *error);

/* ------------------------------------------------------------------ safetensors */

/* A named float32 tensor, row-major. */
typedef struct {
    const char *name;
    unsigned rank; /* 0 for a scalar */
    size_t shape[IV_ARRAY_MAX_RANK];
    const float *data;
} iv_tensor_entry;

/* One string of a file's "__metadata__". */
typedef struct {
    const char *key;
    const char *value;
} iv_metadata;

/* Write tensors in the given order, atomically. Data starts at a multiple of 8 bytes. IV_EINVAL for
 * a name that is empty, not UTF-8, given twice or "__metadata__". */
iv_status iv_safetensors_write(const char *path, const iv_tensor_entry *tensors, size_t n_tensors,
                               const iv_metadata *metadata, size_t n_metadata, iv_error *error);

/* The same with one more metadata string, "sha256": of all the file's bytes, with zeros in the place
 * of its own digits. */
iv_status iv_safetensors_write_sealed(const char *path, const iv_tensor_entry *tensors,
                                      size_t n_tensors, const iv_metadata *metadata,
                                      size_t n_metadata, iv_error *error);

typedef struct iv_safetensors iv_safetensors;

/* Read a file whole and check all of it: header length and JSON, types, shapes, and that the
 * tensors tile the data without gap or overlap. IV_EDATA if anything is wrong or a tensor is not
 * float32. */
iv_status iv_safetensors_open(const char *path, iv_safetensors **file, iv_error *error);

/* The same of a file from elsewhere, which may also hold numbers as F16, BF16 or F64: they become
 * floats, those of F64 the nearest ones. IV_EDATA for other types. */
iv_status iv_safetensors_open_converted(const char *path, iv_safetensors **file, iv_error *error);

/* The same of a file that was written sealed. IV_EDATA if it is not sealed, or if its SHA-256 is
 * another one. */
iv_status iv_safetensors_open_sealed(const char *path, iv_safetensors **file, iv_error *error);
void iv_safetensors_close(iv_safetensors *file); /* NULL is fine */

/* Tensors are in the order of their data. What these return lives until the file is closed. */
size_t iv_safetensors_count(const iv_safetensors *file);
const iv_tensor_entry *iv_safetensors_get(const iv_safetensors *file, size_t i);
const iv_tensor_entry *iv_safetensors_find(const iv_safetensors *file, const char *name);
const char *iv_safetensors_stored(const iv_safetensors *file, size_t i); /* as what: "F16" */
const char *iv_safetensors_metadata(const iv_safetensors *file, const char *key); /* or NULL */

#ifdef __cplusplus
}
#endif

#endif
