/* Experiments: the one driver that takes a resolved spec to trained, measured and reported
 * networks, and the interface by which a study says what is its own.
 *
 * The driver makes populations of the spec's runs, trains each (curves, checkpoints, members that
 * diverge, progress), measures it, writes and reads models, and fills results. It knows no study by
 * name. A study is one `iv_study`: docs/adding-a-study.md says how to add one.
 */
#ifndef INVAR_EXPERIMENT_H
#define INVAR_EXPERIMENT_H

#include <invar/report.h>
#include <invar/schema.h>
#include <invar/spec.h>
#include <invar/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct iv_study iv_study;

/* ------------------------------------------------------------------ what is asked for */

typedef struct {
    const iv_spec *spec;
    const iv_study *study;
    iv_context *context;
    const char *data_dir; /* see iv_data_directory */
    iv_run_dir *dir;
    bool resume;  /* go on from the directory's checkpoint */
    bool join;    /* train with the other processes that work in the directory */
    bool leave;   /* do not wait for them where nothing is left to begin */
    bool profile; /* estimates have a profile of a training step; the context has to allow that */
    const volatile sig_atomic_t *stop;
    const iv_progress *progress;
    void (*message)(void *state, const char *text); /* a line of news; NULL for none */
    void (*warning)(void *state,
                    const char *text); /* a line that nobody should miss; NULL likewise */
    void *message_state;

    /* Called once the results are whole and before figures are drawn, so that whatever becomes of
     * these costs no result; NULL for nothing. A failure, with a message in the context's error,
     * is one of the run. */
    iv_status (*measured)(void *state, const iv_results *results);
    iv_status (*ended)(void *state); /* the same once figures are drawn, the last of all */
    void *measured_state;
} iv_job;

/* Refuse what cannot succeed, before a run directory is made (`dir` is not used): IV_EDATA if data
 * are missing or damaged, IV_ENOMEM if a population does not fit the device. */
iv_status iv_experiment_prepare(const iv_job *job);

/* Train everything, measure it, write models, logs, checkpoints and figures into the run directory,
 * and fill `results`. A figure that cannot be drawn is a warning. Metrics are logged to metrics.jsonl. Errors are in the context's error;
 * IV_EINTERRUPTED leaves a checkpoint that `resume` continues from, bit for bit.
 *
 * With `join`, a process among several: it trains the populations that no other does, and one of them
 * does the rest, to the same bytes. `results` are empty in the others. */
iv_status iv_experiment_run(const iv_job *job, iv_results *results);

/* Recompute every metric of a finished run from its exported models. Writes nothing. */
iv_status iv_experiment_evaluate(const iv_job *job, iv_results *results);

/* Make one run, in the job's directory, of finished runs of its spec in `dirs`, whose seeds are all those
 * of the spec: models and numbers are taken over, logs are merged in the order of one process, and
 * figures of all runs drawn. parts: [n] their results. IV_EDATA if something is missing there. */
iv_status iv_experiment_combine(const iv_job *job, const char *const *dirs, iv_results *parts,
                                size_t n, iv_results *results);

/* What a population would take. */
typedef struct {
    char name[96]; /* of its runs */
    size_t n_members;
    size_t bytes;        /* device memory, at once */
    double seconds;      /* of training and measuring, from a few measured steps */
    double step_seconds; /* of a training step; 0 where training is no sequence of them */
    iv_profile profile;  /* of one; empty unless the job asks for it */
} iv_estimate;

/* Device memory and time of each population, in order, on data that are made up; none if a
 * population's size is known only once its data are read, which this does not. Free *estimates,
 * NULL on failure, with iv_estimates_destroy. */
iv_status iv_experiment_estimate(const iv_job *job, iv_estimate **estimates, size_t *n_estimates);
void iv_estimates_destroy(iv_estimate *estimates, size_t n_estimates); /* NULL is fine */

/* ------------------------------------------------------------------ runs to populations */

/* One network to train. What is its own is read from its run's config. */
typedef struct {
    const iv_spec_run *run;
    uint32_t seed;
} iv_member;

/* Members that agree in all that their study's keys do not mark as a member's own, trained in
 * lockstep. */
typedef struct {
    const iv_node *config; /* of its first run; what is not a member's own is the same for all */
    const void *setting;   /* what the study read from it */
    iv_member *members;
    size_t n_members;
    size_t n_train, batch, epochs; /* dataset.train, training.batch, training.epochs */
    size_t steps_per_epoch;        /* whole batches */
} iv_population;

typedef struct {
    iv_spec_expansion expansion;
    iv_population *items;
    size_t n;
    void **settings; /* [n_settings], owned: pieces of one population share theirs */
    size_t n_settings;
} iv_populations;

/* Which runs train together, in the order of their first runs. */
iv_status iv_populations_create(const iv_study *study, const iv_spec *spec, iv_populations *all,
                                iv_error *error);

/* Divide populations that are larger than training.population, or than what fits the device where
 * that is 0. Results do not depend on it. */
iv_status iv_populations_split(const iv_study *study, const iv_device_info *device,
                               iv_populations *all, iv_error *error);
void iv_populations_clear(iv_populations *all); /* a zeroed one is fine */

/* ------------------------------------------------------------------ what a study gives */

/* What is open while an experiment runs. */
typedef struct iv_experiment iv_experiment;

/* What one member of a population takes, from its sizes alone. */
typedef struct {
    double buffer_bytes, bytes;    /* its largest buffer; all that is its own, an upper bound */
    double step_flops;             /* of the matrix products of a training step */
    double point_flops, end_flops; /* of measuring: at a point of the curves, at the end */
    size_t most_members;           /* of a population; 0: as many as fit */
    double fit_steps; /* > 0: trained by `fit` instead of by steps; about so many passes, of
                         step_flops each */
} iv_work;

enum { IV_MAX_MODEL_STATES = 4 };

/* A population on the device. A study's own struct begins with it. */
typedef struct {
    iv_context *context;
    const iv_population *population;
    iv_parameters *parameters;

    /* What is saved beside the parameters, in model files and in checkpoints; a NULL ends it early.
     */
    const iv_state *states[IV_MAX_MODEL_STATES];
} iv_model;

/* A plan whose run is one step, its optimizer, and the loss of the step. */
typedef struct {
    iv_optimizer *optimizer;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *loss; /* [1] */
} iv_training;
void iv_training_clear(iv_training *training); /* a zeroed one is fine */

/* Give a model its parameters, with initial values drawn from the members' seeds. */
iv_status iv_model_parameters(iv_model *model, const iv_parameter_desc *descs, size_t n_descs);

/* Complete a training that has its graph and loss: the loss's gradients, the update of
 * iv_model_optimizer and the plan. tensors: the model's parameters in that graph, in order; none of
 * them fixed. The caller clears the training, also after a failure. */
iv_status iv_training_compile(const iv_model *model, iv_tensor *const *tensors,
                              iv_training *training);

/* How far the training of a population has come. */
typedef struct {
    uint32_t step;
    size_t next_boundary; /* whose step comes next, see trainer.c */
    size_t n_members;
    float *losses;           /* [R] of the last step; zeros before the first */
    uint32_t *diverged_from; /* [R] epoch in which a member was found diverged, 0 if not */
} iv_position;

/* Numbers come in sets: what the metrics were measured on. */
typedef enum {
    IV_SPLIT_UNLOGGED, /* results alone */
    IV_SPLIT_TRAIN,    /* the log writes the splits in this order */
    IV_SPLIT_VALIDATION,
    IV_SPLIT_TEST,
} iv_log_split;

enum { IV_MAX_SETS = 16 };

typedef struct {
    char prefix[64]; /* of the metrics' names in results: "", "validation.", "drift.digits." */
    iv_log_split split;
} iv_metric_set;

/* One training step at the published size that `invar bench` knows by name. */
typedef struct {
    const char *name; /* "rotation-4-da" */
    const char *spec; /* YAML with one run; seeds are the benchmark's */
} iv_step_entry;

/* One run of the spec with its outcomes, and all of them: below. */
typedef struct iv_trained_run iv_trained_run;
typedef struct iv_trained_runs iv_trained_runs;

/* A study. Its functions come in groups, a table each, so that a file can keep its functions to
 * itself and give the table. Groups and functions that are marked optional may be NULL.
 *
 * Functions fail with a message in the context's error, and leave nothing allocated where they fail
 * to create.
 *
 * Values of members are [R, iv_values_size]: set by set, in each metric by metric, arrays in their
 * whole length. They are NaN to begin with.
 *
 * The driver itself reads these keys, which every study has: seeds, dataset.train, training.batch,
 * training.epochs, training.learning_rate (of runs that train by steps), training.population,
 * training.checkpoint_seconds, metrics.every_epochs or metrics.every_steps, figures.names if a
 * figure is drawn, and published if there is a paper. */

/* Data, which several populations may share. */
typedef struct {
    size_t size; /* of `data` */

    /* Whether a setting lacks what only the data themselves tell, such as the size of images of the
     * user's own; and filling it in, before anything is made of the setting. `data` as below. Both
     * optional. */
    bool (*is_unread)(const void *setting);
    iv_status (*describe)(iv_experiment *x, void *data, void *setting);

    /* Make `data`, zeroed or of an earlier population, hold what this one needs; made up if
     * x->synthetic. After a failure it may hold a part, which `clear` releases. */
    iv_status (*provide)(iv_experiment *x, const iv_population *population, void *data);
    void (*clear)(iv_context *context, void *data);

    /* Files about the data, written before a population is trained. Optional. */
    iv_status (*save)(iv_experiment *x, const iv_population *population);
} iv_study_data;

/* Populations on the device. */
typedef struct {
    /* A model with its initial parameters (see iv_model_parameters). It is `size` zeroed bytes that
     * begin with an iv_model, whose context and population are set; 0: an iv_model alone. `clear`
     * releases what `create` left there, also after a failure, but for the parameters, which the
     * driver destroys; optional. */
    size_t size;
    iv_status (*create)(iv_experiment *x, iv_model *model);
    void (*clear)(iv_model *model);

    /* Its training, ready for step 0 (see iv_training_compile). `training` is zeroed before, and
     * cleared if this fails. */
    iv_status (*create_training)(iv_experiment *x, iv_model *model, iv_training *training);

    /* Instead of a training, for populations whose work says so: leave the fitted parameters.
     * Optional. */
    iv_status (*fit)(iv_experiment *x, iv_model *model, const iv_progress *progress);
} iv_study_models;

/* Where the schema's metrics apply. */
typedef struct {
    /* Sets of a population (one without a prefix, logged as "test", where NULL), and how many
     * values a metric has there: 0: none, 1: a number, more: an array. curve: along the way. Where
     * NULL, every metric applies, arrays in their whole length. */
    size_t (*sets)(const iv_population *population, iv_metric_set sets[IV_MAX_SETS]);
    size_t (*applies)(const iv_population *population, const iv_member *member, size_t set,
                      size_t metric, bool curve);
} iv_study_sets;

/* Measuring. */
typedef struct {
    /* Measure a population, along the way (`curves`, again and again) or at the end. `open` gets
     * `size` zeroed bytes; `close` releases what it left there, also after a failure. position:
     * NULL at the end; its losses are those of the last step. time: add the seconds of a run, from
     * parts of it; where NULL, one whole run is timed. IV_EINTERRUPTED if x->job->stop becomes
     * nonzero. */
    size_t size;
    iv_status (*open)(iv_model *model, bool curves, void *measure);
    void (*close)(void *measure);
    iv_status (*run)(iv_experiment *x, void *measure, const iv_position *position, double *values);
    iv_status (*time)(void *measure, double *seconds);

    /* Instead of these, where one run of one plan tells everything: build it, the same along
     * the way and at the end, and return its only output (float); then take the values from what
     * that output was, [R, elements]. */
    iv_tensor *(*build)(iv_experiment *x, const iv_model *model, iv_graph *graph);
    void (*take)(iv_experiment *x, const iv_model *model, const float *output,
                 const iv_position *position, double *values);

    /* Lines of the log of one point: set by set, or member by member. */
    bool log_set_by_set;
} iv_study_measures;

/* What is made of all that was measured. Everything here is optional. */
typedef struct {
    /* The row of tables that a run stands in (its column is run->column). NULL: what the spec's
     * sweep varies, "all" if it has none. */
    void (*row_name)(const iv_population *population, const iv_spec_run *run, char *name,
                     size_t size);

    /* How good a run is beside its alternatives (less is better): the best of those that share row
     * and column is shown. */
    double (*cost)(const iv_trained_runs *all, const iv_trained_run *run);

    /* Cells of tables: whether a metric of set 0 is shown (NULL: every number that applies), or all
     * cells by the study itself. */
    bool (*shown)(const iv_trained_runs *all, const iv_trained_run *run, size_t metric);
    iv_status (*add_cells)(const iv_trained_runs *all, iv_results *results, iv_error *error);
    iv_status (*add_claims)(const iv_trained_runs *all, iv_results *results, iv_error *error);

    /* Figures of a population just trained, and of all. */
    iv_status (*draw_population)(iv_experiment *x, iv_model *model);
    iv_status (*draw)(const iv_experiment *x, const iv_trained_runs *all);
} iv_study_results;

struct iv_study {
    const iv_schema *schema; /* its keys and metrics */

    /* Read a config into a zeroed setting; cannot fail. Optional. */
    size_t setting_size;
    void (*read)(const iv_node *config, void *setting);
    void (*work)(const iv_population *population, iv_work *work);

    const iv_study_data *data; /* optional */
    const iv_study_models *models;
    const iv_study_sets *sets; /* optional */
    const iv_study_measures *measures;
    const iv_study_results *results; /* optional */
    const iv_step_entry *steps;      /* ends with a NULL name; NULL for none */
};

struct iv_experiment {
    const iv_job *job;
    const iv_study *study;
    iv_context *context;
    bool synthetic; /* data are made up: a rehearsal, an estimate or a benchmark */
    bool unread;    /* some settings have to be completed from data */
    bool training;  /* false: models are read back, nothing is written */
    iv_populations populations;
    void *data;                 /* the study's, of the last population */
    iv_log *log;                /* NULL unless training */
    iv_safetensors *checkpoint; /* to go on from; NULL once used */
    struct iv_lease *lease; /* of the population in work, in a run that several processes share; */
    char part[128], before[128]; /* and the folder of its log and checkpoint, and that of the
                                    checkpoint to go on from; "": those of the run directory */
    struct {
        double done, present, total; /* operations: before the present population, in it, in all */
        uint64_t shown_total;        /* as a count of steps */
    } progress;
};

/* ------------------------------------------------------------------ for studies */

/* A line of news for the user. */
void iv_experiment_say(const iv_experiment *x, const char *text);

/* IV_EINTERRUPTED, with its message, once the job is to stop. */
iv_status iv_experiment_stopped(const iv_experiment *x);

/* IV_ENOMEM with a message. */
iv_status iv_no_memory(iv_context *context);

/* Whether the spec asks for a figure; whether pictures of single networks show this member: those
 * of the first seed. */
bool iv_experiment_draws(const iv_experiment *x, const char *figure);
bool iv_experiment_shows(const iv_experiment *x, const iv_member *member);

/* Steps of a population's training, and from one point of the curves to the next (the last may come
 * sooner): metrics.every_epochs, or metrics.every_steps, where 0 gives about a hundred points. */
size_t iv_population_steps(const iv_population *population);
size_t iv_population_point_steps(const iv_population *population);

/* A number or a float of a member's own config. */
double iv_member_number(const iv_member *member, const char *path);
float iv_member_float(const iv_member *member, const char *path);

/* Seeds of all members [R]; the caller frees them. NULL if memory runs out. */
uint32_t *iv_member_seeds(const iv_population *population);

/* Numbers of all members' configs as floats, or their seeds as words, on the device: [R]. */
iv_status iv_member_upload(iv_context *context, const iv_population *population, const char *path,
                           cl_mem *buffer);
iv_status iv_member_upload_seeds(iv_context *context, const iv_population *population,
                                 cl_mem *buffer);

/* The optimizer that `training` describes: SGD (with `momentum` where there is such a key) if
 * training.optimizer is sgd, else Adam; each member has its own learning rate. */
iv_status iv_model_optimizer(const iv_model *model, iv_optimizer **optimizer);

/* Add to *seconds what n_batches take, from some of them, after two to warm up. */
typedef iv_status (*iv_batch_function)(void *state, size_t batch);
iv_status iv_time_batches(iv_batch_function run, void *state, size_t n_batches, double *seconds);

/* Take `piece` out of a list joined by "-"; false if it is not in there. Put spaces for the "-". */
bool iv_name_remove(char *list, const char *piece);
void iv_name_spaces(char *list);

/* "depth-d10-modulus": letters, digits and dots of `what`, dashes for all else but "=". */
enum { IV_FIGURE_NAME = 300 };
void iv_figure_name(const char *figure, const char *what, char name[IV_FIGURE_NAME]);

/* ------------------------------------------------------------------ values and runs */

size_t iv_study_metrics(const iv_study *study);
size_t iv_values_size(const iv_study *study);

/* Whether some member of some population has the metric among its results. */
bool iv_study_has_metric(const iv_study *study, const iv_populations *all, size_t metric);

/* Where a metric of a set lies among a member's values. */
size_t iv_value_index(const iv_study *study, size_t set, size_t metric);

struct iv_trained_run {
    const iv_spec_run *run;
    const iv_population *population; /* one that holds it */
    char row[256];
    const char *column;
    size_t n_seeds;
    const iv_member **members; /* [n_seeds] */
    const double **values;     /* [n_seeds], see iv_study */
    uint32_t *diverged_from;   /* [n_seeds] epoch in which a member was found diverged; 0: never */
    size_t n_alternatives;     /* runs of its row and column, itself included */
    bool chosen;               /* among those; true where the study has no `cost` */
};

struct iv_trained_runs {
    const iv_study *study;
    const iv_spec *spec;
    iv_trained_run *runs; /* [n], in the expansion's order */
    size_t n;
};

/* Values of all members of all populations: values[p] [R, iv_values_size], diverged[p] [R]. */
iv_status iv_trained_runs_create(const iv_study *study, const iv_spec *spec,
                                 const iv_populations *populations, double *const *values,
                                 uint32_t *const *diverged, iv_trained_runs *all, iv_error *error);
void iv_trained_runs_clear(iv_trained_runs *runs);

/* A number of one seed; the mean over seeds, NaN if one of them diverged. */
double iv_trained_value(const iv_trained_runs *all, const iv_trained_run *run, size_t seed,
                        size_t set, size_t metric);
double iv_trained_mean(const iv_trained_runs *all, const iv_trained_run *run, size_t set,
                       size_t metric);

/* Whether run number i is the first of its row. */
bool iv_trained_first_of_row(const iv_trained_runs *all, size_t i);

/* One cell: a metric of a run and set under a row and column, with the number published for
 * `published_row` (NULL: none). */
iv_status iv_trained_add_cell(const iv_trained_runs *all, const iv_trained_run *run, size_t set,
                              size_t metric, const char *row, const char *column,
                              const char *published_row, iv_results *results, iv_error *error);

/* Runs with every metric, the metrics' definitions, cells and claims. */
iv_status iv_trained_fill(const iv_trained_runs *all, iv_results *results, iv_error *error);

/* ------------------------------------------------------------------ curves */

/* What a curve shows: a metric of a run on a split, the mean over seeds at each logged epoch or
 * step. */
typedef struct {
    const char *run, *split, *metric;
    size_t element; /* of an array metric; SIZE_MAX for a number */
    bool by_step;   /* against the logged step instead of the epoch */
    bool magnitude; /* absolute values */
    double unit;    /* times this; 0 means 1 */
    bool dashed;
} iv_quantity;

/* Plots of curves from a run's metrics.jsonl, so that a resumed run has them whole: curves are
 * added, then drawn, and the next plot begins. */
typedef struct iv_chart iv_chart;
iv_status iv_chart_open(const iv_experiment *x, iv_chart **chart);
void iv_chart_close(iv_chart *chart); /* NULL is fine */

/* The curve is empty where nothing of it was logged. */
iv_status iv_chart_add(iv_chart *chart, const iv_quantity *quantity, const char *label, ...)
    IV_PRINTF(3, 4);

/* Draw what was added under the plot's title and labels (its series are not read) to
 * figures/FIGURE-OF, see iv_figure_name; figures/FIGURE if `of` is NULL. Nothing if nothing was
 * added. */
iv_status iv_chart_draw(iv_chart *chart, const iv_plot *plot, const char *figure, const char *of);

/* What became of figures/NAME, whose script is written whatever becomes of its pictures: `status` and
 * `drawn` of iv_plot_write. Says so if they are missing, with the command that draws them; that is
 * no failure. */
void iv_experiment_plotted(const iv_experiment *x, const char *name, iv_status status, bool drawn);

/* Write a plot to the run's figures; see iv_experiment_plotted. */
iv_status iv_experiment_plot(const iv_experiment *x, const iv_plot *plot, const char *name);

/* The figure that most studies have, if the spec asks for it: a number of each row's runs on a
 * split against epochs, figures/FIGURE-ROW. */
iv_status iv_experiment_draw_curves(const iv_experiment *x, const iv_trained_runs *all,
                                    const char *figure, const char *split, size_t metric);

/* ------------------------------------------------------------------ benchmarks */

/* One training step, ready to be replayed and timed. */
typedef struct {
    iv_plan *plan; /* a run is one step of all members */
    double flops;  /* of its matrix products, all members together */
    void *state;
} iv_step;

/* schemas: of the study at least. */
iv_status iv_step_open(iv_context *context, const iv_study *study, iv_schema_list schemas,
                       const iv_step_entry *entry, size_t n_members, iv_step *step);
void iv_step_close(iv_step *step); /* after a successful open */

#ifdef __cplusplus
}
#endif

#endif
