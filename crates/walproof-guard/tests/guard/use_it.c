/* The guard from C: first line "verdict mode filesystem", then the reasons. */
#include <stdio.h>
#include <string.h>

#include "walproof_guard.h"

int main(int count, char **arguments) {
    walproof_assessment *assessment;
    size_t index;

    if (count != 2 || walproof_assess(NULL, 0) != NULL) return 2;
    assessment = walproof_assess(arguments[1], WALPROOF_POSIX_CHILD);
    if (assessment == NULL) return 3;
    printf("%s %s %s\n", walproof_assessment_verdict_word(assessment), walproof_assessment_journal_mode(assessment),
           walproof_assessment_filesystem(assessment));
    for (index = 0; index < walproof_assessment_reason_count(assessment); index++)
        printf("  %s\n", walproof_assessment_reason(assessment, index));
    printf("%s\n%s\n", walproof_assessment_pragmas(assessment), walproof_assessment_line(assessment));
    if (walproof_assessment_reason(assessment, index) != NULL) return 4;
    if (walproof_assessment_may_use_wal(assessment) != !strcmp(walproof_assessment_journal_mode(assessment), "wal"))
        return 5;
    if (walproof_assessment_verdict(assessment) > WALPROOF_UNSAFE) return 6;
    walproof_assessment_free(assessment);

    assessment = walproof_assess("/nowhere/at/all/a.db", WALPROOF_NO_PROBE | WALPROOF_FAIL_OPEN);
    if (walproof_assessment_verdict(assessment) != WALPROOF_UNKNOWN) return 7;
    if (!walproof_assessment_may_use_wal(assessment)) return 8;
    walproof_assessment_free(assessment);
    walproof_assessment_free(NULL);
    return 0;
}
