/* `invar submit`: the scripts, by a stand-in for sbatch that runs them here, and by Slurm itself on one
 * node, where it is installed and can be started. */
#include "../kit/process.h"

#include "studies.h"

#include <jansson.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { PATIENCE = 90 };

static char bin[SCRATCH_PATH], conf[SCRATCH_PATH];

static void pause_ms(long ms) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* All is written, and what the processes shared is removed. */
static bool is_done(const char *dir) {
    return exists(in(dir, "report.html")) && !exists(in(dir, "parts")) &&
           !exists(in(dir, "parts-finished"));
}

static bool await_done(const char *dir) {
    for (int i = 0; i < PATIENCE * 10 && !is_done(dir); i++) pause_ms(100);
    return is_done(dir);
}

/* Tasks of an array side by side, a job that depends on another after it. Options of the script's
 * #SBATCH lines are read as sbatch does. */
static const char stand_in[] =
    "#!/bin/sh\n"
    "here=$(dirname \"$0\")\n"
    "after=; array=\n"
    "while [ $# -gt 1 ]; do\n"
    "    case $1 in\n"
    "    --dependency=afterany:*) after=${1##*:} ;;\n"
    "    --array=*) array=${1#*=} ;;\n"
    "    --parsable) ;;\n"
    "    *) echo \"sbatch: unknown option $1\" >&2; exit 1 ;;\n"
    "    esac\n"
    "    shift\n"
    "done\n"
    "[ -n \"$array\" ] || array=$(sed -n 's/^#SBATCH --array=//p' \"$1\")\n"
    "id=$(($(ls \"$here\" | grep -c '^job-') + 100))\n"
    "mkdir \"$here/job-$id\" || exit 1\n"
    "(\n"
    "    while [ -n \"$after\" ] && ! [ -e \"$here/job-$after/ended\" ]; do sleep 0.1; done\n"
    "    last=${array#*-}\n"
    "    i=${array%-*}\n"
    "    while [ \"${i:=0}\" -le \"${last:=0}\" ]; do\n"
    "        SLURM_ARRAY_TASK_ID=$i sh \"$1\" >\"$here/job-$id/log-$i\" 2>&1 &\n"
    "        i=$((i + 1))\n"
    "    done\n"
    "    wait\n"
    "    : >\"$here/job-$id/ended\"\n"
    ") >/dev/null 2>&1 &\n"
    "echo \"$id;cluster\"\n";

static void with_stand_in(void) {
    char path[4 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s:%s", bin, getenv("PATH"));
    setenv("PATH", path, 1);
}

static void without_slurm(void) {
    setenv("PATH", bin, 1);
}

static void with_slurm(void) {
    setenv("SLURM_CONF", conf, 1);
}

static int make_specs(void **state) {
    if (make_scratch(state) != 0) return -1;
    snprintf(bin, sizeof bin, "%s", in_scratch(state, "bin"));
    spill(in_scratch(state, "spec.yaml"), specs[0][1]);
    return mkdir(bin, 0700);
}

static const char *spec_of(void **state) {
    return in_scratch(state, "spec.yaml");
}

/* ------------------------------------------------------------------ scripts */

static void a_dry_run_shows_the_scripts_and_writes_nothing(void **state) {
    char *out = strdup(in_scratch(state, "run"));
    outcome o = invar_with(state, without_slurm,
                           ARGUMENTS("submit", spec_of(state), "--out", out, "--array",
                                     "--partition", "short", "--time", "2:00:00",
                                     "--sbatch=--gres=gpu:1", "--device", "gpu", "--dry-run"));
    assert_status(&o, 0);
    static const char *const lines[] = {
        "#SBATCH --array=0-3\n",  "#SBATCH --partition=short\n", "#SBATCH --time=2:00:00\n",
        "#SBATCH --gres=gpu:1\n", "#SBATCH --requeue\n",         "--join --no-wait",
        "--device 'gpu'",         "sbatch --parsable",           "--dependency=afterany:"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) assert_contains(o.out, lines[i]);
    outcome_free(&o);
    assert_false(exists(out));
    free(out);
}

static void what_slurm_cannot_be_told_is_refused(void **state) {
    const char *out = in_scratch(state, "run");
    invar_fails(state, ARGUMENTS("submit", spec_of(state)), 2, "--out", NULL);
    invar_fails(state, ARGUMENTS("submit", spec_of(state), "--out", out, "--tasks", "0"), 2,
                "--tasks", NULL);
    invar_fails(state, ARGUMENTS("submit", spec_of(state), "--out", in_scratch(state, "a b")), 2,
                "blanks", NULL);
    invar_fails(state,
                ARGUMENTS("submit", spec_of(state), "--out", out, "--partition", "x\n#SBATCH -n9"),
                2, "--partition", NULL);
    invar_fails(state, ARGUMENTS("submit", spec_of(state), "--out", out, "--sbatch", "rm -rf"), 2,
                "expected an option of sbatch", NULL);
    outcome o = invar_with(state, without_slurm, ARGUMENTS("submit", spec_of(state), "--out", out));
    assert_status(&o, 1);
    assert_contains(o.err, "no sbatch");
    outcome_free(&o);
}

/* ------------------------------------------------------------------ jobs */

static void tasks_and_the_job_after_them_make_the_bytes_of_one(void **state) {
    char whole[SCRATCH_PATH], out[SCRATCH_PATH], slurm[SCRATCH_PATH + 16];
    snprintf(whole, sizeof whole, "%s", in_scratch(state, "whole"));
    snprintf(out, sizeof out, "%s", in_scratch(state, "run"));
    snprintf(slurm, sizeof slurm, "%s/slurm", out);
    spill(in(bin, "sbatch"), stand_in);
    assert_int_equal(chmod(in(bin, "sbatch"), 0700), 0);
    invar_succeeds(state,
                   ARGUMENTS("run", spec_of(state), "--quiet", "--out", whole, "--seeds", "1"));
    outcome o = invar_with(
        state, with_stand_in,
        ARGUMENTS("submit", spec_of(state), "--out", out, "--tasks", "2", "--seeds", "1"));
    assert_status(&o, 0);
    assert_contains(o.out, "job 100: 2 tasks; job 101 ends the run");
    outcome_free(&o);
    assert_true(await_done(out));
    remove_tree(slurm);
    assert_same_folder(whole, out, other_bytes);
    while (!exists(in(bin, "job-101/ended"))) pause_ms(20);
}

/* ------------------------------------------------------------------ Slurm */

static bool has_slurm(void) {
    return geteuid() == 0 &&
           system("command -v slurmctld slurmd sbatch sinfo >/dev/null 2>&1") == 0;
}

static void write_conf(void **state, const char *host) {
    char text[4096];
    const char *const dir = *state;
    const int port = 20000 + (int)(getpid() % 10000) * 2;
    snprintf(text, sizeof text,
             "ClusterName=test\nSlurmctldHost=%s(127.0.0.1)\nAuthType=auth/none\n"
             "CredType=cred/none\nSlurmUser=root\nSlurmdUser=root\nSlurmctldPort=%d\n"
             "SlurmdPort=%d\nStateSaveLocation=%s\nSlurmdSpoolDir=%s/spool\n"
             "SlurmctldPidFile=%s/ctld.pid\nSlurmdPidFile=%s/slurmd.pid\n"
             "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\n"
             "MpiDefault=none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n"
             "SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0\n"
             "ReturnToService=2\nMailProg=/bin/true\nJobAcctGatherType=jobacct_gather/none\n"
             "AccountingStorageType=accounting_storage/none\n"
             "NodeName=%s NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n"
             "PartitionName=debug Nodes=%s Default=YES MaxTime=INFINITE State=UP\n",
             host, port, port + 1, dir, dir, dir, dir, host, host);
    spill(conf, text);
}

static pid_t start_daemon(void **state, const char *name) {
    fflush(NULL);
    const pid_t pid = fork();
    if (pid != 0) return pid;
    with_slurm();
    const int log = open(in_scratch(state, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(126);
    execlp(name, name, "-D", (char *)NULL);
    _exit(127);
}

static bool node_is_idle(void) {
    char command[SCRATCH_PATH + 128];
    snprintf(command, sizeof command,
             "SLURM_CONF='%s' timeout 5 sinfo -h -o %%T 2>/dev/null | grep -qx idle", conf);
    return system(command) == 0;
}

static void end_daemon(pid_t pid) {
    kill(pid, SIGTERM);
    for (int i = 0; i < 50; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid) return;
        pause_ms(100);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void slurm_itself_makes_the_bytes_of_one(void **state) {
    if (!has_slurm()) SKIP_BECAUSE("needs slurmctld and slurmd, and root to start them");
    char whole[SCRATCH_PATH], out[SCRATCH_PATH], slurm[SCRATCH_PATH + 16], host[256];
    snprintf(whole, sizeof whole, "%s", in_scratch(state, "whole"));
    snprintf(out, sizeof out, "%s", in_scratch(state, "run"));
    snprintf(slurm, sizeof slurm, "%s/slurm", out);
    snprintf(conf, sizeof conf, "%s", in_scratch(state, "slurm.conf"));
    assert_int_equal(gethostname(host, sizeof host), 0);
    host[strcspn(host, ".")] = '\0';
    write_conf(state, host);
    assert_int_equal(mkdir(in_scratch(state, "spool"), 0700), 0);
    const pid_t controller = start_daemon(state, "slurmctld"), node = start_daemon(state, "slurmd");
    bool idle = false;
    for (int i = 0; i < 60 && !idle; i++) {
        pause_ms(250);
        idle = node_is_idle();
    }
    bool done = false;
    if (idle) {
        invar_succeeds(state, ARGUMENTS("run", spec_of(state), "--quiet", "--out", whole));
        outcome o = invar_with(state, with_slurm,
                               ARGUMENTS("submit", spec_of(state), "--out", out, "--array",
                                         "--partition", "debug", "--time", "5"));
        if (o.status == 0) done = await_done(out);
        if (o.status != 0) print_message("%s", o.err);
        outcome_free(&o);
    }
    end_daemon(node);
    end_daemon(controller);
    if (!idle) SKIP_BECAUSE("Slurm's daemons do not start here");
    assert_true(done);
    remove_tree(slurm);
    assert_same_folder(whole, out, other_bytes);
}

int main(void) {
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_dry_run_shows_the_scripts_and_writes_nothing, make_specs,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(what_slurm_cannot_be_told_is_refused, make_specs,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(tasks_and_the_job_after_them_make_the_bytes_of_one,
                                        make_specs, remove_scratch),
        cmocka_unit_test_setup_teardown(slurm_itself_makes_the_bytes_of_one, make_specs,
                                        remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
