/* err: what went wrong, where, and whether to try again.
 *
 * One struct is filled by the function that fails and is owned by the caller;
 * it holds its text in place, so there is nothing to free. Functions that can
 * fail return bool (true = done) or a pointer (NULL = failed) and take a
 * `struct err *` that is never NULL. Text in it never holds a secret.
 */
#ifndef UPJOB_CORE_ERR_H
#define UPJOB_CORE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

struct err {
    char code[64];        /* an API code ("ThrottlingException") or one of ERR_* below */
    char message[768];    /* a sentence for a person: what is wrong and what to do */
    char operation[64];   /* the API operation, "" when none */
    int status;           /* HTTP status, 0 when there was no reply */
    char request_id[128]; /* x-amzn-RequestId or x-amz-request-id, "" when none */
    int attempts;         /* how often an operation was sent, 0 when never or unknown */
    bool retryable;       /* the same call may succeed later */
    bool unknown_outcome; /* it was sent and may have been carried out, which no answer told: not to be sent again unseen */
    char file[512];       /* the file that the error is about, "" when none */
    long line;            /* physical line in it, from 1; 0 when unknown */
    long column;          /* cell in the record, from 1; 0 when unknown */
    char value[128];      /* the offending value, shortened; personal data: mask before printing */
};

/* Codes of our own, beside the API's. They decide the exit status. */
#define ERR_USAGE "UsageError"                 /* 2: misuse by the caller */
#define ERR_CONFIG "ConfigurationError"        /* 3: region, endpoint, profile file */
#define ERR_CREDENTIALS "CredentialsError"     /* 3: none found, or half a pair */
#define ERR_VALIDATION "ParamValidationError"  /* 2: a parameter breaks the service model */
#define ERR_CONNECTION "ConnectionError"       /* no reply: refused, reset, name not found */
#define ERR_TIMEOUT "TimeoutError"             /* 124 */
#define ERR_CANCELLED "Cancelled"              /* a wait was given up */
#define ERR_INTERRUPTED "Interrupted"          /* 128 and the signal's number */
#define ERR_FILE "FileError"                   /* 7 in an import: cannot be opened or read */
#define ERR_CSV "CsvError"                     /* 7: not readable as CSV at a line */
#define ERR_INVALID_FILE "InvalidFile"         /* 7: readable, but cannot be imported */
#define ERR_RESPONSE "InvalidResponse"         /* a reply that breaks the service model */
#define ERR_MEMORY "OutOfMemory"
#define ERR_SYSTEM "SystemError"               /* a system call failed */
#define ERR_INTERNAL "InternalError"           /* a fault of this program */

/* Empties `e`. */
void err_clear(struct err *e);

/* Sets code and message, keeps the other fields. Always returns false, so that
 * `return err_set(e, …)` ends a function. Overlong text is cut at a UTF-8 boundary. */
bool err_set(struct err *e, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);

/* As err_set, followed by ": " and the text of `errnum`. */
bool err_errno(struct err *e, const char *code, int errnum, const char *format, ...) PRINTF_LIKE(4, 5);

/* Says which place in which file the error is about. `value` may be NULL. Returns false. */
bool err_at(struct err *e, const char *file, long line, long column, const char *value);

/* True when `e->code` is `code`. */
bool err_is(const struct err *e, const char *code);

/* Copies the whole error as one line of text, as a person should read it:
 * "file:line: message" or "Operation: Code: message (request id …, 3 attempts)". Returns `out`. */
const char *err_text(const struct err *e, char *out, size_t size);

#endif
