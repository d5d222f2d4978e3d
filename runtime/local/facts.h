/* facts: what is inferred of the real service, each choice in one place (facts.inc) so that it can be changed when it proves
 * wrong, and bent with `upjob local --fact`: `upjob probe` checks the same facts, by the same names, on a real account.
 * What the vendor documents stands in the service model (core/operations_table.c), and below. */
#ifndef UPJOB_LOCAL_FACTS_H
#define UPJOB_LOCAL_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/* DataExpiry when CreateUploadJob gives none, in days (documented). */
#define FACT_DEFAULT_EXPIRY_DAYS 14
/* How far a request's clock may be from the service's, in seconds (documented for Signature Version 4). */
#define FACT_MAX_SKEW 300
/* Pages when MaxResults is not given (documented for SearchProfiles). */
#define FACT_DEFAULT_PAGE 100
#define FACT_DEFAULT_SEARCH_PAGE 20
/* The most fields that the console maps (documented). */
#define FACT_CONSOLE_FIELDS 25
/* A group whose Type, SourceType or Include is not given, and a profile whose ProfileType is not (inferred). */
#define FACT_DEFAULT_INCLUDE "ALL"
#define FACT_DEFAULT_PROFILE_TYPE "PROFILE"

struct facts {
#define CHOICE(member, name, inferred, other) bool member;
#define AMOUNT(member, name, inferred, least, most) double member;
#include "local/facts.inc"
#undef CHOICE
#undef AMOUNT
};
/* Everything as it is inferred. */
extern const struct facts facts_inferred;

/* A row of facts.inc. */
struct fact {
    const char *name;
    const char *inferred, *other; /* NULL: it is an amount */
    double amount, least, most;   /* of an amount: what is inferred, and the limits */
    size_t offset;                /* in struct facts */
};
/* All of them; the last has no name. */
extern const struct fact facts_table[];

/* "nul-byte=taken,max-value=300" over `facts`. ERR_USAGE names the fact or the value that there is not. */
bool facts_bend(struct facts *facts, const char *spec, struct err *err) MUST_CHECK;

#endif
