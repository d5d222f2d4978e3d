/* state_private: what state.c and state_jobs.c share. */
#ifndef UPJOB_LOCAL_STATE_PRIVATE_H
#define UPJOB_LOCAL_STATE_PRIVATE_H

#include "core/sql.h"
#include "local/state.h"

struct state {
    sqlite3 *db;
    const struct objects *objects;
    const struct facts *inferred;
};

/* Sets code, message and HTTP status; always false. */
bool state_refuse(struct err *err, int status, const char *code, const char *message);
/* 404 when there is none of that name. */
bool state_find_domain(struct state *s, const char *name, int64_t *id, struct err *err) MUST_CHECK;
/* Where a page begins: "" without a token; 400 for one that is not of `scope`. */
bool state_page_position(struct state *s, const char *scope, const char *next_token, char *out, size_t size,
                         struct err *err) MUST_CHECK;
bool state_add_token(struct state *s, const char *scope, const char *position, cJSON *reply, struct err *err) MUST_CHECK;

#endif
