/* walproof_guard.h: may this path use SQLite's WAL mode?
 *
 * Made from crates/walproof-guard/src/c_abi.rs by its test `header`; do not change it here.
 * All functions may be called from any thread; an assessment is not changed after it was made. Texts are UTF-8, with
 * replacement characters where a path is not.
 */
#ifndef WALPROOF_GUARD_H
#define WALPROOF_GUARD_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flag: 'unknown' recommends WAL (fail open). Without it, it does not (fail closed). */
#define WALPROOF_FAIL_OPEN 1

/* Flag: make no scratch file. The best answer is 'unknown' then. */
#define WALPROOF_NO_PROBE 2

/* Flag: also let a forked child meet a POSIX lock of this process. */
#define WALPROOF_POSIX_CHILD 4

/* Verdict: everything measured is as WAL needs it; read the conditions among the reasons. */
#define WALPROOF_SAFE 0

/* Verdict: nothing broke, and something that cannot be seen from here may break it. */
#define WALPROOF_RISKY 1

/* Verdict: SQLite fails loudly; nothing is lost. */
#define WALPROOF_REFUSES 2

/* Verdict: it cannot be told from here. */
#define WALPROOF_UNKNOWN 3

/* Verdict: it breaks. */
#define WALPROOF_UNSAFE 4

/* An answer, to be freed with walproof_assessment_free. */
typedef struct walproof_assessment walproof_assessment;

/* May the database at this path use WAL? 'flags' is an or of the flags above. NULL only for a NULL path, unknown flags,
 * or a failure of the library itself: then do not use WAL. The database and the files beside it are not opened. */
walproof_assessment *walproof_assess(const char *path, unsigned int flags);

/* One of WALPROOF_SAFE to WALPROOF_UNSAFE; WALPROOF_UNKNOWN for NULL. */
int walproof_assessment_verdict(const walproof_assessment *assessment);

/* 1 if WAL is recommended, else 0; 0 for NULL. */
int walproof_assessment_may_use_wal(const walproof_assessment *assessment);

/* "safe", "risky", "refuses", "unknown" or "unsafe"; NULL for NULL. Valid until the assessment is freed. */
const char *walproof_assessment_verdict_word(const walproof_assessment *assessment);

/* "wal" or "delete", for PRAGMA journal_mode; NULL for NULL. Valid until the assessment is freed. */
const char *walproof_assessment_journal_mode(const walproof_assessment *assessment);

/* The recommended pragmas, ready for sqlite3_exec on every new connection; NULL for NULL. Valid until the assessment
 * is freed. */
const char *walproof_assessment_pragmas(const walproof_assessment *assessment);

/* The type of the file system as the kernel lists it, "" if that is not known; NULL for NULL. Valid until the
 * assessment is freed. */
const char *walproof_assessment_filesystem(const walproof_assessment *assessment);

/* Everything in one line, for a log; NULL for NULL. Valid until the assessment is freed. */
const char *walproof_assessment_line(const walproof_assessment *assessment);

/* Everything as one JSON document; NULL for NULL. Valid until the assessment is freed. */
const char *walproof_assessment_json(const walproof_assessment *assessment);

/* How many reasons there are; 0 for NULL. */
size_t walproof_assessment_reason_count(const walproof_assessment *assessment);

/* A reason as one sentence, the worst first; NULL for NULL or past the last. Valid until the assessment is freed. */
const char *walproof_assessment_reason(const walproof_assessment *assessment, size_t index);

/* Frees an assessment and all its text; does nothing for NULL. */
void walproof_assessment_free(walproof_assessment *assessment);

#ifdef __cplusplus
}
#endif

#endif
